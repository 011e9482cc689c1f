"""Does a check tell what a change breaks from what it leaves alone?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.checking import Report
from chariots.checking.wording import after_words
from chariots.errors import UnknownNameError
from chariots.ml import MLMode
from chariots.ml.serializers import JSONSerializer
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.store import FieldChange
from chariots.testing import TestOpStoreClient
from chariots.versioning import Version, VersionedField, VersionType
from tests.checking.editions import deploy, edition, judged, train


class Joined(BaseOp):
    """Puts two answers side by side."""

    def execute(self, first: object, second: object) -> list[object]:
        return [first, second]


@pytest.fixture
def store(tmp_path: Path) -> TestOpStoreClient:
    """An empty store."""
    return TestOpStoreClient(tmp_path / "store")


@pytest.fixture
def live(store: TestOpStoreClient) -> TestOpStoreClient:
    """A store in which the first edition is trained and serves."""
    train(store, edition())
    deploy(store, edition())
    return store


def states(report: Report) -> dict[str, str]:
    return {pipeline.name: pipeline.state for pipeline in report.pipelines}


def op(report: Report, name: str):  # type: ignore[no-untyped-def]
    return next(found for found in report.ops if found.name == name)


def steps(report: Report) -> list[tuple[str, list[str], list[str]]]:
    return [(step.pipeline, list(step.trains), list(step.loads)) for step in report.steps]


def test_what_was_trained_with_this_code_goes_on(live: TestOpStoreClient) -> None:
    report = judged(live, edition())
    assert set(states(report).values()) == {"fits"}
    assert {found.state for found in report.ops} == {"same"}
    assert (report.exit_code(), report.exit_code(strict=True), report.steps, report.warnings) == (0, 0, [], [])


def test_a_major_change_names_the_field_the_pipelines_and_the_order_of_training(live: TestOpStoreClient) -> None:
    report = judged(live, edition(parameters={"dimensions": 256}))
    assert states(report) == {"train_embedding": "fits", "train_intent": "refuses", "predict": "refuses"}
    assert op(report, "embedding").changes == [FieldChange("kept.dimensions", "major", "128", "256")]
    assert steps(report) == [
        ("train_embedding", ["embedding"], []),
        ("train_intent", ["intent"], ["embedding"]),
    ]
    predict = report.pipelines[2]
    assert predict.is_live
    assert predict.broken == [("embedding", "intent")]
    assert report.exit_code() == 1


def test_a_model_that_nothing_reads_is_trained_alone(live: TestOpStoreClient) -> None:
    report = judged(live, edition(threshold=3))
    assert steps(report) == [("train_intent", ["intent"], [])]
    assert not op(report, "embedding").retrain
    assert report.pipelines[2].broken == []


def test_a_minor_change_is_shown_and_breaks_nothing(live: TestOpStoreClient) -> None:
    report = judged(live, edition(speed="fast"))
    embedding = op(report, "embedding")
    assert (embedding.state, list(embedding.levels), embedding.breaks) == ("changed", ["minor"], False)
    assert report.exit_code(strict=True) == 0


def test_a_minor_change_breaks_an_op_that_minds_it(store: TestOpStoreClient) -> None:
    train(store, edition(mismatch_on="minor"))
    deploy(store, edition(mismatch_on="minor"))
    report = judged(store, edition(mismatch_on="minor", speed="fast"))
    assert states(report)["predict"] == "refuses"


def test_plain_code_that_a_model_was_trained_behind_breaks_the_link(live: TestOpStoreClient) -> None:
    report = judged(live, edition(limit=50))
    predict = report.pipelines[2]
    assert predict.state == "refuses"
    assert ("clean", "embedding") in predict.broken
    assert op(report, "clean").breaks
    assert [step.pipeline for step in report.steps] == ["train_embedding", "train_intent"]


class Scaled(BaseOp):
    """Plain code that no trained op reads by itself."""

    factor = VersionedField(1, VersionType.MAJOR)

    def execute(self, values: list[float]) -> list[float]:
        return [value * self.factor for value in values]


class ScaledOtherwise(Scaled):
    factor = VersionedField(2, VersionType.MAJOR)


def test_plain_code_that_a_model_learned_from_through_other_plain_code_counts(store: TestOpStoreClient) -> None:
    def scaled(scaled_op: type[BaseOp]) -> dict[str, Pipeline]:
        clean = edition()["predict"].node_for_name["clean"].op
        embedding = type(edition()["predict"].node_for_name["embedding"].op)

        def pipeline(name: str, mode: MLMode, source: str) -> Pipeline:
            first = [Node(edition()["train_embedding"].node_for_name["texts"].op, output_nodes="texts")]
            return Pipeline(
                [
                    *(first if source == "texts" else []),
                    Node(scaled_op(), [source], "scaled", name="scaled"),
                    Node(clean, ["scaled"], "cleaned"),
                    Node(embedding(mode), ["cleaned"], "__pipeline_output__"),
                ],
                name,
            )

        made = [pipeline("train_embedding", MLMode.FIT_PREDICT, "texts")]
        made.append(pipeline("predict", MLMode.PREDICT, "__pipeline_input__"))
        return {one.name: one for one in made}

    train(store, scaled(Scaled), "train_embedding")
    deploy(store, scaled(Scaled))
    assert judged(store, scaled(Scaled)).warnings == []
    report = judged(store, scaled(ScaledOtherwise))
    assert (op(report, "scaled").state, states(report)["predict"]) == ("changed", "refuses")
    assert steps(report) == [("train_embedding", ["embedding"], [])]
    assert report.exit_code() == 1


def test_another_serializer_is_found_before_it_meets_the_saved_bytes(live: TestOpStoreClient) -> None:
    report = judged(live, edition(serializer=JSONSerializer))
    predict = report.pipelines[2]
    assert predict.state == "refuses"
    assert "reads the format 'json', and its version number 4 was saved as 'dill'" in predict.problems[0]
    assert steps(report) == [("train_intent", ["intent"], [])]


def test_a_new_app_has_nothing_to_break(store: TestOpStoreClient) -> None:
    report = judged(store, edition())
    assert states(report) == {"train_embedding": "fits", "train_intent": "new", "predict": "new"}
    assert report.exit_code() == 0
    assert [step.pipeline for step in report.steps] == ["train_embedding", "train_intent"]
    assert "look whether it is the right store" in report.warnings[0]
    assert report.exit_code(strict=True) == 1


def test_an_app_without_pipelines_is_not_passed_in_silence(store: TestOpStoreClient) -> None:
    report = judged(store, {})
    assert report.warnings == ["The app has no pipelines, so nothing was checked."]


def test_a_pipeline_that_refused_already_and_does_not_serve_only_warns(store: TestOpStoreClient) -> None:
    pipelines = edition()
    for name in ("train_embedding", "train_intent"):
        node = pipelines[name].pipeline_nodes[-1]
        assert isinstance(node, Node)
        node.op.execute([1.0, 2.0])
        node.persist(store)  # alone, so that the two never met
    report = judged(store, edition())
    assert states(report)["predict"] == "stuck"
    assert "Pipeline 'predict' refuses to load already" in report.warnings[0]
    assert (report.exit_code(), report.exit_code(strict=True)) == (0, 1)


def test_versions_that_were_trained_with_the_new_code_beforehand_are_found(live: TestOpStoreClient) -> None:
    after = {"parameters": {"dimensions": 256}}
    train(live, edition(**after))
    report = judged(live, edition(**after))
    predict = report.pipelines[2]
    assert (predict.state, report.exit_code()) == ("other", 0)
    assert predict.would_load["embedding"] > 4
    assert report.steps == []


def test_an_alias_has_to_be_promoted_before_the_new_code_can_serve(live: TestOpStoreClient) -> None:
    live.server.registry.decisions.promote("predict", versions={"embedding": 3, "intent": 4}, who="me", reason="first")
    assert judged(live, edition()).exit_code() == 0
    untrained = judged(live, edition(threshold=3))
    assert after_words(untrained) == "then promote predict, and load predict"
    after = {"parameters": {"dimensions": 256}}
    train(live, edition(**after))
    report = judged(live, edition(**after))
    assert states(report)["predict"] == "promote"
    assert report.exit_code() == 1
    assert "predict must be promoted" in report.headline
    assert judged(live, edition(**after), alias="candidate").exit_code() == 0


def test_live_pipelines_that_the_app_has_no_more_are_named(live: TestOpStoreClient) -> None:
    left = {"train_embedding": edition()["train_embedding"]}
    assert judged(live, left).others == ["predict"]


def test_nodes_that_a_pipeline_has_no_more_are_named(live: TestOpStoreClient) -> None:
    pipelines = edition()
    assert judged(live, pipelines).pipelines[1].gone == []
    intent = pipelines["train_intent"].pipeline_nodes[-1]
    assert isinstance(intent, Node)
    shorter = Pipeline([Node(intent.op, ["__pipeline_input__"])], "train_intent")
    report = judged(live, {**pipelines, "train_intent": shorter})
    assert report.pipelines[1].gone == ["texts", "clean", "embedding"]


def test_a_node_that_is_new_in_a_live_pipeline_must_be_trained_first(live: TestOpStoreClient) -> None:
    pipelines = edition()
    nodes = {node.name: node for node in pipelines["predict"].pipeline_nodes}
    again = nodes["intent"].renamed("second")  # type: ignore[attr-defined]
    wider = Pipeline(
        [
            nodes["clean"],
            nodes["embedding"],
            Node(nodes["intent"].op, ["embedded"], "first"),  # type: ignore[attr-defined]
            Node(again.op, ["embedded"], "other", name="second"),
            Node(Joined(), ["first", "other"], "__pipeline_output__"),
        ],
        "predict",
    )
    report = judged(live, {**pipelines, "predict": wider})
    assert (states(report)["predict"], list(report.orphans)) == ("refuses", ["second"])


def test_nested_pipelines_are_laid_open(live: TestOpStoreClient) -> None:
    pipelines = edition(parameters={"dimensions": 256})
    outer = Pipeline([Node(pipelines["predict"], ["__pipeline_input__"], "__pipeline_output__")], "outer")
    report = judged(live, {**pipelines, "outer": outer})
    assert states(report)["outer"] == "refuses"
    assert ("embedding", "intent") in report.pipelines[3].links


def test_what_a_client_of_chariots_02_saved_cannot_be_compared(store: TestOpStoreClient) -> None:
    store.save_op_bytes("embedding", Version(creation_time=1.0), b"model")
    report = judged(store, edition())
    assert op(report, "embedding").state == "unknown"


def test_a_pipeline_to_judge_that_does_not_exist_is_refused(store: TestOpStoreClient) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'predict'"):
        judged(store, edition(), only=["predit"])


def test_only_the_pipelines_that_were_named_are_judged_and_others_may_train_them(live: TestOpStoreClient) -> None:
    report = judged(live, edition(threshold=3), only=["predict"])
    assert [pipeline.name for pipeline in report.pipelines] == ["predict"]
    assert steps(report) == [("train_intent", ["intent"], [])]


def test_an_op_that_no_pipeline_trains_is_named(live: TestOpStoreClient) -> None:
    report = judged(live, {"predict": edition(threshold=3)["predict"]})
    assert (list(report.orphans), report.steps, report.exit_code()) == (["intent"], [], 1)


def test_nothing_is_written_into_the_store(live: TestOpStoreClient) -> None:
    before = Path(live.db_path).read_bytes()
    judged(live, edition(limit=50))
    assert Path(live.db_path).read_bytes() == before
