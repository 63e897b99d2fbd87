#!/bin/sh
# Builds the dashboard into metaserver/dashboard/dist, from where the binary embeds it; with the argument `check` its
# types are checked and its own tests run as well. Nothing is done twice for the same sources. What npm fetches and
# builds lies in the build cache, not in the checkout.
set -eu
cd "$(dirname "$0")/../metaserver/dashboard"

: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/target}"
cache=$CARGO_TARGET_DIR/dashboard
# What it is made of; `dev`, the pretended cluster it is worked on with, only its tests read.
sources() {
    find . \( -name node_modules -o -name dist -o -name .test-out "$@" \) -prune -o -type f -print | LC_ALL=C sort
}
stamp_of() { xargs sha256sum | sha256sum | cut -d' ' -f1; }
stamp=$(sources -o -name dev | stamp_of)

# The sources in the build cache, with what npm fetches for them.
prepared=
prepare() {
    [ -z "$prepared" ] || return 0
    prepared=yes
    mkdir -p "$cache/build"
    # Of an earlier build only what npm fetched stays.
    find "$cache/build" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
    sources | tar -cf - -T - | tar -xf - -C "$cache/build"
    lock=$(sha256sum package-lock.json package.json | sha256sum | cut -d' ' -f1)
    if [ "$(cat "$cache/build/node_modules/.lock-stamp" 2>/dev/null)" != "$lock" ]; then
        (cd "$cache/build" && npm ci --no-audit --no-fund --loglevel=error)
        echo "$lock" >"$cache/build/node_modules/.lock-stamp"
    fi
}

if [ "${1:-}" = check ]; then
    checked=$(sources | stamp_of)
    if [ "$(cat "$cache/.checked" 2>/dev/null)" != "$checked" ]; then
        echo "==> checking the dashboard: types and its own tests"
        prepare
        (cd "$cache/build" && npm run --silent types && npm test --silent)
        echo "$checked" >"$cache/.checked"
    fi
fi

[ "$(cat dist/.stamp 2>/dev/null)" = "$stamp" ] && exit 0

if [ ! -f "$cache/dist-$stamp/.stamp" ]; then
    echo "==> building the dashboard"
    prepare
    (cd "$cache/build" && npm run --silent build)
    rm -rf "$cache"/dist-*
    cp -r "$cache/build/dist" "$cache/dist-$stamp"
    echo "$stamp" >"$cache/dist-$stamp/.stamp"
fi

rm -rf dist
cp -r "$cache/dist-$stamp" dist
