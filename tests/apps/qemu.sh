#!/bin/sh
# A virtual disk: created, patterns written and verified, converted, checked. Usage: qemu.sh DIR
set -eu
. "$(dirname "$0")/fresh.inc"
cd "$1"
io() { qemu-io -f "$1" -c "$2" "$3" >io.log 2>&1 && ! grep -qi 'verification failed\|error' io.log || { cat io.log; exit 1; }; }
qemu-img create -q -f qcow2 disk.qcow2 256M
for i in 1 2 3 4 5 6 7 8; do
    io qcow2 "write -P $i $((i * 29))M 3M" disk.qcow2
    io qcow2 "write -P $((i + 100)) $((i * 29 * 1024 + 512))k 64k" disk.qcow2
done
io qcow2 "discard 100M 8M" disk.qcow2
io qcow2 "write -z 70M 1M" disk.qcow2
qemu-img snapshot -c before disk.qcow2
io qcow2 "write -P 77 29M 1M" disk.qcow2
qemu-img snapshot -a before disk.qcow2
qemu-img check -q disk.qcow2
qemu-img convert -q -O raw disk.qcow2 disk.raw
qemu-img compare -q disk.qcow2 disk.raw
qemu-img convert -q -t none -T none -O qcow2 disk.raw direct.qcow2
qemu-img check -q direct.qcow2
qemu-img compare -q disk.qcow2 direct.qcow2
fresh
for i in 1 2 5 6 7 8; do
    io raw "read -P $i $((i * 29))M 512k" disk.raw
    io raw "read -P $((i + 100)) $((i * 29 * 1024 + 512))k 64k" disk.raw
    io qcow2 "read -P $i $((i * 29 + 1))M 2M" direct.qcow2
done
