"""Are bytes without a trusted signature, or in a format that is not trusted, refused on every way in and out?"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.errors import DamagedError, StoreError, UnknownNameError, UntrustedError
from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer, Trust
from chariots.op_store.savers import FileSaver
from chariots.op_store.trusting.keys import KeyKind, new_keys
from chariots.op_store.trusting.signing import sign_versions
from chariots.op_store.trusting.trust import statement
from chariots.pipelines.store import StoredVersion, VersionRecord
from tests.op_store.support import query, record, serving, version

ALICE, ALICE_PUBLIC = new_keys("alice")
BOB, BOB_PUBLIC = new_keys("bob", "hmac")
MALLORY, _ = new_keys("alice")  # says that she is Alice

Open = Callable[[Trust], BaseOpStoreClient]


def store_with(folder: Path, trust: Trust | None = None) -> OpStoreServer:
    """A store on a folder that others may open as well."""
    return OpStoreServer(FileSaver(str(folder / "ops")), f"sqlite:///{folder / 'db.sqlite'}", trust=trust)


@pytest.fixture(params=["over http", "in process"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a client of one store, which itself takes anything; each kind of client, one after the other."""
    store = store_with(tmp_path)
    if request.param == "in process":
        yield lambda trust: _in_process(store, trust)
    else:
        with serving(store) as url:
            yield lambda trust: OpStoreClient(url, trust=trust)


def _in_process(store: OpStoreServer, trust: Trust) -> BaseOpStoreClient:
    client = store.client()
    client.trust = trust
    return client


def save(client: BaseOpStoreClient, data: bytes = b"model", form: str | None = "dill") -> VersionRecord:
    """Saves one op as a pipeline does."""
    described = replace(record(client, "forest", data, version("1")), format=form)
    client.commit_save("train", "forest", [described], [])
    return described


def load(client: BaseOpStoreClient) -> bytes:
    """Loads it as a pipeline does."""
    return client.read_version(client.resolve("train", [query("forest")], []).versions["forest"])


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_what_the_trainer_signed_is_loaded_where_it_is_only_verified(opened: Open, kind: KeyKind) -> None:
    signing, verifying = new_keys("training", kind)
    save(opened(Trust(signing_key=signing.text)))
    assert load(opened(Trust(verify_keys=[verifying.text]))) == b"model"
    assert load(opened(Trust(signing_key=signing))) == b"model", "who signs trusts his own signature"


def test_unsigned_bytes_are_refused_naming_the_setting(opened: Open) -> None:
    save(opened(Trust()))
    with pytest.raises(UntrustedError, match="CHARIOTS_OP_STORE_SIGNING_KEY") as caught:
        load(opened(Trust(verify_keys=[ALICE_PUBLIC])))
    assert caught.value.status == 403
    assert "op 'forest'" in str(caught.value)


def test_bytes_signed_by_an_unknown_key_are_refused_naming_both_keys(opened: Open) -> None:
    save(opened(Trust(signing_key=BOB)))
    with pytest.raises(UntrustedError, match=r"signed by the key 'bob', and only 'alice' may sign here"):
        load(opened(Trust(verify_keys=[ALICE_PUBLIC])))


def test_bytes_signed_by_somebody_with_the_same_name_are_refused(opened: Open) -> None:
    save(opened(Trust(signing_key=MALLORY)))
    with pytest.raises(UntrustedError, match="their signature is not that of the key 'alice'"):
        load(opened(Trust(verify_keys=[ALICE_PUBLIC])))


def test_one_of_several_keys_is_enough(opened: Open) -> None:
    save(opened(Trust(signing_key=BOB)))
    assert load(opened(Trust(verify_keys=[ALICE_PUBLIC, BOB]))) == b"model"


def test_bytes_fetched_by_version_are_held_to_the_same(opened: Open) -> None:
    save(opened(Trust()))
    assert opened(Trust()).get_op_bytes_for_version("forest", version("1")) == b"model"
    with pytest.raises(UntrustedError):
        opened(Trust(verify_keys=[ALICE_PUBLIC])).get_op_bytes_for_version("forest", version("1"))


