"""Does the environment win over the file, and code over both?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chariots.config import ChariotsConfig, OpStoreConfig, PipelinesConfig, WorkersConfig

Setter = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Setter:
    def set_all(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"CHARIOTS_{name}", value)

    return set_all


def test_a_variable_wins_over_the_file(tmp_path: Path, environment: Setter) -> None:
    (tmp_path / "config.yaml").write_text("op_store: {server_port: 5001, server_host: a.internal}")
    environment(OP_STORE_SERVER_PORT="6001", PIPELINES_RUNNER="SequentialRunner")
    config = ChariotsConfig(tmp_path / "config.yaml")
    assert (config.op_store_config.server_host, config.op_store_config.server_port) == ("a.internal", 6001)
    assert config.pipelines_config.runner == "sequential-runner"


def test_an_argument_wins_over_a_variable(environment: Setter) -> None:
    environment(OP_STORE_SERVER_PORT="6001", PIPELINES_WORKERS_USE_FOR_ALL="true")
    assert OpStoreConfig(server_port=7001).server_port == 7001
    assert WorkersConfig(use_for_all=False).use_for_all is False


def test_a_variable_fills_what_the_arguments_leave_out(environment: Setter) -> None:
    environment(OP_STORE_SERVER_PORT="6001")
    section = OpStoreConfig(server_host="a.internal")
    assert (section.server_host, section.server_port) == ("a.internal", 6001)


def test_two_underscores_step_into_a_mapping_beside_what_the_file_says(tmp_path: Path, environment: Setter) -> None:
    (tmp_path / "config.yaml").write_text(
        "pipelines_workers: {worker_pool_kwargs: {redis_kwargs: {host: a.internal, port: 6379}}}"
    )
    environment(
        OP_STORE_SAVER_KWARGS__ROOT_PATH="/srv/ops",
        PIPELINES_WORKERS_WORKER_POOL_KWARGS__REDIS_KWARGS__PORT="6380",
        PIPELINES_WORKERS_WORKER_POOL_KWARGS__REDIS_KWARGS__PASSWORD='"0042"',
    )
    config = ChariotsConfig(tmp_path / "config.yaml")
    assert config.op_store_config.saver_kwargs == {"root_path": "/srv/ops"}
    assert config.pipelines_workers_config.worker_pool_kwargs == {
        "redis_kwargs": {"host": "a.internal", "port": 6380, "password": "0042"}
    }


def test_a_whole_mapping_is_given_as_json_and_refined_by_others(environment: Setter) -> None:
    environment(
        OP_STORE_SAVER_KWARGS='{"root_path": "/srv/ops", "bucket_name": "models"}',
        OP_STORE_SAVER_KWARGS__ROOT_PATH="/elsewhere",
    )
    assert OpStoreConfig().saver_kwargs == {"root_path": "/elsewhere", "bucket_name": "models"}


@pytest.mark.parametrize(("word", "meaning"), [("1", True), ("YES", True), ("off", False), ("False", False)])
def test_a_switch_takes_the_usual_words(environment: Setter, word: str, meaning: bool) -> None:
    environment(PIPELINES_WORKERS_USE_FOR_ALL=word)
    assert WorkersConfig().use_for_all is meaning


def test_an_empty_variable_counts_as_not_set(environment: Setter) -> None:
    environment(OP_STORE_SERVER_PORT="", OP_STORE_UNHEARD_OF="")
    assert OpStoreConfig().server_port == 5001


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "OP_STORE_SERVER_PROT",
            "1",
            "CHARIOTS_OP_STORE_SERVER_PROT is not known. Did you mean 'server_port'?",
        ),
        ("OP_STORE_SERVER_PORT", "x", "CHARIOTS_OP_STORE_SERVER_PORT holds 'x' .* a port"),
        ("OP_STORE_SERVER_HOST__NAME", "x", "steps into 'server_host', which is no mapping"),
        ("OP_STORE_SAVER_KWARGS", "x", "CHARIOTS_OP_STORE_SAVER_KWARGS holds a str, where a mapping"),
    ],
)
def test_a_mistaken_variable_is_refused_by_name(environment: Setter, name: str, value: str, told: str) -> None:
    environment(**{name: value})
    with pytest.raises(ValueError, match=told):
        OpStoreConfig()


def test_pipelines_cannot_come_from_the_environment(environment: Setter) -> None:
    environment(PIPELINES_PIPELINES="train")
    with pytest.raises(ValueError, match="CHARIOTS_PIPELINES_PIPELINES is not known"):
        PipelinesConfig()


def test_the_longest_section_owns_a_variable(environment: Setter) -> None:
    environment(PIPELINES_WORKERS_WORKER_TYPE="RQ")
    assert PipelinesConfig().runner == "sequential-runner"
    assert WorkersConfig().worker_type == "rq"


def test_variables_that_kubernetes_sets_for_a_service_of_our_name_are_passed_over(
    environment: Setter,
) -> None:
    environment(
        OP_STORE_PORT="tcp://10.0.0.7:5001",
        OP_STORE_SERVICE_HOST="10.0.0.7",
        OP_STORE_SERVICE_PORT_HTTP="5001",
        OP_STORE_PORT_5001_TCP_ADDR="10.0.0.7",
        PIPELINES_PORT_80_TCP="tcp://10.0.0.8:80",
    )
    assert OpStoreConfig().server_host == "127.0.0.1"
    assert PipelinesConfig().server_port == 5000
