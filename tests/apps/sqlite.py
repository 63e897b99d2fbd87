"""Kills a process that writes an SQLite database, and checks what it left. Usage: sqlite.py FILE MODE KILLS"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
assert db.execute("pragma journal_mode=" + sys.argv[2]).fetchone()[0] == sys.argv[2]
db.execute("pragma synchronous=full")
db.execute("create table if not exists rows(id integer primary key, a text, b blob)")
db.execute("create index if not exists by_a on rows(a)")
start = db.execute("select coalesce(max(id), 0) from rows").fetchone()[0]
i = start
while True:
    db.execute("begin immediate")
    for _ in range(5):
        i += 1
        db.execute("insert into rows values(?, ?, ?)", (i, "text %d" % i, bytes([i % 251]) * (i % 3000)))
    db.execute("delete from rows where id % 17 = 3 and id < ?", (i - 100,))
    db.execute("commit")
    print(i, flush=True)
"""


def fresh():
    """Whatever comes now is read from the cluster, where that can be had."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as drop:
            drop.write("3")
    except OSError:
        pass


def check(path, told):
    fresh()
    db = sqlite3.connect(path, timeout=60)
    assert db.execute("pragma integrity_check").fetchone()[0] == "ok", "integrity"
    last = db.execute("select coalesce(max(id), 0) from rows").fetchone()[0]
    assert last >= told, f"commit {told} was told of, the last row is {last}"
    assert last % 5 == 0, f"half a transaction: {last}"
    for row, a, b in db.execute("select id, a, b from rows"):
        assert a == f"text {row}" and b == bytes([row % 251]) * (row % 3000), f"row {row} is not what was written"
    db.close()


def main():
    path, mode, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(os.environ.get("HOLDFAST_SEED") or time.time_ns() % 1_000_000)
    draw = random.Random(seed)
    told = 0
    for kill in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path, mode], stdout=subprocess.PIPE, text=True)
        commits = draw.randrange(1, 25)
        for _ in range(commits):
            line = writer.stdout.readline()
            assert line, f"the writer ended (seed {seed}, kill {kill})"
            told = int(line)
        time.sleep(draw.random() * 0.02)  # somewhere within the next transaction
        writer.send_signal(signal.SIGKILL)
        told = max([told] + [int(line) for line in writer.stdout if line.endswith("\n")])
        writer.wait()
        check(path, told)
    print(f"{mode}: {kills} kills, {told} rows, seed {seed}")


main()
