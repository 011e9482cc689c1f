"""Do servers, clients, runners and pools come out as the configuration says?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.config import ChariotsConfig, OpStoreConfig, PipelinesConfig, WorkersConfig
from chariots.op_store import OpStoreClient
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner
from chariots.testing import TestPipelinesClient
from chariots.workers import RQWorkerPool
from tests.config.test_configuration_file import DOCUMENTED, written


class IsOdd(BaseOp):
    def execute(self, number: int) -> bool:
        return bool(number % 2)


class Seen(PipelineCallback):
    def __init__(self) -> None:
        self.names: list[str] = []

    def before_execution(self, pipeline: Pipeline, args: object) -> None:
        self.names.append(pipeline.name)


@pytest.fixture
def is_odd() -> Pipeline:
    return Pipeline([Node(IsOdd(), ["__pipeline_input__"], "__pipeline_output__")], "is_odd")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChariotsConfig:
    """The documented file, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    text = DOCUMENTED.replace("/tmp/op_store_test", str(tmp_path / "ops"))
    return ChariotsConfig(written(tmp_path, text))


def test_a_pipeline_appended_after_loading_is_served(config: ChariotsConfig, is_odd: Pipeline) -> None:
    config.pipelines_config.pipelines.append(is_odd)
    config.pipelines_workers_config.use_for_all = False
    server = config.get_pipelines_server()
    assert server.import_name == "test_chariots_pipelines_server"
    assert TestPipelinesClient(server).call_pipeline(is_odd, 3).value is True


def test_the_server_serves_the_alias_of_the_configuration(config: ChariotsConfig, is_odd: Pipeline) -> None:
    config.pipelines_config.pipelines.append(is_odd)
    config.pipelines_workers_config.use_for_all = False
    assert config.get_pipelines_server().alias == "production"
    config.pipelines_config.alias = "candidate"
    assert config.get_pipelines_server().alias == "candidate"


def test_the_server_has_the_store_the_runner_the_callbacks_and_the_workers(
    config: ChariotsConfig, is_odd: Pipeline
) -> None:
    seen, runner = Seen(), SequentialRunner()
    config.pipelines_config.pipelines.append(is_odd)
    config.pipelines_config.pipeline_callbacks.append(seen)
    config.pipelines_config.runner = runner
    server = config.get_pipelines_server()
    assert server.runner is runner
    assert isinstance(server.op_store_client, OpStoreClient)
    assert isinstance(server.worker_pool, RQWorkerPool)
    assert server.use_workers is True
    assert TestPipelinesClient(server).call_pipeline(is_odd, 3, use_worker=False).value is True
    assert seen.names == ["is_odd"]


def test_workers_that_are_not_for_all_leave_the_choice_open(is_odd: Pipeline) -> None:
    server = ChariotsConfig(
        pipelines_config=PipelinesConfig(pipelines=[is_odd]), pipelines_worker_config=WorkersConfig(worker_type="rq")
    ).get_pipelines_server()
    assert isinstance(server.worker_pool, RQWorkerPool)
    assert server.use_workers is None


def test_a_configuration_without_a_word_gives_a_server_without_workers(is_odd: Pipeline) -> None:
    config = ChariotsConfig()
    config.pipelines_config.pipelines.append(is_odd)
    server = config.get_pipelines_server()
    assert server.worker_pool is None
    assert server.use_workers is None
    assert TestPipelinesClient(server).call_pipeline(is_odd, 4).value is False


def test_workers_for_all_without_a_kind_of_worker_are_refused() -> None:
    config = ChariotsConfig(pipelines_worker_config=WorkersConfig(use_for_all=True))
    with pytest.raises(ValueError, match="no worker_type is configured; set worker_type: rq"):
        config.get_pipelines_server()


def test_the_store_keeps_its_database_and_its_bytes_where_the_file_says(config: ChariotsConfig, tmp_path: Path) -> None:
    server = config.get_op_store_server()
    assert repr(server.flask) == "<Flask 'OpStoreServer'>"
    assert isinstance(server.saver, FileSaver)
    server.upgrade()
    assert (tmp_path / "memory:").is_file()


def test_the_clients_know_where_the_servers_are(config: ChariotsConfig) -> None:
    assert config.get_pipelines_client().backend_url == "http://localhost:80"
    assert config.get_op_store_client().url == "http://localhost:5000"


