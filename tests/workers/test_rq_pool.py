"""Does a pipeline run in a worker, and does its answer come back, whatever becomes of it?"""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from chariots.errors import ConflictError, UnknownNameError
from chariots.serving import PipelinesServer
from chariots.workers import BaseWorkerPool, JobStatus, RQWorkerPool
from tests.workers.support import Caller, eventually


def stored(jobs, job_id):
    """What Redis holds of a job."""
    return jobs.app.worker_pool.redis.hgetall(f"rq:job:{job_id}")


# -- a job that goes well ---------------------------------------------------------------------------------------------


def test_the_documented_call_is_queued_then_done(jobs, caller, worker):
    response = caller.call_pipeline(jobs.is_odd_pipeline, 4, use_worker=True)
    assert (str(response.job_status), response.value) == ("JobStatus.queued", None)
    response = caller.end_of(response, "simple_pipeline")
    assert (str(response.job_status), response.value) == ("JobStatus.done", True)


def test_the_answer_carries_the_versions_and_the_id_of_the_job(jobs, caller, worker):
    queued = caller.call_pipeline(jobs.is_odd_pipeline, 4, use_worker=True)
    done = caller.end_of(queued, "simple_pipeline")
    assert done.job_id == queued.job_id
    assert done.versions == caller.pipeline_versions(jobs.is_odd_pipeline)


def test_it_runs_in_another_process_that_imported_the_app_once(caller, worker):
    here = caller.call_pipeline("where").value
    first, second = caller.job("where").value, caller.job("where").value
    assert first == second
    assert first[0] == first[1]
    assert first[0] not in {here[0], worker}


@pytest.mark.parametrize("value", [{"deep": [1, {"ünï": None}]}, 2**70, 0.1, "x" * 100_000, [], False])
def test_an_input_arrives_as_it_was_sent(caller, worker, value):
    assert caller.job("echo", value).value == value


def test_an_array_is_sent_as_the_list_it_is_in_json(jobs, caller, worker):
    pool = jobs.app.worker_pool
    job_id = pool.execute_pipeline_async(jobs.echo, np.array([[1, 2], [3, 4]]), jobs.app)
    job = eventually(
        lambda: (found := json.loads(pool.get_pipeline_response_json_for_id(job_id)))["job_status"] == "done" and found,
        "the end of the job",
    )
    assert job["pipeline_output"] == [[1, 2], [3, 4]]


def test_a_training_is_saved_by_the_worker_and_can_be_loaded(jobs, caller, worker):
    assert caller.job("learn", [1, 2, 6]).job_status is JobStatus.done
    caller.load_pipeline(jobs.mean)
    assert caller.call_pipeline(jobs.mean, "anything").value == 3


def test_a_worker_predicts_with_what_was_loaded_last(jobs, caller, worker):
    for numbers, expected in (([1, 2, 3], 2), ([10, 20], 15)):
        caller.job("learn", numbers)
        caller.load_pipeline(jobs.mean)
        assert caller.job("mean", "anything").value == expected


def test_saving_a_training_again_from_the_server_does_no_harm(jobs, caller, worker):
    caller.job("learn", [7, 9])
    caller.save_pipeline(jobs.learn)
    caller.load_pipeline(jobs.mean)
    assert caller.call_pipeline(jobs.mean, "anything").value == 8


def test_a_job_is_json_that_names_things_and_holds_no_pickle(own_jobs):
    queued = Caller(own_jobs).call_pipeline("echo", {"some": "input"}, use_worker=True)
    payload = json.loads(zlib.decompress(stored(own_jobs, queued.job_id)[b"data"]))
    assert payload == ["chariots.workers.rq_jobs.run_job", None, [queued.job_id], {}]
    job = own_jobs.app.worker_pool.job(queued.job_id)
    assert (job.app, job.kind, job.target) == ("tests.workers.apps.jobs:app", "pipeline", "echo")
    assert own_jobs.app.worker_pool.job_store.input_of(job.id) == b'{"some":"input"}'


def test_a_result_is_kept_for_a_day(jobs, caller, worker):
    done = caller.job("echo", 1)
    seconds = jobs.app.worker_pool.redis.ttl(f"rq:job:{done.job_id}")
    assert 24 * 3600 - 60 < seconds <= 24 * 3600


def test_a_result_is_kept_as_long_as_the_pool_says(jobs, caller, worker):
    pool = RQWorkerPool(redis=jobs.app.worker_pool.redis, queue_kwargs={"result_ttl": 1234})
    job_id = pool.execute_pipeline_async(jobs.echo, 1, jobs.app)
    eventually(lambda: '"done"' in pool.get_pipeline_response_json_for_id(job_id), "the end of the job")
    assert 1234 - 60 < pool.redis.ttl(f"rq:job:{job_id}") <= 1234


