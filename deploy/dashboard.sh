#!/bin/sh
# Builds the dashboard into metaserver/dashboard/dist, from where the binary embeds it. Nothing is done when that is of
# these sources already. What npm fetches and builds lies in the build cache, not in the checkout.
set -eu
cd "$(dirname "$0")/../metaserver/dashboard"

: "${CARGO_TARGET_DIR:=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast/target}"
cache=$CARGO_TARGET_DIR/dashboard
sources() { find . \( -name node_modules -o -name dist -o -name dev \) -prune -o -type f -print | LC_ALL=C sort; }
stamp=$(sources | xargs sha256sum | sha256sum | cut -d' ' -f1)

[ -f dist/.stamp ] && [ "$(cat dist/.stamp)" = "$stamp" ] && exit 0

if [ ! -f "$cache/dist-$stamp/.stamp" ]; then
    echo "==> building the dashboard"
    mkdir -p "$cache/build"
    # Of an earlier build only what npm fetched stays.
    find "$cache/build" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
    sources | tar -cf - -T - | tar -xf - -C "$cache/build"
    (
        cd "$cache/build"
        lock=$(sha256sum package-lock.json package.json | sha256sum | cut -d' ' -f1)
        if [ ! -f node_modules/.lock-stamp ] || [ "$(cat node_modules/.lock-stamp)" != "$lock" ]; then
            npm ci --no-audit --no-fund --loglevel=error
            echo "$lock" >node_modules/.lock-stamp
        fi
        npm run --silent build
    )
    rm -rf "$cache"/dist-*
    cp -r "$cache/build/dist" "$cache/dist-$stamp"
    echo "$stamp" >"$cache/dist-$stamp/.stamp"
fi

rm -rf dist
cp -r "$cache/dist-$stamp" dist
