"""What does a name cost to import? Nothing heavy is loaded before something that needs it is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "aiohttp",
    "alembic",
    "click",
    "cookiecutter",
    "dill",
    "flask",
    "jax",
    "keras",
    "numpy",
    "opentelemetry",
    "orjson",
    "pandas",
    "pydantic",
    "redis",
    "requests",
    "rq",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "tensorflow",
    "torch",
    "urllib3",
    "werkzeug",
    "yaml",
}


def loaded_after(code: str) -> set[str]:
    """Runs code in a fresh interpreter.

    Args:
        code: Python statements.

    Returns:
        the top-level names of every module that is loaded afterwards.
    """
    return {name.partition(".")[0] for name in modules_after(code)}


def modules_after(code: str) -> set[str]:
    """Runs code in a fresh interpreter.

    Args:
        code: Python statements.

    Returns:
        the names of every module that is loaded afterwards.
    """
    asked = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_importing_chariots_loads_nothing_heavy() -> None:
    assert loaded_after("import chariots") & HEAVY == set()


def test_importing_chariots_loads_no_other_part_of_chariots() -> None:
    code = "import chariots, sys; print([n for n in sys.modules if n.startswith('chariots')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "['chariots._lazy', 'chariots._version', 'chariots']"


@pytest.mark.parametrize(
    "code",
    [
        "from chariots.versioning import Version, VersionedField, VersionableMeta",
        "from chariots.pipelines import Pipeline; from chariots.pipelines.nodes import Node",
        "from chariots import Pipeline, Node, MLMode",
        "from chariots.pipelines.ops import BaseOp; from chariots.pipelines.runners import SequentialRunner",
        "import chariots.errors",
        "import chariots.workers",
        "from chariots.ml import MLMode, BaseMLOp",
    ],
)
def test_building_and_running_a_pipeline_needs_nothing_heavy(code: str) -> None:
    assert loaded_after(code) & (HEAVY - {"orjson"}) == set()


def test_a_server_does_not_load_what_only_some_pipelines_need() -> None:
    loaded = loaded_after("from chariots import PipelinesServer")
    assert loaded & {"keras", "jax", "torch", "tensorflow", "rq", "redis", "sklearn", "cookiecutter"} == set()


def test_a_client_does_not_load_a_server_or_a_database() -> None:
    loaded = loaded_after("from chariots.pipelines import PipelinesClient; PipelinesClient()")
    assert loaded & {"sqlalchemy", "alembic", "sklearn", "keras", "redis", "aiohttp"} == set()


def test_a_client_for_event_loops_loads_its_library_when_it_is_made() -> None:
    named = "from chariots import AsyncClient"
    assert "aiohttp" not in loaded_after(named)
    assert "aiohttp" in loaded_after(f"{named}; AsyncClient()")


def test_the_first_answer_from_a_store_in_the_same_process_needs_none_of_what_only_some_requests_need(
    tmp_path: Path,
) -> None:
    served = (
        "from chariots import Chariots\n"
        "from chariots.pipelines import Pipeline\n"
        "from chariots.pipelines.nodes import Node\n"
        "from chariots.pipelines.ops import LoadableOp\n"
        "from chariots.web import surrounding\n"
        "from chariots.workers import local_pool\n"
        "local_pool._RESUME_SECONDS = 60\n"
        "class Learned(LoadableOp):\n"
        "    def execute(self, number): return number\n"
        "    def serialize(self) -> bytes: return b'learned'\n"
        "    def load(self, serialized_object: bytes) -> None: pass\n"
        "pipeline = Pipeline([Node(Learned(), ['__pipeline_input__'], '__pipeline_output__')], 'p')\n"
        f"app = Chariots([pipeline], {str(tmp_path)!r}, import_name='app')\n"
        "surrounding(app).prepare()\n"
        "answer = app.test_client().post('/pipelines/p/main', json={'pipeline_input': 1})\n"
        "assert answer.status_code == 200, answer.text\n"
    )
    modules_after(f"{served}pipeline.save(app.op_store_client)")  # which makes the tables, with Alembic
    loaded = modules_after(served)
    assert "sqlalchemy" in loaded
    for heavy in ("alembic", "flask_sqlalchemy", "pydantic", "sqlalchemy.orm", "urllib3"):
        assert heavy not in loaded
    for part in ("sqlalchemy.dialects.postgresql", "chariots.op_store.http.routes", "chariots.workers.in_sql.store"):
        assert part not in loaded


def test_what_traces_is_not_loaded_before_it_is_on() -> None:
    served = (
        "from chariots import PipelinesServer, PipelinesClient, OpStoreClient\n"
        "from chariots.web import start_tracing, surrounding, tracing\n"
        "app = PipelinesServer([], import_name='app', op_store_client=OpStoreClient('http://127.0.0.1:9'))\n"
        "surrounding(app).prepare(); app.test_client().get('/available_pipelines')\n"
        "PipelinesClient()"
    )
    assert "opentelemetry" not in loaded_after(served)
    assert "opentelemetry" in loaded_after(f"{served}\nstart_tracing()")


def test_an_op_for_sklearn_does_not_load_keras() -> None:
    assert loaded_after("from chariots.ml.sklearn import SKSupervisedOp") & {"keras", "flask"} == set()
