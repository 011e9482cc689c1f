"""Do a client, the processes of a server, a worker and an op store tell a collector of one trace?"""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import CHARIOTS, DEADLINE, chariots, run, started
from tests.collecting_spans import Collector, Told, collector

APP = """
import json, os, sys
from chariots.op_store import OpStoreClient
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.workers import LocalWorkerPool

IN, OUT = "__pipeline_input__", "__pipeline_output__"


class Total(LoadableOp):
    allow_version_change = True
    total = 0

    def execute(self, number: int) -> int:
        self.total += number
        return self.total

    def serialize(self):
        return json.dumps(self.total).encode()

    def load(self, serialized_object):
        self.total = json.loads(serialized_object)


class Double(BaseOp):
    def execute(self, number: int) -> int:
        return 2 * number


class Process(BaseOp):
    def execute(self) -> list[int]:
        return [os.getpid(), "opentelemetry" in sys.modules]


app = PipelinesServer(
    [
        Pipeline([Node(Total(), [IN], OUT)], "train"),
        Pipeline([Node(Double(), [IN], OUT)], "double"),
        Pipeline([Node(Process(), output_nodes=OUT)], "process"),
    ],
    import_name="my_app",
    op_store_client=OpStoreClient(os.environ["STORE_OF_THE_TEST"]) if "STORE_OF_THE_TEST" in os.environ else None,
    worker_pool=LocalWorkerPool("sqlite:///jobs.sqlite"),
)
"""
CLIENT = """
import sys
from chariots.pipelines import PipelinesClient
from chariots.web import start_tracing

start_tracing("my-client")
client = PipelinesClient(sys.argv[1])
client.call_pipeline("double", 3)
job = client.call_pipeline("train", 3, use_worker=True)
print(client.wait(job, timeout=60).value)
"""
CLIENT_KIND, SERVER_KIND, INTERNAL_KIND, CONSUMER_KIND = 3, 2, 1, 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_app.py").write_text(APP)
    (tmp_path / "client.py").write_text(CLIENT)
    return tmp_path


@pytest.fixture
def collected() -> Iterator[Collector]:
    with collector() as found:
        yield found


def exporting_to(collected: Collector, **variables: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "100", **variables}


def call(url: str, name: str, value: Any = None) -> Any:
    body = json.dumps({} if value is None else {"pipeline_input": value}).encode()
    asked = urllib.request.Request(f"{url}/pipelines/{name}/main", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=DEADLINE) as answer:
        return json.load(answer)["pipeline_output"]


def way_up(spans: list[Told], last: Told) -> list[tuple[str, str]]:
    """From which service and span a span comes, and from which that one, up to the first."""
    by_id = {span.id: span for span in spans}
    found = [last]
    while found[-1].parent:
        found.append(by_id[found[-1].parent])
        assert found[-1].trace == last.trace
    return [(span.service, span.name) for span in found]


def test_one_trace_goes_from_the_client_to_the_server_its_worker_and_the_store(
    folder: Path, collected: Collector
) -> None:
    variables = exporting_to(collected)
    (folder / "store").mkdir()
    store_command = [*CHARIOTS, "op-store", "serve", "--path", ".", "--port", "0", "--tracing", "on"]
    with started(store_command, folder / "store", **variables) as (store, _):
        serve = [*CHARIOTS, "serve", "my_app:app", "--port", "0", "--workers", "2", "--tracing", "on"]
        with started(serve, folder, STORE_OF_THE_TEST=store, **variables) as (url, server):
            ran = run([sys.executable, "client.py", url], folder, **variables)
            assert (ran.returncode, ran.stdout.strip()) == (0, "3"), ran.stderr
            server.send_signal(signal.SIGTERM)
            assert server.wait(DEADLINE) == 0
    # The worker, which the server has started, leaves after it.
    names = {"node double", "POST /v2/saves", "job train"}
    spans = collected.wait_for(lambda spans: names <= {span.name for span in spans})
    by_name = {span.name: span for span in spans}
    route = "POST /pipelines/<name>/main"
    assert way_up(spans, by_name["node double"]) == [
        ("my_app", "node double"),
        ("my_app", route),
        ("my-client", "POST"),
    ]
    assert way_up(spans, by_name["POST /v2/saves"]) == [
        ("chariots op store", "POST /v2/saves"),
        ("my_app", "POST"),
        ("my_app", "save train"),
        ("my_app", "job train"),
        ("my_app", route),
        ("my-client", "POST"),
    ]
    assert way_up(spans, by_name["node total"])[1:3] == [("my_app", "job train"), ("my_app", route)]
    assert (by_name["job train"].kind, by_name[route].kind) == (CONSUMER_KIND, SERVER_KIND)
    assert (by_name["node double"].kind, by_name["POST"].kind) == (INTERNAL_KIND, CLIENT_KIND)
    assert by_name["node double"].attributes["chariots.pipeline"] == "double"
    assert not any(span.is_error for span in spans if span.trace == by_name["POST /v2/saves"].trace)


