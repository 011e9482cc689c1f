"""Does `gc` give up what nobody needs, and nothing else, whatever happens meanwhile?"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.errors import ConflictError, UnknownNameError
from chariots.op_store import OpStoreServer, tables
from chariots.op_store.maintenance import CollectionReport, Policy, collect, stats, verify
from chariots.op_store.savers import BaseSaver, FileSaver
from tests.op_store.maintaining import again, alive, file_names, make_files_old, make_old, rows, save
from tests.op_store.support import blob_files, database_url, file_store, query, record, save_pair, version

NOTHING_IS_YOUNG = 0.0


def clean(store: OpStoreServer, keep: int = 1, younger_than: float = NOTHING_IS_YOUNG) -> CollectionReport:
    """Lets `gc` do its work."""
    return collect(store.registry, Policy(keep, younger_than), delete=True)


def test_a_dry_run_says_what_would_go_and_changes_nothing(store: OpStoreServer, tmp_path: Path) -> None:
    for number in range(4):
        save_pair(store.client(), number)
    make_old(store)
    before, files = rows(store), blob_files(tmp_path)
    report = collect(store.registry, Policy(keep=3))
    assert report.versions == {"forest": [2], "pca": [1]}
    assert (report.deleted, report.kept, report.blobs, report.size) == (False, 6, 2, len(b"forest 0") + len(b"pca 0"))
    assert (rows(store), blob_files(tmp_path)) == (before, files)


def test_the_newest_versions_of_every_op_stay(store: OpStoreServer, tmp_path: Path) -> None:
    for number in range(5):
        save_pair(store.client(), number)
    make_old(store)
    dry = collect(store.registry, Policy(keep=2))
    report = clean(store, keep=2)
    assert alive(store) == {"pca": [7, 9], "forest": [8, 10]}
    assert (report.versions, report.blobs, report.size) == (dry.versions, dry.blobs, dry.size)
    assert len(blob_files(tmp_path)) == 4
    assert store.client().get_op_bytes_for_version("pca", version("pca 4")) == b"pca 4"


def test_a_version_that_was_given_up_stays_in_the_records(store: OpStoreServer) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    clean(store)
    found = stats(store.registry)
    assert (found.versions, found.with_bytes, found.pruned, found.links) == (6, 2, 4, 3)
    assert store.client().get_all_versions_of_op("pca") == {version(f"pca {number}") for number in range(3)}


def test_whoever_asks_for_a_version_that_was_given_up_is_told_so(store: OpStoreServer) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    clean(store)
    with pytest.raises(UnknownNameError, match=r"gave them up with `gc` \(version number 1\): the newest it has is"):
        store.client().get_op_bytes_for_version("pca", version("pca 0"))


def test_young_versions_stay(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    save_pair(store.client(), 2)
    make_old(store, days=10)
    save_pair(store.client(), 3)
    save_pair(store.client(), 4)
    clean(store, younger_than=5 * 24 * 3600)
    assert alive(store) == {"pca": [5, 7], "forest": [6, 8]}
    clean(store, younger_than=15 * 24 * 3600)
    assert alive(store) == {"pca": [5, 7], "forest": [6, 8]}


def test_what_a_pipeline_serves_stays_and_what_it_served_before(store: OpStoreServer) -> None:
    sets = [dict(save_pair(store.client(), number)) for number in range(6)]
    for served in (sets[0], sets[1], sets[2]):
        store.client().record_deployment("predict", served)
    clean(store)
    assert alive(store) == {"pca": [3, 5, 11], "forest": [4, 6, 12]}


def test_what_an_alias_stands_for_stays_and_what_a_rollback_would_bring_back(store: OpStoreServer) -> None:
    client = store.client()
    sets = [dict(save_pair(client, number)) for number in range(5)]
    client.describe_pipeline("train", [query("pca"), query("forest")], [("pca", "forest")])
    for chosen in sets[:3]:
        client.promote("train", versions=chosen)
    clean(store)
    assert alive(store) == {"pca": [3, 5, 9], "forest": [4, 6, 10]}
    assert dict(client.rollback("train").after) == sets[1]


def test_everything_that_a_kept_version_learned_with_stays(store: OpStoreServer) -> None:
    client = store.client()
    save(client, "first", ["words", "pca"], 1, [("words", "pca")])
    again(client, [("pca", 1, "forest", 1)])
    for number in range(2, 5):
        save(client, "first", ["words", "pca"], number, [("words", "pca")])
    clean(store)
    # The newest forest learned with the oldest pca, and that with the oldest words.
    assert alive(store) == {"words": [1, 8], "pca": [2, 9], "forest": [3]}


def test_of_what_learned_with_a_serving_version_the_newest_stay(store: OpStoreServer) -> None:
    client = store.client()
    save(client, "embed", ["pca"], 1)
    client.record_deployment("embed", {"pca": 1})
    again(client, [("pca", 1, "forest", number) for number in ("a", "b")])
    for number in range(2, 5):
        save_pair(client, number)
    clean(store)
    assert alive(store) == {"pca": [1, 8], "forest": [3, 9]}


def test_what_a_pipeline_would_load_stays_where_it_is_not_the_newest(store: OpStoreServer) -> None:
    client = store.client()
    nodes = [query("left"), query("right"), query("top")]
    edges = [("left", "top"), ("right", "top")]
    client.describe_pipeline("predict", nodes, edges)
    save(client, "train", ["left", "right", "top"], 1, edges)
    save(client, "train_right", ["right"], 2)
    save(client, "train_top", ["left", "top"], 2, [("left", "top")])  # this top never saw a right
    before = client.resolve("predict", nodes, edges)
    clean(store)
    after = client.resolve("predict", nodes, edges)
    assert before.problems == after.problems == []
    assert [version.id for version in after.versions.values()] == [1, 2, 3]


def test_what_a_client_of_old_vouched_for_stays(store: OpStoreServer) -> None:
    client = store.client()
    for number in range(3):
        client.save_op_bytes("pca", version(f"pca {number}"), f"pca {number}".encode())
        client.save_op_bytes("forest", version(f"forest {number}"), f"forest {number}".encode())
    client.register_valid_link("forest", "pca", version("pca 0"))
    client.register_valid_link("forest", "pca", version("pca 1"))
    clean(store)
    assert alive(store) == {"pca": [3, 5], "forest": [6]}


def test_bytes_that_a_kept_version_shares_stay(store: OpStoreServer, tmp_path: Path) -> None:
    client = store.client()
    for state in (b"one", b"two", b"one"):
        client.save_op_bytes("forest", version("same"), state)
    report = clean(store)
    assert alive(store) == {"forest": [3]}
    assert (report.version_count, report.blobs, len(blob_files(tmp_path))) == (2, 1, 1)
    assert client.get_op_bytes_for_version("forest", version("same")) == b"one"


def test_saving_the_bytes_again_brings_a_version_back(store: OpStoreServer) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    clean(store)
    save_pair(store.client(), 0)
    assert alive(store) == {"pca": [1, 5], "forest": [2, 6]}
    assert store.client().get_op_bytes_for_version("pca", version("pca 0")) == b"pca 0"
    assert verify(store.registry).findings == []


def test_old_orphans_and_leftovers_go_and_young_ones_stay(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    store.client().write_blob(b"a save that was killed")
    place = blob_files(tmp_path)[0].parent
    (place / ".writing-0123456789abcdef").write_bytes(b"half")
    make_files_old(tmp_path)
    young = store.client().write_blob(b"a save under way")
    (place / ".writing-fedcba9876543210").write_bytes(b"half")
    report = clean(store)
    assert (report.orphans, report.leftovers, report.size) == (1, 1, len(b"a save that was killed") + 4)
    assert young in file_names(tmp_path)
    assert ".writing-fedcba9876543210" in file_names(tmp_path)
    assert len(blob_files(tmp_path)) == 4


def test_a_foreign_file_is_left_alone(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    notes = blob_files(tmp_path)[0].parent / "notes.txt"
    notes.write_text("mine")
    make_files_old(tmp_path)
    clean(store)
    assert notes.read_text() == "mine"


def test_what_is_served_after_the_decision_stays(store: OpStoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from chariots.op_store.maintenance import gc

    oldest = dict(save_pair(store.client(), 0))
    for number in range(1, 4):
        save_pair(store.client(), number)
    decide = gc.make_plan

    def decide_then_serve(connection: sa.Connection, policy: Policy) -> gc.Plan:
        plan = decide(connection, policy)
        assert oldest["pca"] in plan.numbers
        thread = threading.Thread(target=store.client().record_deployment, args=("predict", oldest))
        thread.start()
        thread.join()
        return plan

    monkeypatch.setattr(gc, "make_plan", decide_then_serve)
    report = clean(store)
    assert alive(store) == {"pca": [1, 7], "forest": [2, 8]}
    assert report.versions == {"forest": [4, 6], "pca": [3, 5]}
    assert report.kept == 4


class Watched(FileSaver):
    """A saver that lets a test act at the moment when bytes were looked for, or before some are deleted."""

    looked: Callable[[], object] | None = None
    deleting: Callable[[], object] | None = None

    def settle(self, path: str) -> bool:
        """Looks, as a save does before it names bytes, and then acts once."""
        found, act = super().settle(path), self.looked
        self.looked = None
        if act is not None:
            act()
        return found

    def delete(self, path: str) -> None:
        """Acts once, and then deletes."""
        act, self.deleting = self.deleting, None
        if act is not None:
            act()
        super().delete(path)


@pytest.fixture
def watched(database: str, tmp_path: Path) -> Iterator[tuple[OpStoreServer, Watched]]:
    """A store whose saver is watched."""
    saver = Watched(str(tmp_path / "ops"))
    store = OpStoreServer(saver, database)
    yield store, saver
    store.registry.database.engine.dispose()


def test_bytes_that_go_while_a_save_is_about_to_name_them_are_missed(watched: tuple[OpStoreServer, Watched]) -> None:
    store, saver = watched
    for number in range(3):
        save_pair(store.client(), number)
    before = rows(store)["save"]
    old = record(store.client(), "pca", b"pca 0", version("another"))
    saver.looked = lambda: clean(store)
    with pytest.raises(ConflictError, match="send the bytes first"):
        store.client().commit_save("train", "pca", [old], [])
    assert rows(store)["save"] == before
    assert verify(store.registry).findings == []
    again_ = record(store.client(), "pca", b"pca 0", version("another"))
    store.client().commit_save("train", "pca", [again_], [])
    assert store.client().get_op_bytes_for_version("pca", version("another")) == b"pca 0"


def test_a_save_that_begins_while_bytes_are_deleted_is_whole_or_refused(
    watched: tuple[OpStoreServer, Watched],
) -> None:
    store, saver = watched
    orphan = record(store.client(), "forest", b"saved at last", version("late"))
    for number in range(3):
        save_pair(store.client(), number)
    make_files_old(Path(saver.root_path).parent)
    outcomes: list[object] = []

    def commit() -> None:
        try:
            outcomes.append(store.client().commit_save("train", "forest", [orphan], []))
        except ConflictError as error:
            outcomes.append(error)

    # gc keeps writers out while it deletes; the save waits for it, and looks again then.
    thread = threading.Thread(target=commit)
    saver.deleting = thread.start
    clean(store)
    thread.join()
    (outcome,) = outcomes
    assert (version("late") in (store.client().get_all_versions_of_op("forest") or ())) == isinstance(outcome, dict)
    assert verify(store.registry).losses == []


def test_a_run_that_was_killed_is_finished_by_the_next(watched: tuple[OpStoreServer, Watched], tmp_path: Path) -> None:
    store, saver = watched

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    for number in range(4):
        save_pair(store.client(), number)
    saver.deleting = die
    with pytest.raises(Killed):
        clean(store)
    assert verify(store.registry).losses == []
    assert len(blob_files(tmp_path)) == 8
    assert clean(store).blobs == 6
    assert len(blob_files(tmp_path)) == 2
    assert verify(store.registry).findings == []


def test_a_save_looks_again_as_long_as_a_run_has_not_ended(watched: tuple[OpStoreServer, Watched]) -> None:
    store, saver = watched
    save_pair(store.client(), 1)
    with store.registry.database.writing() as connection:
        connection.execute(sa.insert(tables.collection).values(versions=0))  # as one that was killed leaves it
    late = record(store.client(), "pca", b"new", version("new"))
    saver.looked = lambda: saver.delete(f"blobs/{str(late.sha256)[:2]}/{late.sha256}")
    with pytest.raises(ConflictError):
        store.client().commit_save("train", "pca", [late], [])


def test_runs_leave_one_row(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    for _ in range(3):
        clean(store)
    (row,) = rows(store)["collection"]
    assert row[2] is not None


def test_saves_and_runs_at_the_same_time_lose_nothing(store: OpStoreServer) -> None:
    stop = threading.Event()

    def save_often(op: str) -> None:
        for number in range(25):
            # The same few states come back again and again, just given up or just about to be.
            state = f"{op} {number % 3}"
            saved = False
            while not saved:
                with suppress(ConflictError):
                    store.client().save_op_bytes(op, version(state), state.encode())
                    saved = True

    def clean_often() -> None:
        while not stop.is_set():
            clean(store)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as threads:
            cleaner = threads.submit(clean_often)
            saves = [threads.submit(save_often, op) for op in ("pca", "forest")]
            try:
                for each in saves:
                    each.result()
            finally:
                stop.set()
            cleaner.result()
    finally:
        sys.setswitchinterval(interval)
    assert verify(store.registry).losses == []


class Unlistable(BaseSaver):
    """A place of a user's own that can delete, and cannot list."""

    def __init__(self, root_path: str) -> None:
        super().__init__(root_path)
        self.kept: dict[str, bytes] = {}

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes in memory."""
        self.kept[path] = serialized_object
        return True

    def load(self, path: str) -> bytes:
        """Returns them."""
        if path not in self.kept:
            raise FileNotFoundError(path)
        return self.kept[path]

    def delete(self, path: str) -> None:
        """Forgets them."""
        del self.kept[path]


class Undeletable(Unlistable):
    """A place that can neither delete nor list."""

    delete = BaseSaver.delete


def test_a_saver_that_cannot_list_loses_what_was_given_up(tmp_path: Path) -> None:
    saver = Unlistable("place")
    store = OpStoreServer(saver, database_url(tmp_path))
    for number in range(3):
        save_pair(store.client(), number)
    saver.kept["blobs/ab/orphan"] = b""
    dry = collect(store.registry, Policy(1, NOTHING_IS_YOUNG))
    report = clean(store)
    assert (dry.blobs, report.blobs, report.listed, len(saver.kept)) == (4, 4, False, 3)
    assert collect(store.registry, Policy(1, NOTHING_IS_YOUNG)).blobs == 0


def test_nothing_is_given_up_where_nothing_can_be_deleted(tmp_path: Path) -> None:
    store = OpStoreServer(Undeletable("place"), database_url(tmp_path))
    for number in range(3):
        save_pair(store.client(), number)
    with pytest.raises(NotImplementedError, match="Undeletable does not define `delete`"):
        clean(store)
    assert alive(store) == {"pca": [1, 3, 5], "forest": [2, 4, 6]}


@pytest.mark.parametrize(("keep", "younger_than"), [(0, 0.0), (-1, 0.0), (1, -1.0), (1, float("nan"))])
def test_a_policy_that_keeps_too_little_is_refused(keep: int, younger_than: float) -> None:
    with pytest.raises(ValueError, match="`gc` was to keep"):
        Policy(keep, younger_than)


def test_another_process_sees_what_was_given_up(store: OpStoreServer, tmp_path: Path) -> None:
    for number in range(3):
        save_pair(store.client(), number)
    clean(store)
    other = file_store(tmp_path)
    assert {name: found.id for name, found in resolved(other, ["pca", "forest"])} == {"pca": 5, "forest": 6}


def resolved(store: OpStoreServer, ops: Iterable[str]) -> list[tuple[str, object]]:
    """What a load of these ops would choose."""
    return list(store.client().resolve("train", [query(op) for op in ops], []).versions.items())
