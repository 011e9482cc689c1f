"""Do eight processes that save and load the same fifty ops at once get in each other's way?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.op_store import tables
from tests.faults.counting import counted, seconds
from tests.faults.storm import EDGES, OPS
from tests.op_store.support import file_store, python_process

PROCESSES = 8
DURATION = seconds(60, short=2)


@pytest.mark.timeout(600)
def test_a_storm_of_processes_loses_doubles_and_mixes_nothing(folder: Path, kind: str) -> None:
    file_store(folder).upgrade()
    workers = [
        python_process("tests.faults.storm", str(folder), str(number), str(DURATION)) for number in range(PROCESSES)
    ]
    said = [worker.communicate()[0] for worker in workers]
    accepted: dict[str, dict[str, int]] = {}
    loads = 0
    for worker, output in zip(workers, said, strict=True):
        with counted(f"8 processes save and load the same 50 ops for {DURATION:.0f} s, each of them ({kind})"):
            assert worker.returncode == 0, "its stderr says why"
            result = json.loads(output)
            accepted |= result["accepted"]
            loads += result["loads"]
    assert loads == len(accepted) >= PROCESSES
    store = file_store(folder)
    version, link = tables.version, tables.link
    with store.registry.database.reading() as connection:
        names = sorted(connection.scalars(sa.select(tables.op.c.name)))
        versions = connection.execute(sa.select(version.c.id, version.c.op_id, version.c.major)).all()
        links = connection.execute(sa.select(link.c.upstream_version_id, link.c.downstream_version_id)).all()
    store.registry.database.engine.dispose()
    assert names == sorted(OPS)
    assert len(versions) == len({(row.op_id, row.major) for row in versions}) == len(OPS) * len(accepted)
    expected = {(numbers[up], numbers[down]) for numbers in accepted.values() for up, down in EDGES}
    assert {tuple(pair) for pair in links} == expected
    assert len(links) == len(expected) == len(EDGES) * len(accepted)
    print(f"{len(accepted)} saves of {len(OPS)} ops ({kind})")
