"""Do the client that waits in threads and the one in an event loop say, understand and raise the same?"""

from __future__ import annotations

import inspect
import socket
import ssl
import threading
import time

import numpy as np
import pandas as pd
import pytest
import trustme
from werkzeug.serving import make_server

from chariots.errors import (
    BackendError,
    InputError,
    NotLoadedError,
    RemoteTraceback,
    UnknownNameError,
    UnreachableError,
    VersionError,
)
from chariots.serving import AsyncPipelinesClient, Chariots, PipelinesClient, PipelinesServer
from chariots.web import RetryPolicy, deadline, request_ids
from chariots.workers import JobStatus
from tests.serving.support import Boom, Echo, Quiet, iris, is_odd, live, one_op
from tests.web.servers import answer, answers, free_port, read_request, reset, scripted

DONE = b'{"pipeline_output": 7, "versions": {}, "job_id": null, "job_status": "done"}'
QUICK = RetryPolicy(attempts=3, base=0.01, maximum=0.02)


@pytest.fixture
def caller(connect, serve):
    return connect(serve(is_odd(), one_op(Boom(), "boom"), one_op(Echo(), "echo")))


# -- the same methods -----------------------------------------------------------------------------------------------


def public(kind):
    return {name: member for name, member in inspect.getmembers(kind, inspect.isroutine) if not name.startswith("_")}


def test_both_have_the_same_methods():
    assert public(AsyncPipelinesClient).keys() == public(PipelinesClient).keys()


@pytest.mark.parametrize("name", sorted(public(PipelinesClient).keys() - {"send", "open_stream"}))
def test_a_method_takes_the_same_arguments_in_both(name):
    ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (AsyncPipelinesClient, PipelinesClient))
    assert ours.parameters == theirs.parameters
    assert ours.return_annotation.removeprefix("Async") == theirs.return_annotation


# -- calls ----------------------------------------------------------------------------------------------------------


def test_a_call_is_answered_with_value_and_versions(caller):
    response = caller.call_pipeline(is_odd(), 4)
    assert (response.value, response.job_id, response.job_status) == (True, None, JobStatus.done)
    assert response.versions == is_odd().versions()


def test_values_travel_in_every_form(caller):
    array, table = np.arange(6, dtype=np.float32).reshape(2, 3), pd.DataFrame({"a": [1, 2]})
    got = caller.call_pipeline("echo", array, format="npy")
    assert got.value.dtype == np.float32
    np.testing.assert_array_equal(got.value, array)
    assert got.versions.keys() == {"echo"}
    pd.testing.assert_frame_equal(caller.call_pipeline("echo", table, format="arrow").value, table)
    assert caller.call_pipeline("echo", {"a": [1]}, format="msgpack").value == {"a": [1]}
    assert caller.call_pipeline("echo", [1, 2], answer_format="npy").value.tolist() == [1, 2]
    assert caller.call_pipeline("echo", array, format="npy", answer_format="json").value == array.tolist()


@pytest.mark.filterwarnings("error")
def test_large_values_travel_both_ways(caller):
    array = np.arange(1_000_000, dtype=np.float64)
    np.testing.assert_array_equal(caller.call_pipeline("echo", array, format="npy").value, array)
    text = "é" * 3_000_000
    assert caller.call_pipeline("echo", text).value == text


def test_what_cannot_be_sent_is_said_before_anything_is(caller):
    with pytest.raises(TypeError, match=r"^pipeline_input\[0\] cannot be written as JSON"):
        caller.call_pipeline("echo", [object()])
    with pytest.raises(TypeError, match="worker cannot get its input"):
        caller.call_pipeline("echo", np.ones(1), use_worker=True, format="npy")
    with pytest.raises(ValueError, match="none of that name"):
        caller.call_pipeline("echo", 1, format="yaml")


def test_a_failed_op_is_raised_with_the_stack_on_the_server(caller):
    with pytest.raises(BackendError, match="cannot digest 13") as caught:
        caller.call_pipeline("boom", 13)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in execute\n    raise RuntimeError" in str(caught.value.__cause__)


def test_refusals_are_typed(caller):
    with pytest.raises(UnknownNameError, match="Did you mean 'is_odd'"):
        caller.call_pipeline("is_od", 1)
    with pytest.raises(InputError):
        caller.call_pipeline("is_odd")
    with pytest.raises(UnknownNameError):
        caller.is_pipeline_loaded("is_od")


