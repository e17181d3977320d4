# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""A result of nopin-perf, nopin-odp, perf/apps or perf/storage, with its points found by what
they were measured with."""

import json
import statistics

PATHS = ("local", "wire")
PATH_WORDS = {"local": "same device", "wire": "two nodes"}
OPS = ("write", "read", "send")
KEYS = ("subject", "op", "path", "size", "post", "flight", "qps", "threads",
        "pages", "state", "where", "align", "gap")
NO_FIGURES = {*KEYS, "side", "unit", "drops", "failed"}  # what a point that failed is left with
PACKET = 4096  # bytes of payload, the largest path MTU
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
OURS = "nopin ODP"


def size_words(size):
    size = round(size)
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def judged(point):
    """The point, without figures if a sample has failed: those of the others are no result."""
    if "failed" not in point:
        return point
    return {"samples": [], **{name: point[name] for name in point if name in NO_FIGURES}}


class Result:
    """Points of one run; all lookups give None for what was not measured."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.json = json.load(file)
        self.sides = [side["name"] for side in self.json["sides"]]
        self.rounds = {}
        for point in self.json["points"]:
            key = tuple(point.get(name) for name in KEYS)
            self.rounds.setdefault(key, {})[point["side"]] = judged(point)

    def is_odp(self):
        """Of nopin-odp."""
        return any(key[0].startswith("odp-") for key in self.rounds)

    def is_apps(self):
        """Of perf/apps."""
        return any(key[0].startswith("app-") for key in self.rounds)

    def is_storage(self):
        """Of perf/storage."""
        return any(key[0].startswith("storage-") for key in self.rounds)

    def find(self, subject, **given):
        """The rounds of a subject with these values: (key as dict, points by side)."""
        for key, points in self.rounds.items():
            names = dict(zip(KEYS, key))
            if names["subject"] == subject and all(
                names[name] == value for name, value in given.items()
            ):
                yield names, points

    def round(self, subject, **given):
        for _, points in self.find(subject, **given):
            return points
        return {}

    def median(self, side, subject, **given):
        point = self.round(subject, **given).get(side)
        return point.get("median") if point else None

    def samples(self, side, subject, **given):
        point = self.round(subject, **given).get(side)
        return point["samples"] if point else []

    def ratio(self, subject, side=OURS, other="rxe", **given):
        """Of the medians."""
        ours = self.median(side, subject, **given)
        theirs = self.median(other, subject, **given)
        return ours / theirs if ours and theirs else None

    def paired_ratio(self, subject, side, other, **given):
        """The median of the ratios within a repetition, which drift does not touch."""
        pairs = zip(
            self.samples(side, subject, **given), self.samples(other, subject, **given)
        )
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None

    def limit(self, op):
        return self.median("limit", "limit", op=op)

    def copy_rate(self, size):
        """Bytes a second of the CPU's copy over the buffers of this size's rounds."""
        for op in OPS:
            for path in PATHS:
                rate = self.median("memcpy", "bandwidth", op=op, path=path, size=size)
                if rate:
                    return rate
        return None

    def wire_ns(self, size):
        """Two CRCs, two copies, and what the packets cost."""
        crc, packet = self.limit("crc"), self.limit("packet")
        copy = self.copy_rate(size)
        if not (crc and packet and copy):
            return None
        packets = -(-size // PACKET)
        return 2 * size / crc * 1e9 + 2 * size / copy * 1e9 + packets * packet

    def failures(self):
        """Reasons, each with what it was about."""
        found = {}
        for key, points in self.rounds.items():
            for side, point in points.items():
                if "failed" in point:
                    what = " ".join(str(part) for part in key[:4] if part)
                    found.setdefault((side, point["failed"]), []).append(what)
        return found

    def drops(self):
        """Packets that a full backlog cost, by side."""
        sums = {}
        for points in self.rounds.values():
            for side, point in points.items():
                if point.get("drops"):
                    sums[side] = sums.get(side, 0) + int(point["drops"])
        return sums
