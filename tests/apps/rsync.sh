#!/bin/sh
# rsync of a tree with links, modes, times, extended attributes and sparse files, there and back.
# Usage: rsync.sh DIR     FILES: how many (300).
set -eu
dir=$1
. "$(dirname "$0")/fresh.inc"
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
mkdir "$here/tree"
cd "$here/tree"
for i in $(seq "${FILES:-300}"); do
    mkdir -p "d$((i % 13))/e$((i % 5))"
    head -c $((i * 317 % 70000)) /dev/urandom >"d$((i % 13))/e$((i % 5))/file $i"
done
ln -s "d1/e1/file 1" symlink
ln "d1/e1/file 1" hard 2>/dev/null || ln "$(find . -type f | head -1)" hard
mkfifo fifo
truncate -s 5M sparse
echo x | dd of=sparse bs=1 seek=3000000 conv=notrunc status=none
chmod 640 hard
touch -d '2001-02-03 04:05:06.789' hard
options="-aHS --delete"
rsync $options "$here/tree/" "$dir/there/"
fresh
rsync $options --checksum --itemize-changes "$here/tree/" "$dir/there/" >"$here/changes"
[ ! -s "$here/changes" ] || { cat "$here/changes"; exit 1; }
# Some change, are renamed, and go away.
echo more >>"d2/e2/$(ls d2/e2 | head -1)"
mv d3 d3.moved
rm -r d4
rsync $options --inplace "$here/tree/" "$dir/there/"
fresh
rsync $options "$dir/there/" "$here/back/"
rsync $options --checksum --itemize-changes "$here/tree/" "$here/back/" >"$here/changes"
[ ! -s "$here/changes" ] || { cat "$here/changes"; exit 1; }
diff -r --no-dereference --exclude=fifo "$here/tree" "$dir/there"
