"""What the CUDA kernels are told of a mask besides the mask itself."""

import numpy as np
import pytest

from minisora.kernels.cuda_attention import see

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
