"""Does a table travel as an Arrow stream unchanged, and is everything refused that is none, or would blow up?"""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from chariots.errors import MalformedRequestError
from chariots.schema import arrow_tables
from chariots.schema.places import UnsupportedError

TABLE = pd.DataFrame(
    {
        "number": [1.5, 2.0],
        "text": ["x", None],
        "when": pd.to_datetime(["2020-01-01", "2021-01-01"]),
        "kind": pd.Categorical(["u", "v"]),
        "nothing": [None, None],
    },
    index=["first", "second"],
)


def written(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def test_a_data_frame_comes_back_with_its_types_and_its_index():
    pd.testing.assert_frame_equal(arrow_tables.loads(arrow_tables.dumps(TABLE)), TABLE)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1.5, 2.0], "b": [0.0, -1.0]}, dtype="float32"),
        pd.DataFrame({"a": [1.5, None], "b": [0.0, -1.0]}),
        pd.DataFrame({"a": [1, 2], "b": [2**63 - 1, -1]}),
        pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
        pd.DataFrame({"a": [1, 2]}, index=[7, 9]),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(1, 3)),
        pd.DataFrame({"a": [1, 2]}).rename_axis(index="row"),
        pd.DataFrame({"a": [1, 2]}).rename_axis(columns="what"),
        pd.DataFrame({0: [1, 2], 1: [3, 4]}),
        pd.DataFrame({"a": np.zeros(0), "b": np.zeros(0)}),
        pd.DataFrame(np.arange(12).reshape(3, 4)[:, ::2], columns=["a", "b"]),
    ],
)
def test_numbers_come_back_with_their_types_and_their_index(table):
    pd.testing.assert_frame_equal(arrow_tables.loads(arrow_tables.dumps(table)), table)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": np.arange(3, dtype="float32"), "b": np.ones(3, dtype="float32")}),
        pa.table({"a": np.arange(3, dtype="float16")}),
        pa.table({"a": np.arange(3, dtype="uint8"), "b": np.ones(3, dtype="uint8")}),
        pa.table({"a": pa.chunked_array([[1, 2], [], [3]]), "b": pa.chunked_array([[4, 5, 6]])}),
        pa.table({"a": pa.array([1.5, None]), "b": [0.5, 1.5]}),
        pa.table({"a": pa.array([1, None])}),
        pa.table({"a": [1.5, float("nan")]}),
        pa.table({"a": np.zeros(0)}),
        pa.table({"a": [True, False]}),
        pa.table({"a": [1, 2], "b": [0.5, 1.5]}),
        pa.table({"a": pa.array([1, 2], pa.date32())}),
        pa.table({"a": pa.array([1, 2], pa.decimal128(5))}),
        pa.table([[1, 2], [3, 4]], names=["a", "a"]),
        pa.table({}),
    ],
)
def test_a_table_without_words_for_pandas_is_read_as_arrow_itself_reads_it(table):
    found = arrow_tables.loads(written(table))
    pd.testing.assert_frame_equal(found, pa.ipc.open_stream(written(table)).read_all().to_pandas())
    if len(found.columns) and len(found) and found.columns.is_unique:
        found.iloc[0, 0] = found.iloc[-1, 0]  # it may be written to


def test_a_missing_number_is_null_for_those_who_read_it_without_pandas():
    body = arrow_tables.dumps(pd.DataFrame({"a": [1.5, None], "b": [0.0, -1.0]}))
    assert pa.ipc.open_stream(body).read_all().to_pydict() == {"a": [1.5, None], "b": [0.0, -1.0]}


def test_what_arrow_itself_writes_is_read():
    pd.testing.assert_frame_equal(arrow_tables.loads(written(pa.Table.from_pandas(TABLE))), TABLE)
    assert arrow_tables.loads(written(pa.table({"a": [1, 2]}))).to_dict("list") == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("value", "columns"),
    [
        (np.array([1, 2]), {"output": [1, 2]}),
        (np.array([[1, 2], [3, 4]]), {"output_0": [1, 3], "output_1": [2, 4]}),
        (pd.Series([1, 2], name="price"), {"price": [1, 2]}),
        ([{"a": 1}, {"a": 2}], {"a": [1, 2]}),
        (pa.table({"a": [1, 2]}), {"a": [1, 2]}),
    ],
)
def test_what_is_nearly_a_table_is_written_as_one(value, columns):
    assert arrow_tables.loads(arrow_tables.dumps(value)).to_dict("list") == columns


@pytest.mark.parametrize("value", [1, "text", {"a": 1}, np.zeros((1, 1, 1)), pd.DataFrame({"a": [object()]})])
def test_what_is_no_table_is_not_written(value):
    with pytest.raises(UnsupportedError):
        arrow_tables.dumps(value)


