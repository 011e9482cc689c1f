#!/bin/sh
# Installs what chariots is measured beside, servers and tools that fetch files, each into an environment of its own below the folder $2, with the
# Python $1; with more words, only these. One that cannot be installed is told of, and missing in the table.
set -u

python="${1:-python3}"
folder="${2:-.bench-venv/peers}"
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 2 ] && { shift 2; names="$*"; } || names="bentoml mlserver mlflow ray transfer"

mkdir -p "$folder"
for name in $names; do
    wanted="$here/$name.txt"
    if [ -e "$folder/$name/.installed" ] && [ ! "$wanted" -nt "$folder/$name/.installed" ]; then
        continue
    fi
    echo "Installing $name, for the benchmarks, into $folder/$name/ (some minutes the first time) ..."
    rm -rf "${folder:?}/$name"
    if "$python" -m venv "$folder/$name" && timeout 900 "$folder/$name/bin/python" -m pip install --quiet \
        --disable-pip-version-check --requirement "$wanted" >"$folder/$name.log" 2>&1; then
        touch "$folder/$name/.installed"
        rm -f "$folder/$name.failed"
    else
        tail -n 1 "$folder/$name.log" >"$folder/$name.failed"
        rm -rf "${folder:?}/$name"
        echo "$name could not be installed: $(cat "$folder/$name.failed")" >&2
    fi
done
