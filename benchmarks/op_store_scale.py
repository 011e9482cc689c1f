"""Do a million versions cost no more than a thousand? (the questions of a load and of a save, on both databases)

Two stores hold the same thousand ops, one with a single version of each, the other with a thousand. The ops form
pipelines of ten that read one another, and every version was trained with the version of the same round. Asked in turn
are, for one pipeline after the other: which versions would be loaded; which, when the first op was retrained alone; and
to register a save of all ten. Bytes are no part of it.

Run it with ``python -m benchmarks.op_store_scale``; PostgreSQL is started for it, unless DATABASE_URL names a server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.table import Row, interleaved, median, show
from chariots.op_store import OpStoreServer, tables
from chariots.op_store.registry import Registry
from chariots.op_store.savers import FileSaver
from chariots.pipelines.store import NodeQuery, VersionRecord
from chariots.versioning import Version

OPS = 1_000
LENGTH = 10  # ops of a pipeline
CODE = Version(creation_time=1.0)
FIELDS = {"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}}
COLUMNS = {
    "op": ("id", "name"),
    "version": (
        *("id", "op_id", "major", "minor", "patch", "creation_time", "code_major", "code_minor", "code_patch"),
        *("sha256", "size", "fields", "created_at"),
    ),
    "link": ("upstream_op_id", "upstream_version_id", "downstream_op_id", "downstream_version_id"),
}


def sha1(text: str) -> str:
    """The digest of a text."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def op_name(number: int) -> str:
    """The name of the op with this number, counted from 1."""
    return f"op{number:04}"


def rows_of(table: str, rounds: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a store in which every op was trained so many times, round after round."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    if table == "op":
        yield from ((number, op_name(number)) for number in range(1, OPS + 1))
        return
    for training in range(rounds):
        for op in range(1, OPS + 1):
            number = training * OPS + op
            if table == "version":
                digest = sha1(f"{op} {training}")
                sha256 = hashlib.sha256(digest.encode()).hexdigest()
                code = (CODE.major, CODE.minor, CODE.patch)
                yield number, op, digest, CODE.minor, CODE.patch, 1.0, *code, sha256, 9, json.dumps(FIELDS), now
            elif op % LENGTH != 1:  # the first of a pipeline reads none
                yield op - 1, number - 1, op, number


def fill(store: OpStoreServer, rounds: int) -> None:
    """Puts the versions into a store, past everything that a save would do."""
    database = store.registry.database
    database.upgrade()
    for table, columns in COLUMNS.items():
        names = ", ".join(columns)
        raw = database.engine.raw_connection()
        try:
            cursor: Any = raw.cursor()
            if database.engine.dialect.name == "postgresql":
                cursor.execute("SET LOCAL statement_timeout = 0")
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in rows_of(table, rounds):
                        copy.write_row(row)
            else:
                places = ", ".join("?" * len(columns))
                cursor.execute("BEGIN IMMEDIATE")
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows_of(table, rounds))
            raw.commit()
        finally:
            raw.close()
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect() as connection:
            for table in ("op", "version", "link"):
                last = sa.select(sa.func.max(getattr(tables, table).c.id)).scalar_subquery()
                sequence = sa.func.pg_get_serial_sequence(table, "id")
                connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1))))
            connection.commit()
            # What autovacuum does in a store that grew to this.
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in ("SET statement_timeout = 0", "VACUUM ANALYZE", "RESET statement_timeout"):
                plain.execute(sa.text(statement))


