"""How are the servers started that a benchmark measures in turns, and kept from taking time from one another?

All run at the same time, and all but the one that is measured are stopped (SIGSTOP), with every process they have made.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180.0  # seconds for a server to begin to answer; some start a cluster


@dataclass(frozen=True)
class Call:
    """What a server is asked, with POST.

    Attributes:
        path: of the route.
        body: JSON.
        expected: what every right answer has in it.
        bad: a body like it that the model cannot take.
    """

    path: str
    body: str
    expected: str
    bad: str = ""


@dataclass(frozen=True)
class Server:
    """How a server is started, and what it is asked.

    Attributes:
        name: for people.
        command: its words; ``{port}`` stands for the port.
        calls: what it is asked, by the name of the row; several where it serves the model in several ways.
        variables: of its environment.
    """

    name: str
    command: tuple[str, ...]
    calls: Mapping[str, Call]
    variables: Mapping[str, str] = field(default_factory=dict)


class Served:
    """A server that runs, and is stopped until it is asked.

    Args:
        server: how to start it.
        folder: where its log is written.
        variables: what else its environment holds.
    """

    def __init__(self, server: Server, folder: str, variables: Mapping[str, str]) -> None:
        self.name, self.calls, self.port = server.name, server.calls, free_port()
        self._log = Path(folder) / f"{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [word.replace("{port}", str(self.port)) for word in server.command],
                cwd=ROOT,
                env={**os.environ, **variables, **server.variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether that process has not ended."""
        return self._process.poll() is None

    def processes(self) -> list[int]:
        """Itself and all that it has started."""
        return family(self.pid)

    def wait(self) -> None:
        """Waits until it gives every right answer, then stops it.

        Raises:
            RuntimeError: if it ends before, or takes too long.
        """
        end = time.monotonic() + PATIENCE
        for call in self.calls.values():
            while not self._is_right(call):
                if self._process.poll() is not None:
                    raise RuntimeError(f"it ended with {self._process.returncode} before it answered: {self._said()}")
                if time.monotonic() > end:
                    raise RuntimeError(f"it gave no right answer in {PATIENCE:.0f} s: {self._said()}")
                time.sleep(0.1)
            for _ in range(20):
                self._is_right(call)
        self._send(signal.SIGSTOP)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Lets it run inside the block."""
        self._send(signal.SIGCONT)
        try:
            yield
        finally:
            self._send(signal.SIGSTOP)

    def end(self) -> None:
        """Ends it, with all that it has started."""
        if not self.is_running:
            return  # its number may by now be another's
        every = {pid: began_at(pid) for pid in self.processes()}
        signal_all(every, signal.SIGCONT)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        signal_all([pid for pid, began in every.items() if began and began_at(pid) == began], signal.SIGKILL)
        self._process.wait()

    def _is_right(self, call: Call) -> bool:
        try:
            status, answer = ask(self.port, call.path, call.body, timeout=5)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200 and call.expected in answer

    def _said(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        print(*lines[-15:], sep="\n", file=sys.stderr)
        return lines[-1][:200] if lines else "nothing"

    def _send(self, number: int) -> None:
        signal_all(self.processes(), number)


def started(
    servers: Iterable[Server], folder: str, variables: Mapping[str, str], stack: contextlib.ExitStack
) -> tuple[list[Served], dict[str, str]]:
    """Starts servers, and stops each once it gives right answers.

    Args:
        servers: which.
        folder: for their logs.
        variables: what the environment of all of them holds.
        stack: ends them.

    Returns:
        those that answer, and the reasons of those that do not, by name.
    """
    running: list[Served] = []
    failed: dict[str, str] = {}
    for server in servers:  # one after the other: those that start a cluster give up where they get too little time
        served = Served(server, folder, variables)
        stack.callback(served.end)
        try:
            served.wait()
        except RuntimeError as error:
            served.end()
            failed[server.name] = str(error)
        else:
            running.append(served)
    return running, failed


def chariots_serve(app: str, *options: str, threads: int = 8, workers: int = 1) -> tuple[str, ...]:
    """The command that serves an app of chariots; every benchmark has it from here.

    Args:
        app: ``module:app``.
        *options: more of them.
        threads: how many requests are answered at a time.
        workers: how many processes answer.
    """
    hands = (f"--threads={threads}", f"--workers={workers}")
    return (sys.executable, "-m", "chariots", "serve", app, "--port={port}", *hands, *options)


def ask(port: int, path: str, body: str, timeout: float = 30) -> tuple[int, str]:
    """Asks once, on a connection of its own.

    Args:
        port: of the server.
        path: of the route.
        body: JSON.
        timeout: in seconds.

    Returns:
        the status, and the body of the answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """A process and all that descend from it, parents first.

    Args:
        pid: the process.
    """
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def began_at(pid: int) -> str:
    """When a process began, in the clock of the machine; empty where there is none of that number.

    Args:
        pid: the process.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def signal_all(pids: Iterable[int], number: int) -> None:
    """Sends a signal to each process that is still there.

    Args:
        pids: the processes.
        number: the signal.
    """
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def memory(pid: int, kind: str = "Pss") -> int:
    """Bytes that a process takes.

    Args:
        pid: the process.
        kind: ``"Pss"``, where what is shared counts in parts, ``"Rss"``, or ``"Private"`` for what is its own.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    counted = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines[1:])}
    if kind == "Private":
        return counted["Private_Clean"] + counted["Private_Dirty"]
    return counted[kind]


def as_json(value: object) -> str:
    """JSON without spaces, as every body here is written."""
    return json.dumps(value, separators=(",", ":"))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds, shared ones too; cheap to ask, and 0 for one that has ended.

    Args:
        pid: the process.
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
