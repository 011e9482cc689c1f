"""Do jobs reach workers through a Redis that speaks TLS and knows users?"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import pytest
import trustme
from redis import Redis

from chariots.errors import UnreachableError
from chariots.workers import RQWorkerPool
from tests.redis_server import RedisServer
from tests.workers.conftest import fresh_app
from tests.workers.support import Caller, one_worker

RULES = ("~chariots:*", "~rq:*", "&*", "+@all", "-@dangerous", "+info", "+config|get")


class TLSFront:
    """A server that speaks TLS for a Redis that was built without.

    Args:
        authority: who vouches for it.
        port: of the Redis.
    """

    def __init__(self, authority: trustme.CA, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._behind = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # that it is closed
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, connection: socket.socket) -> None:
        # Whoever trusts somebody else breaks off in the middle of the handshake; everybody may leave at any time.
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(connection, server_side=True) as outside,
            socket.create_connection(("127.0.0.1", self._behind)) as inside,
        ):
            back = threading.Thread(target=_pump, args=(inside, outside), daemon=True)
            back.start()
            _pump(outside, inside)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Who vouches for the server; its certificate lies in ``ca.pem``."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def front(authority: trustme.CA, own_redis: RedisServer) -> Iterator[TLSFront]:
    """The Redis of the test behind TLS, with one user who may do what jobs need."""
    Redis.from_url(own_redis.url).execute_command("ACL", "SETUSER", "jobs", "on", ">open sesame", *RULES)
    made = TLSFront(authority, own_redis.port)
    yield made
    made.close()


@pytest.fixture
def secret_jobs(front: TLSFront, tmp_path: Path) -> Iterator[ModuleType]:
    """The app of the tests on it."""
    user = f"jobs:{quote('open sesame')}"
    url = f"rediss://{user}@127.0.0.1:{front.port}/0?ssl_ca_certs={quote(str(tmp_path / 'ca.pem'))}"
    with pytest.MonkeyPatch.context() as patch:
        yield fresh_app(patch, url, tmp_path / "store")


def test_a_job_goes_through_tls_to_a_worker_and_back(secret_jobs: ModuleType) -> None:
    pool: RQWorkerPool = secret_jobs.app.worker_pool
    with one_worker(pool) as pid:
        assert Caller(secret_jobs).job("echo", ["x" * 3_000_000]).value == ["x" * 3_000_000]
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"sesame" not in command


def test_a_server_that_somebody_else_vouches_for_is_not_spoken_to(front: TLSFront, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    pool = RQWorkerPool(
        redis_kwargs={
            "host": "127.0.0.1",
            "port": front.port,
            "username": "jobs",
            "password": "open sesame",
            "ssl": True,
            "ssl_ca_certs": str(tmp_path / "other.pem"),
        }
    )
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        _ = pool.n_workers
