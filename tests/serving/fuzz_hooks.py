"""What can the fuzzer not know, and what need it not try again and again? (loaded by schemathesis)"""

from __future__ import annotations

import schemathesis

from chariots.serving.job_requests import OPTION_NAMES

NOTHING = {"type": "null"}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Leaves the options of jobs, which are the same for every pipeline, at one of them.

    JSON Schema cannot tell a time that is over from one that is still to come, so no time is ever given.
    """
    for path, operations in raw_schema["paths"].items():
        if "post" in operations and (path.endswith("/main") or path == "/jobs"):
            content = operations["post"]["requestBody"]["content"]
            asked = content["application/json"]["schema"]
            are_tried = path in ("/pipelines/total/main", "/jobs")
            if not are_tried:  # the other forms are read by the same code for every pipeline
                operations["post"]["requestBody"]["content"] = {"application/json": content["application/json"]}
            asked["properties"].update(dict.fromkeys({"at"} if are_tried else OPTION_NAMES, NOTHING))
