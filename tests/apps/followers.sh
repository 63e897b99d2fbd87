#!/bin/sh
# Two writers append records to one log, each through a mount of its own, while a reader on the second mount maps the
# file again and again and `tail -f` follows it there. Every record is whole and in its writer's order, no reader ever
# sees anything else, and in the end all have seen all. Usage: followers.sh DIR
# OTHER: the same DIR on another mount; RECORDS: of each writer (300).
set -eu
here=$(dirname "$0")
mkdir -p "$1"
touch "$1/log"
timeout 120 tail -n +1 -f "$OTHER/log" > /tmp/followers.$$ &
tail=$!
trap 'kill "$tail" 2>/dev/null || true; rm -f /tmp/followers.$$' EXIT
python3 "$here/followers.py" "$1/log" "$OTHER/log" "${RECORDS:-300}"
# What tail has shown is what the file holds, byte for byte.
end=$(($(date +%s) + 30))
until cmp -s "$1/log" /tmp/followers.$$; do
    [ "$(date +%s)" -lt "$end" ] || { echo "tail -f shows other bytes than the file has"; exit 1; }
    sleep 0.1
done