# -- a job that does not ----------------------------------------------------------------------------------------------


def test_an_op_that_fails_tells_the_remote_stack(caller, worker):
    failed = caller.job("fail", "no such thing")
    assert (failed.job_status, failed.value) == (JobStatus.failed, None)
    assert "pipeline 'fail' failed in a worker: LookupError: no such thing" in str(failed.error)
    assert "raise LookupError(message)" in str(failed.error.__cause__)


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "leave"])
def test_a_job_that_takes_its_process_with_it_fails_in_the_end_and_the_next_job_runs(caller, worker, how):
    failed = caller.job("die", how)
    assert failed.job_status is JobStatus.failed
    assert "its worker was lost: its process ended" in str(failed.error)
    assert caller.job("echo", "alive").value == "alive"


def test_an_output_that_is_not_json_fails_and_the_training_is_kept(jobs, caller, worker):
    failed = caller.job("learn_in_vain", [100, 300])
    assert failed.job_status is JobStatus.failed
    assert "its output cannot be sent" in str(failed.error)
    assert "pipeline_output" in str(failed.error)
    caller.load_pipeline(jobs.mean)
    assert caller.call_pipeline(jobs.mean, "anything").value == 200


def test_a_job_that_takes_too_long_fails(jobs, caller, worker, tmp_path):
    pool = RQWorkerPool(redis=jobs.app.worker_pool.redis, queue_kwargs={"default_timeout": 1})
    job_id = pool.execute_pipeline_async(jobs.wait, str(tmp_path), jobs.app)
    failed = eventually(
        lambda: '"failed"' in (text := pool.get_pipeline_response_json_for_id(job_id)) and json.loads(text),
        "the end of the job",
    )
    assert "was stopped after 1 s" in failed["error"]["detail"]


def test_a_function_that_is_not_ours_is_left_alone_by_the_worker(jobs, caller, worker):
    pool = jobs.app.worker_pool
    foreign = Queue("chariots_workers", connection=pool.redis, serializer=JSONSerializer).enqueue("os.getcwd")
    assert caller.job("echo", "after it").value == "after it"
    assert foreign.get_status() == "queued"


# -- what is refused at once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job_id", ["nothing", "", "../../etc/passwd", "a b", "ü", "x" * 10_000])
def test_a_job_that_does_not_exist_is_unknown(jobs, job_id):
    with pytest.raises(UnknownNameError, match="there is none"):
        jobs.app.worker_pool.get_pipeline_response_json_for_id(job_id)


def test_a_job_of_another_queue_is_unknown(jobs):
    pool = jobs.app.worker_pool
    other = Queue("another", connection=pool.redis).enqueue("os.getcwd")
    with pytest.raises(UnknownNameError):
        pool.get_pipeline_response_json_for_id(other.id)


def test_an_input_that_is_not_json_is_refused_before_it_is_queued(jobs):
    pool = jobs.app.worker_pool
    before = len(pool.redis.keys("rq:job:*"))
    with pytest.raises(TypeError, match=r"pipeline_input\[1\]"):
        pool.execute_pipeline_async(jobs.echo, [1, object()], jobs.app)
    assert len(pool.redis.keys("rq:job:*")) == before


def test_an_app_that_no_worker_could_import_is_refused(jobs):
    local = PipelinesServer([jobs.echo], import_name="local")
    with pytest.raises(ConflictError, match="CHARIOTS_APP"):
        jobs.app.worker_pool.execute_pipeline_async(jobs.echo, 1, local)


def test_an_app_that_no_worker_could_import_is_run_where_it_was_told(jobs, worker):
    local = PipelinesServer([jobs.echo], import_name="local")
    local.config["CHARIOTS_APP"] = "tests.workers.apps.jobs:app"
    pool = jobs.app.worker_pool
    job_id = pool.execute_pipeline_async(jobs.echo, "told", local)
    eventually(lambda: '"told"' in pool.get_pipeline_response_json_for_id(job_id), "the end of the job")


def test_a_worker_for_a_pool_without_an_app_is_refused_with_a_way_out():
    with pytest.raises(ConflictError, match="chariots worker module:app"):
        RQWorkerPool(redis=Redis()).spawn_worker()


# -- the documented arguments -----------------------------------------------------------------------------------------


def test_it_is_a_worker_pool():
    assert issubclass(RQWorkerPool, BaseWorkerPool)


def test_a_pool_is_made_without_a_redis_in_reach():
    RQWorkerPool(redis_kwargs={"host": "127.0.0.1", "port": 1})


