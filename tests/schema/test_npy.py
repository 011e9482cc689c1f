"""Does an array travel as .npy unchanged, and is everything refused that is none?"""

from __future__ import annotations

import io

import numpy as np
import pytest

from chariots.errors import MalformedRequestError
from chariots.schema import npy
from chariots.schema.places import UnsupportedError

ARRAYS = {
    "floats": np.arange(6.0).reshape(2, 3),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "one value": np.array(3),
    "no rows": np.zeros((0, 3)),
    "no columns": np.ones((2, 0)),
    "text": np.array(["a", "bc"]),
    "every second": np.arange(10)[::2],
    "records": np.array([("a", 1)], dtype=[("x", "U3"), ("y", int)]),
    "dates": np.array(["2020-01-01"], "M8[ns]"),
    "half": np.array([0.5, np.nan], np.float16),
}


def saved(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_numpy_reads_what_is_written_and_the_other_way_round(array):
    for read in (np.load(io.BytesIO(npy.dumps(array)), allow_pickle=False), npy.loads(saved(array))):
        assert (read.dtype, read.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read, array)


def test_an_array_that_is_read_looks_at_the_body_and_copies_nothing():
    body = saved(np.arange(1000.0))
    read = npy.loads(body)
    assert np.shares_memory(read, np.frombuffer(body, np.uint8))
    assert not read.flags.writeable


def test_another_byte_order_becomes_that_of_this_machine():
    read = npy.loads(saved(np.array([1, 2], ">i4")))
    assert read.dtype.isnative
    assert read.tolist() == [1, 2]


def test_a_pickle_is_never_read():
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    with pytest.raises(MalformedRequestError, match="Python objects, which are a pickle"):
        npy.loads(saved(np.array([Trap()], dtype=object)))


def with_header(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "magic string"),
        (b"PK\x03\x04 an npz file", "magic string"),
        (saved(np.arange(3))[:-1], "promises 24 bytes .* and 23 follow"),
        (saved(np.arange(3)) + b"x", "promises 24 bytes .* and 25 follow"),
        (b"\x93NUMPY\x03\x00" + saved(np.arange(3))[8:], "version 3.0"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"), "promises"),
        (with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", bytes(8)), "negative length"),
        (with_header("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000000,)}"), "no size"),
        (with_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8)), "Python objects"),
        (with_header("__import__('os').system('true')"), "header is none .malformed"),
        (with_header("(" * 9000), "header is none"),
        (with_header(" " * 20_000), "header is none .*expected 20000 bytes"),
    ],
)
def test_a_body_that_is_no_array_is_refused_with_the_reason(body, reason):
    with pytest.raises(MalformedRequestError, match=reason):
        npy.loads(body)


def test_lists_of_numbers_are_an_array():
    assert npy.loads(npy.dumps([[1, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]
    assert npy.loads(npy.dumps(2.5)).tolist() == 2.5


@pytest.mark.parametrize("value", [{"a": 1}, None, [[1], [2, 3]], [{"a": 1}], np.array([None])])
def test_a_value_that_is_no_array_is_not_written(value):
    with pytest.raises(UnsupportedError):
        npy.dumps(value)
