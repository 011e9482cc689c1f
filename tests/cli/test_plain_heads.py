"""Is a head that could be read in two ways left to those who know all of HTTP?"""

from __future__ import annotations

import pytest
from gunicorn.config import Config

from chariots.cli.patient_socket import SMALL_BODY
from chariots.cli.plain_heads import PlainHeads
from chariots.cli.plain_requests import PlainRequests

PLAIN = b"POST /pipelines/iris/main HTTP/1.1\r\nHost: a:5000\r\nContent-Type: application/json\r\nContent-Length: 20"


@pytest.fixture
def heads() -> PlainHeads:
    return PlainHeads({"SERVER_SOFTWARE": "test"}, {"X-FORWARDED-PROTO": "https"})


def test_a_plain_head_becomes_a_wsgi_environment(heads: PlainHeads) -> None:
    found = heads.read(PLAIN + b"\r\nX-Request-ID: \t a b \t\r\nconnection: Keep-Alive\r\nX-Empty:")
    assert found is not None
    assert found.body == 20
    assert not found.says_https
    assert found.environ == {
        "SERVER_SOFTWARE": "test",
        "REQUEST_METHOD": "POST",
        "RAW_URI": "/pipelines/iris/main",
        "PATH_INFO": "/pipelines/iris/main",
        "HTTP_HOST": "a:5000",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "20",
        "HTTP_X_REQUEST_ID": "a b",
        "HTTP_CONNECTION": "Keep-Alive",
        "HTTP_X_EMPTY": "",
    }


def test_paths_are_decoded_as_wsgi_has_them(heads: PlainHeads) -> None:
    found = heads.read(PLAIN.replace(b"iris", b"fleurs%20d%C3%A9t%C3%A9"))
    assert found is not None
    assert found.environ["PATH_INFO"] == "/pipelines/fleurs dété/main".encode().decode("latin-1")


def test_a_large_body_is_for_those_who_receive_it_themselves() -> None:
    requests = PlainRequests(Config())
    for size, is_small in ((SMALL_BODY, True), (SMALL_BODY + 1, False)):
        head = requests.head(PLAIN.replace(b": 20", b": %d" % size) + b"\r\n\r\n")
        assert (head is not None) is is_small


def test_what_a_proxy_says_is_noted(heads: PlainHeads) -> None:
    for value, says in ((b"https", True), (b"http", False), (b"https,http", False)):
        found = heads.read(PLAIN + b"\r\nX-Forwarded-Proto: " + value)
        assert found is not None
        assert found.says_https is says


@pytest.mark.parametrize(
    "head",
    [
        PLAIN.replace(b"POST", b"GET"),
        PLAIN.replace(b"POST", b"post"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/2.0"),
        PLAIN.replace(b" HTTP/1.1", b""),
        PLAIN.replace(b"POST /", b"POST  /"),
        PLAIN.replace(b"/pipelines", b"http://a/pipelines"),
        PLAIN.replace(b"/main", b"/main?use_worker=true"),
        PLAIN.replace(b"/main", b"/main#part"),
        PLAIN.replace(b"/main", b"/main%2"),
        PLAIN.replace(b"/main", b"/m\xc3\xa4in"),
        PLAIN.replace(b"Host: a:5000\r\n", b""),
        PLAIN.replace(b"Host: a", b"Host : a"),
        PLAIN.replace(b"Host: a", b" Host: a"),
        PLAIN.replace(b"\r\nContent-Type", b"\nContent-Type"),
        PLAIN.replace(b"\r\nContent-Length: 20", b""),
        PLAIN.replace(b": 20", b": +20"),
        PLAIN.replace(b": 20", b": 2 0"),
        PLAIN.replace(b": 20", b": 0x14"),
        PLAIN.replace(b": 20", b": 20, 20"),
        PLAIN + b"\r\nContent-Length: 20",
        PLAIN + b"\r\nHost: b",
        PLAIN + b"\r\nTransfer-Encoding: chunked",
        PLAIN + b"\r\ntransfer-encoding: identity",
        PLAIN + b"\r\nTransfer_Encoding: chunked",
        PLAIN + b"\r\nExpect: 100-continue",
        PLAIN + b"\r\nConnection: close",
        PLAIN + b"\r\nConnection: keep-alive, Upgrade",
        PLAIN + b"\r\nUpgrade: h2c",
        PLAIN + b"\r\nX-A: 1\r\nx-a: 2",
        PLAIN + b"\r\nX-A: 1\r\n folded",
        PLAIN + b"\r\nX-A: \x00",
        PLAIN + b"\r\nX-A: a\rb",
        PLAIN + b"\r\nX-A: \xe9",
        PLAIN + b"\r\nX A: 1",
        PLAIN + b"\r\n: 1",
        PLAIN + b"\r\nno colon",
        PLAIN + b"\r\n",
        PLAIN + b"\r\nX-A: " + b"1" * 5000,
        b"",
    ],
)
def test_all_others_are_not_plain(heads: PlainHeads, head: bytes) -> None:
    assert heads.read(head) is None
    assert heads.read(head) is None  # nor when it comes again


def test_no_more_heads_are_remembered_than_a_server_can_keep(heads: PlainHeads) -> None:
    for number in range(2000):
        assert heads.read(PLAIN + b"\r\nX-A: %d" % number) is not None
    assert len(heads._known) <= 256
