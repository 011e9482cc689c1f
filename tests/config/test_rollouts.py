"""Is what is tried on a part of the calls read from a file, the environment and code alike?"""

from __future__ import annotations

import pytest

from chariots.config import ChariotsConfig, PipelinesConfig
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import Canary, Shadow
from tests.serving.support import IN, OUT, Learner

FILE = """
pipelines:
  rollouts:
    - {kind: canary, pipeline: iris, alias: candidate, share: 0.1, min_requests: 20}
    - kind: shadow
      pipeline: iris
      tolerance: 0.01
"""


def test_a_file_says_what_is_tried(tmp_path):
    (tmp_path / "app.yaml").write_text(FILE)
    config = ChariotsConfig(tmp_path / "app.yaml")
    assert config.pipelines_config.rollouts == [
        Canary("iris", alias="candidate", share=0.1, min_requests=20),
        Shadow("iris", tolerance=0.01),
    ]


def test_the_environment_says_it_as_json(monkeypatch):
    monkeypatch.setenv("CHARIOTS_PIPELINES_ROLLOUTS", '[{"kind": "canary", "pipeline": "iris"}]')
    assert PipelinesConfig().rollouts == [Canary("iris")]


def test_the_server_gets_them(tmp_path, monkeypatch):
    store = OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()
    monkeypatch.setattr(ChariotsConfig, "get_op_store_client", lambda self: store)
    pipeline = Pipeline([Node(Learner(), [IN], OUT)], "iris")
    config = ChariotsConfig(pipelines_config=PipelinesConfig(pipelines=[pipeline], rollouts=[Canary("iris")]))
    assert config.get_pipelines_server().served["iris"].routing.canary.canary == Canary("iris")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{kind: canari, pipeline: iris}", "a rollout of kind 'canari'.*Did you mean 'canary'"),
        ("{pipeline: iris}", "of kind None"),
        ("{kind: canary}", "a canary without a pipeline"),
        ("{kind: canary, pipeline: iris, shares: 1}", "gives a canary 'shares'.*Did you mean 'share'"),
        ("{kind: canary, pipeline: iris, share: 2}", "cannot be used: .*share=2"),
        ("iris", "holds 'iris', which is no"),
        ("3", "where a list of rollouts is expected"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(tmp_path, given, message):
    (tmp_path / "app.yaml").write_text(
        f"pipelines:\n  rollouts: [{given}]\n" if given[0] == "{" else f"pipelines:\n  rollouts: {given}\n"
    )
    with pytest.raises(ValueError, match=rf"app.yaml: the key 'rollouts' .*{message}"):
        ChariotsConfig(tmp_path / "app.yaml")