@pytest.mark.parametrize("columns", [["number"], ["kind"], ["text"]])
@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_batches_are_refused_before_they_take_any_memory(compression, columns):
    body = written(pa.Table.from_pandas(TABLE[columns]), compression=compression)
    with pytest.raises(MalformedRequestError, match="compressed"):
        arrow_tables.loads(body)


def test_a_table_with_far_more_cells_than_bytes_is_refused():
    with pytest.raises(MalformedRequestError, match="1,000,000,000 rows of 1 columns cannot be in"):
        arrow_tables.loads(written(pa.table({"nothing": pa.nulls(10**9)})))


@pytest.mark.parametrize("body", [b"", b"xx", b"\xff" * 40, written(pa.table({"a": [1]}))[:-20], b"PAR1"])
def test_a_body_that_is_no_stream_is_refused(body):
    with pytest.raises(MalformedRequestError, match="as an Arrow stream and cannot be read"):
        arrow_tables.loads(body)


def test_a_message_of_negative_length_does_not_keep_the_reader_busy():
    body = bytearray(written(pa.table({"a": pa.array([1], pa.int64())})))
    # The length of the schema's body is the only eight bytes of zero in its message; any place may be it.
    for at in range(0, 200, 4):
        changed = bytearray(body)
        changed[at : at + 8] = (-400).to_bytes(8, "little", signed=True)
        try:
            arrow_tables.loads(bytes(changed))
        except MalformedRequestError:
            continue


def test_flipped_bytes_are_read_or_refused_and_nothing_else():
    dice, body = random.Random(3), arrow_tables.dumps(TABLE)
    for _ in range(500):
        changed = bytearray(body)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        try:
            arrow_tables.loads(bytes(changed))
        except MalformedRequestError:
            continue


def test_a_missing_pyarrow_is_named_with_the_extra_that_brings_it():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from chariots.schema import arrow_tables\n"
        "try: arrow_tables.loads(b'')\n"
        "except ImportError as error: print(error.status, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("415 ")
    assert "pip install 'chariots[arrow]'" in done.stdout


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "uint16", "int64"])
@pytest.mark.parametrize("columns", [1, 7])
def test_plain_numbers_of_any_kind_and_order_come_back(order, kind, columns):
    numbers = np.asarray(np.random.default_rng(0).integers(0, 100, (13, columns)), dtype=kind, order=order)
    frame = pd.DataFrame(numbers, columns=[f"c{number}" for number in range(columns)])
    found = arrow_tables.loads(arrow_tables.dumps(frame))
    pd.testing.assert_frame_equal(found, frame)
    found.iloc[0, 0] = 7  # it is the caller's own


def test_numbers_in_the_byte_order_of_another_machine_are_not_taken_for_ours():
    frame = pd.DataFrame({"a": np.arange(4, dtype=">i4")})
    try:
        found = arrow_tables.loads(arrow_tables.dumps(frame))
    except UnsupportedError:
        return
    assert found["a"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("lengths", [[3, 0, 2], [1, 1, 1], [5]])
def test_batches_of_any_length_become_one_frame(lengths):
    batches = [
        pa.record_batch({"a": np.arange(length, dtype="f8"), "b": np.arange(length, dtype="f8") * 10})
        for length in lengths
    ]
    found = arrow_tables.loads(written(pa.Table.from_batches(batches)))
    rows = [float(row) for length in lengths for row in range(length)]
    assert found.to_dict("list") == {"a": rows, "b": [10 * row for row in rows]}


def test_columns_that_lie_anywhere_come_back():
    """Columns with a place for missing values, though none is missing, lie at other distances than those without."""
    every = np.arange(100, dtype="f8")
    columns = {"a": pa.array(every), "b": pa.array([*every.tolist()[:-1], None]).fill_null(99.0), "c": pa.array(every)}
    found = arrow_tables.loads(written(pa.table(columns).slice(10, 50)))
    assert found.to_dict("list") == {name: every[10:60].tolist() for name in "abc"}


def test_what_becomes_of_one_table_is_nothing_to_the_next_of_the_same_columns():
    body = written(pa.table({"a": [1.5], "b": [2.5]}))
    first = arrow_tables.loads(body)
    first.columns.name = "what"
    first["c"] = 1
    first.iloc[0, 0] = 7
    second = arrow_tables.loads(body)
    assert second.columns.name is None
    assert second.to_dict("records") == [{"a": 1.5, "b": 2.5}]


def test_what_is_written_is_what_arrow_itself_writes():
    numbers = pd.DataFrame(np.arange(30.0).reshape(10, 3), columns=["a", "b", "c"])
    plain = pa.table({name: numbers[name].to_numpy() for name in numbers})
    assert arrow_tables.dumps(numbers) == written(plain)
    assert arrow_tables.dumps(TABLE) == written(pa.Table.from_pandas(TABLE))
