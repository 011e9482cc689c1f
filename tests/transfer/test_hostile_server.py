"""Does the hostile server do what it is told, and count rightly?"""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.transfer.hostile import Fault, HostileServer, etag_of

DATA = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


def got(server: HostileServer, path: str = "/a", method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def test_a_file_is_given_as_a_whole_in_parts_and_by_its_tag(server: HostileServer) -> None:
    server.put("/a", DATA)
    status, body, headers = got(server)
    assert (status, body, headers["ETag"]) == (200, DATA, etag_of(DATA))
    for asked, start, end in (("5-9", 5, 10), ("10000-", 10000, len(DATA)), ("-3", len(DATA) - 3, len(DATA))):
        status, body, headers = got(server, Range=f"bytes={asked}", If_Match=etag_of(DATA))
        assert (status, body) == (206, DATA[start:end])
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert got(server, Range=f"bytes={len(DATA)}-")[0] == 416
    assert got(server, If_Match='"other"')[0] == 412
    assert got(server, Range="bytes=0-4", If_Range='"other"')[:2] == (200, DATA)
    assert got(server, method="HEAD")[1:2] == (b"",)
    assert got(server, "/none")[0] == 404


def test_requests_connections_and_bytes_are_counted(server: HostileServer) -> None:
    server.put("/a", DATA)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(3):
        connection.request("GET", "/a?x=1", headers={"Authorization": "Bearer secret", "Range": "bytes=0-99"})
        connection.getresponse().read()
    connection.close()
    got(server, method="HEAD")
    asked = server.requests("/a")
    assert [one.connection for one in asked] == [1, 1, 1, 2]
    assert [one.sent for one in asked] == [100, 100, 100, 0]
    assert (asked[0].query, asked[0].headers["authorization"], asked[0].status) == ("x=1", "Bearer secret", 206)
    assert (server.bytes_sent("/a"), server.connections, len(server.requests("/a", "HEAD"))) == (300, 2, 1)


def test_a_fault_hits_so_many_answers_after_so_many_others(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(status=503, first=2, skip=1, retry_after="7")])
    answers = [got(server) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 503, 503, 200]
    assert answers[1][2]["Retry-After"] == "7"


@pytest.mark.parametrize("fault", [Fault(close_after=100, first=1), Fault(length_off=50, first=1)])
def test_an_answer_ends_too_early(server: HostileServer, fault: Fault) -> None:
    server.put("/a", DATA, faults=[fault])
    with pytest.raises(http.client.IncompleteRead):
        got(server)
    assert got(server)[1] == DATA


def test_a_connection_is_reset(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(reset_after=100, first=1)])
    with pytest.raises(ConnectionResetError):
        got(server)
    assert got(server)[1] == DATA


def test_a_connection_is_closed_without_an_answer_or_with_nonsense(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(hangs_up=True, first=1), Fault(raw=b"\x00nonsense\r\n\r\n", first=1)])
    with pytest.raises(http.client.RemoteDisconnected):
        got(server)
    with pytest.raises(http.client.BadStatusLine):
        got(server)
    assert got(server)[1] == DATA


def test_a_connection_that_was_to_stay_is_closed_after_the_answer(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(drops_connection=True)])
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        came = b"".join(iter(lambda: wire.recv(65536), b""))
    assert b"Connection: close" not in came
    assert came.endswith(DATA)


def test_a_stall_ends_when_it_is_told_to(server: HostileServer) -> None:
    until = threading.Event()
    server.put("/a", DATA, faults=[Fault(stall_after=1000, until=until)])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/a")
    answer = connection.getresponse()
    assert answer.read(1000) == DATA[:1000]
    assert server.bytes_sent() <= 1000
    until.set()
    assert answer.read() == DATA[1000:]
    connection.close()


def test_a_stop_ends_stalls_and_refuses_new_connections() -> None:
    with HostileServer() as server:
        server.put("/a", DATA, faults=[Fault(stall_after=0)])
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/a")
        answer = connection.getresponse()
        server.stop()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            raise http.client.IncompleteRead(b"") if answer.read() != DATA else ConnectionError
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            got(server)


def test_a_length_that_is_too_short_cuts_the_body(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(length_off=-50)])
    assert got(server)[1] == DATA[:-50]