def test_every_process_of_a_server_exports_and_none_forgets_its_last_spans_when_it_stops(
    folder: Path, collected: Collector
) -> None:
    # Nothing is exported before the processes leave.
    variables = exporting_to(collected, OTEL_BSP_SCHEDULE_DELAY="600000", OTEL_SERVICE_NAME="three-of-us")
    command = [*CHARIOTS, "serve", "my_app:app", "--port", "0", "--workers", "3", "--tracing", "on"]
    with started(command, folder, **variables) as (url, server):
        seen: list[int] = []
        end = time.monotonic() + DEADLINE
        while len(set(seen)) < 2 and time.monotonic() < end:
            seen.append(call(url, "process")[0])
        assert collected.spans == []
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
    assert len(set(seen)) >= 2
    requests = [span for span in collected.spans if span.kind == SERVER_KIND]
    nodes = [span for span in collected.spans if span.name == "node process"]
    assert len(requests) == len(nodes) == len(seen)
    assert {span.service for span in requests} == {"three-of-us"}
    assert len({span.id for span in collected.spans}) == len(collected.spans)


def test_a_server_that_does_not_trace_does_not_load_what_would(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, _):
        assert [call(url, "process")[1] for _ in range(3)] == [False, False, False]


def test_a_collector_that_is_away_disturbs_no_answer_and_no_stop(folder: Path) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    command = [*CHARIOTS, "serve", "my_app:app", "--port", "0", "--tracing", "on"]
    with started(command, folder, **variables) as (url, server):
        call(url, "double", 3)  # the first one finds out about jobs, and loads what that takes
        times = []
        end = time.monotonic() + 2
        while len(times) < 20 or time.monotonic() < end:
            began = time.monotonic()
            assert call(url, "double", 3) == 6
            times.append(time.monotonic() - began)
        assert sorted(times)[len(times) // 2] < 0.5
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(DEADLINE) == 0
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--tracing", "perhaps"], {}, "the option holds 'perhaps' (str), where true or false is expected."),
        ([], {"CHARIOTS_SERVING_TRACING": "perhaps"}, "CHARIOTS_SERVING_TRACING holds 'perhaps'"),
        (["--tracing", "on"], {"OTEL_TRACES_EXPORTER": "pigeon"}, "were to be exported by 'pigeon'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_served(
    folder: Path, arguments: list[str], variables: dict[str, str], words: str
) -> None:
    shown = chariots(folder, "serve", "my_app:app", "--port", "0", *arguments, **variables)
    assert shown.returncode != 0
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_worker_that_is_told_what_cannot_be_says_so(folder: Path) -> None:
    shown = chariots(folder, "worker", "my_app:app", CHARIOTS_SERVING_TRACING="perhaps")
    assert shown.returncode == 1
    assert "it cannot trace: the environment variable CHARIOTS_SERVING_TRACING holds 'perhaps'" in shown.stderr


def test_a_server_without_the_extra_says_what_to_install(folder: Path) -> None:
    (folder / "opentelemetry").mkdir()  # stands in front of the library, and holds nothing
    (folder / "opentelemetry" / "__init__.py").touch()
    shown = chariots(folder, "serve", "my_app:app", "--port", "0", "--tracing", "on")
    assert shown.returncode != 0
    assert "pip install chariots[opentelemetry]" in shown.stderr
    assert "Traceback" not in shown.stderr
