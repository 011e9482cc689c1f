"""Saves and loads the same 50 ops, for so many seconds, beside others who do the same."""

from __future__ import annotations

import itertools
import json
import sys
import time
from pathlib import Path

from tests.op_store.support import file_store, query, record, version

OPS = [f"op{number}" for number in range(50)]
EDGES = list(itertools.pairwise(OPS))


def main(folder: Path, worker: str, duration: float) -> None:
    """Saves a chain of ops and loads what is newest, in turn; prints which saves were accepted, with their numbers."""
    client = file_store(folder).client()
    accepted: dict[str, dict[str, int]] = {}
    loads = 0
    deadline = time.monotonic() + duration
    while time.monotonic() < deadline or not accepted:
        name = f"{worker}-{len(accepted)}"
        # The version of each op is that of this save alone, so that a set of two saves is seen at once.
        records = [record(client, op, f"{op} {name}".encode(), version(f"{op} {name}")) for op in OPS]
        accepted[name] = dict(client.commit_save("storm", OPS[-1], records, EDGES))
        found = client.resolve("storm", [query(op) for op in OPS], EDGES)
        if found.problems:
            raise AssertionError(f"a load was refused: {found.problems}")
        texts = {op: client.read_blob(str(stored.sha256)).decode() for op, stored in found.versions.items()}
        saves = {text.removeprefix(f"{op} ") for op, text in texts.items()}
        if len(saves) != 1 or set(texts) != set(OPS):
            raise AssertionError(f"a mixed set was loaded: {texts}")
        loads += 1
    print(json.dumps({"accepted": accepted, "loads": loads}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
