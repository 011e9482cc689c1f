"""Does a server that is under load, guarded, measured or about to stop do what whoever runs it was promised?"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import socketserver
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from chariots.errors import ForbiddenError, UnauthorizedError
from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, DEADLINE, chariots, started

APP = """
import os, pathlib, time
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp


class Double(BaseOp):
    def execute(self, number: int) -> int:
        return 2 * number


class Slow(BaseOp):
    def execute(self, name: str) -> str:
        pathlib.Path(f"begun-{name}").touch()
        while not pathlib.Path("ending").exists():
            time.sleep(0.01)
        return name


class Pid(BaseOp):
    def execute(self) -> int:
        return os.getpid()


def chain(op, name):
    reads = [] if isinstance(op, Pid) else ["__pipeline_input__"]
    return Pipeline([Node(op, reads, "__pipeline_output__")], name)


app = PipelinesServer([chain(Double(), "double"), chain(Slow(), "slow"), chain(Pid(), "pid")], import_name="my_app")
guarded = PipelinesServer([chain(Double(), "double")], import_name="guarded")
guarded.config["CHARIOTS_TOKENS"] = {"predict": "predict-token-1234567"}
"""
PREDICT, OPERATE = "predict-token-1234567", "operate-token-1234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_app.py").write_text(APP)
    return tmp_path


@contextmanager
def serving(folder: Path, *options: str, app: str = "my_app:app", **variables: str) -> Iterator[tuple[str, Any]]:
    command = [*CHARIOTS, "serve", app, "--port", "0", *options]
    with started(command, folder, **variables) as (url, process):
        yield url, process


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class Asker:
    """Asks over one connection, or over a new one each time."""

    def __init__(self, url: str) -> None:
        self.netloc = urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(self.netloc, timeout=DEADLINE)

    def __call__(self, path: str, value: Any = None, **headers: str) -> tuple[int, Any, Any]:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        if path.startswith("/"):
            self.connection.request("GET", path, headers=named)
        else:
            body = json.dumps({} if value is None else {"pipeline_input": value})
            self.connection.request("POST", f"/pipelines/{path}/main", body, named)
        answer = self.connection.getresponse()
        body = answer.read()
        return answer.status, json.loads(body) if body[:1] == b"{" else body.decode(), answer.headers


def ask(url: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any, Any]:
    asker = Asker(url)
    try:
        return asker(path, value, **headers)
    finally:
        asker.connection.close()


def value_of(metrics: str, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics, re.MULTILINE)
    return None if found is None else float(found[1])


@contextmanager
def in_background(folder: Path, url: str, *names: str, **headers: str) -> Iterator[dict[str, int]]:
    """Calls the pipeline that waits for a file, at the same time under several names; tells the statuses."""
    statuses: dict[str, int] = {}

    def call(name: str) -> None:
        statuses[name] = ask(url, "slow", name, **headers)[0]

    threads = [threading.Thread(target=call, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        (folder / "ending").touch()
        for thread in threads:
            thread.join(DEADLINE)


# -- metrics --------------------------------------------------------------------------------------------------------


def test_whichever_process_is_asked_tells_what_all_of_them_counted(folder: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with serving(folder, "--workers", "3", "--node-times", "on", TMPDIR=str(temporary)) as (url, process):
        (shared,) = temporary.glob("chariots-serve-*")
        assert stat.S_IMODE(shared.stat().st_mode) == 0o700
        pids: set[int] = set()

        def calls() -> int:
            pids.add(ask(url, "pid")[1]["pipeline_output"])
            return len(pids)

        asked = 0
        while calls() < 3:
            asked += 1
            assert asked < 1000
        asked += 1
        where = 'method="POST",pipeline="pid",route="/pipelines/<name>/main",service="my_app",status="200"'
        version = 'chariots_pipeline_version{node="pid",pipeline="pid",version="'
        counted = f"chariots_requests_total{{{where}}}"
        eventually(lambda: value_of(ask(url, "/metrics")[1], counted) == asked)  # once an answer is sent, it is counted
        told = ask(url, "/metrics")[1]
        assert value_of(told, 'chariots_node_seconds_count{node="pid",pipeline="pid"}') == asked
        assert sum(float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith(version)) == 3
        # What a process that is gone has done still counts; what it was doing does not.
        os.kill(min(pids), signal.SIGKILL)
        eventually(lambda: not list(shared.glob(f"gauge_live*_{min(pids)}.db")))
        told = ask(url, "/metrics")[1]
        assert value_of(told, counted) == asked
        assert f'pid="{min(pids)}"' not in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert list(temporary.glob("chariots-serve-*")) == []


def test_what_a_killed_server_has_left_is_removed_by_the_next_and_what_others_use_is_not(
    folder: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def made() -> set[Path]:
        return set(temporary.glob("chariots-serve-*"))

    def long_ago(some: set[Path]) -> None:
        for one in some:
            os.utime(one, (0, 0))

    with serving(folder, "--workers", "2", TMPDIR=str(temporary)) as (url, _):
        used = made()
        with serving(folder, TMPDIR=str(temporary)) as (_, killed):
            left = made() - used
            os.killpg(killed.pid, signal.SIGKILL)
            killed.wait(DEADLINE)
        assert made() == used | left
        with serving(folder, TMPDIR=str(temporary)):
            assert made() > used | left, "it is not a minute old"
        long_ago(used | left)
        with serving(folder, TMPDIR=str(temporary)):
            assert len(made() - used) == 1
            assert not made() & left
            assert made() > used
        assert "chariots_pipeline_generation" in ask(url, "/metrics")[1]


# -- a bounded queue ------------------------------------------------------------------------------------------------


def test_what_nobody_has_time_for_is_refused_at_once_and_the_rest_is_answered(folder: Path) -> None:
    with serving(folder, "--threads", "1", "--backlog", "2") as (url, _):
        asker = Asker(url)
        assert asker("double", 2)[0] == 200
        waiting = "chariots_requests_waiting"
        with ExitStack() as calls:
            running = calls.enter_context(in_background(folder, url, "a"))
            eventually((folder / "begun-a").exists)  # of three at once, one would be refused: none has begun yet
            statuses = calls.enter_context(in_background(folder, url, "b", "c"))
            eventually(lambda: value_of(ask(url, "/metrics")[1], waiting) == 2.0)
            refusals = [asker("double", 2, X_Request_ID=f"mine-{number}") for number in range(3)]
            for number, (status, problem, headers) in enumerate(refusals):
                assert (status, problem["type"]) == (503, "urn:chariots:overloaded")
                assert (headers["Retry-After"], headers["X-Request-ID"]) == ("1", f"mine-{number}")
                assert headers["Connection"] == "keep-alive"
            # Who looks after the server is answered all the same.
            assert ask(url, "/livez")[0] == ask(url, "/readyz")[0] == 200
            told = ask(url, "/metrics")[1]
            assert value_of(told, 'chariots_requests_refused_total{reason="overloaded"}') == 3.0
            assert running == statuses == {}
            (folder / "ending").touch()
        assert running | statuses == {"a": 200, "b": 200, "c": 200}
        assert asker("double", 4)[1]["pipeline_output"] == 8


def test_requests_behind_one_that_is_refused_are_answered_in_order(folder: Path) -> None:
    call = (
        b"POST /pipelines/double/main HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n"
        + b'{"pipeline_input":3}'
    )
    with serving(folder, "--threads", "1", "--backlog", "0") as (url, _), in_background(folder, url, "a") as statuses:
        eventually((folder / "begun-a").exists)
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
            connection.sendall(call * 3 + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers = connection.makefile("rb")
            found = []
            for _ in range(4):
                found.append(answers.readline()[9:12])
                answers.read(int(http.client.parse_headers(answers)["Content-Length"]))
        assert found == [b"503", b"503", b"503", b"200"]
        (folder / "ending").touch()
    assert statuses == {"a": 200}


def test_a_large_body_that_nobody_has_time_for_is_refused_unread(folder: Path) -> None:
    with serving(folder, "--threads", "1", "--backlog", "0") as (url, _), in_background(folder, url, "a"):
        eventually((folder / "begun-a").exists)
        status, problem, headers = ask(url, "double", "x" * 1_000_000)
        assert (status, problem["type"]) == (503, "urn:chariots:overloaded")
        assert headers["Connection"] == "close"
        (folder / "ending").touch()


def test_a_request_whose_time_ran_out_while_it_waited_is_not_begun(folder: Path) -> None:
    with serving(folder, "--threads", "1") as (url, _), in_background(folder, url, "first"):
        eventually((folder / "begun-first").exists)
        with in_background(folder, url, "second", X_Request_Deadline="0.2") as late:
            eventually(lambda: value_of(ask(url, "/metrics")[1], "chariots_requests_waiting") == 1.0)
            time.sleep(0.3)
            (folder / "ending").touch()
        assert late == {"second": 504}
    assert not (folder / "begun-second").exists()


# -- who may ask ----------------------------------------------------------------------------------------------------


def test_a_server_without_tokens_is_not_opened_to_other_machines(folder: Path) -> None:
    shown = chariots(folder, "serve", "my_app:app", "--host", "0.0.0.0", "--port", "0")
    assert shown.returncode == 1
    assert "my_app:app cannot be served" in shown.stderr
    assert "it knows no tokens" in shown.stderr
    assert "say --insecure" in shown.stderr


@pytest.mark.parametrize("told", ["code", "environment", "file"])
def test_tokens_open_a_server_to_other_machines(folder: Path, told: str) -> None:
    (folder / "tokens").write_text(f"predict:{PREDICT}\n")
    options = ["--host", "0.0.0.0", *(["--tokens-file", "tokens"] if told == "file" else [])]
    variables = {"CHARIOTS_SERVING_TOKENS": f"predict:{PREDICT}"} if told == "environment" else {}
    app = "my_app:guarded" if told == "code" else "my_app:app"
    with serving(folder, *options, app=app, **variables) as (url, _):
        url = url.replace("0.0.0.0", "127.0.0.1")
        with pytest.raises(UnauthorizedError, match="CHARIOTS_PIPELINES_TOKEN"):
            PipelinesClient(url).call_pipeline("double", 2)
        client = PipelinesClient(url, token=PREDICT)
        assert client.call_pipeline("double", 2).value == 4
        with pytest.raises(ForbiddenError, match="needs a token with the scope 'operate'"):
            client.load_pipeline("double")
        shown = chariots(folder, "call", "double", "4", "--url", url, CHARIOTS_PIPELINES_TOKEN=PREDICT)
        assert shown.stdout == "8\n"
    assert PREDICT not in (folder / "server.log").read_text()


def test_a_page_that_has_its_name_resolve_to_this_machine_gets_nothing(folder: Path) -> None:
    with serving(folder) as (url, _):
        assert ask(url, "double", 2, Host="evil.example")[0] == 403
        assert ask(url, "double", 2, Origin="https://evil.example")[0] == 403
        assert ask(url, "double", 2)[0] == 200


def test_all_processes_count_together_what_a_client_asks_for(folder: Path) -> None:
    with serving(folder, "--workers", "3", "--rate-limit", "20/hour") as (url, _):
        answers = [ask(url, "double", 2) for _ in range(40)]
    assert [status for status, _, _ in answers] == [200] * 20 + [429] * 20
    assert int(answers[-1][2]["Retry-After"]) > 100


def test_an_option_that_cannot_be_is_told(folder: Path) -> None:
    shown = chariots(folder, "serve", "my_app:app", "--rate-limit", "fast")
    assert shown.returncode == 2
    assert "the option holds 'fast' (str), where a rate such as 100/second" in " ".join(shown.stderr.split())
    shown = chariots(folder, "serve", "my_app:app", CHARIOTS_SERVING_BACKLOG="much")
    assert shown.returncode == 1
    assert shown.stderr == (
        "Error: the environment variable CHARIOTS_SERVING_BACKLOG holds 'much' (str), where a number is expected.\n"
    )


# -- what is written down -------------------------------------------------------------------------------------------


def test_every_request_is_a_line_of_json(folder: Path) -> None:
    with serving(folder, "--access-log", "json") as (url, _):
        ask(url, "double", 2, X_Request_ID="first")
        ask(url, "nothing", 2, X_Request_ID="second")
        log = folder / "server.log"
        eventually(lambda: log.read_text().count("\n") == 3)
    lines = sorted((json.loads(line) for line in log.read_text().splitlines()[1:]), key=itemgetter("request_id"))
    assert [(line["request_id"], line["status"], line.get("pipeline")) for line in lines] == [
        ("first", 200, "double"),
        ("second", 404, None),
    ]
    assert lines[0]["generation"] == 1


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(folder: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    made = authority.issue_cert("127.0.0.1", "localhost")
    made.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(made.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    return authority


def test_it_speaks_tls_and_is_not_held_up_by_who_does_not(folder: Path, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    options = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--threads", "1"]
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0", *options], folder, scheme="https") as (url, _):
        host, port = "127.0.0.1", int(url.rpartition(":")[2])
        with ExitStack() as opened:
            # Some say nothing, some break off a handshake, one speaks no TLS at all.
            for said in [b""] * 3 + [b"\x16\x03\x01\x02\x00"] * 3 + [b"GET / HTTP/1.1\r\n\r\n"]:
                rude = opened.enter_context(socket.create_connection((host, port), timeout=DEADLINE))
                rude.sendall(said)
            connection = http.client.HTTPSConnection(host, port, context=context, timeout=DEADLINE)
            for size in (1, 10, 100_000, 1_000_000, 3):
                body = json.dumps({"pipeline_input": size, "padding": "x" * size})
                connection.request("POST", "/pipelines/double/main", body)
                answer = connection.getresponse()
                told = json.loads(answer.read())
                assert (answer.status, told.get("pipeline_output")) in ((200, 2 * size), (422, None))
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}'
            connection.close()


def test_with_an_authority_only_its_clients_get_in(folder: Path, authority: trustme.CA) -> None:
    options = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--tls-ca", "ca.pem"]
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0", *options], folder, scheme="https") as (url, _):
        port = int(url.rpartition(":")[2])

        def status(*, with_certificate: bool) -> int:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            if with_certificate:
                authority.issue_cert("client@example.org").configure_cert(context)
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=DEADLINE)
            try:
                connection.request("GET", "/livez")
                return connection.getresponse().status
            finally:
                connection.close()

        assert status(with_certificate=True) == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            status(with_certificate=False)


# -- stopping -------------------------------------------------------------------------------------------------------


class Balancer(socketserver.ThreadingTCPServer):
    """Hands requests to servers in turn, as long as their ``/readyz`` says that they are ready."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self, *urls: str) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.ready = list(urls)
        self.turn = 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def next(self) -> str:
        with self.lock:
            self.turn += 1
            return self.ready[self.turn % len(self.ready)]

    def watch(self, urls: list[str], done: threading.Event) -> None:
        while not done.wait(0.05):
            found = []
            for url in urls:
                try:
                    if ask(url, "/readyz")[0] == 200:
                        found.append(url)
                except OSError:
                    pass
            with self.lock:
                self.ready = found


