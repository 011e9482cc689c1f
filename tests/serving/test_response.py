"""Is a response what travelled, and readable?"""

from __future__ import annotations

import pytest

from chariots.pipelines import PipelineResponse
from chariots.versioning import Version
from chariots.workers import JobStatus
from tests.serving.support import is_odd


def test_a_response_survives_the_trip_through_json():
    response = PipelineResponse([1], {"op": Version(creation_time=5.0)}, "id", JobStatus.running)
    back = PipelineResponse.from_request(response.json(), is_odd())
    assert (back.value, back.versions, back.job_id, back.job_status) == (
        response.value,
        response.versions,
        response.job_id,
        response.job_status,
    )
    assert back.json() == response.json()


def test_its_json_has_the_documented_fields():
    version = Version(creation_time=5.0)
    assert PipelineResponse(None, {"op": version}, None, None).json() == {
        "pipeline_output": None,
        "versions": {"op": str(version)},
        "job_id": None,
        "job_status": None,
    }


def test_it_shows_its_value_and_its_job():
    assert repr(PipelineResponse([1], {}, None, JobStatus.done)).startswith(
        "<PipelineResponse value=[1], job_status=JobStatus.done"
    )
    assert "job_id='x'" in repr(PipelineResponse(None, {}, "x", JobStatus.queued))


@pytest.mark.parametrize(
    "answer", [{}, {"pipeline_output": 1, "versions": 3}, {"pipeline_output": 1, "versions": {"a": 1}}]
)
def test_what_is_no_response_is_refused(answer):
    with pytest.raises(ValueError, match="is_odd"):
        PipelineResponse.from_request(answer, is_odd())


def test_unknown_members_are_ignored():
    answer = {"pipeline_output": 1, "versions": {}, "job_id": None, "job_status": None, "later": "news"}
    assert PipelineResponse.from_request(answer, "by name").value == 1
