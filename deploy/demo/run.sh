#!/bin/sh
# `make demo`: a real cluster of three nodes on this machine, with a real tree of files loaded and compared.
# Running it again uses the cluster that runs, or restarts it when the binary is newer.
set -eu
cd "$(dirname "$0")/../.."
: "${HOME:=/root}"
: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/target}"
export HOME CARGO_TARGET_DIR
PATH="$HOME/.cargo/bin:$PATH"
export PATH

deploy/setup.sh build demo
deploy/dashboard.sh
# All of the workspace, so that features are the same as for the tests and nothing is built twice.
cargo build --release --workspace --bins
exec "$CARGO_TARGET_DIR/release/demo" start "$PWD/.demo"