def test_a_pipeline_is_trained_saved_and_loaded(connect, tmp_path):
    train, pred = iris()
    with live(Chariots([train, pred], tmp_path / "store", import_name="tests_app", worker_pool=None)) as url:
        caller = connect(url)
        assert caller.is_pipeline_loaded(pred) is False
        with pytest.raises(VersionError):
            caller.load_pipeline(pred)
        with pytest.raises(NotLoadedError):
            caller.call_pipeline(pred, [[1, 2, 3, 4]])
        trained = caller.call_pipeline(train)
        caller.save_pipeline(train)
        caller.load_pipeline(pred)
        assert caller.is_pipeline_loaded("pred") is True
        assert caller.pipeline_versions(pred)["pcaop"] == trained.versions["pcaop"]
        assert caller.call_pipeline(pred, [[5.1, 3.5, 1.4, 0.2]]).value == [0]


# -- what travels along -----------------------------------------------------------------------------------------------


def test_token_request_id_and_deadline_travel_with_a_call(connect):
    with scripted(answers(answer(200, DONE))) as server:
        caller = connect(server.url, token="secret", timeout=7)
        outside = request_ids.outside.set("run-7")
        try:
            assert caller.call_pipeline("p", 1).value == 7
        finally:
            request_ids.outside.reset(outside)
    head = server.requests[0].decode().lower()
    assert head.startswith("post /pipelines/p/main http/1.1\r\n")
    assert "authorization: bearer secret\r\n" in head
    assert "x-request-id: run-7\r\n" in head
    assert "content-type: application/json\r\n" in head
    assert 0 < float(head.split("x-request-deadline: ")[1].split("\r\n")[0]) <= 7
    assert "\r\naccept: " not in head


def test_a_deadline_around_a_call_ends_it(connect):
    with scripted(answers(answer(200, DONE))) as server:
        with deadline.scope(0.0), pytest.raises(UnreachableError, match="the deadline passed before it was sent"):
            connect(server.url).call_pipeline("p", 1)
        assert server.requests == []


def test_a_server_that_speaks_tls_is_called(connect, tmp_path, monkeypatch):
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    app = PipelinesServer([is_odd()], import_name="tests_app")
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(UnreachableError, match="no secure connection"):
            connect(url, retries=0).call_pipeline("is_odd", 4)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert connect(url).call_pipeline("is_odd", 4).value is True
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# -- when it goes wrong -----------------------------------------------------------------------------------------------


def test_a_wrong_address_is_named_with_what_to_do(connect):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError) as caught:
        connect(url, retries=QUICK).call_pipeline("p", 1)
    assert str(caught.value) == (
        f"POST {url}/pipelines/p/main was not answered: no connection (Connection refused), tried 3 times. "
        "Check that the service runs, and that its URL is right."
    )
    with pytest.raises(ValueError, match="is not the base URL of a service"):
        connect("127.0.0.1:5000")


def test_what_is_no_pipelines_server_is_told(connect):
    with scripted(answers(answer(200, b"[1]"))) as server, pytest.raises(ValueError, match="not with an object"):
        connect(server.url).call_pipeline("p", 1)


def test_a_busy_server_is_asked_again_when_it_says_so_and_that_is_safe(connect):
    moments = []

    def busy(connection, state):
        for written in (answer(503, b"{}", "Retry-After: 0.3"), answer(200, b'{"is_loaded": true}')):
            if read_request(connection):
                moments.append(time.monotonic())
                connection.sendall(written)

    with scripted(busy) as server:
        assert connect(server.url, retries=QUICK).is_pipeline_loaded("p") is True
    assert moments[1] - moments[0] >= 0.3


def test_a_call_that_was_sent_is_not_sent_again(connect):
    def losing(connection, state):
        state.requests.append(read_request(connection))
        reset(connection)

    for step, said in ((losing, "the connection broke"), (answers(answer(503, b"busy")), "503")):
        with scripted(step) as server:
            with pytest.raises(UnreachableError, match=said):
                connect(server.url, retries=QUICK).call_pipeline("p", 1)
            assert len(server.requests) == 1


def test_a_call_for_a_job_is_sent_again_under_its_key(connect):
    def losing(connection, state):
        state.requests.append(read_request(connection))
        reset(connection)

    queued = b'{"pipeline_output": null, "versions": {}, "job_id": "j", "job_status": "queued"}'
    with scripted(losing, answers(answer(200, queued))) as server:
        assert connect(server.url, retries=QUICK).call_pipeline("p", 1, use_worker=True).job_id == "j"
    first, second = (request.partition(b"\r\n\r\n")[2] for request in server.requests)
    assert first == second
    assert b"idempotency_key" in first


def test_a_call_that_takes_too_long_is_given_up(connect):
    def silent(connection: socket.socket, state):
        state.requests.append(read_request(connection))
        connection.recv(1)

    with scripted(silent) as server:
        with pytest.raises(UnreachableError, match=r"was not answered within 1 s\. Give the call more time"):
            connect(server.url, timeout=1).call_pipeline("p", 1)
        assert len(server.requests) == 1
