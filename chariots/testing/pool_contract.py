"""What does every pool of workers promise? (tests, to be run against a pool of one's own)"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from chariots.errors import UnknownNameError
from chariots.testing.clients import TestPipelinesClient
from chariots.workers import JobStatus

if TYPE_CHECKING:
    from chariots.serving import Chariots, PipelineResponse
    from chariots.workers import BaseWorkerPool

__all__ = ["PoolContract", "eventually"]

Found = TypeVar("Found")
DEADLINE = 60.0  # seconds; how long anything may take on a slow machine


def eventually(look: Callable[[], Found | None], what: str) -> Found:
    """Looks again and again until there is something to see.

    Args:
        look: returns what there is to see; anything that counts as false is nothing.
        what: what is waited for, for the message.

    Returns:
        what was seen.
    """
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {DEADLINE:g} s")


class PoolContract:
    """Tests that need the four documented members of a pool, and no more.

    Derive a class from it whose name begins with ``Test``, with a fixture ``app`` that returns the app `pool_app` made
    in a module which your workers can import. ``spawn_worker`` is called once for each test; where it returns no
    process that can be terminated, override the fixture ``worker``.
    """

    @pytest.fixture
    def app(self) -> Chariots:
        """The app; to be overridden."""
        raise NotImplementedError("define a fixture named app that returns what pool_app(...) made in a module")

    @pytest.fixture
    def pool(self, app: Chariots) -> BaseWorkerPool:
        """The pool of the app."""
        assert app.worker_pool is not None
        return app.worker_pool

    @pytest.fixture
    def client(self, app: Chariots) -> TestPipelinesClient:
        """A client of the app."""
        return TestPipelinesClient(app)

    @pytest.fixture
    def worker(self, pool: BaseWorkerPool) -> Iterator[Any]:
        """A worker of the pool, alive while the test runs."""
        before = pool.n_workers
        process = pool.spawn_worker()
        eventually(lambda: pool.n_workers > before, "the birth of a worker")
        yield process
        if isinstance(process, subprocess.Popen):
            process.terminate()
            process.wait(timeout=DEADLINE)

    def end_of(self, client: TestPipelinesClient, asked: PipelineResponse, pipeline: str) -> PipelineResponse:
        """Waits until a job has come to its end."""

        def look() -> PipelineResponse | None:
            response = client.fetch_job(str(asked.job_id), pipeline)
            return response if response.job_status is not None and response.job_status.is_final else None

        return eventually(look, f"the end of job {asked.job_id}")

    def run(self, client: TestPipelinesClient, pipeline: str, value: Any) -> PipelineResponse:
        """Runs a pipeline in a worker, and waits for its end."""
        return self.end_of(client, client.call_pipeline(pipeline, value, use_worker=True), pipeline)

    # -- the promises -------------------------------------------------------------------------------------------------

    def test_a_job_is_queued_at_once_and_done_later(self, client: TestPipelinesClient, worker: Any) -> None:
        """The first answer has an id and no value; the last one has the value and the versions."""
        asked = client.call_pipeline("echo", {"a": [1, 2.5, None, "ü"]}, use_worker=True)
        assert asked.job_id
        assert asked.value is None
        assert asked.job_status is JobStatus.queued
        done = self.end_of(client, asked, "echo")
        assert done.job_status is JobStatus.done
        assert done.value == {"a": [1, 2.5, None, "ü"]}
        assert set(done.versions) == {"echo"}

    def test_workers_count(self, pool: BaseWorkerPool, worker: Any) -> None:
        """A worker that was spawned is one of them."""
        assert pool.n_workers >= 1

    def test_a_job_waits_for_a_worker(self, client: TestPipelinesClient, request: pytest.FixtureRequest) -> None:
        """One that is asked for while there is no worker is not lost."""
        asked = client.call_pipeline("echo", "early", use_worker=True)
        assert client.fetch_job(str(asked.job_id), "echo").job_status is JobStatus.queued
        request.getfixturevalue("worker")
        assert self.end_of(client, asked, "echo").value == "early"

    def test_a_job_that_does_not_exist_is_unknown(self, pool: BaseWorkerPool) -> None:
        """Asking for it raises an UnknownNameError that names it."""
        with pytest.raises(UnknownNameError, match="no-such-job"):
            pool.get_pipeline_response_json_for_id("no-such-job")

    def test_the_answer_has_the_documented_members(
        self, client: TestPipelinesClient, pool: BaseWorkerPool, worker: Any
    ) -> None:
        """It is the JSON text of a response."""
        asked = client.call_pipeline("echo", 1, use_worker=True)
        self.end_of(client, asked, "echo")
        found = json.loads(pool.get_pipeline_response_json_for_id(str(asked.job_id)))
        assert {"pipeline_output", "versions", "job_id", "job_status"} <= set(found)
        assert (found["pipeline_output"], found["job_id"], found["job_status"]) == (1, asked.job_id, "done")

    def test_an_op_that_fails_fails_its_job_with_the_reason_and_the_stack(
        self, client: TestPipelinesClient, worker: Any
    ) -> None:
        """The error names the pipeline and what was raised; its cause shows where."""
        failed = self.run(client, "fail", "no such flower")
        assert failed.job_status is JobStatus.failed
        assert failed.value is None
        assert "no such flower" in str(failed.error)
        assert "LookupError" in str(failed.error.__cause__)  # type: ignore[union-attr]  # looked at above
        assert "in execute" in str(failed.error.__cause__)  # type: ignore[union-attr]

    def test_a_worker_outlives_a_job_that_fails(self, client: TestPipelinesClient, worker: Any) -> None:
        """The next job runs."""
        assert self.run(client, "fail", "once").job_status is JobStatus.failed
        assert self.run(client, "echo", "next").value == "next"

    def test_what_a_job_learned_is_saved_before_it_is_done(self, client: TestPipelinesClient, worker: Any) -> None:
        """A load at once finds it, and the server answers with it."""
        assert self.run(client, "learn", [1, 2, 6]).job_status is JobStatus.done
        client.load_pipeline("mean")
        assert client.call_pipeline("mean", 0).value == 3

    def test_an_output_that_cannot_be_sent_fails_the_job_and_keeps_the_training(
        self, client: TestPipelinesClient, worker: Any
    ) -> None:
        """The error is about the output."""
        failed = self.run(client, "learn_in_vain", [2, 4])
        assert failed.job_status is JobStatus.failed
        assert "output" in str(failed.error)
        client.load_pipeline("mean")
        assert client.call_pipeline("mean", 0).value == 3

    def test_a_worker_predicts_with_what_was_loaded_last(self, client: TestPipelinesClient, worker: Any) -> None:
        """Whichever process loaded it."""
        for numbers, expected in (([1, 3], 2), ([10, 30], 20)):
            assert self.run(client, "learn", numbers).job_status is JobStatus.done
            client.load_pipeline("mean")
            assert self.run(client, "mean", 0).value == expected

    def test_a_job_whose_process_dies_comes_to_an_end(
        self, client: TestPipelinesClient, worker: Any, tmp_path: Path
    ) -> None:
        """It was run again, or it failed with a reason; it does not stay running."""
        ended = self.run(client, "die", str(tmp_path / "died"))
        if ended.job_status is JobStatus.done:
            assert ended.value == "the second time"
        else:
            assert ended.job_status is JobStatus.failed
            assert str(ended.error)