@dataclass
class Subject:
    """One store that is measured, one pipeline after the other."""

    registry: Registry
    turns: Iterator[int] = field(default_factory=count)
    retrained: int = OPS // LENGTH - 1  # the first op of this pipeline was trained once more, alone

    def names(self, turn: int) -> list[str]:
        """The ops of a pipeline."""
        first = turn % (OPS // LENGTH - 1) * LENGTH
        return [op_name(first + place + 1) for place in range(LENGTH)]

    def look_up(self) -> float:
        """Asks what a pipeline would load; returns the seconds it took."""
        return self._resolve(self.names(next(self.turns)), passed_over=0)

    def look_up_older(self) -> float:
        """Asks the same where the newest version of the first op fits nothing."""
        first = self.retrained * LENGTH
        return self._resolve([op_name(first + place + 1) for place in range(LENGTH)], passed_over=1)

    def retrain_one(self) -> None:
        """Saves a new version of the first op of the last pipeline alone."""
        self.registry.commit_save("alone", "op", [self._record(op_name(self.retrained * LENGTH + 1), "alone")], [])

    def save(self) -> float:
        """Registers new versions of all ops of a pipeline; returns the seconds it took."""
        turn = next(self.turns)
        names = self.names(turn)
        records = [self._record(name, f"saved {turn}") for name in names]
        started = time.perf_counter()
        self.registry.commit_save(f"pipeline {names[0]}", names[-1], records, list(pairwise(names)))
        return time.perf_counter() - started

    def _resolve(self, names: Sequence[str], passed_over: int) -> float:
        nodes = [NodeQuery(name, "load", str(CODE), str(CODE), fields=FIELDS) for name in names]
        edges = list(pairwise(names))
        started = time.perf_counter()
        found = self.registry.resolve("pipeline", nodes, edges)
        took = time.perf_counter() - started
        if found.problems or len(found.passed_over) != passed_over:
            raise RuntimeError(f"the versions of {names} should fit, but {found.problems or found.passed_over}")
        return took

    def _record(self, name: str, text: str) -> VersionRecord:
        data = f"{name} {text}".encode()
        sha256 = self.registry.blobs.write(data)
        version = Version().update_major(data)
        return VersionRecord(name, str(version), str(CODE), FIELDS, "a1b2", sha256, len(data))


def measure(small: OpStoreServer, large: OpStoreServer, what: str, rounds: int, versions: int) -> list[Row]:
    """Measures two stores in turn.

    Args:
        small: a store with one version of each op.
        large: a store with many.
        what: the name of the database.
        rounds: how often.
        versions: how many versions the large store has.

    Returns:
        one row for each question.
    """
    subjects = {"small": Subject(small.registry), "large": Subject(large.registry)}
    rows = []
    for question in ("look_up", "save"):
        tasks = {name: getattr(subject, question) for name, subject in subjects.items()}
        interleaved(tasks, 10)  # what is paid once: connections, caches
        took = interleaved(tasks, rounds)
        few, many = (median(took[name]) * 1000 for name in tasks)
        label = {"look_up": "versions that fit, looked up", "save": "one save"}[question]
        note = f"{few:.2f} ms with {OPS:,} versions, {many:.2f} ms with {versions:,}"
        rows.append(
            Row("op_store_scale", f"{what}: {label}, time beside {OPS:,} versions", many / few, "x", 1.3, "<=", note)
        )
    for subject in subjects.values():
        subject.retrain_one()
    older = interleaved({name: subject.look_up_older for name, subject in subjects.items()}, max(5, rounds // 10))
    note = f"with {OPS:,} versions {median(older['small']) * 1000:.1f} ms"
    label = "versions that fit, where the newest of an op does not"
    rows.append(Row("op_store_scale", f"{what}: {label}", median(older["large"]) * 1000, "ms", note=note))
    return rows


def main(short: bool = False) -> list[Row]:
    """Measures everything.

    Args:
        short: a hundred thousand versions, and fewer rounds.

    Returns:
        one row for each number.
    """
    trainings, rounds = (100, 100) if short else (1_000, 400)
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        urls = {"SQLite": [f"sqlite:///{folder / size}.sqlite" for size in ("small", "large")]}
        urls["PostgreSQL"] = _postgres_databases(stack)
        for what, (small_url, large_url) in urls.items():
            small, large = (
                OpStoreServer(FileSaver(str(folder / what / size)), url)
                for size, url in (("small", small_url), ("large", large_url))
            )
            fill(small, 1)
            fill(large, trainings)
            rows += measure(small, large, what, rounds, OPS * trainings)
            for store in (small, large):
                store.registry.database.engine.dispose()
    return rows


def _postgres_databases(stack: ExitStack) -> list[str]:
    from tests.postgres_server import PostgresServer, drop_database, new_database

    server = os.environ.get("DATABASE_URL")
    if server is None:
        server = stack.enter_context(PostgresServer(durable=True)).url
    urls = [new_database(server), new_database(server)]
    for url in urls:
        stack.callback(drop_database, url)
    return urls


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer versions and rounds")
    print(show(main(parser.parse_args().short)))
