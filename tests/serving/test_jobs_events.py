"""Is everything that happens to a job told while it happens?"""

from __future__ import annotations

import threading

import pytest

from chariots.errors import UnreachableError
from chariots.serving import job_events, job_routes, waiting
from chariots.serving.job_events import JobEvent
from chariots.web import Session
from chariots.workers.job import Job, LogLine, Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Succeeded
from tests.serving.job_pool import StagedPool
from tests.serving.support import Http, is_odd


class Reader:
    """Reads the raw blocks of a stream of events, one at a time."""

    def __init__(self, url, job_id, **headers):
        self.opened = Session(url).stream("GET", f"/jobs/{job_id}/events", headers=headers)
        self.chunks, self.left = iter(self.opened.__enter__().chunks), b""

    def next(self):
        while b"\n\n" not in self.left:
            self.left += next(self.chunks)
        block, _, self.left = self.left.partition(b"\n\n")
        return block.decode()

    def rest(self):
        text = self.left + b"".join(self.chunks)
        self.opened.__exit__(None, None, None)
        return text.decode()


@pytest.fixture
def pool():
    return StagedPool()


@pytest.fixture
def url(serve, pool):
    return serve(is_odd(), worker_pool=pool)


@pytest.fixture
def job_id(url):
    return Http(url).post("/jobs", {"target": "is_odd", "input": 4}).json()["id"]


def test_events_come_while_they_happen_and_end_with_the_job(url, job_id, pool):
    reader = Reader(url, job_id)
    assert reader.next() == "retry: 1000"
    assert reader.next().startswith('event: status\ndata: {"id":')
    pool.begin(job_id)
    assert '"status":"running"' in reader.next()
    pool.change(job_id, progress=Progress(1, 3, "one", "isoddop"))
    assert reader.next() == 'event: progress\ndata: {"current":1,"total":3,"message":"one","node":"isoddop"}'
    pool.say(job_id, "hello\nyou")
    assert reader.next().startswith('event: log\nid: 1\ndata: {"number":1,')
    pool.end(job_id, Succeeded(), b"true")
    assert '"status":"done"' in reader.rest()


def test_a_stream_goes_on_behind_the_last_line_that_was_read(url, job_id, pool):
    pool.say(job_id, "one", "two", "three")
    pool.begin(job_id)
    pool.end(job_id, Succeeded(), b"true")
    text = Reader(url, job_id, **{"Last-Event-ID": "2"}).rest()
    assert "id: 3\n" in text
    assert "id: 2\n" not in text
    assert Reader(url, f"{job_id}", **{"Last-Event-ID": "odd"}).rest().count("event: log") == 3


def test_a_quiet_stream_says_that_it_is_still_there(url, job_id, monkeypatch):
    monkeypatch.setattr(job_routes, "_HEARTBEAT_SECONDS", 0.01)
    reader = Reader(url, job_id)
    assert [reader.next() for _ in range(3)][2] == ": still there"


def test_where_there_is_no_place_to_wait_a_stream_tells_what_is_known_and_ends(url, job_id, pool):
    pool.app.config[waiting.SEATS_KEY] = 0
    assert Reader(url, job_id).rest().count("event: ") == 1


def test_a_stream_gives_its_place_back(url, job_id, pool):
    pool.app.config[waiting.SEATS_KEY] = 1
    pool.begin(job_id)
    pool.end(job_id, Succeeded(), b"true")
    for _ in range(3):
        assert '"status":"done"' in Reader(url, job_id).rest()


def test_a_pool_that_is_lost_in_the_middle_is_told_in_the_stream(url, job_id, pool, monkeypatch):
    def lost(seen, seconds):
        raise UnreachableError("the jobs are out of reach")

    monkeypatch.setattr(pool, "wait", lost)
    text = Reader(url, job_id).rest()
    assert "event: problem" in text
    assert "out of reach" in text
    with pytest.raises(UnreachableError, match="out of reach"):
        list(job_events.parse([text.encode()]))


def test_what_is_written_is_read_whatever_the_pieces(job_id, pool):
    job = Job("j", "a:b", "pipeline", "p", JobStatus.running, retry=pool.job(job_id).retry, after=("x",))
    events = [
        JobEvent("status", job),
        JobEvent("log", LogLine(1, 2.5, "INFO", "a line\nand a half: ü")),
        JobEvent("progress", Progress(1.5, None, "")),
    ]
    text = b"retry: 5\n\n" + b"".join(job_events.written(event) for event in events) + job_events.HEARTBEAT
    for size in (1, 7, len(text)):
        assert list(job_events.parse(text[i : i + size] for i in range(0, len(text), size))) == events


def test_a_reader_passes_over_what_it_does_not_know():
    text = b'event: novelty\ndata: 1\n\nevent: progress\ndata: {"current":1,"colour":"red"}\n\n'
    assert list(job_events.parse([text])) == [JobEvent("progress", Progress(1))]


def test_the_status_comes_before_what_began_with_it_and_after_what_ended_with_it():
    line, started = LogLine(1, 0.0, "INFO", "x"), Job("j", "a:b", "pipeline", "p", JobStatus.running, logged=1)
    done = Job("j", "a:b", "pipeline", "p", JobStatus.done, progress=Progress(1, 1), logged=1)
    assert [event.kind for event in job_events.between(None, started, [line])] == ["status", "log"]
    assert [event.kind for event in job_events.between(None, done, [line])] == ["log", "progress", "status"]
    assert list(job_events.between(done, done, [])) == []


def test_two_streams_of_one_job_tell_the_same(url, job_id, pool):
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(Reader(url, job_id).rest())) for _ in range(2)]
    for thread in threads:
        thread.start()
    pool.begin(job_id)
    pool.end(job_id, Succeeded(), b"true")
    for thread in threads:
        thread.join()
    assert [text.count('"status":"done"') for text in texts] == [1, 1]
