"""Do requests that wait run together, does each get its own answer, and does a bad one fail alone?"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.serving import Batching, Chariots, PipelinesServer, batching
from chariots.serving.batchable import is_batchable
from chariots.serving.batching import Batcher
from chariots.serving.snapshots import Snapshot
from chariots.testing import TestPipelinesClient
from tests.serving.support import IN, OUT, Echo, IrisX, iris, one_op, until

LOG = logging.getLogger("tests.batching")


class Gated(BaseOp):
    """Doubles every row; its first execution goes on when the test says so."""

    batchable = True

    def __init__(self, work=lambda rows: [[2 * number for number in row] for row in rows]):
        super().__init__()
        self.work = work
        self.sizes = []
        self.entered, self.gate = threading.Event(), threading.Event()

    def execute(self, rows):
        self.sizes.append(len(rows))
        if not self.entered.is_set():
            self.entered.set()
            assert self.gate.wait(20)
        return self.work(rows)


def snapshot_of(op, **arguments):
    return Snapshot.of(one_op(op, "gated", **arguments), 1)


def batcher(**limits):
    return Batcher("gated", Batching(**limits), LOG)


def together(op, inputs, *, batches=None, snapshots=None):
    """Runs the first input alone; all others wait until it is done. Gives what came of each, in their order."""
    batches = batches or batcher(max_wait=20)
    snapshots = snapshots or [snapshot_of(op)] * len(inputs)

    def run(at):
        try:
            return batches.run(snapshots[at], inputs[at], SequentialRunner())
        except Exception as error:  # noqa: BLE001  # what came of it
            return error

    with ThreadPoolExecutor(len(inputs)) as pool:
        running = [pool.submit(run, 0)]
        assert op.entered.wait(20)
        for at in range(1, len(inputs)):
            running.append(pool.submit(run, at))
            until(lambda waiting=at: len(batches._waiting) == waiting)
        op.gate.set()
        return [task.result() for task in running]


def test_a_lone_request_runs_at_once_and_its_output_is_not_touched():
    op = Gated(lambda rows: "anything")
    op.gate.set()
    assert batcher().run(snapshot_of(op), [[1]], SequentialRunner()) == "anything"
    assert op.sizes == [1]


def test_requests_that_wait_run_once_and_each_gets_its_own_rows():
    op = Gated()
    outputs = together(op, [[[1, 1]], [[2, 2]], [[3, 3], [4, 4]], [[5, 5]]])
    assert outputs == [[[2, 2]], [[4, 4]], [[6, 6], [8, 8]], [[10, 10]]]
    assert op.sizes == [1, 4]


def test_one_bad_request_of_24_fails_and_harms_none_of_the_others():
    def work(rows):
        if any(row[0] < 0 for row in rows):
            raise ValueError(f"{len(rows)} rows with a negative number")
        return [row[0] for row in rows]

    op = Gated(work)
    inputs = [[[at]] for at in range(25)]
    inputs[13] = [[-1]]
    outputs = together(op, inputs)
    assert str(outputs.pop(13)) == "1 rows with a negative number"
    assert outputs == [[at] for at in range(25) if at != 13]


class Counted:
    """Places of which there are enough."""

    def __init__(self):
        self.taken = 0

    def __enter__(self):
        self.taken += 1

    def __exit__(self, *_):
        pass


def test_what_runs_alone_takes_a_place_and_what_runs_together_takes_none(monkeypatch):
    places = Counted()
    monkeypatch.setattr(batching, "PLACES", places)
    assert together(Gated(), [[[1]], [[2]], [[3]]]) == [[[2]], [[4]], [[6]]]
    assert places.taken == 0
    op = Gated()
    op.gate.set()
    batcher(max_rows=4).run(snapshot_of(op), [[1], [2]], SequentialRunner())
    assert places.taken == 1  # too large to run with others
    together(Gated(lambda rows: [1 / row[0] for row in rows]), [[[1]], [[0]], [[2]]])
    assert places.taken == 3  # both of the batch that failed


def test_a_request_of_another_kind_is_not_stacked_and_keeps_its_place():
    op = Gated()
    outputs = together(op, [[[0]], [[1, 1]], [[2]], [[3, 3]], [[4]]])
    assert outputs == [[[0]], [[2, 2]], [[4]], [[6, 6]], [[8]]]
    assert op.sizes == [1, 2, 2]


def test_a_batch_never_mixes_two_snapshots():
    op = Gated()
    old, new = snapshot_of(op), snapshot_of(op)
    together(op, [[[0]], [[1]], [[2]], [[3]]], snapshots=[old, old, new, old])
    assert sorted(op.sizes) == [1, 1, 2]


def test_the_rows_of_a_batch_are_limited():
    op = Gated()
    inputs = [[[at]] for at in range(10)]
    outputs = together(op, inputs, batches=batcher(max_rows=4, max_wait=20))
    assert outputs == [[[2 * at]] for at in range(10)]
    assert op.sizes == [1, 4, 4, 1]


def test_the_bytes_of_a_batch_are_limited():
    op = Gated(lambda rows: rows)
    inputs = [np.full((1, 100), float(at)) for at in range(6)]  # 800 bytes each
    outputs = together(op, inputs, batches=batcher(max_bytes=3600, max_wait=20))
    assert [output[0, 0] for output in outputs] == [0, 1, 2, 3, 4, 5]
    assert op.sizes == [1, 4, 1]


def test_a_large_request_neither_waits_nor_is_waited_for():
    op = Gated()
    batches = batcher(max_rows=8)
    snapshot = snapshot_of(op)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batches.run, snapshot, [[1]], SequentialRunner())
        assert op.entered.wait(20)
        assert batches.run(snapshot, [[2]] * 3, SequentialRunner()) == [[4]] * 3
        assert not first.done()
        op.gate.set()
        assert first.result() == [[2]]


def after_a_batch_of_four(op, monkeypatch, *, recent):
    """A batcher that has just run four requests as one, and would then wait a minute for each of the next ones."""
    monkeypatch.setattr(batching, "LONGEST_PAUSE", 60.0)
    monkeypatch.setattr(batching, "RECENT_SECONDS", 60.0 if recent else -1.0)
    batches, snapshot = batcher(max_wait=60), snapshot_of(op)
    together(op, [[[0]], [[1]], [[2]], [[3]], [[4]]], batches=batches, snapshots=[snapshot] * 5)
    assert op.sizes == [1, 4]
    for _ in range(8):
        snapshot.pace.ran(60.0)
    return batches, snapshot


def test_whoever_comes_first_waits_for_as_many_as_ran_together_before(monkeypatch):
    op = Gated()
    batches, snapshot = after_a_batch_of_four(op, monkeypatch, recent=True)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(batches.run, snapshot, [[0]], SequentialRunner())]
        until(lambda: batches._wanted == 3)
        running += [pool.submit(batches.run, snapshot, [[at]], SequentialRunner()) for at in range(1, 4)]
        assert [task.result(20) for task in running] == [[[0]], [[2]], [[4]], [[6]]]
    assert op.sizes == [1, 4, 4]


def test_whoever_waits_in_vain_runs_alone(monkeypatch):
    op = Gated()
    batches, snapshot = after_a_batch_of_four(op, monkeypatch, recent=True)
    monkeypatch.setattr(batching, "LONGEST_PAUSE", 0.001)
    assert batches.run(snapshot, [[5]], SequentialRunner()) == [[10]]
    assert batches.run(snapshot, [[6]], SequentialRunner()) == [[12]]
    assert op.sizes == [1, 4, 1, 1]
    assert batches._wanted == 0


def test_a_request_that_comes_after_a_while_waits_for_nobody(monkeypatch):
    op = Gated()
    batches, snapshot = after_a_batch_of_four(op, monkeypatch, recent=False)
    assert batches.run(snapshot, [[5]], SequentialRunner()) == [[10]]
    assert op.sizes == [1, 4, 1]


def test_who_has_waited_too_long_takes_over_so_that_an_op_that_hangs_keeps_nobody():
    op = Gated()
    batches = batcher(max_wait=0.01)
    snapshot = snapshot_of(op)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(batches.run, snapshot, [[1]], SequentialRunner())
        assert op.entered.wait(20)
        assert batches.run(snapshot, [[2]], SequentialRunner()) == [[4]]
        assert batches._leader is None  # the next one need not wait at all
        assert not first.done()
        op.gate.set()
        assert first.result() == [[2]]
    assert batches._leader is None
    assert op.sizes == [1, 1]


def test_who_takes_over_takes_along_those_that_wait_with_it():
    op = Gated()
    batches = batcher(max_wait=1.0)
    snapshot = snapshot_of(op)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(batches.run, snapshot, [[0]], SequentialRunner())
        assert op.entered.wait(20)
        others = [pool.submit(batches.run, snapshot, [[at]], SequentialRunner()) for at in range(1, 5)]
        assert [other.result() for other in others] == [[[2 * at]] for at in range(1, 5)]
        assert not first.done()
        op.gate.set()
        first.result()
    assert sum(op.sizes) == 5


@pytest.mark.parametrize("wrong", [[7], [1, 2, 3, 4, 5], {"rows": 3}, (1, 2, 3), None], ids=repr)
def test_a_pipeline_that_does_not_map_rows_to_rows_is_found_out_and_logged_once(wrong, caplog):
    op = Gated(lambda rows: wrong if len(rows) > 1 else rows)
    batches = batcher(max_wait=20)
    with caplog.at_level(logging.WARNING):
        assert together(op, [[[0]], [[1]], [[2]], [[3]]], batches=batches) == [[[0]], [[1]], [[2]], [[3]]]
        op.entered.clear()
        op.gate.clear()
        assert sorted(op.sizes) == [1, 1, 1, 1, 3]
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(batches.run, snapshot_of(op), [[1]], SequentialRunner())
            assert op.entered.wait(20)
            assert batches.run(snapshot_of(op), [[2]], SequentialRunner()) == [[2]]
            op.gate.set()
            first.result()
    (told,) = caplog.records
    assert "'gated'" in told.getMessage()
    assert "batchable=False" in told.getMessage()


def test_an_op_that_exits_in_a_batch_leaves_nobody_waiting():
    def work(rows):
        if any(row == [3] for row in rows):
            raise SystemExit(3)
        return rows

    outputs = together(Gated(work), [[[1]], [[2]], [[3]], [[4]]])
    assert "called sys.exit(3)" in str(outputs.pop(2))
    assert outputs == [[[1]], [[2]], [[4]]]


def test_every_output_belongs_to_its_input_under_load():
    class Square(BaseOp):
        batchable = True

        def execute(self, rows: np.ndarray):
            return rows[:, 0] ** 2

    app = PipelinesServer([one_op(Square(), "square")])
    calls = TestPipelinesClient(app)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda at: calls.call_pipeline("square", [[float(at)]]).value, range(600)))
    assert found == [[float(at) ** 2] for at in range(600)]


# -- which pipelines ----------------------------------------------------------------------------------------------


class Scale(SKUnsupervisedOp):
    model_class = StandardScaler


class Line(SKSupervisedOp):
    model_class = LinearRegression


class OnlyTheFirst(Line):
    def predict(self, X):
        return super().predict(X)[:1]


class Centred(SKUnsupervisedOp):
    model_class = make_pipeline

    def _init_model(self):
        return make_pipeline(StandardScaler(), FunctionTransformer(lambda table: table - table.mean()))


class Proportion(SKSupervisedOp):
    model_class = LogisticRegression
    predict_function = "predict_proba"


class Rows(BaseOp):
    batchable = True

    def execute(self, rows):
        return rows


class Watching(PipelineCallback):
    pass


def trained(op_class, **arguments):
    learner = op_class(MLMode.FIT)
    learner.execute(*([[0.0], [1.0]], [0, 1])[: 2 if issubclass(op_class, SKSupervisedOp) else 1])
    op = op_class(MLMode.PREDICT, **arguments)
    op.load(learner.serialize())
    return op


def test_models_of_scikit_learn_are_found_to_map_rows_to_rows():
    for op in (trained(Line), trained(Scale), trained(Proportion)):
        assert is_batchable(one_op(op, "found"))
    chain = Pipeline([Node(trained(Scale), [IN], "scaled"), Node(trained(Line), ["scaled"], OUT)], "chain")
    assert is_batchable(chain)
    assert is_batchable(Pipeline([Node(chain, [IN], OUT)], "outer"))


def test_an_op_of_ones_own_says_so_itself():
    assert is_batchable(one_op(Rows(), "rows"))
    assert not is_batchable(one_op(Echo(), "echo"))


@pytest.mark.parametrize(
    "pipeline",
    [
        lambda: one_op(trained(OnlyTheFirst), "overridden"),
        lambda: one_op(trained(Centred), "calls_a_function"),
        lambda: one_op(Line(MLMode.FIT_PREDICT), "trains"),
        lambda: one_op(Line(MLMode.PREDICT), "not_loaded"),
        lambda: one_op(trained(Line, op_callbacks=[OpCallBack()]), "op_is_watched"),
        lambda: one_op(trained(Line), "watched", pipeline_callbacks=[Watching()]),
        lambda: one_op(trained(Line), "forbidden", batchable=False),
        lambda: Pipeline([Node(IrisX(), [], "x"), Node(Rows(), ["x"], OUT)], "takes_nothing"),
        lambda: Pipeline([Node(Rows(), [IN])], "gives_nothing"),
        lambda: Pipeline([Node(one_op(Echo(), "inner"), [IN], OUT)], "nests_another"),
    ],
    ids=lambda made: made().name,
)
def test_whatever_might_not_map_rows_to_rows_runs_alone(pipeline):
    assert not is_batchable(pipeline())


def test_a_declaration_counts_where_nothing_can_be_found_out():
    assert is_batchable(one_op(Echo(), "echo", batchable=True))
    assert is_batchable(one_op(Echo(), "echo", batchable=True, pipeline_callbacks=[Watching()]))
    assert is_batchable(one_op(Echo(), "echo", batchable=True).clone())
    assert not is_batchable(one_op(Line(MLMode.FIT_PREDICT), "trains", batchable=True))


def test_batching_is_off_with_one_word():
    op = Gated()
    app = PipelinesServer([one_op(op, "gated")], batching=False)
    calls = TestPipelinesClient(app)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(calls.call_pipeline, "gated", [[1]])
        assert op.entered.wait(20)
        assert calls.call_pipeline("gated", [[2]]).value == [[4]]
        assert not first.done()
        op.gate.set()
        first.result()


@pytest.mark.parametrize("wrong", [{"max_rows": 0}, {"max_bytes": -1}, {"max_wait": 0.0}], ids=repr)
def test_limits_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        Batching(**wrong)


def test_anything_but_a_word_or_limits_is_refused():
    with pytest.raises(TypeError, match="give True, False, or Batching"):
        PipelinesServer([], batching="yes")


@pytest.mark.parametrize("fast_path", [True, False])
def test_the_iris_pipeline_answers_the_same_together_and_alone(tmp_path, fast_path):
    train, pred = iris()
    limits = Batching(max_wait=20)
    app = Chariots([train, pred], tmp_path, worker_pool=None, batching=limits, fast_path=fast_path)
    calls = TestPipelinesClient(app)
    calls.call_pipeline(train)
    calls.save_pipeline(train)
    calls.load_pipeline(pred)
    flowers = [[5.1, 3.5, 1.4, 0.2], [7.0, 3.2, 4.7, 1.4], [6.3, 3.3, 6.0, 2.5]]
    alone = [calls.call_pipeline(pred, [flower]).value for flower in flowers]
    sizes, runner, gate = [], app.runner, threading.Event()

    class Waits(SequentialRunner):
        """Keeps the first call until all others wait."""

        def run(self, pipeline, pipeline_input=None):
            sizes.append(len(pipeline_input))
            if not gate.is_set():
                until(lambda: len(app.served["pred"].batcher._waiting) == 6)
                gate.set()
            return runner.run(pipeline, pipeline_input)

    app.runner = Waits()
    with ThreadPoolExecutor(7) as pool:
        found = list(pool.map(lambda at: calls.call_pipeline(pred, [flowers[at % 3]]).value, range(7)))
    assert found == [*alone, *alone, alone[0]]
    assert sizes == [1, 6]
