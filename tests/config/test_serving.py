"""Does a server do what the section ``serving`` of a configuration says?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.config import ChariotsConfig, PipelinesConfig, ServingConfig
from chariots.web import surrounding


def written(folder: Path, text: str) -> Path:
    file = folder / "config.yaml"
    file.write_text(text)
    return file


def test_the_file_says_how_a_server_is_served(tmp_path: Path) -> None:
    config = written(tmp_path, "serving: {rate_limit: 1/hour, metrics: off, max_body: 1k, access_log: off}")
    app = ChariotsConfig(config).get_pipelines_server()
    assert surrounding(app).metrics is None
    assert app.config["MAX_CONTENT_LENGTH"] == 1000
    asked = app.test_client()
    assert [asked.get("/available_pipelines").status_code for _ in range(2)] == [200, 429]


def test_the_environment_comes_before_the_file_and_code_before_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARIOTS_SERVING_REQUEST_TIMEOUT", "20")
    config = written(tmp_path, "serving: {request_timeout: 10}")
    assert ChariotsConfig(config).serving_config.settings["request_timeout"] == 20
    given = ServingConfig(request_timeout=30)
    assert ChariotsConfig(config, serving_config=given).serving_config.settings["request_timeout"] == 30


def test_what_is_decided_before_there_is_an_application_is_told_where_to_say_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="say it with --workers, or in the variable CHARIOTS_SERVING_WORKERS"):
        ChariotsConfig(written(tmp_path, "serving: {workers: 3}"))
    with pytest.raises(TypeError, match="'workers', which is no setting of an application"):
        ServingConfig(workers=3)


def test_variables_for_the_server_do_not_disturb_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_SERVING_WORKERS", "3")
    monkeypatch.setenv("CHARIOTS_SERVING_SERVICE_HOST", "10.0.0.1")
    assert ChariotsConfig().serving_config.settings == {}


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'rate_limits' of the section 'serving' is not known"):
        ChariotsConfig(written(tmp_path, "serving: {rate_limits: 1/hour}"))


def test_a_client_brings_its_token() -> None:
    client = PipelinesConfig(token="predict-token-1234567").get_client()
    assert client._session._headers["Authorization"] == "Bearer predict-token-1234567"
