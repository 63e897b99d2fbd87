#!/bin/sh
# restic: its repository on the mount, two backups of a tree that lies on the mount too, a check that reads all
# data, a restore, a prune. Usage: restic.sh DIR     FILES: how many (200).
set -eu
dir=$1
. "$(dirname "$0")/fresh.inc"
export RESTIC_REPOSITORY="$dir/repository" RESTIC_PASSWORD=secret RESTIC_CACHE_DIR="$dir/cache"
restic init -q
mkdir "$dir/tree"
for i in $(seq "${FILES:-200}"); do
    mkdir -p "$dir/tree/$((i % 11))"
    head -c $((i * 911 % 200000)) /dev/urandom >"$dir/tree/$((i % 11))/$i"
done
restic backup -q "$dir/tree"
rm -r "$dir/tree/3"
echo new >"$dir/tree/new"
restic backup -q "$dir/tree"
fresh
restic check -q --read-data
restic restore -q latest --target "$dir/restored" --verify
fresh
diff -r "$dir/tree" "$dir/restored$dir/tree"
restic forget -q --keep-last 1 --prune
restic check -q --read-data
