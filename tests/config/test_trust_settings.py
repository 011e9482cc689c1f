"""Do keys, formats and tokens get from the file and the environment to where they are used?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chariots.config import ChariotsConfig, OpStoreConfig
from chariots.op_store.trusting.keys import new_keys

PRIVATE, PUBLIC = new_keys("alice")
OTHER, _ = new_keys("bob", "hmac")
TOKEN = "a-token-of-some-length"


def test_the_environment_says_who_signs_and_what_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_OP_STORE_SIGNING_KEY", PRIVATE.text)
    monkeypatch.setenv("CHARIOTS_OP_STORE_VERIFY_KEYS", f"{PUBLIC.text}, {OTHER.text}")
    monkeypatch.setenv("CHARIOTS_OP_STORE_TRUSTED_FORMATS", "skops,keras")
    trust = OpStoreConfig().get_client().trust
    assert trust.signing_key is not None
    assert trust.signing_key.text == PRIVATE.text
    assert (set(trust.keys), trust.trusted_formats) == ({"alice", "bob"}, {"skops", "keras"})


def test_the_file_says_it_for_client_and_server_alike(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        f"op_store:\n  saver_kwargs: {{root_path: ops}}\n  verify_keys: ['{PUBLIC.text}']\n  trusted_formats: [skops]\n"
    )
    config = ChariotsConfig(tmp_path / "config.yaml")
    for trust in (config.get_op_store_server().trust, config.get_op_store_client().trust):
        assert (set(trust.keys), trust.trusted_formats, trust.signing_key) == ({"alice"}, {"skops"}, None)


def test_without_settings_everything_is_trusted(tmp_path: Path) -> None:
    trust = OpStoreConfig().get_trust()
    assert (trust.asks_for_signatures, trust.trusted_formats) == (False, None)


@pytest.mark.parametrize(
    "tokens",
    [
        f"write:{TOKEN},read:{TOKEN}-2",
        {"write": TOKEN, "read": f"{TOKEN}-2"},
        {"write": [TOKEN], "read": [f"{TOKEN}-2"]},
    ],
)
def test_tokens_are_given_as_text_or_by_scope(tokens: Any) -> None:
    assert OpStoreConfig(tokens=tokens).tokens == {"write": [TOKEN], "read": [f"{TOKEN}-2"]}


def test_the_server_asks_for_the_configured_tokens(tmp_path: Path) -> None:
    settings = OpStoreConfig(saver_kwargs={"root_path": str(tmp_path)}, tokens=f"read:{TOKEN}")
    asking = settings.get_server().flask.test_client()
    assert asking.get("/openapi.json").status_code == 401
    assert asking.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_server_goes_by_the_configured_names(tmp_path: Path) -> None:
    settings = OpStoreConfig(saver_kwargs={"root_path": str(tmp_path)}, allowed_hosts="store.internal,store")
    asking = settings.get_server().flask.test_client()
    assert asking.get("/openapi.json", headers={"Host": "store:5001"}).status_code == 200
    assert asking.get("/openapi.json", headers={"Host": "elsewhere"}).status_code == 403


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tokens": TOKEN}, "a token without a scope"),
        ({"tokens": 5}, "holds a int"),
        ({"tokens": {"read": 5}}, "texts are expected"),
        ({"token": 5}, "text is expected"),
        ({"signing_key": ["x"]}, "text is expected"),
        ({"verify_keys": [5]}, "texts are expected"),
        ({"verify_keys": ","}, "texts are expected"),
    ],
)
def test_a_wrong_setting_is_told_without_showing_it(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        OpStoreConfig(**given)
    assert TOKEN not in str(caught.value)