def test_the_name_and_the_connection_of_the_queue_are_overridden(redis_url):
    pool = RQWorkerPool(redis=Redis.from_url(redis_url), queue_kwargs={"name": "mine", "connection": Redis(port=1)})
    assert pool.queue.name == "chariots_workers"
    assert pool.queue.connection.ping()


def test_other_arguments_reach_the_queue(jobs):
    pool = RQWorkerPool(redis=jobs.app.worker_pool.redis, queue_kwargs={"default_timeout": "2h"})
    job_id = pool.execute_pipeline_async(jobs.echo, 1, jobs.app)
    assert stored(jobs, job_id)[b"timeout"] == b"7200"


def test_a_job_has_no_time_limit_where_none_is_given(jobs):
    job_id = jobs.app.worker_pool.execute_pipeline_async(jobs.echo, 1, jobs.app)
    assert stored(jobs, job_id)[b"timeout"] == b"-1"


def test_an_argument_that_is_not_known_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"'default_timout'.*Did you mean 'default_timeout'"):
        RQWorkerPool(queue_kwargs={"default_timout": 5})


def test_a_queue_that_is_not_asynchronous_runs_the_job_here(own_jobs, own_redis):
    pool = RQWorkerPool(redis=Redis.from_url(own_redis.url), queue_kwargs={"is_async": False})
    job_id = pool.execute_pipeline_async(own_jobs.is_odd_pipeline, 5, own_jobs.app)
    found = json.loads(pool.get_pipeline_response_json_for_id(job_id))
    assert (found["job_status"], found["pipeline_output"]) == ("done", False)


@pytest.mark.parametrize(
    "missing", ["n_workers", "spawn_worker", "execute_pipeline_async", "get_pipeline_response_json_for_id"]
)
def test_a_pool_of_ones_own_needs_all_four_members(missing):
    members = {
        name: getattr(RQWorkerPool, name)
        for name in ("n_workers", "spawn_worker", "execute_pipeline_async", "get_pipeline_response_json_for_id")
        if name != missing
    }
    with pytest.raises(TypeError, match=missing):
        type("OwnPool", (BaseWorkerPool,), members)()


# -- what Redis keeps, and for how long -------------------------------------------------------------------------------


def test_a_redis_without_an_append_only_file_is_warned_of_once(own_jobs, own_redis, caplog):
    Redis.from_url(own_redis.url).config_set("appendonly", "no")
    pool = own_jobs.app.worker_pool
    for _ in range(2):
        pool.execute_pipeline_async(own_jobs.echo, 1, own_jobs.app)
    (told,) = [record.getMessage() for record in caplog.records if "append-only" in record.getMessage()]
    assert f"127.0.0.1:{own_redis.port}" in told
    assert "--appendonly yes" in told


def test_a_redis_with_one_is_not(own_jobs, caplog):
    own_jobs.app.worker_pool.execute_pipeline_async(own_jobs.echo, 1, own_jobs.app)
    assert "append-only" not in caplog.text


def test_a_user_who_may_not_ask_is_not_warned(own_jobs, own_redis, caplog):
    client = Redis.from_url(own_redis.url)
    client.config_set("appendonly", "no")
    client.execute_command("ACL", "SETUSER", "somebody", "on", ">opensesame", "~*", "+@all", "-config")
    url = f"redis://somebody:opensesame@127.0.0.1:{own_redis.port}/0"
    pool = RQWorkerPool(redis=Redis.from_url(url))
    assert pool.execute_pipeline_async(own_jobs.echo, 1, own_jobs.app)
    assert "append-only" not in caplog.text


def test_results_larger_than_redis_keeps_are_refused_when_the_pool_is_made():
    with pytest.raises(ValueError, match="max_result_bytes=600000000, but Redis keeps 500000000 at most"):
        RQWorkerPool(max_result_bytes=600_000_000)


def test_a_failure_is_kept_as_long_as_the_pool_says(own_jobs, own_redis):
    ttls = {"result_ttl": 1234, "failure_ttl": 99, "is_async": False}
    pool = RQWorkerPool(redis=Redis.from_url(own_redis.url), queue_kwargs=ttls)
    done = pool.job(pool.execute_pipeline_async(own_jobs.echo, 1, own_jobs.app))
    failed = pool.job(pool.execute_pipeline_async(own_jobs.fail, "in vain", own_jobs.app))
    assert (done.status, failed.status) == (JobStatus.done, JobStatus.failed)
    assert done.expires_at == pytest.approx(done.ended_at + 1234)
    assert failed.expires_at == pytest.approx(failed.ended_at + 99)
