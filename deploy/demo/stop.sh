#!/bin/sh
# `make demo-stop`: stops the demo cluster and removes its data.
set -eu
cd "$(dirname "$0")/../.."
: "${HOME:=/root}"
: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/target}"

demo="$CARGO_TARGET_DIR/release/demo"
if [ -x "$demo" ]; then
    exec "$demo" stop "$PWD/.demo"
elif [ -d .demo ]; then
    echo "demo-stop: $demo is not there; build it with: cargo build --release -p holdfast-tests" >&2
    exit 1
fi