def test_an_ipv6_host_gets_its_brackets() -> None:
    assert PipelinesConfig(server_host="::1", server_port="80").get_client().backend_url == "http://[::1]:80"


def test_a_port_changed_after_loading_is_checked_when_it_is_used() -> None:
    section = PipelinesConfig()
    section.server_port = "8o"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="server_port holds '8o'"):
        section.get_client()


def test_a_saver_without_a_root_says_what_to_set() -> None:
    with pytest.raises(ValueError) as caught:
        OpStoreConfig().get_server()
    assert str(caught.value) == (
        "a FileSaver was to be made, and saver_kwargs of the section 'op_store' holds no 'root_path'; "
        "set it there, or in the variable CHARIOTS_OP_STORE_SAVER_KWARGS__ROOT_PATH."
    )


def test_an_argument_that_a_saver_or_a_pool_does_not_take_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'rootpath', which a FileSaver does not take\. Did you mean 'root_path'"):
        OpStoreConfig(saver_kwargs={"rootpath": "ops"}).get_saver()
    with pytest.raises(ValueError, match=r"'redis_kwarg', which a RQWorkerPool does not take\. .* 'redis_kwargs'"):
        WorkersConfig(worker_type="rq", worker_pool_kwargs={"redis_kwarg": {}}).get_worker_pool()


@pytest.mark.parametrize("name", ["FileSaver", "file-saver", "file_saver"])
def test_every_documented_spelling_of_a_saver_is_known(name: str, tmp_path: Path) -> None:
    saver = OpStoreConfig(saver_type=name, saver_kwargs={"root_path": str(tmp_path)}).get_saver()
    assert isinstance(saver, FileSaver)


@pytest.mark.parametrize("first", ["GoogleStorage", "google-storage", "google_storage"])
@pytest.mark.parametrize("second", ["", "Saver", "-saver", "_saver"])
def test_every_documented_spelling_of_the_bucket_is_known(first: str, second: str) -> None:
    assert OpStoreConfig(saver_type=first + second).saver_type == "google-storage"


@pytest.mark.parametrize("name", ["SequentialRunner", "sequential-runner", "sequential_runner"])
def test_every_documented_spelling_of_the_runner_is_known(name: str) -> None:
    assert isinstance(PipelinesConfig(runner=name).get_runner(), SequentialRunner)


@pytest.mark.parametrize(("name", "kind"), [("thread-runner", ThreadRunner), ("ProcessRunner", ProcessRunner)])
def test_runners_are_named_with_their_options_beside(name: str, kind: type[BaseRunner], tmp_path: Path) -> None:
    file = tmp_path / "chariots.yml"
    options = "{max_workers: 3, resources: {gpu: 2}}"
    file.write_text(f"pipelines: {{runner: {name}, runner_kwargs: {options}}}")
    runner = ChariotsConfig(file).pipelines_config.get_runner()
    assert isinstance(runner, kind)
    assert runner.max_workers == 3
    assert runner.resources.total["gpu"] == 2


def test_options_that_a_runner_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match=r"thread-runner cannot be made with \{'workers': 3\}"):
        PipelinesConfig(runner="thread-runner", runner_kwargs={"workers": 3}).get_runner()
    with pytest.raises(ValueError, match="this one is made already"):
        PipelinesConfig(runner=SequentialRunner(), runner_kwargs={"max_workers": 3}).get_runner()


@pytest.mark.parametrize("name", ["RQ", "rq"])
def test_every_documented_spelling_of_the_workers_is_known(name: str) -> None:
    pool = WorkersConfig(worker_type=name, worker_pool_kwargs={"redis_kwargs": {"host": "localhost"}})
    assert isinstance(pool.get_worker_pool(), RQWorkerPool)


def test_batching_and_the_fast_path_are_switched_off_by_configuration(
    config: ChariotsConfig, is_odd: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(section: PipelinesConfig) -> tuple[bool, bool]:
        section.pipelines.append(is_odd)
        config.pipelines_config = section
        config.pipelines_workers_config.use_for_all = False
        server = config.get_pipelines_server()
        return server.served["is_odd"].batcher is not None, server.fast_path is not None

    assert made(PipelinesConfig()) == (True, True)
    monkeypatch.setenv("CHARIOTS_PIPELINES_BATCHING", "false")
    assert made(PipelinesConfig()) == (False, True)
    assert made(PipelinesConfig(batching=True, fast_path=False)) == (True, False)
