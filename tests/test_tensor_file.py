"""The reader of safetensors: what it takes, and what it refuses before it reads an array."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy

from minisora.tensor_file import CheckpointError, open_tensors, read_header, read_tensors, tensors_to_bytes


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(2, 3)).astype(np.float32),
        "b.c": rng.normal(size=5),
        "d": np.float16(7) * np.ones((1, 1, 2), np.float16),
    }


def test_there_and_back(tmp_path, tensors):
    (tmp_path / "x").write_bytes(tensors_to_bytes(tensors, "说明"))
    back = dict(read_tensors(tmp_path / "x"))
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert read_header(tmp_path / "x").description == "说明"


@pytest.mark.parametrize(
    "order", [lambda a: a.T, lambda a: a[:, ::2], lambda a: np.asfortranarray(a), lambda a: a[::-1]]
)
def test_any_memory_order_is_written_right(tmp_path, order):
    """The library alone writes the raw buffer: a transposed matrix comes back scrambled."""
    array = order(np.arange(35.0).reshape(5, 7))
    (tmp_path / "x").write_bytes(tensors_to_bytes({"a": array}))
    np.testing.assert_array_equal(dict(read_tensors(tmp_path / "x"))["a"], array)
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "x")["a"], array)


def test_no_dimension_stays_none(tmp_path):
    (tmp_path / "x").write_bytes(tensors_to_bytes({"a": np.array(3.0)}))
    assert dict(read_tensors(tmp_path / "x"))["a"].shape == ()


def test_the_bytes_are_the_same_every_time(tensors):
    assert tensors_to_bytes(tensors, "x") == tensors_to_bytes(dict(reversed(tensors.items())), "x")


def raw(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def field(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file"),
        (b"\x02\0\0", "not a safetensors file"),
        (raw({}, length=1 << 60), "not a safetensors file"),
        (raw({}, length=50), "not a safetensors file"),
        (raw(b"{'a': 1}"), "not valid JSON"),
        (raw(b"\xff\xfe"), "not valid JSON"),
        (raw(b"[" * 100_000), "not valid JSON"),
        (raw(b'{"a": 1, "a": 1}'), "same key occurs twice"),
        (raw(b"[1]"), "not a JSON object"),
        (raw({"__metadata__": {"a": 1}}), "metadata"),
        (raw({"a": 3}), "not understood"),
        (raw({"a\n": field()}), "name that is not understood"),
        (raw({"\ud800": field()}), "name that is not understood"),
        (raw({"a" * 300: field()}), "name that is not understood"),
        (raw({"a": field(shape=(float("nan"),))}), "NaN is no JSON"),
        (raw({"a": field(dtype="I64")}), "not understood"),
        (raw({"a": field(dtype=["F32"])}), "not understood"),
        (raw({"a": {**field(), "more": 1}}), "not understood"),
        (raw({"a": field(shape=(-2,))}), "not understood"),
        (raw({"a": field(shape=(True, 2))}), "not understood"),
        (raw({"a": field(shape=2)}), "not understood"),
        (raw({"a": field(offsets=(0, 8, 9))}), "not understood"),
        (raw({"a": field(offsets=(0, 1 << 70))}), "not understood"),
        (raw({"a": field(shape=(3,))}, bytes(8)), "does not fit its shape"),
        (raw({"a": field(shape=(1 << 30, 1 << 30))}, bytes(8)), "does not fit its shape"),
        (raw({"a": field()}, bytes(9)), "holds 9 bytes"),
        (raw({"a": field()}, bytes(7)), "holds 7 bytes"),
        (raw({"a": field(), "b": field()}, bytes(8)), "gap or overlaps before 'b'"),
        (raw({"a": field(offsets=(4, 12))}, bytes(12)), "gap or overlaps before 'a'"),
    ],
)
def test_a_bad_header_is_one_sentence(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_header(tmp_path / "x")
    assert str(tmp_path / "x") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_a_file(tmp_path):
    for path, message in ((tmp_path / "none", "cannot read"), (tmp_path, "not a regular file")):
        with pytest.raises(CheckpointError, match=message):
            read_header(path)


def test_a_file_that_is_replaced_while_it_is_read(tmp_path, tensors):
    """Header and arrays come from one file, whatever the name leads to in between."""
    (tmp_path / "x").write_bytes(tensors_to_bytes(tensors))
    with open_tensors(tmp_path / "x") as file:
        (tmp_path / "y").write_bytes(tensors_to_bytes({"a": np.zeros((7, 5))}))
        (tmp_path / "y").replace(tmp_path / "x")
        back = file.arrays()
    np.testing.assert_array_equal(back["b.c"], tensors["b.c"])


def test_a_file_that_is_cut_while_it_is_read(tmp_path):
    (tmp_path / "x").write_bytes(tensors_to_bytes({"a": np.ones(100_000)}))
    with open_tensors(tmp_path / "x") as file:
        os.truncate(tmp_path / "x", 500_003)
        with pytest.raises(CheckpointError, match="ends in the middle of"):
            file.arrays()


def test_arrays_of_any_memory_order_are_filled(tmp_path):
    """Longer than one chunk, and into half, single and double precision."""
    values = np.random.default_rng(0).normal(size=(307, 251)).astype(np.float32)
    (tmp_path / "x").write_bytes(tensors_to_bytes({"a": values}))
    for target in (np.empty((307, 251)), np.empty((307, 251), order="F"), np.empty((614, 251), np.float32)[::2]):
        with open_tensors(tmp_path / "x") as file:
            file.read_into({"a": target})
        np.testing.assert_array_equal(target, values)


def test_a_value_that_a_smaller_type_cannot_hold(tmp_path):
    (tmp_path / "x").write_bytes(tensors_to_bytes({"a": np.array([1.0, 1e300])}))
    with open_tensors(tmp_path / "x") as file, pytest.raises(CheckpointError, match="a that float32 cannot hold"):
        file.read_into({"a": np.empty(2, np.float32)})


def test_arrays_without_a_number_may_stand_anywhere(tmp_path):
    tensors = {"a": np.zeros((0, 3), np.float32), "b": np.ones(2, np.float32), "c": np.zeros(0, np.float32)}
    (tmp_path / "x").write_bytes(tensors_to_bytes(tensors))
    assert {name: array.shape for name, array in read_tensors(tmp_path / "x").items()} == {
        "a": (0, 3),
        "b": (2,),
        "c": (0,),
    }


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused(tmp_path, tensors, value):
    tensors["b.c"][3] = value
    (tmp_path / "x").write_bytes(tensors_to_bytes(tensors))
    with pytest.raises(CheckpointError, match=r"a value in b\.c that is not finite"):
        dict(read_tensors(tmp_path / "x"))
