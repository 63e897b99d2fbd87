#!/bin/sh
# `make bench`: measures a fresh single-node store on this machine. Arguments go to `holdfast bench`.
set -eu
: "${HOME:=/root}"
: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/target}"
holdfast="$CARGO_TARGET_DIR/release/holdfast"

dir=$(mktemp -d)
"$holdfast" server --data "$dir/data" --listen 127.0.0.1:17400 --admin-listen 127.0.0.1:17480 \
    --s3-listen 127.0.0.1:19000 2>"$dir/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$dir"' EXIT
export HOLDFAST_CLUSTER=127.0.0.1:17400
tries=0
until "$holdfast" --timeout 2 ls >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 60 ] || ! kill -0 $server 2>/dev/null; then
        echo "the server did not come up:" >&2
        tail -20 "$dir/log" >&2
        exit 1
    fi
    sleep 0.5
done
[ $# -gt 0 ] && { "$holdfast" bench "$@"; exit; }
for size in 4k 64k 1m 8m; do
    for concurrency in 1 16 64; do
        echo "== $size, $concurrency at once"
        "$holdfast" bench put get stat --size $size --concurrency $concurrency --seconds 5 --count 20000
    done
done
