"""What the CUDA kernels are told of a mask besides the mask itself, and which of them are launched."""

import numpy as np
import pytest

from minisora.kernels import cuda_tensor
from minisora.kernels.cuda_attention import Call, see

pytestmark = pytest.mark.fake_device


def test_where_a_row_begins_ends_and_has_its_first_hole(device):
    """Of rows with holes, without a visible key, and whole: the first visible key, one behind the last, the first hole.

    A row that sees nothing begins behind its end: no key is looked at.
    """
    mask = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    visible, seen = (device.asnumpy(array) for array in see(device, device.asarray(mask)))
    np.testing.assert_array_equal(seen, [[1, 3, 0], [0, 4, 2], [5, 0, 0], [0, 5, 5]])
    np.testing.assert_array_equal(visible, mask)
    assert seen.dtype == np.int32


@pytest.mark.parametrize(("d_k", "d_v", "parts"), [(65, 48, 1), (65, 65, 2), (112, 17, 2), (17, 112, 2), (64, 64, 1)])
def test_dk_and_dv_are_launched_apart_where_a_thread_has_no_room_for_both(device, monkeypatch, d_k, d_v, parts):
    """Of sizes filled up to multiples of 16, more than 128 of four bytes together."""
    launched = []

    def launch(rung, call, half, kernel, tile, length, *arrays, **part):
        launched.append((kernel, length, part))

    monkeypatch.setattr(cuda_tensor, "row_products", lambda *arrays: None)
    monkeypatch.setattr(cuda_tensor.TensorRung, "tile", lambda *of, backward: None)
    monkeypatch.setattr(cuda_tensor.TensorRung, "launch", launch)
    q, k, v, out = (device.zeros((2, 3, n, d), "float32") for n, d in ((5, d_k), (7, d_k), (7, d_v), (5, d_v)))
    call = Call(q, k, v, *see(device, None), 0, 1.0, (0, 0, 1.0), {"MASKED": 0, "DROPS": 0})
    (rung,) = (one for one in cuda_tensor.RUNGS if one.NAME == "cuda-3xtf32")
    found = rung.backward(call, out, out, None)
    assert [one.shape for one in found] == [q.shape, k.shape, v.shape]
    both, dk, dv = ({"GIVES_DK": one, "GIVES_DV": other} for one, other in ((1, 1), (1, 0), (0, 1)))
    keys = [("attention_backward_kv", 7, part) for part in ([both] if parts == 1 else [dk, dv])]
    assert [one for one in launched if one[0] != "attention_backward_q"] == keys
    assert [one[:2] for one in launched if one[0] == "attention_backward_q"] == [("attention_backward_q", 5)]