def test_a_range_is_lied_about_shortened_or_ignored(server: HostileServer) -> None:
    faults = [Fault(range_off=3, first=1), Fault(total_off=9, first=1), Fault(shortened_to=4, first=1)]
    server.put("/a", DATA, faults=[*faults, Fault(ignores_range=True, first=1)])
    size = len(DATA)
    expected = [
        (206, DATA[10:20], f"bytes 13-22/{size}"),
        (206, DATA[10:20], f"bytes 10-19/{size + 9}"),
        (206, DATA[10:14], f"bytes 10-13/{size}"),
        (200, DATA, None),
        (206, DATA[10:20], f"bytes 10-19/{size}"),
    ]
    for one in expected:
        status, body, headers = got(server, Range="bytes=10-19")
        assert (status, body, headers["Content-Range"]) == one
    server.put("/b", DATA, ranges=False)
    assert got(server, "/b", Range="bytes=10-19")[:2] == (200, DATA)


def test_if_match_is_ignored(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(ignores_if_match=True)])
    assert got(server, If_Match='"other"')[:2] == (200, DATA)


def test_one_byte_is_flipped_in_the_answer_that_holds_it(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(flip_at=500, first=1)])
    assert got(server, Range="bytes=0-499")[1] == DATA[:500]
    wrong = got(server, Range="bytes=400-599")[1]
    assert [index for index, byte in enumerate(wrong) if byte != DATA[400 + index]] == [100]
    assert got(server)[1] == DATA


def test_an_answer_is_compressed_or_in_chunks(server: HostileServer) -> None:
    server.put("/a", DATA, faults=[Fault(gzipped=True, first=1), Fault(chunked=True)])
    status, body, headers = got(server, Range="bytes=0-9")
    assert (status, gzip.decompress(body), headers["Content-Encoding"]) == (200, DATA, "gzip")
    status, body, headers = got(server)
    assert (body, headers["Content-Length"], headers["Transfer-Encoding"]) == (DATA, None, "chunked")


def test_an_object_is_replaced_when_half_of_it_has_been_sent(server: HostileServer) -> None:
    other = bytes(reversed(DATA))
    server.put("/a", DATA, replacement=other, replace_after=len(DATA) // 2)
    half = f"bytes=0-{len(DATA) // 2 - 1}"
    assert got(server, Range=half, If_Match=etag_of(DATA))[1] == DATA[: len(DATA) // 2]
    assert got(server, Range=half, If_Match=etag_of(DATA))[0] == 412
    assert got(server)[1] == other
    assert got(server)[2]["ETag"] == etag_of(other)


def test_an_address_on_another_port_expires(server: HostileServer) -> None:
    with HostileServer() as storage:
        storage.put("/blob", DATA, signed=True)
        server.put("/a", redirect=lambda: storage.signed_url("/blob", uses=2))
        with urllib.request.urlopen(server.url("/a"), timeout=10) as answer:
            assert answer.read() == DATA
            place = answer.url
        with urllib.request.urlopen(place, timeout=10) as answer:
            assert answer.read() == DATA
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(place, timeout=10)
        assert got(storage, "/blob")[0] == 403
        with urllib.request.urlopen(server.url("/a"), timeout=10) as answer:
            assert answer.read() == DATA


def test_redirects_lead_to_another_host_and_in_circles(server: HostileServer) -> None:
    server.put("/b", DATA)
    server.put("/a", redirect=server.url("/b", "localhost"), redirect_status=307)
    request = urllib.request.Request(server.url("/a"), headers={"Authorization": "Bearer secret"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.read() == DATA
    assert server.requests("/b")[0].headers["host"] == f"localhost:{server.port}"
    assert server.requests("/b")[0].headers["authorization"] == "Bearer secret"  # urllib does leak it
    server.put("/loop", redirect="/loop")
    with pytest.raises(urllib.error.HTTPError, match="infinite loop"):
        urllib.request.urlopen(server.url("/loop"), timeout=10)


def test_a_secure_address_leads_to_one_that_is_not(server: HostileServer, tmp_path: Path) -> None:
    server.put("/a", DATA)
    with HostileServer(tls=True) as secure:
        secure.put("/a", redirect=server.url("/a"))
        context = ssl.create_default_context(cafile=str(secure.trusted_in(tmp_path)))
        with urllib.request.urlopen(secure.url("/a"), timeout=10, context=context) as answer:
            assert (answer.read(), answer.url) == (DATA, server.url("/a"))


def test_answers_come_late_and_slowly() -> None:
    with HostileServer(latency=0.05) as server:
        server.put("/a", DATA, rate=len(DATA) / 0.2)
        began = time.monotonic()
        assert got(server)[1] == DATA
        assert time.monotonic() - began >= 0.25 * 0.99  # never sooner; how much later is up to the machine
