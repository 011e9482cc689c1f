"""What does a command use? (``python -I -S benchmarks/usage.py COMMAND ...``: its output, then one line of JSON)

A small process of its own between the benchmark and the command: Linux has a process begin with the peak memory of the
one that started it, and that of a benchmark is not small.
"""

import json
import os
import sys
import time


def main() -> int:
    """Runs the command.

    Returns:
        its exit status.
    """
    began = time.perf_counter()
    process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    # Linux counts in kilobytes, macOS in bytes.
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print()
    print(json.dumps({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "peak": peak, "code": code}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
