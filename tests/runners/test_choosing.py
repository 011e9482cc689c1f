"""Are the runners of clusters chosen by name, in a configuration and on the command line?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chariots.config import ChariotsConfig, PipelinesConfig
from chariots.pipelines import PipelinesServer
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, make_runner
from chariots.runners import DaskRunner, RayRunner
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from chariots.testing.runner_contract.ops import Same
from chariots.testing.runner_contract.results import chain
from tests.runners.conftest import MARK, processes_with

APP = """
from chariots import Chariots, Node, Pipeline
from chariots.pipelines.ops import BaseOp

class Mean(BaseOp):
    def execute(self, rows: list):
        return sum(rows) / len(rows)

class Twice(BaseOp):
    def execute(self, number):
        return 2 * number

mean = Pipeline([
    Node(Mean(), ["__pipeline_input__"], "mean", name="mean"),
    Node(Twice(), ["mean"], "__pipeline_output__", name="twice"),
], "mean")
app = Chariots([mean], path="store", import_name="my_app")
"""


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("dask-runner", "{address: 'tcp://scheduler:8786', max_workers: 3}", DaskRunner),
        ("DaskRunner", "{n_workers: 3, max_workers: 3, resources: {gpu: 1}}", DaskRunner),
        ("ray_runner", "{address: 'ray://head:10001', max_workers: 3}", RayRunner),
        ("RayRunner", "{num_cpus: 2, max_workers: 3}", RayRunner),
    ],
)
def test_a_configuration_names_a_cluster_and_its_options(
    name: str, options: str, kind: type[Any], tmp_path: Path
) -> None:
    file = tmp_path / "chariots.yml"
    file.write_text(f"pipelines: {{runner: {name}, runner_kwargs: {options}}}")
    runner = ChariotsConfig(file).pipelines_config.get_runner()  # which connects to nothing before it is used
    assert isinstance(runner, kind)
    assert runner.max_workers == 3
    assert runner.address in {"tcp://scheduler:8786", "ray://head:10001", None}
    assert (runner.address is None) == ("address" not in options)


@pytest.mark.parametrize(
    ("name", "option", "meant"), [("dask-runner", "securty", "security"), ("ray-runner", "num_cpu", "num_cpus")]
)
def test_an_option_that_nobody_knows_is_refused_before_anything_runs(name: str, option: str, meant: str) -> None:
    with pytest.raises(ValueError, match=rf"a {name} cannot be made with .*{option}.*Did you mean '{meant}'"):
        PipelinesConfig(runner=name, runner_kwargs={option: 2}).get_runner()


@pytest.mark.parametrize("name", ["dask-runner", "ray-runner"])
def test_a_number_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="max_workers=0"):
        make_runner(name, {"max_workers": 0})


@pytest.mark.parametrize("name", ["dask-runner", "ray-runner"])
def test_a_pipeline_runs_on_a_cluster_that_ends_with_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_app.py").write_text(APP)
    mark = uuid4().hex
    monkeypatch.setenv(MARK, mark)
    command = [sys.executable, "-m", "chariots", "run", "my_app:app", "mean", "[1, 3]", "--runner", name]
    found = subprocess.run(
        [*command, "--max-workers", "1"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=150
    )
    assert (found.stdout, found.returncode) == ("4.0\n", 0), found.stderr
    assert processes_with(mark) == {}


def test_a_server_runs_its_pipelines_on_a_cluster(cluster: BaseRunner, tmp_path: Path) -> None:
    pipeline = chain(Process(), Same(), name="served")
    server = PipelinesServer([pipeline], runner=cluster, op_store_client=TestOpStoreClient(str(tmp_path)))
    answer = TestPipelinesClient(server).call_pipeline(pipeline, [1, 2])
    assert answer.value not in {None, os.getpid()}


class Process(BaseOp):
    """Says in which process it runs."""

    def execute(self, ignored: Any) -> int:
        return os.getpid()
