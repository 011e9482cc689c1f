"""Does a server survive what no honest client would send, and tell it apart from its own failures?"""

from __future__ import annotations

import gzip
import json
import socket

import pytest

from chariots.serving import Chariots
from tests.serving.support import Echo, Http, Total, is_odd, live, one_op

DEEP = 100_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def http(folder):
    app = Chariots([is_odd(), one_op(Echo(), "echo"), one_op(Total(), "total")], folder / "store")
    with live(app) as url:
        yield Http(url)


@pytest.fixture(autouse=True)
def _nothing_outside_and_still_alive(http, folder):
    """After each test nothing lies beside the store, and the next honest request is answered."""
    yield
    assert [path.name for path in folder.iterdir()] == ["store"]
    answer = http.post("/pipelines/is_odd/main", {"pipeline_input": 4})
    assert (answer.status, answer.json()["pipeline_output"]) == (200, True)


MALFORMED = {
    "truncated": b'{"pipeline_input": [1, 2',
    "trailing comma": b'{"pipeline_input": [1,]}',
    "two values": b"{} {}",
    "NaN": b'{"pipeline_input": NaN}',
    "infinity": b'{"pipeline_input": [-Infinity]}',
    "single quotes": b"{'pipeline_input': 1}",
    "a comment": b'{"pipeline_input": 1 /* one */}',
    "utf-16": '{"pipeline_input": "é"}'.encode("utf-16"),
    "utf-32": '{"pipeline_input": 1}'.encode("utf-32"),
    "latin-1": '{"pipeline_input": "é"}'.encode("latin-1"),
    "a zero byte": b'{"pipeline_input": "\x00"}',
    "a zero byte before": b'\x00{"pipeline_input": 1}',
    "half a surrogate pair in bytes": b'{"pipeline_input": "\xed\xa0\x80"}',
    "nothing but space": b"   \n",
    "random bytes": bytes(range(256)),
    "gzip": gzip.compress(b'{"pipeline_input": 1}'),
    "deep lists": b'{"pipeline_input":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"pipeline_input":' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1),
    "deep and open": b"[" * DEEP,
    "a form": b"pipeline_input=1",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin\x94.",
    "an endless integer": b'{"pipeline_input": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_a_body_that_is_no_json_is_a_400(http, body):
    answer = http.post("/pipelines/echo/main", body)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert len(answer.data) < 2000


VALID = {
    "a great integer": b'{"pipeline_input": ' + b"9" * 4000 + b"}",
    "a tiny number": b'{"pipeline_input": 1e-999999}',
    "a byte order mark is no part of the text": b'{"pipeline_input": "\xef\xbb\xbf"}',
    "the last of two equal keys counts": b'{"pipeline_input": 1, "pipeline_input": 2}',
    "every plane of unicode": json.dumps({"pipeline_input": "é名\U0001f600\u202e\u0000"}).encode(),
    "a prototype": b'{"pipeline_input": {"__proto__": {"x": 1}, "__class__": "os.system"}}',
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID)
def test_odd_json_is_echoed_as_it_came(http, body):
    answer = http.post("/pipelines/echo/main", body)
    assert answer.status == 200
    assert answer.json()["pipeline_output"] == json.loads(body)["pipeline_input"]


def test_a_lone_surrogate_is_no_server_failure(http):
    assert http.post("/pipelines/echo/main", b'{"pipeline_input": "\\ud800"}').status < 500


def test_a_number_beyond_every_float_is_no_server_failure(http):
    assert http.post("/pipelines/echo/main", b'{"pipeline_input": 1e999999}').status < 500


def test_a_great_integer_where_a_number_is_expected_is_answered(http):
    answer = http.post("/pipelines/is_odd/main", b'{"pipeline_input": ' + b"8" * 4000 + b"}")
    assert answer.json()["pipeline_output"] is True


NAMES = [
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%2Fetc%2Fpasswd",
    "is_odd%00",
    "%00",
    "is_odd%0d%0aX-Evil:%201",
    "'; DROP TABLE pipeline; --",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "<script>",
    "%ff%fe",
    "é",
    "a" * 10_000,
    "is_odd;x=1",
    "is_odd ",
    "IS_ODD",
    "__class__",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("action", ["main", "load", "save"])
def test_a_hostile_name_is_not_found(http, name, action):
    answer = raw(http.url, f"POST /pipelines/{name}/{action} HTTP/1.1", b'{"pipeline_input": 1}')
    assert answer.status in (400, 404, 405, 308, 414)
    assert b"X-Evil" not in answer.head


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "GET", "HEAD", "BREW", "post", "\x7f", "A" * 1000]
)
def test_a_strange_method_is_refused(http, method):
    answer = raw(http.url, f"{method} /pipelines/echo/main HTTP/1.1", b"")
    assert 400 <= answer.status < 500 or answer.status == 501


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: application/json; charset=utf-16",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Type: \x00",
        "Content-Encoding: gzip",
        "Accept: image/png",
        "X-Request-ID: " + "x" * 5000,
        "X-Request-Deadline: nan",
        "X-Request-Deadline: -1e999",
        "Expect: 200-maybe",
        "Cookie: a=\xff",
        "X-Forwarded-Host: evil",
    ],
)
def test_a_strange_header_does_no_harm(http, header):
    body = b'{"pipeline_input": 4}'
    answer = raw(http.url, "POST /pipelines/is_odd/main HTTP/1.1", body, header)
    assert answer.status < 500


def test_a_request_id_cannot_break_out_of_its_header(http):
    answer = raw(http.url, "POST /pipelines/echo/main HTTP/1.1", b"{}", "X-Request-ID: a\x0bb")
    assert answer.status < 500
    assert b"a\x0bb" not in answer.head


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "99999999999999999999", "+5", ""])
def test_a_strange_content_length_is_no_server_failure(http, length):
    answer = raw(http.url, "POST /pipelines/echo/main HTTP/1.1", b"{}", f"Content-Length: {length}", length=None)
    assert answer.status < 500


def test_many_members_are_ignored(http):
    body = {"pipeline_input": 1, **{f"key {number}": number for number in range(20_000)}}
    assert http.post("/pipelines/echo/main", body).json()["pipeline_output"] == 1


def test_a_client_that_vanishes_in_the_middle_of_its_body_harms_nobody(http):
    host, port = http.url.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port)), timeout=10) as peer:
            peer.sendall(b"POST /pipelines/echo/main HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")


class RawAnswer:
    """What came back over a socket, read until the other side closed."""

    def __init__(self, data: bytes) -> None:
        self.head = data.partition(b"\r\n\r\n")[0]
        first = data.split(None, 2)[1:2]
        # A broken request line is answered without a status line, as to a client of HTTP 0.9; no answer is a failure.
        self.status = int(first[0]) if first and first[0].isdigit() else 400 if data else 599


def raw(url, request_line, body, *headers, length=True):
    """Sends a request as it is written here."""
    host, port = url.removeprefix("http://").split(":")
    lines = [request_line, f"Host: {host}", "Connection: close", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        peer.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
        peer.shutdown(socket.SHUT_WR)
        received = []
        while piece := peer.recv(65536):
            received.append(piece)
    return RawAnswer(b"".join(received))
