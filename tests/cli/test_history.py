"""Can versions be promoted, rolled back and accepted from a terminal, and can it be seen what was decided?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask_migrate import downgrade

from chariots.cli import main
from chariots.op_store import BaseOpStoreClient
from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, chariots, started
from tests.op_store.support import file_store, query, record, save_pair, serving, version

Typed = Callable[..., Result]
EDGE = [("pca", "forest")]


@pytest.fixture
def store(tmp_path: Path) -> BaseOpStoreClient:
    """A store with two pairs that fit, of a pipeline that reads them."""
    client = file_store(tmp_path).client()
    client.describe_pipeline("predict", [query("pca"), query("forest")], EDGE)
    for number in (1, 2):
        save_pair(client, number)
    return client


@pytest.fixture
def typed(store: BaseOpStoreClient, tmp_path: Path) -> Typed:
    """Types a command about that store, of which the folder is given."""
    return lambda *arguments: CliRunner().invoke(main, [*arguments, "--path", str(tmp_path)])


def shown(result: Result) -> str:
    """What a command printed that went well."""
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_the_newest_versions_that_fit_are_promoted(store: BaseOpStoreClient, typed: Typed) -> None:
    text = shown(typed("promote", "predict", "--reason", "better", "--who", "anna"))
    (event,) = store.history("predict")
    assert (event.who, event.reason, event.after) == ("anna", "better", {"pca": 3, "forest": 4})
    assert "production of predict stands for forest 4, pca 3 (event 1; before: nothing)." in text
    assert "`chariots load predict`" in text


def test_versions_and_another_alias_may_be_named(store: BaseOpStoreClient, typed: Typed) -> None:
    shown(typed("promote", "predict", "--alias", "candidate", "--pin", "pca=1", "--pin", "forest=2"))
    assert store.alias("predict", "candidate") == {"pca": 1, "forest": 2}
    shown(typed("promote", "predict", "--from", "candidate"))
    assert store.alias("predict", "production") == {"pca": 1, "forest": 2}


def test_going_back_and_the_history_of_it(store: BaseOpStoreClient, typed: Typed) -> None:
    shown(typed("promote", "predict", "--pin", "pca=1", "--pin", "forest=2"))
    shown(typed("promote", "predict", "--reason", "[bold]new[/bold]"))
    assert "stands for forest 2, pca 1 (event 3; before: forest 4, pca 3)" in shown(typed("rollback", "predict"))
    lines = shown(typed("history", "predict")).splitlines()
    assert [line.split()[0] for line in lines] == ["event", "3", "2", "1"]
    assert "rollback" in lines[1]
    assert "forest 4 -> 2, pca 3 -> 1" in lines[1]
    assert "[bold]new[/bold]" in lines[2]
    assert shown(typed("history", "predict", "--limit", "1", "--before", "3")).splitlines()[1].startswith("2")
    told = json.loads(shown(typed("history", "predict", "--json")))
    assert [event["kind"] for event in told] == ["rollback", "promote", "promote"]
    assert told[0]["after"] == {"pca": 1, "forest": 2}


def test_an_alias_is_withdrawn_and_brought_back(store: BaseOpStoreClient, typed: Typed) -> None:
    shown(typed("promote", "predict", "--alias", "canary", "--pin", "pca=1", "--pin", "forest=2"))
    told = shown(typed("withdraw", "predict", "--alias", "canary", "--reason", "too slow"))
    assert "canary of predict stands for nothing (event 2; before: forest 2, pca 1)." in told
    assert not store.alias("predict", "canary")
    line = shown(typed("history", "predict")).splitlines()[1]
    assert "withdraw" in line
    assert "forest 2 -> none, pca 1 -> none" in line
    assert "nothing" in shown(typed("aliases", "predict")).splitlines()[1]
    assert "stands for forest 2, pca 1" in shown(typed("rollback", "predict", "--alias", "canary"))


def test_a_rollback_may_name_an_event(store: BaseOpStoreClient, typed: Typed) -> None:
    for pins in (("pca=1", "forest=2"), ("pca=3", "forest=4")):
        shown(typed("promote", "predict", "--pin", pins[0], "--pin", pins[1]))
    shown(typed("rollback", "predict", "--to", "1"))
    assert store.alias("predict", "production") == {"pca": 1, "forest": 2}


def test_a_rollback_says_what_keeps_the_present_code_from_loading_it(store: BaseOpStoreClient, typed: Typed) -> None:
    shown(typed("promote", "predict", "--pin", "pca=1", "--pin", "forest=2"))
    shown(typed("promote", "predict"))
    changed = version("new code")
    store.describe_pipeline("predict", [query("pca", code=changed), query("forest", code=changed)], EDGE)
    result = typed("rollback", "predict")
    assert result.exit_code == 0
    assert "The code that was seen last cannot load this:" in result.stderr
    assert store.alias("predict", "production") == {"pca": 1, "forest": 2}


def test_a_pair_is_accepted_with_a_reason(store: BaseOpStoreClient, typed: Typed) -> None:
    store.commit_save("train", "pca", [record(store, "pca", b"new", version("new"))], [])
    refused = typed("promote", "predict", "--pin", "pca=5", "--pin", "forest=4")
    assert refused.exit_code == 1
    assert "chariots accept predict pca forest" in refused.stderr
    assert typed("accept", "predict", "pca", "forest").exit_code == 2
    text = shown(typed("accept", "predict", "pca", "forest", "--reason", "compared"))
    assert "Version 4 of forest accepts version 5 of pca (event 1)." in text
    shown(typed("promote", "predict"))
    assert store.alias("predict", "production") == {"pca": 5, "forest": 4}


def test_an_alias_without_a_history_is_told_apart_from_a_pipeline_without(
    store: BaseOpStoreClient, typed: Typed
) -> None:
    store.promote("predict")
    told = shown(typed("history", "predict", "--alias", "candidate"))
    assert told == "Nothing was promoted or rolled back for predict under the alias candidate.\n"


def test_aliases_are_listed(store: BaseOpStoreClient, typed: Typed) -> None:
    assert "has no alias" in shown(typed("aliases", "predict"))
    assert "No pipeline has an alias" in shown(typed("aliases"))
    assert "Nothing was promoted" in shown(typed("history", "predict"))
    shown(typed("promote", "predict"))
    for arguments in (["aliases"], ["aliases", "predict"]):
        line = shown(typed(*arguments)).splitlines()[1]
        assert line.startswith("predict")
        assert "production" in line
        assert "forest 4, pca 3" in line
    assert json.loads(shown(typed("aliases", "--json")))[0]["alias"] == "production"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["promote", "predikt"], "Did you mean 'predict'?"),
        (["promote", "predict", "--pin", "pcs=1"], "Did you mean 'pca'?"),
        (["promote", "predict", "--pin", "pca=99"], "newest saved versions are 3, 1"),
        (["promote", "predict", "--expect", "pca=1"], "expected to stand for pca 1, but it stands for nothing"),
        (["rollback", "predict"], "nothing before what it stands for"),
        (["rollback", "predict", "--to", "7"], "event 7, which is none of its events"),
    ],
)
def test_a_mistake_is_told_with_a_way_out(typed: Typed, arguments: Sequence[str], told: str) -> None:
    result = typed(*arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_version_that_is_not_written_as_one_is_a_usage_error(typed: Typed) -> None:
    for text in ("pca", "pca=", "=3", "pca=three"):
        result = typed("promote", "predict", "--pin", text)
        assert result.exit_code == 2
        assert "write NODE=NUMBER" in result.stderr


def test_a_folder_without_a_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    result = CliRunner().invoke(main, ["aliases", "--path", str(missing)])
    assert result.exit_code == 1
    assert "there is none (no file db.sqlite)" in result.stderr
    assert not missing.exists()


def test_what_is_decided_about_a_store_of_an_older_release_is_kept(
    store: BaseOpStoreClient, typed: Typed, tmp_path: Path
) -> None:
    for number in (1, 3):
        store.record_deployment("predict", {"pca": number, "forest": number + 1})
    older = file_store(tmp_path)
    with older.flask.app_context():
        downgrade(str(older.migrate.directory), "0001")
    shown(typed("rollback", "predict"))
    assert file_store(tmp_path).client().alias("predict", "production") == {"pca": 1, "forest": 2}


@pytest.fixture
def address(store: BaseOpStoreClient, tmp_path: Path) -> Iterator[str]:
    """Where that store is served."""
    with serving(file_store(tmp_path)) as url:
        yield url


def test_a_store_is_asked_at_an_address_or_at_the_one_of_the_configuration(
    store: BaseOpStoreClient, address: str, tmp_path: Path
) -> None:
    assert chariots(tmp_path, "promote", "predict", "--store", address).returncode == 0
    assert store.alias("predict", "production") == {"pca": 3, "forest": 4}
    _, _, port = address.rpartition(":")
    configured = tmp_path / "config.yaml"
    configured.write_text(f"op_store: {{server_port: {port}}}")
    result = CliRunner().invoke(main, ["aliases", "predict", "--config", str(configured)])
    assert "production" in shown(result)
    both = CliRunner().invoke(main, ["aliases", "--store", address, "--path", str(tmp_path)])
    assert both.exit_code == 2


def test_a_promotion_reaches_the_answers_of_a_running_server(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from chariots import Chariots\n"
        "from chariots.demo import pred_iris, train_iris\n"
        "app = Chariots([train_iris, pred_iris], 'store', import_name='app')\n"
    )
    with started([*CHARIOTS, "serve", "app:app", "--port", "0"], tmp_path) as (url, _):
        client, seen = PipelinesClient(url), []
        for _ in range(2):
            client.call_pipeline("train_iris")
            client.save_pipeline("train_iris")
            client.load_pipeline("pred_iris")
            seen.append(client.pipeline_versions("pred_iris"))
        assert seen[0] != seen[1]
        result = chariots(tmp_path, "rollback", "pred_iris", "--path", "store")
        assert result.returncode == 0, result.stderr
        client.load_pipeline("pred_iris")
        assert client.pipeline_versions("pred_iris") == seen[0]