def test_bytes_saved_by_themselves_are_signed_too(opened: Open) -> None:
    opened(Trust(signing_key=ALICE)).save_op_bytes("forest", version("1"), b"model")
    reader = opened(Trust(verify_keys=[ALICE_PUBLIC]))
    assert reader.get_op_bytes_for_version("forest", version("1")) == b"model"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("format", "skops"),
        ("sha256", "0" * 64),
        ("size", 6),
        ("major", "1" * 40),
        ("patch", "1" * 40),
        ("op_id", 2),
    ],
)
def test_a_signature_covers_op_version_format_hash_and_size(tmp_path: Path, column: str, value: Any) -> None:
    client = store_with(tmp_path, Trust(signing_key=ALICE)).client()
    save(client)
    client.register_valid_link(None, "tree", version("1"))
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as database, database:
        database.execute(f"UPDATE version SET {column} = ? WHERE sha256 != ''", (value,))
    op = "tree" if column == "op_id" else "forest"
    reader = _in_process(store_with(tmp_path), client.trust)
    stored = reader.resolve("train", [query(op)], []).versions[op]
    with pytest.raises(UntrustedError, match="tampered"):
        reader.read_version(stored)
    with pytest.raises(UntrustedError, match="tampered"):
        client.resolve("train", [query(op)], [])


class Swapped(OpStoreClient):
    """A client of a store that, whatever version is asked for, answers with the newest of the op ``tree``."""

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        tree = super().post("/v2/lineage/versions", {"op": "tree"})["versions"][0]
        other = {name: tree[name] for name in StoredVersion.__dataclass_fields__}
        if route == "/v2/versions/find":
            return other
        if route == "/v2/resolve":
            return {"versions": {node["name"]: other for node in arguments_json["nodes"]}, "problems": []}
        return super().post(route, arguments_json)


@pytest.mark.parametrize(
    "ask",
    [
        load,
        lambda client: client.get_op_bytes_for_version("forest", version("1")),
        lambda client: client.get_op_bytes_for_version("tree", version("1")),
        lambda client: client.load_op_file("forest", version("1"), "never-written"),
    ],
    ids=["a pipeline", "a version", "a version of the same op", "a file"],
)
def test_what_the_trainer_signed_is_not_taken_for_what_was_asked_for(
    tmp_path: Path, ask: Callable[[BaseOpStoreClient], Any]
) -> None:
    store = store_with(tmp_path, Trust(signing_key=ALICE))
    save(store.client())
    for number in ("1", "2"):
        store.client().save_op_bytes("tree", version(number), f"tree {number}".encode())
    with serving(store) as url:
        client = Swapped(url, trust=Trust(verify_keys=[ALICE_PUBLIC]))
        assert client.get_op_bytes_for_version("tree", version("2")) == b"tree 2"
        with pytest.raises(UntrustedError, match="was asked for, but the op store answered with op 'tree'"):
            ask(client)


def test_bytes_swapped_behind_a_good_signature_are_damaged_and_not_loaded(tmp_path: Path) -> None:
    client = store_with(tmp_path, Trust(signing_key=ALICE)).client()
    saved = save(client)
    (blob,) = [path for path in (tmp_path / "ops").rglob(str(saved.sha256)) if path.is_file()]
    blob.chmod(0o600)
    blob.write_bytes(b"mOdel")
    with pytest.raises(StoreError, match="damaged"):
        load(client)


def test_bytes_changed_on_the_way_are_noticed_by_the_client(opened: Open) -> None:
    client = opened(Trust())
    saved = save(client)
    client._received = lambda sha256: iter((b"mOdel",))  # type: ignore[method-assign]
    if isinstance(client, OpStoreClient):
        with pytest.raises(DamagedError, match="arrived with the SHA-256 4040fb76") as caught:
            client.read_blob(str(saved.sha256))
        assert caught.value.status == 422


def test_a_format_that_is_not_trusted_is_refused_naming_the_setting(opened: Open) -> None:
    save(opened(Trust()), form="dill")
    assert load(opened(Trust(trusted_formats=["skops", "dill"]))) == b"model"
    with pytest.raises(UntrustedError, match=r"'dill'.*CHARIOTS_OP_STORE_TRUSTED_FORMATS.*keras, skops"):
        load(opened(Trust(trusted_formats=["skops", "keras"])))


