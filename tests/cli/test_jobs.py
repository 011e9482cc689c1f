"""Can jobs be seen, watched, stopped and run again from a terminal?"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chariots.cli import main
from chariots.serving import PipelinesServer
from chariots.workers.job import Progress
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Canceled, Succeeded
from tests.serving.job_pool import StagedPool
from tests.serving.support import Boom, is_odd, one_op
from tests.wsgi_server import wsgi_server

Typed = Callable[..., Result]


@pytest.fixture
def pool() -> StagedPool:
    return StagedPool()


@pytest.fixture
def typed(pool: StagedPool, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """Types a command, with the address of a real server in CHARIOTS_URL."""
    app = PipelinesServer([is_odd(), one_op(Boom(), "explodes")], "tests_app", worker_pool=pool)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    with wsgi_server(app) as url:
        monkeypatch.setenv("CHARIOTS_URL", url)
        yield run


def asked(typed: Typed, pipeline: str = "is_odd", *options: str) -> str:
    shown = typed("call", pipeline, "4", "--worker", "--no-wait", *options)
    assert shown.exit_code == 0, shown.output
    return str(json.loads(shown.stdout)["job_id"])


def later(act: Callable[..., object], *arguments: object) -> None:
    threading.Timer(0.05, act, arguments).start()


# -- seeing -------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_as_a_table_the_newest_first(typed: Typed, pool: StagedPool) -> None:
    first, second = asked(typed, "explodes"), asked(typed)
    pool.run_next()
    heading, *rows = typed("jobs", "list").stdout.splitlines()
    assert heading.split()[:4] == ["job", "pipeline", "kind", "status"]
    assert [row.split()[:4] for row in rows] == [
        [second, "is_odd", "pipeline", "queued"],
        [first, "explodes", "pipeline", "failed"],
    ]
    assert "cannot digest 4" in rows[1]


def test_what_failed_is_listed_alone(typed: Typed, pool: StagedPool) -> None:
    failed = asked(typed, "explodes")
    pool.run_next()
    asked(typed)
    assert [job["id"] for job in json.loads(typed("jobs", "list", "--status", "failed", "--json").stdout)] == [failed]
    assert json.loads(typed("jobs", "list", "--pipeline", "none", "--json").stdout) == []


def test_the_list_says_how_far_a_running_job_is(typed: Typed, pool: StagedPool) -> None:
    pool.begin(asked(typed))
    job_id = next(iter(pool.known))
    pool.change(job_id, progress=Progress(2, 5, "[red]epoch", "fit"))
    assert "fit 2 of 5 [red]epoch" in typed("jobs", "list").stdout


def test_a_job_is_shown_with_the_stack_of_its_failure(typed: Typed, pool: StagedPool) -> None:
    job_id = asked(typed, "explodes", "--priority", "3")
    pool.run_next()
    shown = typed("jobs", "show", job_id)
    assert shown.exit_code == 0
    assert "1 (1 failed, 0 lost with their worker)" in shown.stdout
    assert "raise RuntimeError" in shown.stdout
    assert json.loads(typed("jobs", "show", job_id, "--json").stdout)["priority"] == 3


def test_an_unknown_job_is_told_in_a_line(typed: Typed) -> None:
    for command in ("show", "watch", "log", "cancel", "rerun"):
        shown = typed("jobs", command, "none")
        assert (shown.exit_code, shown.stderr) == (1, "Error: there is no job 'none'\n")


def test_the_log_and_the_workers_are_shown(typed: Typed, pool: StagedPool) -> None:
    job_id = asked(typed)
    pool.say(job_id, "a line", "another")
    assert [line.split("INFO ")[1] for line in typed("jobs", "log", job_id).stdout.splitlines()] == [
        "a line",
        "another",
    ]
    assert json.loads(typed("jobs", "log", job_id, "--json").stdout)[1]["number"] == 2
    pool.hire()
    assert typed("jobs", "workers").stdout.splitlines()[1].split()[:4] == ["w1", "tests_app:app", "here", "1"]
    assert json.loads(typed("jobs", "workers", "--json").stdout)[0]["name"] == "w1"


# -- watching -----------------------------------------------------------------------------------------------------


def test_a_watched_job_that_is_done_prints_its_output(typed: Typed, pool: StagedPool) -> None:
    job_id = asked(typed)

    def work() -> None:
        pool.begin(job_id)
        pool.say(job_id, "half of it")
        pool.end(job_id, Succeeded(), b"true")

    later(work)
    shown = typed("jobs", "watch", job_id)
    assert (shown.exit_code, shown.stdout) == (0, "true\n")
    assert "half of it" in shown.stderr


def test_a_watched_job_that_fails_ends_with_exit_code_1(typed: Typed, pool: StagedPool) -> None:
    job_id = asked(typed, "explodes")
    later(pool.run_next)
    shown = typed("jobs", "watch", job_id)
    assert shown.exit_code == 1
    assert "cannot digest 4" in shown.stderr


def test_a_watched_job_that_is_canceled_ends_with_exit_code_1(typed: Typed, pool: StagedPool) -> None:
    job_id = asked(typed)
    later(pool.end, job_id, Canceled())
    shown = typed("jobs", "watch", job_id)
    assert shown.exit_code == 1
    assert f"{job_id} is canceled" in shown.stderr


def test_ctrl_c_leaves_the_job_alone_and_says_how_to_stop_it(
    typed: Typed, pool: StagedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = asked(typed)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chariots.serving.job_calling.EventReader", interrupted)
    shown = typed("jobs", "watch", job_id)
    assert shown.exit_code == 130
    assert f"chariots jobs cancel {job_id}" in shown.stderr
    assert not pool.job(job_id).cancel_requested
    monkeypatch.setattr("chariots.serving.client.AbstractPipelinesClient.wait", interrupted)
    shown = typed("call", "is_odd", "4", "--worker")
    assert shown.exit_code == 130
    assert "chariots jobs cancel" in shown.stderr


# -- stopping and running again -----------------------------------------------------------------------------------


def test_jobs_are_canceled(typed: Typed, pool: StagedPool) -> None:
    first, second = asked(typed), asked(typed)
    shown = typed("jobs", "cancel", first, second)
    assert (shown.exit_code, shown.stdout) == (0, f"{first} is canceled.\n{second} is canceled.\n")
    shown = typed("jobs", "cancel", first, asked(typed))
    assert shown.exit_code == 1
    assert "1 job of 2 could not be canceled" in shown.stderr
    assert {job.status for job in pool.known.values()} == {JobStatus.canceled}


def test_a_job_that_does_not_stop_at_once_is_told_as_running(
    typed: Typed, pool: StagedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chariots.serving.job_routes._STOP_SECONDS", 0.05)
    job_id = asked(typed)
    pool.begin(job_id)
    assert "told to stop, and still running" in typed("jobs", "cancel", job_id).stdout


def test_all_that_failed_runs_again_in_one_command(typed: Typed, pool: StagedPool) -> None:
    failed = [asked(typed, "explodes") for _ in range(2)]
    expired = asked(typed, "explodes")
    for _ in range(3):
        pool.run_next()
    pool.change(expired, is_expired=True)
    assert typed("jobs", "rerun", "--failed", "--pipeline", "is_odd").stdout == "No job has failed.\n"
    shown = typed("jobs", "rerun", "--failed")
    assert sorted(shown.stdout.split()[::4]) == sorted(failed)
    assert [pool.job(job_id).status for job_id in failed] == [JobStatus.queued] * 2


def test_what_cannot_run_again_is_told_and_the_others_run(typed: Typed, pool: StagedPool) -> None:
    failed, queued = asked(typed, "explodes"), asked(typed)
    pool.run_next()
    shown = typed("jobs", "rerun", queued, failed)
    assert shown.exit_code == 1
    assert shown.stdout == f"{failed} is queued again.\n"
    assert "1 job of 2 could not be run again" in shown.stderr


@pytest.mark.parametrize("arguments", [(), ("j", "--failed"), ("j", "--pipeline", "p"), ("--pipeline", "p")])
def test_it_must_be_said_what_is_to_run_again(typed: Typed, arguments: tuple[str, ...]) -> None:
    assert typed("jobs", "rerun", *arguments).exit_code == 2


# -- asking -------------------------------------------------------------------------------------------------------


def test_a_call_takes_the_options_of_a_job(typed: Typed, pool: StagedPool) -> None:
    first = asked(typed)
    shown = typed(
        *("call", "is_odd", "4", "--no-wait", "--timeout", "5", "--retries", "2", "--priority", "1"),
        *("--after", first, "--key", "k", "--at", "2100-01-01T00:00:00Z", "--every", "60"),
    )
    job = pool.job(json.loads(shown.stdout)["job_id"])
    assert (job.timeout, job.retry.attempts, job.priority, job.after) == (5.0, 3, 1, (first,))
    assert (job.idempotency_key, job.every) == ("k", 60.0)
    assert job.run_at is not None
    assert job.run_at > time.time()


def test_a_call_waits_for_its_job(typed: Typed, pool: StagedPool) -> None:
    def work() -> None:
        while not pool.known:
            time.sleep(0.01)
        pool.run_next()

    later(work)
    shown = typed("call", "is_odd", "4", "--worker")
    assert (shown.exit_code, shown.stdout) == (0, "true\n")


def test_a_call_whose_job_is_canceled_fails(typed: Typed, pool: StagedPool) -> None:
    def work() -> None:
        while not pool.known:
            time.sleep(0.01)
        pool.cancel(next(iter(pool.known)))

    later(work)
    shown = typed("call", "is_odd", "4", "--worker")
    assert shown.exit_code == 1
    assert "is canceled" in shown.stderr


def test_a_server_without_jobs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wsgi_server(PipelinesServer([is_odd()], "tests_app")) as url:
        shown = CliRunner().invoke(main, ["jobs", "list", "--url", url])
    assert shown.exit_code == 1
    assert "worker_pool" in shown.stderr
