"""Does schemathesis find anything against the OpenAPI document that the server itself serves?"""

from __future__ import annotations

import os
import subprocess
import sys

from chariots.serving import PipelinesServer
from tests.serving.fuzz_app import make_app
from tests.serving.support import Http, is_odd, live

# Lists of lists need equal lengths, records equal keys, and tensors as many elements as their shape says. JSON Schema
# cannot say that, so such input may be refused.
CONFIG = """
[[operations]]
include-path-regex = "/pipelines/(array|frame)|/infer$"
checks.positive_data_acceptance.enabled = false
"""


# These routes are the same for every pipeline, and fuzzed on one; those under /v2 have a test of their own.
ALL_BUT_ONE = "/pipelines/(?!total).*/(versions|load|save|health_check)|/v2"


def fuzz(url, folder, *options):
    (folder / "schemathesis.toml").write_text(CONFIG)
    return subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("run", f"{url}/openapi.json", "--seed", "20", "--continue-on-failure", "--request-timeout", "10"),
            *options,
        ],
        cwd=folder,
        env={
            **os.environ,
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
            "NO_COLOR": "1",
            "SCHEMATHESIS_HOOKS": "tests.serving.fuzz_hooks",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_schemathesis_finds_nothing(tmp_path):
    (tmp_path / "outside").mkdir()
    with live(make_app(tmp_path / "store")) as url:
        done = fuzz(url, tmp_path / "outside", "--max-examples", "12", "--exclude-path-regex", ALL_BUT_ONE)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "Tested: 28" in done.stdout, done.stdout[-2000:]
        assert Http(url).request("GET", "/livez").status == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "store"]


def test_schemathesis_finds_nothing_in_the_open_inference_protocol(tmp_path):
    (tmp_path / "outside").mkdir()
    with live(make_app(tmp_path / "store")) as url:
        wanted = ("--include-path-regex", "/v2", "--exclude-path-regex", "/versions/")  # the same views with a version
        done = fuzz(url, tmp_path / "outside", "--max-examples", "12", *wanted)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert "Tested: 6" in done.stdout, done.stdout[-2000:]


def test_the_fuzzer_would_notice_a_server_failure(tmp_path):
    app = PipelinesServer([is_odd()], "broken")

    @app.before_request
    def break_some():
        from flask import request

        if request.path == "/available_pipelines":
            return "not json", 500
        return None

    with live(app) as url:
        done = fuzz(url, tmp_path, "--phases", "coverage", "--include-path", "/available_pipelines")
    assert done.returncode != 0
    assert "/available_pipelines" in done.stdout