def test_bytes_of_which_nobody_said_the_format_are_refused_where_formats_are_asked_for(opened: Open) -> None:
    save(opened(Trust()), form=None)
    with pytest.raises(UntrustedError, match="nobody recorded the format"):
        load(opened(Trust(trusted_formats=["dill"])))


def test_a_good_signature_does_not_excuse_the_format(opened: Open) -> None:
    save(opened(Trust(signing_key=ALICE)), form="dill")
    with pytest.raises(UntrustedError, match="'dill', which is not trusted"):
        load(opened(Trust(verify_keys=[ALICE_PUBLIC], trusted_formats=["skops"])))


# The store's side: what is not trusted does not get in, whoever sends it.


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[str]:
    """Where a store is served that takes what Alice signed, in the format of skops."""
    with serving(store_with(tmp_path, Trust(verify_keys=[ALICE_PUBLIC], trusted_formats=["skops"]))) as url:
        yield url


def test_a_store_takes_what_is_signed_by_its_key(strict: str) -> None:
    save(OpStoreClient(strict, trust=Trust(signing_key=ALICE)), form="skops")
    assert load(OpStoreClient(strict)) == b"model"


@pytest.mark.parametrize(
    ("trust", "form", "reason"),
    [
        (Trust(), "skops", "they are not signed"),
        (Trust(signing_key=BOB), "skops", "signed by the key 'bob'"),
        (Trust(signing_key=MALLORY), "skops", "not that of the key 'alice'"),
        (Trust(signing_key=ALICE), "dill", "'dill', which is not trusted"),
    ],
)
def test_a_store_registers_nothing_that_it_does_not_trust(strict: str, trust: Trust, form: str, reason: str) -> None:
    client = OpStoreClient(strict, trust=trust)
    with pytest.raises(UntrustedError, match=reason) as caught:
        save(client, form=form)
    assert caught.value.status == 403
    assert client.get_all_versions_of_op("forest") is None
    assert not client.pipeline_exists("train")


@pytest.mark.parametrize(
    ("route", "asked"),
    [
        ("/v1/save_op_bytes", {"op_name": "forest", "version": str(version("1")), "bytes": ""}),
        ("/v2/versions", None),
    ],
)
def test_the_older_ways_to_save_obey_too(strict: str, route: str, asked: Mapping[str, Any] | None) -> None:
    client = OpStoreClient(strict)
    if asked is None:
        asked = {"op": "forest", "version": str(version("1")), "sha256": client.write_blob(b"model"), "size": 5}
    with pytest.raises(UntrustedError):
        client.post(route, asked)
    assert client.get_all_versions_of_op("forest") is None


@pytest.mark.parametrize("trust", [Trust(verify_keys=[ALICE_PUBLIC]), Trust(trusted_formats=["skops"])])
@pytest.mark.parametrize(
    "ask",
    [
        load,
        lambda client: client.get_op_bytes_for_version("forest", version("1")),
        lambda client: client.load_op_file("forest", version("1"), "never-written"),
        lambda client: client.post(
            "/v1/get_op_bytes_for_version", {"desired_op_name": "forest", "version": str(version("1"))}
        ),
    ],
    ids=["a pipeline", "a version", "a file", "chariots 0.2"],
)
def test_a_store_gives_out_nothing_that_it_trusts_no_longer(
    tmp_path: Path, trust: Trust, ask: Callable[[BaseOpStoreClient], Any]
) -> None:
    save(store_with(tmp_path).client())
    with serving(store_with(tmp_path, trust)) as url, pytest.raises(UntrustedError, match="CHARIOTS_OP_STORE"):
        ask(OpStoreClient(url))


def test_a_refused_load_says_what_does_not_fit_before_what_is_not_trusted(tmp_path: Path) -> None:
    save(store_with(tmp_path).client())
    strict = store_with(tmp_path, Trust(verify_keys=[ALICE_PUBLIC])).client()
    resolution = strict.resolve("train", [query("forest"), query("never trained")], [])
    assert resolution.problems