class _Relay(socketserver.StreamRequestHandler):
    server: Balancer

    def handle(self) -> None:
        head = self.rfile.readline()
        headers = http.client.parse_headers(self.rfile)
        body = self.rfile.read(int(headers["Content-Length"]))
        method, path, _ = head.decode().split()
        connection = http.client.HTTPConnection(urlsplit(self.server.next()).netloc, timeout=DEADLINE)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            told = answer.read()
            self.wfile.write(f"HTTP/1.0 {answer.status} told\r\nContent-Length: {len(told)}\r\n\r\n".encode() + told)
        except OSError:
            self.wfile.write(b"HTTP/1.0 502 lost\r\nContent-Length: 0\r\n\r\n")
        finally:
            connection.close()


def test_nobody_behind_a_load_balancer_notices_that_a_server_stops(folder: Path) -> None:
    second = folder / "second"
    second.mkdir()
    (second / "my_app.py").write_text(APP)
    with serving(folder, "--drain-seconds", "8") as (url, process), serving(second) as (other, _):
        done = threading.Event()
        with Balancer(url, other) as balancer:
            answering = threading.Thread(target=balancer.serve_forever, args=(0.01,))
            threads = [threading.Thread(target=balancer.watch, args=([url, other], done))]
            statuses: list[int] = []

            def call() -> None:
                while not done.is_set():
                    statuses.append(ask(balancer.url, "double", 3)[0])

            threads += [threading.Thread(target=call) for _ in range(4)]
            for thread in (answering, *threads):
                thread.start()
            try:
                eventually(lambda: len(statuses) > 20)
                process.send_signal(signal.SIGTERM)
                eventually(lambda: ask(url, "/readyz")[0] == 503)
                assert ask(url, "double", 3)[0] == 200
                assert process.wait(DEADLINE) == 0
                after = len(statuses)
                eventually(lambda: len(statuses) > after + 20)
            finally:
                done.set()
                for thread in threads:  # while there is somebody to answer the last of their requests
                    thread.join(DEADLINE)
                balancer.shutdown()
                answering.join(DEADLINE)
        assert set(statuses) == {200}


def test_ctrl_c_does_not_wait_for_load_balancers(folder: Path) -> None:
    with serving(folder, "--drain-seconds", "1000") as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
