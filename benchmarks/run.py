"""Runs every benchmark and prints one table: what was promised, what was measured."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
# What a benchmark starts as a process of its own finds the same packages.
os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # tiny matrices: a pool of threads would be measured, not the work

from benchmarks.table import Row, show, to_json  # noqa: E402  # the path has to be set first

BENCHMARKS = (
    *(
        "runner",
        "parallel",
        "caching",
        "imports",
        "versioning",
        "op_store",
        "op_store_scale",
        "http_prediction",
        "serving",
    ),
    *("serving_models", "serving_arrays", "serving_start", "overload"),
    *("formats", "jobs", "compiled", "transfer"),
)


def measured(name: str, short: bool) -> list[Row]:
    """Runs one benchmark; one that breaks is a row that failed, and the others go on."""
    began = time.monotonic()
    try:
        rows = list(importlib.import_module(f"benchmarks.{name}").main(short=short))
    except Exception:  # noqa: BLE001  # the table says which one broke, stderr how
        traceback.print_exc()
        rows = [Row(name, "broke, see above", None, target=0, note="not measured")]
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return rows


def main() -> int:
    """Reads the arguments, measures, prints.

    Returns:
        the exit status: 1 if something could not be measured or, without ``--any``, a promise is broken.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer repetitions, for CI")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file as well")
    parser.add_argument("--any", action="store_true", help="exit with 0 whatever was measured, as long as it was")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    rows = [row for name in arguments.names or BENCHMARKS for row in measured(name, arguments.short)]
    print(show(rows))
    if arguments.json:
        arguments.json.write_text(to_json(rows) + "\n", encoding="utf-8")
    broken = [row for row in rows if row.target is not None and row.passed is not True]
    print(f"\n{len(rows)} numbers, {len(broken)} of them not as promised." if broken else "\nEvery promise is kept.")
    unmeasured = any(row.value is None for row in broken)
    return 1 if unmeasured or (broken and not arguments.any) else 0


if __name__ == "__main__":
    sys.exit(main())
