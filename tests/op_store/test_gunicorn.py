"""Do bodies of every shape arrive whole through the server that `chariots op-store serve` runs?"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chariots.op_store import OpStoreClient
from tests.op_store.support import ROOT, blob_files, version


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps everything."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A server process that is started as a user would."""
    command = [sys.executable, "-m", "chariots", "op-store", "serve", "--path", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    try:
        assert process.stdout is not None
        found = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert found is not None
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def request(method: str, data: bytes, sha256: str) -> bytes:
    """The text of a request for some bytes."""
    head = f"{method} /v2/blobs/{sha256} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def answer(connection: socket.socket, method: str = "GET") -> tuple[int, bytes]:
    """Reads one answer from a connection."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response.status, response.read()


@pytest.mark.parametrize("size", [0, 1, 1000, 2**16, 2**20 - 1, 2**20, 2**20 + 1, 5_000_001])
def test_an_op_of_any_size_comes_back(url: str, size: int) -> None:
    data = os.urandom(size)
    client = OpStoreClient(url)
    client.save_op_bytes("op", version(str(size)), data)
    assert client.get_op_bytes_for_version("op", version(str(size))) == data


@pytest.mark.parametrize("size", [10, 300_000])
def test_a_request_behind_the_body_is_still_answered(url: str, size: int) -> None:
    data = os.urandom(size)
    sha256 = hashlib.sha256(data).hexdigest()
    target = urlsplit(url)
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        connection.sendall(request("PUT", data, sha256) + request("GET", b"", sha256))
        received = b""
        while not received.endswith(data) and (more := connection.recv(65536)):
            received += more
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.endswith(data)


def test_one_connection_carries_many_bodies(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    for size in (10, 400_000, 0, 2_500_000, 3):
        data = os.urandom(size)
        sha256 = hashlib.sha256(data).hexdigest()
        for method, body, expected in (("PUT", data, None), ("GET", None, data)):
            connection.request(method, f"/v2/blobs/{sha256}", body)
            response = connection.getresponse()
            received = response.read()
            assert response.status == 200
            assert expected is None or received == expected
    connection.close()


def test_a_body_in_chunks_of_unknown_number_arrives(url: str) -> None:
    data = os.urandom(700_000)
    sha256 = hashlib.sha256(data).hexdigest()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("PUT", f"/v2/blobs/{sha256}", iter([data[:100], data[100:500_000], data[500_000:]]))
    assert connection.getresponse().read() == f'{{"sha256":"{sha256}"}}'.encode()
    connection.close()


@pytest.mark.parametrize("torn", [b"zz\r\n", b"5\r\nhello!\r\n", b"5;\r\nhello\r\n", b"1" * 10_000, b"-1\r\n", b"\r\n"])
@pytest.mark.parametrize("asked", [f"PUT /v2/blobs/{'0' * 64}", "POST /v2/blobs", "POST /v1/pipeline_exists"])
def test_chunks_that_are_none_are_the_fault_of_who_sent_them(url: str, folder: Path, asked: str, torn: bytes) -> None:
    target = urlsplit(url)
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        head = f"{asked} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"3\r\n{  \r\n" + torn)
        connection.shutdown(socket.SHUT_WR)
        status, problem = answer(connection, "POST")
    assert (status, b"urn:chariots:malformed-request" in problem) == (400, True)
    assert [path for path in blob_files(folder) if "0" * 64 in path.name] == []


@pytest.mark.parametrize("sent", [0, 100, 1_500_000])
def test_a_body_that_breaks_off_leaves_nothing_and_hurts_nobody(url: str, folder: Path, sent: int) -> None:
    data = os.urandom(2_000_000)
    sha256 = hashlib.sha256(data).hexdigest()
    target = urlsplit(url)
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        connection.sendall(request("PUT", data, sha256)[: sent - len(data)])
        connection.shutdown(socket.SHUT_WR)
        assert answer(connection)[0] == 400
    assert [path for path in blob_files(folder) if path.name == sha256 or path.name.startswith(".")] == []
    OpStoreClient(url).save_op_bytes("op", version("whole"), data)
    assert OpStoreClient(url).get_op_bytes_for_version("op", version("whole")) == data


def test_a_body_that_is_refused_early_ends_the_connection_but_not_the_server(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("PUT", "/v2/blobs/nonsense", os.urandom(100_000))
    assert connection.getresponse().status == 422
    connection.close()
    assert OpStoreClient(url).pipeline_exists("any") is False
