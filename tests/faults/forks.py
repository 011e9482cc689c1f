"""Does one thing after the other to a store, each in a process of its own, and kills that process when it is told to.

A process that forks is ready in a millisecond where a new interpreter takes a second. This one has no threads, so that
forking is safe. Each line it reads is a command, and each line it prints what came of it:

``save NUMBER SECONDS [URL]``: saves a pair of ops, through a server if a URL is given, and is killed after so long
``migrate STATEMENT``: brings the tables up to date, and is killed after the n-th statement
``serve``: prints its URL and serves; the next ``kill`` ends it, the next ``serve`` takes the same port
``limit BYTES NUMBER``: saves a pair of ops while no file may become larger than that
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import alembic.command  # noqa: F401  # once here, instead of once in every child
import psycopg  # noqa: F401
import sqlalchemy as sa
from werkzeug.serving import make_server

from chariots.errors import StoreError, StoreFullError
from chariots.op_store import OpStoreClient
from tests.op_store.support import file_store, record, version
from tests.wsgi_server import KeepAlive

FILLING = "." * 300_000  # so large that a kill also strikes while bytes are on their way

FINISHED, KILLED, REFUSED, FULL = "finished", "killed", "refused", "full"
_EXITS = {0: FINISHED, 1: REFUSED, 2: FULL, -signal.SIGKILL: KILLED}


def save(folder: Path, number: str, url: str | None = None) -> None:
    """Saves two large ops that were trained together."""
    client = file_store(folder).client() if url is None else OpStoreClient(url)
    records = [
        record(client, op, f"{op} {number}{FILLING}".encode(), version(f"{op} {number}")) for op in ("pca", "forest")
    ]
    client.commit_save("train", "forest", records, [("pca", "forest")])


def migrate(folder: Path, limit: int) -> None:
    """Brings the tables up to date, and dies after the n-th statement."""
    store = file_store(folder)
    left = limit

    def after(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(store.registry.database.engine, "after_cursor_execute", after)
    store.upgrade()


def limited(folder: Path, number: str, size: int) -> None:
    """Saves while no file may become larger than so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    save(folder, number)


def serve(folder: Path, listener: socket.socket) -> None:
    """Serves until it is killed."""
    server = make_server(
        "127.0.0.1", 0, file_store(folder).flask, threaded=True, request_handler=KeepAlive, fd=listener.fileno()
    )
    server.serve_forever()


def start(work: Callable[[], None]) -> int:
    """Starts a process that does something; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 3
    try:
        work()
        code = 0
    except StoreFullError:
        code = 2
    except (StoreError, OSError):
        code = 1
    finally:
        os._exit(code)


def end(child: int) -> str:
    """Waits for a process; returns what came of it."""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return _EXITS.get(code, f"failed with {code}")


def main(folder: Path) -> None:
    """Obeys until there are no more commands."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    serving = 0
    for line in sys.stdin:
        command, *words = line.split()
        if command == "save":
            number, delay, url = words[0], float(words[1]), words[2] if len(words) > 2 else None
            child = start(lambda number=number, url=url: save(folder, number, url))
            time.sleep(delay)
            os.kill(child, signal.SIGKILL)  # a child that has ended is still there to be asked for
            said = end(child)
        elif command == "migrate":
            said = end(start(lambda limit=int(words[0]): migrate(folder, limit)))
        elif command == "limit":
            said = end(start(lambda size=int(words[0]), number=words[1]: limited(folder, number, size)))
        elif command == "serve":
            serving = start(lambda: serve(folder, listener))
            said = f"http://127.0.0.1:{listener.getsockname()[1]}"
        else:
            os.kill(serving, signal.SIGKILL)
            said, serving = end(serving), 0
        print(said, flush=True)
    if serving:  # whoever gave the commands broke off
        os.kill(serving, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
