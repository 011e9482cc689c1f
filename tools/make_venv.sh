#!/bin/sh
# Makes the virtual environment at $2 with the Python named $1, or with a newer one when that is too old.
# Every way this can fail ends in a sentence that says what to do.
set -eu

wanted="$1"
folder="$2"

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=""
for candidate in "$wanted" python3.13 python3.12 python3.11; do
    if new_enough "$candidate"; then
        python="$candidate"
        break
    fi
done

if [ -z "$python" ]; then
    found=$("$wanted" --version 2>&1) || found="no '$wanted' on this machine"
    echo "chariots needs Python 3.11 or later; there is $found." >&2
    echo "Install a newer Python, or name one: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi

echo "[1/3] Creating a virtual environment in $folder/ with $("$python" --version) ..."
if ! "$python" -m venv "$folder"; then
    rm -rf "$folder"
    echo "'$python -m venv' failed, so there is no environment to install chariots into." >&2
    echo "On Debian and Ubuntu the venv module is a package of its own: apt-get install python3-venv" >&2
    exit 1
fi
