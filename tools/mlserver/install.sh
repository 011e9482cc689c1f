#!/bin/sh
# Installs MLServer, whose client a test has call a server of ours, into the folder $2, with the Python $1.
set -eu

python="${1:-.venv/bin/python}"
folder="${2:-.venv/mlserver}"
here=$(cd "$(dirname "$0")" && pwd)

"$python" -m venv "$folder"
if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$here/requirements.txt" >"$folder/pip.log" 2>&1; then
    tail -n 20 "$folder/pip.log" >&2
    echo "MLServer, whose client the tests use, could not be installed into $folder/." >&2
    echo "It is fetched once, from the registry that pip is set to; connect this machine to it, then try again." >&2
    exit 1
fi
