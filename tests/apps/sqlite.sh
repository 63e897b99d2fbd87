#!/bin/sh
# SQLite with a rollback journal and with a write-ahead log, its process killed with -9 in the middle of
# transactions: every commit it told of is there, and the integrity check passes. Usage: sqlite.sh DIR
# KILLS: how often, for each journal mode (5).
set -eu
here=$(dirname "$0")
for mode in delete truncate wal; do
    python3 "$here/sqlite.py" "$1/$mode.db" "$mode" "${KILLS:-5}"
done
