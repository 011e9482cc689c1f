"""How does a test call a server over a socket of its own, down to the last byte?"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.cli.programs import DEADLINE, answer_of, started

Came = tuple[int, dict[str, str], bytes]
"""The status, the headers and the body of an answer."""


class Client:
    """Calls over one connection."""

    def __init__(self, netloc: str) -> None:
        self.connection = http.client.HTTPConnection(netloc, timeout=DEADLINE)

    def __call__(self, name: str, value: Any, **headers: str) -> tuple[int, Any]:
        self.ask(name, value, **headers)
        return self.answer()

    def ask(self, name: str, value: Any, **headers: str) -> None:
        sent = {"Content-Type": "application/json"} | {key.replace("_", "-"): text for key, text in headers.items()}
        self.connection.request("POST", f"/pipelines/{name}/main", json.dumps({"pipeline_input": value}), sent)

    def answer(self) -> tuple[int, Any]:
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        self.headers = answer.headers
        return answer.status, body.get("pipeline_output", body)


def made_quick(client: Client, name: str, value: Any) -> None:
    """Calls until it is known how long that takes."""
    for _ in range(8):
        assert client(name, value)[0] == 200


def raw(netloc: str, sent: bytes, answers: int = 1) -> list[Came]:
    """What comes back for some bytes."""
    host, port = netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
        connection.sendall(sent)
        with connection.makefile("rb") as reader:
            return [answer_of(reader) for _ in range(answers)]


def request(name: str, value: Any, *fields: str, body: bytes | None = None) -> bytes:
    """The bytes of a call, with more header fields, or another body."""
    sent = json.dumps({"pipeline_input": value}).encode() if body is None else body
    lines = [f"POST /pipelines/{name}/main HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(sent)}", "X-Request-ID: one", *fields, "", ""]
    return "\r\n".join(lines).encode() + sent


def unusual(name: str, value: Any, *, fails: Any, has_no_form: Any) -> dict[str, bytes]:
    """Requests of all kinds for one pipeline, by what is unusual about them.

    Args:
        name: the pipeline.
        value: an input for it.
        fails: one for which its op fails.
        has_no_form: one whose output has no form in JSON.
    """
    return {
        "ordinary": request(name, value),
        "an op that fails": request(name, fails),
        "an output without a form in JSON": request(name, has_no_form),
        "an input of another type": request(name, "five"),
        "no JSON": request(name, value, body=b"{"),
        "no body": request(name, value, body=b""),
        "no object": request(name, value, body=b"[1]"),
        "another member": request(name, value, body=b'{"pipeline_input": 1, "more": 2}'),
        "a member twice": request(name, value, body=b'{"pipeline_input": 1, "pipeline_input": 2}'),
        "invalid UTF-8": request(name, value, body=b'{"pipeline_input": "\xff"}'),
        "another form": request(name, value, "Accept: application/msgpack"),
        "a cookie": request(name, value, "Cookie: a=b"),
        "a query": request(name, value).replace(b"/main", b"/main?a=b"),
        "an unknown pipeline": request("pecky", value),
        "a strange host": request(name, value).replace(b"Host: localhost", b"Host: evil.example"),
        "another origin": request(name, value, "Origin: https://evil.example"),
        "its own origin": request(name, value, "Origin: http://localhost"),
        "no time": request(name, value, "X-Request-Deadline: 0"),
        "a deadline": request(name, value, "X-Request-Deadline: 10"),
        "two lengths": request(name, value, "Content-Length: 3"),
        "a length and chunks": request(name, value, "Transfer-Encoding: chunked"),
        "the end of the connection": request(name, value, "Connection: close"),
        "an old protocol": request(name, value).replace(b"HTTP/1.1", b"HTTP/1.0"),
        "a strange name": request(name, value, "X_Request_ID: two"),
        "a name with a space": request(name, value, "X-A : two"),
    }


def assert_same(kind: str, ours: Came, theirs: Came) -> None:
    """Compares what two servers answer to the same request, but for what no two runs have in common."""
    if kind == "no time":  # gunicorn does not note how long a request has waited
        assert ours[0] == 504
        return

    def plain(body: bytes) -> str:
        text = re.sub(r"_\d+\.\d+", "", body.decode("latin-1"))  # the time of a version is that of its process
        text = re.sub("\xd9.", "", text)  # and MessagePack says how long such a text is
        text = re.sub(r"[0-9.]+ seconds", "seconds", text)
        text = re.sub(r'"waited":[0-9.e-]+', "", text)
        return re.sub(r'"(stack|frames|traceback)":(\[.*?\]|".*?(?<!\\)")', "", text)

    assert (ours[0], sorted(ours[1])) == (theirs[0], sorted(theirs[1]))
    same = ("Content-Type", "X-Request-ID", "Connection", "Server")
    assert [ours[1].get(name) for name in same] == [theirs[1].get(name) for name in same]
    assert plain(ours[2]) == plain(theirs[2])


@contextmanager
def serving_by_gunicorn(folder: Path, app: str) -> Iterator[str]:
    """Serves an app as gunicorn does by itself; gives where."""
    command = [sys.executable, "-m", "gunicorn", "--threads", "2", "--bind", "127.0.0.1:0", app]
    with started(command, folder, CHARIOTS_SERVING_ALLOWED_HOSTS="localhost") as (url, _):
        yield urlsplit(url).netloc


def metric(netloc: str, line: str) -> float:
    """The value of a metric, by how its line begins."""
    connection = http.client.HTTPConnection(netloc, timeout=DEADLINE)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return float(next((found.split()[-1] for found in text.splitlines() if found.startswith(line)), "0"))