def test_what_has_no_bytes_needs_no_signature(strict: str) -> None:
    client = OpStoreClient(strict)
    client.register_valid_link("forest", "pca", version("1"))
    client.commit_save("train", "pca", [record(client, "scale")], [])
    assert client.pipeline_exists("train")


def test_a_signature_of_any_length_is_not_taken(strict: str) -> None:
    client = OpStoreClient(strict)
    sha256 = client.write_blob(b"model")
    hostile = {"op": "forest", "version": str(version("1")), "sha256": sha256, "size": 5, "signature": "x" * 10_000}
    with pytest.raises(ValueError, match="signature"):
        client.post("/v2/versions", hostile)


# Beginning to sign, and changing keys.


def test_bytes_saved_before_there_was_a_key_are_signed_when_they_are_saved_again(tmp_path: Path) -> None:
    save(store_with(tmp_path).client())
    trusting = store_with(tmp_path, Trust(signing_key=ALICE)).client()
    with pytest.raises(UntrustedError):
        load(trusting)
    save(trusting)
    assert load(trusting) == b"model"


def test_a_signature_is_not_replaced_by_saving_again(tmp_path: Path) -> None:
    save(store_with(tmp_path, Trust(signing_key=ALICE)).client())
    save(store_with(tmp_path, Trust(signing_key=BOB, verify_keys=[ALICE_PUBLIC])).client())
    assert load(store_with(tmp_path, Trust(verify_keys=[ALICE_PUBLIC])).client()) == b"model"


def test_saving_again_does_not_change_what_format_bytes_are_said_to_have(tmp_path: Path) -> None:
    save(store_with(tmp_path).client(), form="dill")
    save(store_with(tmp_path, Trust(signing_key=ALICE)).client(), form="skops")
    stored = store_with(tmp_path).client().resolve("train", [query("forest")], []).versions["forest"]
    assert (stored.format, stored.signature) == ("dill", None)


def test_everything_a_store_has_can_be_signed_at_once(tmp_path: Path) -> None:
    plain = store_with(tmp_path).client()
    save(plain)
    plain.save_op_bytes("pca", version("1"), b"0.2")
    plain.register_valid_link(None, "scale", version("1"))
    store = store_with(tmp_path, Trust(signing_key=ALICE))
    done = sign_versions(store.registry)
    assert (done.signed, done.trusted, done.problems) == (2, 0, [])
    assert load(store_with(tmp_path, Trust(verify_keys=[ALICE_PUBLIC])).client()) == b"model"
    done = sign_versions(store.registry)
    assert (done.signed, done.trusted) == (0, 2)


def test_a_new_key_signs_over_the_old_one(tmp_path: Path) -> None:
    save(store_with(tmp_path, Trust(signing_key=BOB)).client())
    assert sign_versions(store_with(tmp_path, Trust(signing_key=ALICE)).registry).signed == 1
    assert load(store_with(tmp_path, Trust(verify_keys=[ALICE_PUBLIC])).client()) == b"model"


def test_a_key_that_is_to_go_is_signed_over_while_it_is_still_trusted(tmp_path: Path) -> None:
    save(store_with(tmp_path, Trust(signing_key=ALICE)).client())
    both = Trust(signing_key=BOB, verify_keys=[ALICE_PUBLIC])
    assert sign_versions(store_with(tmp_path, both).registry).signed == 0, "Alice is still trusted"
    assert sign_versions(store_with(tmp_path, both).registry, replace=["alice"]).signed == 1
    assert load(store_with(tmp_path, Trust(verify_keys=[BOB_PUBLIC])).client()) == b"model"


def test_only_the_signatures_of_another_key_that_is_trusted_are_replaced(tmp_path: Path) -> None:
    registry = store_with(tmp_path, Trust(signing_key=BOB, verify_keys=[ALICE_PUBLIC])).registry
    with pytest.raises(UnknownNameError, match="Did you mean 'alice'"):
        sign_versions(registry, replace=["alicia"])
    with pytest.raises(ValueError, match="the key to sign with"):
        sign_versions(registry, replace=["bob"])


