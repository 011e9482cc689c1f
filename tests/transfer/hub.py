"""Where does a test get a Hugging Face hub from? (a small one on loopback, with a second server for large files)"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import urllib.parse
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


def blob_id(data: bytes) -> str:
    """What git calls such bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True)
class Request:
    """What was asked: method, path with its query, and headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Repository:
    """A repository of the hub.

    Attributes:
        files: the bytes of each path.
        large: the paths that are in large-file storage, whose bytes another server has.
        revisions: the commit of each revision.
        tokens: those that open it; None where everybody may read.
        is_gated: whether its files, not their list, are only for some.
    """

    files: dict[str, bytes]
    large: frozenset[str] = frozenset()
    revisions: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    tokens: frozenset[str] | None = None
    is_gated: bool = False


@dataclass
class Hub:
    """A hub that is told what to have and how to answer.

    Attributes:
        url: where it is.
        files_url: where large files are; another server.
        repositories: by their names.
        requests: what it was asked.
        files_requests: what the server of large files was asked.
        answers: given in place of its own, in that order: status, headers and body.
        tells_blobs: False for an older one, that lists no sizes and hashes.
        renamed: where it sends those who ask for a repository of an old name.
    """

    url: str = ""
    files_url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    files_requests: list[Request] = field(default_factory=list)
    answers: deque[tuple[int, Mapping[str, str], bytes]] = field(default_factory=deque)
    tells_blobs: bool = True
    renamed: dict[str, str] = field(default_factory=dict)

    def metadata(self, repository: Repository, commit: str) -> dict[str, Any]:
        """What it says of a repository."""
        return {"sha": commit, "siblings": [self._sibling(repository, path) for path in repository.files]}

    def _sibling(self, repository: Repository, path: str) -> dict[str, Any]:
        data = repository.files[path]
        if not self.tells_blobs:
            return {"rfilename": path}
        if path not in repository.large:
            return {"rfilename": path, "size": len(data), "blobId": blob_id(data)}
        large = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return {"rfilename": path, "size": len(data), "blobId": blob_id(b"a pointer"), "lfs": large}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing."""

    def do_HEAD(self) -> None:
        """Answers with headers alone."""
        self.do_GET()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        """Sends an answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def asked(self) -> Request:
        """What is asked."""
        return Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})

    def send_file(self, data: bytes, etag: str) -> None:
        """Sends a file, or the part of it that is asked for."""
        part = re.match(r"bytes=(\d+)-(\d+)\Z", self.headers.get("Range", ""))
        if part is None:
            return self.answer(200, {"ETag": f'"{etag}"'}, data)
        start, last = int(part[1]), min(int(part[2]), len(data) - 1)
        told = {"ETag": f'"{etag}"', "Content-Range": f"bytes {start}-{last}/{len(data)}"}
        return self.answer(206, told, data[start : last + 1])


class _HubHandler(_Handler):
    def do_GET(self) -> None:
        """Answers for the list of files, and for a file."""
        hub = self.hub
        hub.requests.append(self.asked())
        if hub.answers:
            return self.answer(*hub.answers.popleft())
        path = urllib.parse.unquote(self.path.partition("?")[0])
        asked = re.match(r"/api/models/(.+)/revision/(.+)\Z", path)
        file = re.match(r"/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)\Z", path)
        found = asked or file
        if found is None:
            return self.answer(404, {})
        name, revision = found[1], found[2]
        if name in hub.renamed:
            return self.answer(307, {"Location": self.path.replace(name, hub.renamed[name])})
        repository = hub.repositories.get(name)
        may_read = repository is not None and (repository.tokens is None or self._token() in repository.tokens)
        if repository is None or not (may_read or repository.is_gated):
            return self.answer(401, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Invalid username or password."}')
        commit = repository.revisions.get(revision, revision if revision in repository.revisions.values() else "")
        if not commit:
            return self.answer(404, {"X-Error-Code": "RevisionNotFound"}, b'{"error": "Invalid rev id"}')
        if asked:
            return self.answer(200, {}, json.dumps(hub.metadata(repository, commit)).encode())
        if not may_read:
            return self.answer(403, {"X-Error-Code": "GatedRepo"})
        return self._send(repository, found[3])

    def _send(self, repository: Repository, path: str) -> None:
        data = repository.files.get(path)
        if data is None:
            return self.answer(404, {"X-Error-Code": "EntryNotFound"})
        if path not in repository.large:
            return self.send_file(data, blob_id(data))
        etag = hashlib.sha256(data).hexdigest()
        place = f"{self.hub.files_url}/{etag}?signature=very-secret"
        return self.answer(
            302, {"Location": place, "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data)), "ETag": '"other"'}
        )

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


class _FilesHandler(_Handler):
    def do_GET(self) -> None:
        """Answers with a large file."""
        self.hub.files_requests.append(self.asked())
        etag = self.path.strip("/").partition("?")[0]
        for repository in self.hub.repositories.values():
            for path in repository.large:
                if hashlib.sha256(repository.files[path]).hexdigest() == etag:
                    return self.send_file(repository.files[path], etag)
        return self.answer(404, {})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that leave in the middle of an answer, as some tests want them to."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Runs a hub, empty at first."""
    hub = Hub()
    handlers = [type("Handler", (kind,), {"hub": hub}) for kind in (_HubHandler, _FilesHandler)]
    servers = [_Server(("127.0.0.1", 0), handler) for handler in handlers]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True) for server in servers]
    hub.url, hub.files_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
