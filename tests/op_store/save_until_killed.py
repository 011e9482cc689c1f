"""Saves pairs of ops that belong together into a folder: so many saves, or one after the other until it is killed."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from tests.op_store.support import file_store, save_pair

if __name__ == "__main__":
    client = file_store(Path(sys.argv[1])).client()
    for number in range(int(sys.argv[3])) if len(sys.argv) > 3 else itertools.count():
        save_pair(client, f"{sys.argv[2]}-{number}")
        print(number, flush=True)
