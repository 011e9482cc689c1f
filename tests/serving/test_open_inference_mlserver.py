"""Does the command of MLServer call a pipeline?

MLServer brings sixty packages, so it has an environment of its own, which `make test` makes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chariots.pipelines.ops import BaseOp
from tests.serving.support import one_op

MLSERVER = Path(sys.prefix) / "mlserver" / "bin" / "mlserver"


class Sum(BaseOp):
    def execute(self, rows):
        return rows.sum(axis=1)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="MLServer runs on Python 3.12 at most")
@pytest.mark.parametrize("options", [[], ["--binary-data"]])
def test_the_command_of_mlserver_sends_a_file_of_requests(serve, tmp_path, options):
    assert MLSERVER.exists(), f"run `make test`, which installs it, or `sh tools/mlserver/install.sh {sys.executable}`"
    url = serve(one_op(Sum(), "sum"))
    requests = [
        {"id": f"r{last}", "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, last]}]}
        for last in (1, 2, 3)
    ]
    (tmp_path / "in").write_text("".join(json.dumps(request) + "\n" for request in requests))
    subprocess.run(
        [
            *(MLSERVER, "infer", "--url", url.removeprefix("http://"), "--model-name", "sum", "--batch-size", "2"),
            *("--input-data-path", tmp_path / "in", "--output-data-path", tmp_path / "out", *options),
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    answers = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    found = {answer["id"]: answer["outputs"][0]["data"] for answer in answers}
    assert found == {"r1": [3.0, 4.0], "r2": [3.0, 5.0], "r3": [3.0, 6.0]}
