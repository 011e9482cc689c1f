"""Does the YAML file say everything it may say, and is everything else refused in words that help?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.config import (
    ChariotsConfig,
    ChariotsConfiguration,
    OpStoreConfig,
    PipelinesConfig,
    WorkersConfig,
)

DOCUMENTED = """
op_store:
  op_store_db_url: 'sqlite:///memory:'
  saver_kwargs:
    root_path: /tmp/op_store_test
  saver_type: file-saver
  server_host: localhost
  server_port: 5000
pipelines:
  import_name: test_chariots_pipelines_server
  runner: sequential-runner
  server_host: localhost
  server_port: 80
pipelines_workers:
  use_for_all: true
  worker_pool_kwargs:
    redis_kwargs:
      host: localhost
      port: 8080
  worker_type: rq
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ValueError) as caught:
        ChariotsConfig(written(folder, text))
    return str(caught.value)


def test_the_documented_file_fills_all_three_sections(tmp_path: Path) -> None:
    config = ChariotsConfiguration(str(written(tmp_path, DOCUMENTED)))
    documented = {
        "op_store_db_url": "sqlite:///memory:",
        "saver_kwargs": {"root_path": "/tmp/op_store_test"},
        "saver_type": "file-saver",
        "server_host": "localhost",
        "server_port": 5000,
    }
    assert documented.items() <= vars(config.op_store_config).items()
    assert vars(config.pipelines_config) == {
        "alias": "production",
        "token": None,
        "import_name": "test_chariots_pipelines_server",
        "runner": "sequential-runner",
        "runner_kwargs": {},
        "server_host": "localhost",
        "server_port": 80,
        "batching": True,
        "fast_path": True,
        "rollouts": [],
        "pipelines": [],
        "pipeline_callbacks": [],
    }
    assert vars(config.pipelines_workers_config) == {
        "use_for_all": True,
        "worker_pool_kwargs": {"redis_kwargs": {"host": "localhost", "port": 8080}},
        "worker_type": "rq",
    }


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "op_store:\npipelines:\n", "{}"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    config = ChariotsConfig(written(tmp_path, text))
    assert (config.op_store_config.server_host, config.op_store_config.server_port) == ("127.0.0.1", 5001)
    assert (config.pipelines_config.server_host, config.pipelines_config.server_port) == ("127.0.0.1", 5000)
    assert config.pipelines_workers_config.use_for_all is False
    assert config.pipelines_workers_config.worker_type is None


def test_a_key_left_empty_means_its_default(tmp_path: Path) -> None:
    config = ChariotsConfig(written(tmp_path, "op_store:\n  server_port:\n  server_host: store.internal\n"))
    assert config.op_store_config.server_port == 5001
    assert config.op_store_config.server_host == "store.internal"


def test_a_section_given_in_code_replaces_the_whole_section_of_the_file(tmp_path: Path) -> None:
    config = ChariotsConfig(
        written(tmp_path, DOCUMENTED),
        pipelines_config=PipelinesConfig(import_name="from_code"),
        pipelines_worker_config=WorkersConfig(),
        op_store_config=OpStoreConfig(server_port=7000),
    )
    assert config.pipelines_config.import_name == "from_code"
    assert config.pipelines_config.server_port == 5000
    assert config.pipelines_workers_config.worker_type is None
    assert (config.op_store_config.server_host, config.op_store_config.server_port) == ("127.0.0.1", 7000)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.yaml"):
        ChariotsConfig(tmp_path / "absent.yaml")


def test_an_unknown_section_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "pipeline_workers: {}") == (
        f"{tmp_path}/config.yaml: the section 'pipeline_workers' is not known. "
        "Did you mean 'pipelines_workers'? The sections are op_store, pipelines, serving, pipelines_workers."
    )


def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "op_store: {server_prt: 5001}").startswith(
        f"{tmp_path}/config.yaml: the key 'server_prt' of the section 'op_store' is not known. "
        "Did you mean 'server_port'? The keys of 'op_store' are server_host, server_port, saver_type, saver_kwargs, "
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("op_store: {server_port: [1]}", "'server_port' .* a port from 0 to 65535 is expected"),
        ("op_store: {server_port: eighty}", "'eighty' .* a port from 0 to 65535 is expected"),
        ("op_store: {server_port: 65536}", "65536 .* a port from 0 to 65535 is expected"),
        ("op_store: {server_port: true}", "True .* a port from 0 to 65535 is expected"),
        ("op_store: {server_host: 12}", "12 .* text is expected"),
        ("op_store: {op_store_db_url: ''}", "'op_store_db_url' .* text is expected"),
        ("op_store: {saver_kwargs: secret}", "holds a str, where a mapping"),
        ("op_store: {saver_kwargs: {1: a}}", "holds a dict, where a mapping of argument names"),
        ("op_store: {tokens: [secret]}", "holds a list, where tokens by scope are expected"),
        ("op_store: {saver_type: 3}", "3 .* one of azure, file-saver, google-storage, s3"),
        ("pipelines: {runner: {}}", "one of .*sequential-runner"),
        ("pipelines_workers: {use_for_all: perhaps}", "'perhaps' .* true or false is expected"),
        ("pipelines_workers: {use_for_all: 2}", "2 .* true or false is expected"),
        ("op_store: 3", "the section 'op_store' holds 3 .* a mapping is expected"),
        ("[op_store]", "at the top, where a mapping of sections is expected"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        ChariotsConfig(written(tmp_path, text))
    assert "config.yaml" in str(caught.value)


def test_a_refused_mapping_is_not_shown_because_it_may_hold_a_password(tmp_path: Path) -> None:
    assert "hunter2" not in refusal(tmp_path, "pipelines_workers: {worker_pool_kwargs: hunter2}")


def test_an_unknown_saver_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    told = refusal(tmp_path, "op_store: {saver_type: file-savr}")
    assert "'file-savr', which is not known. Did you mean 'file-saver'? Known names: azure, file-saver" in told


@pytest.mark.parametrize("key", ["pipelines", "pipeline_callbacks"])
def test_what_only_code_can_give_is_refused_with_the_way_to_give_it(tmp_path: Path, key: str) -> None:
    told = refusal(tmp_path, f"pipelines: {{{key}: [train]}}")
    assert f"append to config.pipelines_config.{key} after the file is loaded" in told


@pytest.mark.parametrize("text", ["op_store: {", "op_store: \x00", "a: !!python/object/apply:os.getcwd []"])
def test_what_is_not_plain_yaml_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    told = refusal(tmp_path, text)
    assert "config.yaml is not readable as YAML" in told
    assert "\n" not in told


def test_a_port_may_be_written_as_text(tmp_path: Path) -> None:
    config = ChariotsConfig(written(tmp_path, "op_store: {server_port: '8001'}"))
    assert config.op_store_config.server_port == 8001


def test_instances_never_share_their_lists() -> None:
    first, second = PipelinesConfig(), PipelinesConfig()
    first.pipelines.append(object())  # type: ignore[arg-type]
    first.pipeline_callbacks.append(object())  # type: ignore[arg-type]
    assert second.pipelines == []
    assert second.pipeline_callbacks == []


def test_the_list_given_by_the_caller_is_left_alone() -> None:
    given: list[object] = []
    config = PipelinesConfig(pipelines=given)  # type: ignore[arg-type]
    config.pipelines.append(object())  # type: ignore[arg-type]
    assert given == []
