#!/bin/sh
# fio with verification: sequential and random, through the page cache and past it, with and without fsync.
# Usage: fio.sh DIR     SIZE: of each file (32M).
set -eu
dir=$1
size=${SIZE:-32M}
run() {
    name=$1
    shift
    fio --name="$name" --directory="$dir" --size="$size" --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
        --output-format=terse --output="$dir/$name.out" "$@" || { cat "$dir/$name.out"; exit 1; }
    rm -f "$dir/$name".*
}
run seq --rw=write --bs=128k
run seq-direct --rw=write --bs=1M --direct=1
run rand --rw=randwrite --bs=4k-64k --fsync=64
run rand-direct --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 --number_ios=2000
run mixed --rw=randrw --bs=8k --numjobs=2 --fdatasync=16 --number_ios=1500
run mapped --rw=randwrite --bs=4k --ioengine=mmap --number_ios=4000
run sync --rw=randwrite --bs=4k --sync=1 --number_ios=300
