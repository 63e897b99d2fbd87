"""See followers.sh."""

import mmap
import multiprocessing
import os
import sys
import time
import zlib

LONGEST = 9000


def record(writer, number):
    body = b"%d:%d:" % (writer, number) + bytes([65 + number % 26]) * (number * 37 % LONGEST)
    return b"%08x %06d " % (zlib.crc32(body), len(body)) + body + b"\n"


def write(path, writer, records):
    with open(path, "ab", buffering=0) as log:
        for number in range(records):
            data = record(writer, number)
            if log.write(data) != len(data):
                sys.exit("a short append")
            if number % 40 == 0:
                os.fsync(log.fileno())
            time.sleep(0.005)


def parse(data):
    """How many records of each writer the log holds. At its end a record may be cut off; anything else that is not the
    next one of a writer ends the program."""
    at, seen = 0, [0, 0]
    while at < len(data):
        wanted = [record(writer, seen[writer]) for writer in (0, 1)]
        found = [writer for writer in (0, 1) if data.startswith(wanted[writer], at)]
        if found:
            seen[found[0]] += 1
            at += len(wanted[found[0]])
        elif any(following.startswith(data[at:]) for following in wanted):
            break
        else:
            sys.exit(f"no record at {at} of {len(data)}: {data[at : at + 40]!r}, after {seen}")
    return seen


def read(path, records):
    before, looks = [0, 0], 0
    end = time.monotonic() + 100
    while before != [records, records]:
        if time.monotonic() > end:
            sys.exit(f"the reader has seen {before} only")
        with open(path, "rb") as log:
            size = os.fstat(log.fileno()).st_size
            if size == 0:
                continue
            with mmap.mmap(log.fileno(), size, prot=mmap.PROT_READ) as view:
                seen = parse(view[:])
        if any(now < then for now, then in zip(seen, before)):
            sys.exit(f"the log went back from {before} to {seen}")
        before, looks = seen, looks + 1
    print(f"{looks} looks")


def main():
    path, other, records = sys.argv[1], sys.argv[2], int(sys.argv[3])
    work = [(write, (path, 0, records)), (write, (other, 1, records)), (read, (other, records))]
    running = [multiprocessing.Process(target=target, args=args) for target, args in work]
    for process in running:
        process.start()
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        sys.exit(1)
    with open(path, "rb") as log:
        if parse(log.read()) != [records, records]:
            sys.exit("records are missing")


main()
