"""Are secrets found where they are said to be, and shown nowhere?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chariots.errors import InputError, UnauthorizedError
from chariots.transfer.secrets import find_secret, find_token, read_members, secret_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of secrets are in this test; no variable holds any."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ACCESS_TOKEN", "MY_SECRET", "AWS_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHARIOTS_TRANSFER_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_secret_is_the_text_of_its_file_without_white_space_around(folder: Path) -> None:
    (folder / "my-secret").write_text("  the text\n")
    assert find_secret("my-secret") == "the text"


@pytest.mark.parametrize(("asked", "there"), [("my-secret", "my_secret"), ("my_secret", "my-secret")])
def test_hyphens_and_underscores_stand_for_each_other(folder: Path, asked: str, there: str) -> None:
    (folder / there).write_text("text")
    assert find_secret(asked) == "text"


def test_the_name_as_it_was_given_comes_first(folder: Path) -> None:
    (folder / "my-secret").write_text("hyphen")
    (folder / "my_secret").write_text("underscore")
    assert (find_secret("my-secret"), find_secret("my_secret")) == ("hyphen", "underscore")


def test_there_may_be_none_such_or_an_empty_one(folder: Path) -> None:
    (folder / "empty").write_text(" \n")
    (folder / "folder").mkdir()
    assert [find_secret(name) for name in ("", "unknown", "empty", "folder")] == [None] * 4


@pytest.mark.parametrize("name", ["hf_token", "hf_access_token", "hf-access-token", "hf-token"])
def test_the_token_of_the_hub_comes_from_its_variables(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "second")
    assert find_secret(name) == "second"
    monkeypatch.setenv("HF_TOKEN", "first")
    assert find_secret(name) == "first"


def test_a_file_comes_before_the_variables_of_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "variable")
    (folder / "hf-access-token").write_text("file")
    assert find_secret("hf_access_token") == "file"


def test_the_token_of_the_hub_is_not_taken_for_another_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "token")
    assert find_secret("my-secret") is None


def test_a_variable_of_the_name_in_capitals_comes_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "variable")
    assert find_secret("my-secret") == "variable"
    (folder / "my_secret").write_text("file")
    assert find_secret("my-secret") == "file"


@pytest.mark.parametrize("name", ["../outside", "a/b", "/etc/hostname", "a\0b", "..", "a\\b", "a\nb", "x" * 300])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_text("text")
    with pytest.raises(InputError, match="is no name of a secret"):
        find_secret(name)


def test_a_secret_that_is_no_text_is_refused_by_its_name(folder: Path) -> None:
    (folder / "bytes").write_bytes(b"\xff\xfe\x00secret")
    with pytest.raises(InputError, match=r"'bytes'.*is no text in UTF-8"):
        find_secret("bytes")


def test_an_endless_secret_is_not_read(folder: Path) -> None:
    (folder / "zero").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"'zero'.*more than a mebibyte"):
        find_secret("zero")


def test_a_secret_does_not_show_its_text(folder: Path) -> None:
    (folder / "mine").write_text("hush-hush")
    secret = secret_of("mine")
    assert secret is not None and secret.value == "hush-hush"
    assert "hush" not in repr(secret) + str(secret) and str(folder / "mine") in secret.place


@pytest.mark.parametrize("text", ['{"access_key_id": "hush"}', "hush\r\nX-Other: 1", "hu sh", "hüsh"])
def test_what_no_header_can_hold_is_no_token(folder: Path, text: str) -> None:
    (folder / "mine").write_text(text)
    with pytest.raises(InputError, match=r"the secret 'mine' .* is no token") as caught:
        find_token("mine")
    assert text not in str(caught.value) and "hush" not in str(caught.value)


def test_the_members_of_a_json_secret_are_read_and_others_left_out(folder: Path) -> None:
    (folder / "keys").write_text(json.dumps({"a": "1", "b": "2", "c": "3", "d": None}))
    assert read_members("keys", ["a"], ["b", "d", "e"]) == {"a": "1", "b": "2"}
    assert read_members("unknown", ["a"]) is None


@pytest.mark.parametrize(
    "text", ["hush", '["hush"]', '{"a": 1, "x": "hush"}', '{"b": "hush"}', '{"a": ""}', "[" * 9999]
)
def test_a_json_secret_of_another_form_is_refused_without_showing_it(folder: Path, text: str) -> None:
    (folder / "keys").write_text(text)
    with pytest.raises(UnauthorizedError) as caught:
        read_members("keys", ["a"], ["b"])
    message = str(caught.value)
    assert "'keys'" in message and str(folder / "keys") in message and '{"a": "..."}' in message
    assert "hush" not in message


def test_a_member_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "keys").write_text('{"a": "1", "b": {"c": "hush"}}')
    with pytest.raises(UnauthorizedError, match="'b' that is no text") as caught:
        read_members("keys", ["a"], ["b"])
    assert "hush" not in str(caught.value)


def test_the_token_of_the_hub_is_no_key_of_a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "token")
    assert read_members("hf_access_token", ["a"]) is None
    (folder / "hf_access_token").write_text('{"a": "1"}')
    assert read_members("hf_access_token", ["a"]) == {"a": "1"}