def test_only_the_ops_that_are_named_are_signed(tmp_path: Path) -> None:
    plain = store_with(tmp_path).client()
    save(plain)
    plain.save_op_bytes("pca", version("1"), b"0.2")
    store = store_with(tmp_path, Trust(signing_key=ALICE))
    assert sign_versions(store.registry, ["pca"]).signed == 1
    with pytest.raises(ValueError, match="Did you mean 'forest'"):
        sign_versions(store.registry, ["forst"])


def test_damaged_bytes_are_not_signed(tmp_path: Path) -> None:
    saved = save(store_with(tmp_path).client())
    (blob,) = [path for path in (tmp_path / "ops").rglob(str(saved.sha256)) if path.is_file()]
    blob.chmod(0o600)
    blob.write_bytes(b"mOdel")
    done = sign_versions(store_with(tmp_path, Trust(signing_key=ALICE)).registry)
    assert done.signed == 0
    assert "damaged" in done.problems[0]
    assert "'forest'" in done.problems[0]


# The settings themselves.


@given(st.lists(st.tuples(st.text(), st.none() | st.text(), st.text(), st.integers(0)), min_size=2, unique=True))
def test_no_two_things_that_can_be_said_are_said_in_the_same_bytes(said: list[tuple[Any, ...]]) -> None:
    records = [VersionRecord(op, str(version("1")), format=form, sha256=sha, size=size) for op, form, sha, size in said]
    assert len({statement(one) for one in records}) == len(records)


def test_a_public_key_cannot_be_the_one_that_signs() -> None:
    with pytest.raises(ValueError, match="cannot sign; give its private half"):
        Trust(signing_key=ALICE_PUBLIC.text)


def test_two_keys_may_not_have_one_name() -> None:
    with pytest.raises(ValueError, match="two different keys are named 'alice'"):
        Trust(verify_keys=[ALICE_PUBLIC, new_keys("alice")[1]])
    assert Trust(signing_key=ALICE, verify_keys=[ALICE_PUBLIC]).asks_for_signatures, "two halves are one key"


def test_no_format_at_all_may_be_trusted() -> None:
    stored = StoredVersion(1, "forest", str(version("1")), None, "0" * 64, 5, format="skops")
    with pytest.raises(UntrustedError, match="formats trusted here: none at all"):
        Trust(trusted_formats=[]).check(stored)


def test_the_trust_of_a_store_does_not_show_secrets() -> None:
    assert base64.b64encode(BOB._secret).decode() not in repr(Trust(signing_key=BOB))


def test_what_is_given_no_trust_goes_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARIOTS_OP_STORE_SIGNING_KEY", ALICE.text)
    save(store_with(tmp_path).client())
    monkeypatch.setenv("CHARIOTS_OP_STORE_SIGNING_KEY", "")
    monkeypatch.setenv("CHARIOTS_OP_STORE_VERIFY_KEYS", f"{BOB_PUBLIC.text}, {ALICE_PUBLIC.text}")
    with serving(store_with(tmp_path, Trust())) as url:
        assert load(OpStoreClient(url)) == b"model"
        monkeypatch.setenv("CHARIOTS_OP_STORE_VERIFY_KEYS", BOB_PUBLIC.text)
        with pytest.raises(UntrustedError, match="signed by the key 'alice'"):
            load(OpStoreClient(url))
        assert load(OpStoreClient(url, trust=Trust())) == b"model", "what is given in code comes first"
        monkeypatch.setenv("CHARIOTS_OP_STORE_VERIFY_KEYS", "")
        monkeypatch.setenv("CHARIOTS_OP_STORE_TRUSTED_FORMATS", "skops,keras")
        with pytest.raises(UntrustedError, match="'dill', which is not trusted"):
            load(OpStoreClient(url))
        with pytest.raises(UntrustedError, match="'dill', which is not trusted"):
            load(store_with(tmp_path).client())


def test_a_key_in_the_environment_that_is_none_lets_nothing_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARIOTS_OP_STORE_VERIFY_KEYS", "alice")
    with pytest.raises(ValueError, match="new-key"):
        store_with(tmp_path)
