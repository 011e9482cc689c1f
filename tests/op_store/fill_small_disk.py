"""Saves ops on a file system that is too small for them: prints what came of it, as JSON.

The folder gets a tmpfs of four MiB, in a mount namespace of its own where this is started by ``unshare``. Where
the system allows neither, files of this process may not grow beyond two MiB, which is the nearest thing.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

from chariots.errors import ChariotsError
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from tests.op_store.support import everything_below, version

MIB = 2**20


def make_small(folder: Path) -> str:
    """Leaves little room in a folder; tells how."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if mounted:
        return "tmpfs"
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, 2 * MIB))
    return "limit"


def main(folder: Path) -> dict[str, object]:
    """Saves an op that fits, one that does not, and another that fits."""
    place = folder / "ops"
    place.mkdir()
    how = make_small(place)
    store = OpStoreServer(FileSaver(str(place)), f"sqlite:///{folder / 'db.sqlite'}")
    client = store.client()
    client.save_op_bytes("forest", version("a"), bytes(MIB))
    before = [path for path in everything_below(place) if path.is_file()]
    try:
        client.save_op_bytes("forest", version("b"), bytes(6 * MIB))
    except ChariotsError as error:
        refused = error.problem()
    else:
        refused = {}
    after = [path for path in everything_below(place) if path.is_file()]
    loaded = client.get_op_bytes_for_version("forest", version("a")) == bytes(MIB)
    client.save_op_bytes("forest", version("c"), b"small")
    known = client.get_all_versions_of_op("forest")
    return {
        "how": how,
        "refused": refused,
        "left behind": len(after) - len(before),
        "older one loads": loaded,
        "versions": sorted(str(one) for one in known or ()),
        "ready": store.flask.test_client().get("/readyz").status_code,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
