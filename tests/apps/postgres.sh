#!/bin/sh
# PostgreSQL with its data directory on the mount: pgbench, its processes killed with -9, recovery, checksums,
# a dump that can be restored. Usage: postgres.sh DIR     SECONDS_EACH: of pgbench, before and after (8).
set -eu
dir=$1
. "$(dirname "$0")/fresh.inc"
for bin in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do PATH="$bin:$PATH"; done
user=$(id -nu)
sockets=$(mktemp -d)
if [ "$user" = root ]; then
    user=postgres
    as() { setpriv --reuid postgres --regid postgres --clear-groups env HOME="$sockets" PATH="$PATH" "$@"; }
    chown postgres "$dir" "$sockets"
else
    as() { "$@"; }
fi
data=$dir/data
export PGHOST=$sockets PGUSER=$user PGDATABASE=postgres
start() {
    as pg_ctl -s -w -t 120 -D "$data" -l "$dir/log" -o "-k $sockets -c listen_addresses=''" start ||
        { tail -50 "$dir/log"; exit 1; }
}
clean() {
    as pg_ctl -s -m immediate -D "$data" stop 2>/dev/null || true
    rm -rf "$sockets"
}
trap clean EXIT
as initdb -k -A trust -D "$data" >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log"; exit 1; }
start
as pgbench -q -i -s 2 2>"$dir/pgbench.log" || { cat "$dir/pgbench.log"; exit 1; }
as pgbench -n -c 4 -T "${SECONDS_EACH:-8}" --progress 60 >"$dir/pgbench.log" 2>&1 || { cat "$dir/pgbench.log"; exit 1; }
grep -E '^tps' "$dir/pgbench.log"

as pgbench -n -c 4 -T 60 >"$dir/killed.log" 2>&1 &
sleep 3
postmaster=$(head -1 "$data/postmaster.pid")
before=$(as psql -Atc 'select count(*) from pgbench_history')
kill -9 "$postmaster" $(pgrep -P "$postmaster")
wait
fresh
# Where nobody collects the dead their numbers stay in use, and the lock file seems to be held.
rm -f "$data/postmaster.pid" "$sockets"/.s.PGSQL.*
start
[ "$(as psql -Atc 'select count(*) from pgbench_history')" -ge "$before" ]
sums=$(as psql -Atc 'select sum(abalance) from pgbench_accounts union select sum(tbalance) from pgbench_tellers
    union select sum(bbalance) from pgbench_branches union select sum(delta) from pgbench_history' | sort -u | wc -l)
[ "$sums" -eq 1 ]
as pgbench -n -c 4 -T "${SECONDS_EACH:-8}" >"$dir/pgbench.log" 2>&1 || { cat "$dir/pgbench.log"; exit 1; }
as pg_dump >"$dir/dump.sql"
as createdb again
as psql -q -d again -v ON_ERROR_STOP=1 -f "$dir/dump.sql" >"$dir/restore.log"
as psql -d again -Atc 'select count(*) from pgbench_accounts' | grep -qx 200000
as pg_ctl -s -w -m fast -D "$data" stop
fresh
as pg_checksums --check -D "$data" >"$dir/checksums.log" || { cat "$dir/checksums.log"; exit 1; }
