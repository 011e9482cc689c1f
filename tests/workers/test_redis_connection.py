"""Is a dead Redis noticed soon and told clearly, and does another process find the same Redis?"""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest
from redis import Redis
from redis.connection import ConnectionPool

from chariots.errors import ConflictError, UnreachableError
from chariots.workers import RQWorkerPool
from chariots.workers.in_redis import connection as redis_connection


@pytest.fixture
def silent():
    """A port that accepts and never answers; gives the port and the list of accepted connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def accept():
            try:
                while True:
                    accepted.append(listener.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1], accepted
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in accepted:
            connection.close()


def asked(pool: RQWorkerPool) -> str:
    """What a pool says when it is asked for something and cannot reach its Redis."""
    with pytest.raises(UnreachableError) as refused:
        pool.get_pipeline_response_json_for_id("some-job")
    return str(refused.value)


def test_a_redis_that_is_not_there_is_told_with_its_address_and_a_way_out():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    told = asked(RQWorkerPool(redis=Redis(host="127.0.0.1", port=port, db=3)))
    assert "'some-job' was asked for" in told
    assert f"127.0.0.1:{port}, database 3" in told
    assert "Start it" in told


def test_a_redis_that_accepts_and_is_silent_is_asked_once(silent):
    port, accepted = silent
    pool = RQWorkerPool(redis=Redis(host="127.0.0.1", port=port, socket_timeout=0.2))
    assert "did not answer" in asked(pool)
    assert len(accepted) == 1


def test_a_silent_redis_is_given_up_where_nobody_set_a_limit(silent):
    port, _ = silent
    client = Redis(host="127.0.0.1", port=port, socket_timeout=None, socket_connect_timeout=None)
    began = time.monotonic()
    assert "did not answer" in asked(RQWorkerPool(redis=client))
    assert time.monotonic() - began < 30  # with what redis-py does by itself it would be for ever


def test_the_error_travels_as_a_503():
    assert UnreachableError.status == 503


def test_neither_user_nor_password_are_told():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pool = RQWorkerPool(redis=Redis.from_url(f"redis://somebody:opensesame@127.0.0.1:{port}/0"))
    told = asked(pool)
    assert "opensesame" not in told
    assert "somebody" not in told


def test_a_wrong_password_is_told_as_one(own_redis):
    Redis.from_url(own_redis.url).config_set("requirepass", "opensesame")
    pool = RQWorkerPool(redis_kwargs={"host": "127.0.0.1", "port": own_redis.port, "password": "abracadabra"})
    told = asked(pool)
    assert "refused the user or the password" in told
    assert "abracadabra" not in told


def test_the_client_of_the_user_stays_as_it_is(redis_url):
    client = Redis.from_url(redis_url, decode_responses=True)
    before = dict(client.connection_pool.connection_kwargs)
    RQWorkerPool(redis=client)
    assert client.connection_pool.connection_kwargs == before
    assert client.echo("as ever") == "as ever"


def test_a_client_that_decodes_answers_is_good_enough(redis_url):
    pool = RQWorkerPool(redis=Redis.from_url(redis_url, decode_responses=True))
    assert pool.redis.echo("as bytes") == b"as bytes"


def test_the_client_is_taken_before_its_arguments(redis_url):
    pool = RQWorkerPool(redis_kwargs={"port": 1}, redis=Redis.from_url(redis_url))
    assert pool.redis.ping()


def test_another_process_finds_the_same_redis(own_redis):
    Redis.from_url(own_redis.url).config_set("requirepass", "opensesame")
    here = redis_connection.for_server(Redis(host="127.0.0.1", port=own_redis.port, db=5, password="opensesame"))
    here.set("mark", "five")
    there = redis_connection.for_worker(redis_connection.settings(here))
    assert there.get("mark") == b"five"


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (Redis(unix_socket_path="/run/redis.sock"), {"path": "/run/redis.sock"}),
        (Redis(ssl=True, ssl_ca_certs="/ca.pem"), {"connection_class": "SSLConnection", "ssl_ca_certs": "/ca.pem"}),
        (Redis.from_url("rediss://user@host:7/2"), {"connection_class": "SSLConnection", "port": 7, "db": 2}),
    ],
)
def test_sockets_and_encryption_are_told_to_another_process(client, told):
    described = json.loads(redis_connection.settings(redis_connection.for_server(client)))
    assert {name: described.get(name) for name in told} == told
    there = redis_connection.for_worker(redis_connection.settings(client))
    assert there.connection_pool.connection_class is client.connection_pool.connection_class


def test_a_worker_can_be_told_a_url(own_redis):
    assert redis_connection.for_worker(own_redis.url).ping()


def test_a_client_that_text_cannot_describe_is_refused_with_a_way_out():
    class Provider:
        def get_credentials(self):
            return ("user", "password")

    pool = ConnectionPool(credential_provider=Provider())
    with pytest.raises(ConflictError, match=r"'credential_provider' of type Provider.*CHARIOTS_WORKER_REDIS"):
        redis_connection.settings(redis_connection.for_server(Redis(connection_pool=pool)))


def test_a_client_of_a_class_of_its_own_is_used_as_it_is():
    class OwnRedis(Redis):
        pass

    client = OwnRedis()
    assert RQWorkerPool(redis=client).redis is client
