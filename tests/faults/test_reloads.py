"""Is every answer right, and every process soon on the new versions, while these change as fast as somebody can ask?"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pytest

from chariots.errors import NotLoadedError
from chariots.op_store import OpStoreClient
from chariots.serving import PipelinesClient
from chariots.versioning import Version
from tests.cli.programs import CHARIOTS, started
from tests.faults.counting import counted, rounds, seconds
from tests.serving.marks_app import trained

APP = "tests.serving.marks_app:make_app"
WORKERS = 3
CLIENTS = 64 if rounds(64) == 64 else 16
ANSWERS_A_CONNECTION = 20  # so that every client meets every process
PROMOTIONS_A_SECOND = 10
FOLLOWED_WITHIN = seconds(2.0, math.inf)  # what is promised; a machine that runs all tests at once may take longer
STORM = seconds(20.0, 4.0)  # how long it lasts
WATCHED = 4.0  # seconds for which clients go on after the last promotion


@dataclass
class Answer:
    """One answer that a client got.

    Attributes:
        began: when it was asked for, by the monotonic clock.
        process: the process that answered.
        mark: the mark of both ops.
    """

    began: float
    process: int
    mark: str


class Clients:
    """Clients that predict without a pause, each on a connection of its own, and check each answer."""

    def __init__(self, urls: list[str], known: Mapping[str, Mapping[str, Version]]) -> None:
        self._urls, self._known = urls, known
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._running = [self._pool.submit(self._predict, urls[number % len(urls)]) for number in range(CLIENTS)]

    def stop(self) -> list[Answer]:
        """Lets them finish; returns every answer, or raises what the first of them saw that was wrong."""
        self._stop.set()
        with self._pool:
            return list(itertools.chain.from_iterable(task.result() for task in self._running))

    def _predict(self, url: str) -> list[Answer]:
        answers: list[Answer] = []
        while not self._stop.is_set():
            if len(answers) % ANSWERS_A_CONNECTION == 0:
                client = PipelinesClient(url, timeout=60, retries=0)
            began = time.monotonic()
            answer = client.call_pipeline("pred")
            marks = set(answer.value["marks"])
            assert len(marks) == 1, f"an answer of two generations: {answer}"
            (mark,) = marks
            assert answer.versions == self._known[mark], f"made by others than it names: {answer}"
            answers.append(Answer(began, answer.value["process"], mark))
        return answers


@pytest.fixture
def store_url(tmp_path: Path) -> Iterator[str]:
    """An op store that runs as a server."""
    (tmp_path / "store").mkdir()
    command = [*CHARIOTS, "op-store", "serve", "--path", str(tmp_path / "kept"), "--port", "0"]
    with started(command, tmp_path / "store") as (url, _):
        yield url


@pytest.fixture
def replicas(tmp_path: Path, store_url: str) -> Iterator[list[str]]:
    """Two servers on that store: one of three processes, and one of one."""
    with ExitStack() as stack:
        urls = []
        for workers in (WORKERS, 1):
            folder = tmp_path / f"replica {workers}"
            folder.mkdir()
            command = [*CHARIOTS, "serve", APP, "--port", "0", "--workers", str(workers), "--threads", "16"]
            urls.append(stack.enter_context(started(command, folder, MARKS_STORE=store_url))[0])
        yield urls


def wait_for(url: str, workers: int, mark: str) -> Mapping[str, Version]:
    """Waits until every process of a server answers with a mark; returns the versions that answers name then."""
    found: dict[int, str] = {}
    until = time.monotonic() + 60
    while len(found) < workers or set(found.values()) != {mark}:
        assert time.monotonic() < until, found
        try:
            answer = PipelinesClient(url, timeout=60).call_pipeline("pred")
        except NotLoadedError:  # it was started before anything was trained, and asks once a second at most
            continue
        found[answer.value["process"]] = answer.value["marks"][0]
    return answer.versions


def promote_back_and_forth(
    store_url: str, replicas: list[str], numbers: Mapping[str, Mapping[str, int]]
) -> tuple[float, float]:
    """Promotes one set and the other in turn; once a second some process is asked to load as well.

    Returns:
        how many promotions there were a second, and when the last of them was made, which is that of the mark ``one``.
    """
    store, asked = OpStoreClient(store_url), round(STORM * PROMOTIONS_A_SECOND)
    begun = time.monotonic()

    def promote(turn: int) -> None:
        time.sleep(max(begun + turn / PROMOTIONS_A_SECOND - time.monotonic(), 0))
        store.promote("pred", versions=numbers[("one", "other")[turn % 2]])
        if turn % PROMOTIONS_A_SECOND == 0:
            PipelinesClient(replicas[turn // PROMOTIONS_A_SECOND % 2], timeout=60).load_pipeline("pred")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(promote, range(asked)))
    rate = asked / (time.monotonic() - begun)
    store.promote("pred", versions=numbers["other"])
    time.sleep(WATCHED / 2)  # so that the last promotion is news to every process
    store.promote("pred", versions=numbers["one"])
    return rate, time.monotonic()


def test_no_answer_is_wrong_while_promotions_come_ten_times_a_second(store_url: str, replicas: list[str]) -> None:
    store = OpStoreClient(store_url)
    numbers = {mark: trained(store, mark) for mark in ("one", "other")}
    known: dict[str, Mapping[str, Version]] = {}
    for mark in numbers:
        store.promote("pred", versions=numbers[mark])
        for url, workers in zip(replicas, (WORKERS, 1), strict=True):
            known[mark] = wait_for(url, workers, mark)
    assert known["one"] != known["other"]
    fault = f"{PROMOTIONS_A_SECOND} promotions a second while {CLIENTS} clients predict"
    for _ in range(rounds(2)):
        with counted(fault), ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
            clients = Clients(replicas, known)
            rate, promoted = elsewhere.submit(promote_back_and_forth, store_url, replicas, numbers).result()
            time.sleep(WATCHED)
            answers = clients.stop()
            assert {one.mark for one in answers} == {"one", "other"}
            assert len({one.process for one in answers}) == WORKERS + 1
            late = max(one.began - promoted for one in answers if one.mark != "one")
            print(
                f"{rate:.1f} promotions/s, {len(answers)} answers; the last old one began {late:.2f} s after the last"
            )
            assert late < FOLLOWED_WITHIN
            for url, workers in zip(replicas, (WORKERS, 1), strict=True):
                wait_for(url, workers, "one")
