"""Does a key vouch for what it signed and for nothing else, and is a wrong key told without being shown?"""

from __future__ import annotations

import base64
import builtins
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.op_store.trusting.keys import KeyKind, new_keys, parse_key

KINDS: list[KeyKind] = ["hmac", "ed25519"]
SECRET = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_read_back_from_its_text_verifies_what_the_first_one_signed(kind: KeyKind) -> None:
    signing, verifying = (parse_key(key.text) for key in new_keys("alice-2030", kind))
    signature = signing.sign(b"statement")
    assert verifying.verifies(b"statement", signature)
    assert signing.verifies(b"statement", signature)
    assert not verifying.verifies(b"statemenT", signature)
    assert (signing.name, verifying.name) == ("alice-2030", "alice-2030")


@pytest.mark.parametrize("kind", KINDS)
def test_another_key_of_the_same_name_does_not_verify(kind: KeyKind) -> None:
    signature = new_keys("alice", kind)[0].sign(b"statement")
    assert not new_keys("alice", kind)[1].verifies(b"statement", signature)


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(TypeError, match="'alice' is a public one"):
        new_keys("alice")[1].sign(b"statement")


def test_the_bytes_of_a_public_key_used_as_a_shared_secret_prove_nothing() -> None:
    _, public = new_keys("alice")
    as_secret = parse_key(public.text.replace("ed25519-public", "hmac"))
    assert not public.verifies(b"statement", as_secret.sign(b"statement"))
    assert not public.verifies(b"statement", as_secret.sign(b"statement").replace("hmac-sha256", "ed25519"))


@pytest.mark.parametrize("kind", KINDS)
@given(signature=st.text() | st.binary(max_size=80).map(lambda data: "ed25519:" + base64.b64encode(data).decode()))
def test_whatever_stands_in_place_of_a_signature_is_refused_and_not_an_error(kind: KeyKind, signature: str) -> None:
    assert not new_keys("alice", kind)[1].verifies(b"statement", signature)


def test_a_key_does_not_show_its_secret() -> None:
    private, _ = new_keys("alice")
    assert "alice" in repr(private)
    assert private.text.rpartition(":")[2] not in repr(private)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SECRET, "does not begin with the kind"),
        (f"hmak:alice:{SECRET}", "Did you mean 'hmac'"),
        (f"hmac::{SECRET}", "no usable name"),
        (f"hmac:a b:{SECRET}", "no usable name"),
        (f"hmac:{'a' * 65}:{SECRET}", "no usable name"),
        (f"hmac:alice:{SECRET[:-4]}!!!=", "not base64"),
        (f"hmac:alice:{base64.b64encode(b'short').decode()}", "has 5 bytes where 32 are needed"),
        (f"ed25519-public:alice:{base64.b64encode(bytes(33)).decode()}", "has 33 bytes where 32 are needed"),
    ],
)
def test_a_wrong_key_is_told_by_where_it_stands_and_never_shown(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_key(text, "the variable KEY")
    assert str(caught.value).startswith("the variable KEY")
    assert "chariots op-store new-key" in str(caught.value)
    assert SECRET[:20] not in str(caught.value)


def test_without_cryptography_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError("No module named 'cryptography'")
        return found(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'chariots\[signing\]', or use an hmac key"):
        new_keys("alice")
    assert new_keys("alice", "hmac")[0].can_sign


@pytest.mark.parametrize("name", ["", "two words", "a:b", "-a", "a" * 65])
def test_a_new_key_wants_a_name_that_it_can_be_written_with(name: str) -> None:
    with pytest.raises(ValueError, match="was to be named"):
        new_keys(name)
