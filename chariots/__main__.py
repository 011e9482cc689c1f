"""What does ``python -m chariots`` do? The same as the command ``chariots``."""

from __future__ import annotations

from chariots.cli import main

if __name__ == "__main__":
    main(prog_name="python -m chariots")
