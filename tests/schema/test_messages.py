"""Does MessagePack hold what JSON holds, and is everything else refused?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
import pytest

from chariots import schema
from chariots.errors import MalformedRequestError
from chariots.schema import messages
from chariots.schema.places import UnsupportedError


@dataclass
class Flower:
    petals: np.ndarray


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "text"]},
        np.arange(4.0).reshape(2, 2),
        np.array(["2020-01-01"], "M8[D]"),
        np.float32(2),
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        [Flower(np.array([1, 2]))],
        {1, 2},
    ],
)
def test_a_value_is_the_same_as_in_json(value):
    assert messages.loads(messages.dumps(value)) == schema.loads(schema.dumps(value))


def test_bytes_stay_bytes_and_nan_stays_nan():
    read = messages.loads(messages.dumps({"bytes": b"\xff", "nan": np.array([np.nan])}))
    assert read["bytes"] == b"\xff"
    assert math.isnan(read["nan"][0])


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b"\x91" * 100_000, b"\xd4\x01\x01", b"\x01\x02", b"\xa2\xff\xff", msgspec.msgpack.encode([1])[:-1]],
)
def test_a_body_that_is_no_message_is_refused(body):
    with pytest.raises(MalformedRequestError, match="MessagePack and cannot be read"):
        messages.loads(body)


@pytest.mark.parametrize("value", [object(), 2**70, {"a": [1j]}])
def test_a_value_without_a_form_is_not_written(value):
    with pytest.raises(UnsupportedError):
        messages.dumps(value)
