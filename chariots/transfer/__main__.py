"""How are the files of a manifest fetched from a terminal without more? ``python -m chariots.transfer DIR``"""

from __future__ import annotations

import argparse
import sys

from chariots.errors import ChariotsError
from chariots.transfer.pointers import lazy_data_resolve
from chariots.transfer.screens import INTERRUPTED, STOPPED, begin_log

__all__ = ["main"]


def main() -> int:
    """Fetches the files of the manifests that are where they usually are.

    Returns:
        what the program ends with: 0 when all files are there.
    """
    parser = argparse.ArgumentParser(
        prog="python -m chariots.transfer",
        description="Fetch the files of /bptr/bptr-manifest into a directory; `chariots fetch` can do more.",
    )
    parser.add_argument("directory", nargs="?", help="where to; TRUSS_TRANSFER_DOWNLOAD_DIR by default")
    told = parser.parse_args()
    begin_log()
    try:
        print(lazy_data_resolve(told.directory))  # noqa: T201  # what the program is asked for
    except ChariotsError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
