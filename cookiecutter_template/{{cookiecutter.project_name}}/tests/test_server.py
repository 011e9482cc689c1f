"""Does the server answer?"""

from pathlib import Path
{%- if cookiecutter.__iris == 'True' %}

import pytest
from chariots import TestClient
from chariots.errors import VersionError
{%- endif %}

from {{ cookiecutter.project_name }}.app import create_app
{%- if cookiecutter.__iris == 'True' %}
from {{ cookiecutter.project_name }}.pipelines import pred_iris, train_iris
{%- endif %}


def test_the_server_lists_its_pipelines(tmp_path: Path) -> None:
    answer = create_app(tmp_path).test_client().get("/available_pipelines")
    assert answer.status_code == 200
{%- if cookiecutter.__iris == 'True' %}
    assert sorted(answer.get_json()) == ["pred_iris", "train_iris"]


def test_nothing_is_predicted_before_the_training(tmp_path: Path) -> None:
    client = TestClient(create_app(tmp_path))
    with pytest.raises(VersionError):
        client.load_pipeline(pred_iris)


def test_a_trained_model_predicts_and_survives_a_restart(tmp_path: Path) -> None:
    client = TestClient(create_app(tmp_path))
    client.call_pipeline(train_iris)
    client.save_pipeline(train_iris)
    client.load_pipeline(pred_iris)
    setosa = [[5.1, 3.5, 1.4, 0.2]]
    assert client.call_pipeline(pred_iris, setosa).value == [0]

    restarted = TestClient(create_app(tmp_path))
    assert restarted.call_pipeline(pred_iris, setosa).value == [0]
{%- else %}
    assert answer.get_json() == []
{%- endif %}
