#!/bin/sh
# A git repository: commits, branches, a clone, gc and fsck. Usage: git.sh DIR
# COMMITS: how many (60); a quarter as many files change in each.
set -eu
dir=$1
. "$(dirname "$0")/fresh.inc"
commits=${COMMITS:-60}
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b

git init -q -b main "$dir/one"
cd "$dir/one"
for i in $(seq "$commits"); do
    for j in $(seq $((commits / 4))); do
        mkdir -p "d$((j % 7))"
        printf 'commit %s file %s\n' "$i" "$j" >>"d$((j % 7))/f$j"
    done
    git add -A
    git commit -q -m "commit $i"
    [ $((i % 10)) -ne 0 ] || git tag "t$i"
done
git checkout -q -b side "t10"
echo side >side
git add side
git commit -q -m side
git checkout -q main
git merge -q -m merge side
git gc -q --aggressive
fresh
git fsck --full --strict --no-progress
[ -z "$(git status --porcelain)" ]

git clone -q --no-hardlinks "$dir/one" "$dir/two"
fresh
cd "$dir/two"
git fsck --full --strict --no-progress
[ "$(git rev-parse HEAD)" = "$(git -C "$dir/one" rev-parse HEAD)" ]
[ "$(git rev-list --count HEAD)" -eq $((commits + 2)) ]
diff -r --exclude=.git "$dir/one" "$dir/two"
