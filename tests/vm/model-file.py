# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""model-file.py FILE SEED STEPS: what fsx does. Writes, reads, truncates and reopens a
file at random, beside a model of it in memory, and compares each byte."""
import os
import random
import sys

LONGEST = 1 << 20
PIECE = 100000


def write(fd, model, rng):
    at = rng.randrange(LONGEST)
    data = rng.randbytes(min(rng.randrange(1, PIECE), LONGEST - at))
    if os.pwrite(fd, data, at) != len(data):
        sys.exit(f"short write at {at}")
    model.extend(bytes(max(0, at + len(data) - len(model))))
    model[at:at + len(data)] = data


def truncate(fd, model, rng):
    length = rng.randrange(LONGEST)
    os.ftruncate(fd, length)
    del model[length:]
    model.extend(bytes(length - len(model)))


def compare(fd, model, at, length):
    want = model[at:at + length]
    got = os.pread(fd, length, at)
    if got != want:
        bad = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b),
                   min(len(got), len(want)))
        sys.exit(f"byte {at + bad} of {len(model)} differs")


def read(fd, model, rng):
    compare(fd, model, rng.randrange(LONGEST), rng.randrange(1, PIECE))


def main(path, seed, steps):
    rng = random.Random(seed)
    model = bytearray()
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    for step in range(steps):
        rng.choice((write, write, read, read, read, truncate))(fd, model, rng)
        if step % 50 == 49:  # nothing of it stays in this host's memory
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
            fd = os.open(path, os.O_RDWR)
            compare(fd, model, 0, LONGEST)
    os.close(fd)


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
