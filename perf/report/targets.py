# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""What nopin is to reach, and whether it did in this run."""

from data import KIB, MIB, OURS, PATH_WORDS, PATHS, size_words

# Times the rate of rxe: (op, size) -> on one device, between two nodes
BANDWIDTH = {
    ("write", 64 * KIB): (10, 5),
    ("read", 64 * KIB): (10, 5),
    ("write", MIB): (25, 8),
    ("read", MIB): (25, 8),
    ("send", 64 * KIB): (8, 5),
}
RATE = (10, 6)
FLIGHTS = (128, 512)  # requests, of which those of nopin share a system call
LATENCY = (1 / 3, 1 / 2)
DATAGRAMS = (6, 4)
SHARED_RECEIVES = 0.95
COPY_SHARE = 0.70
WIRE_SUM = 1.5
ON_DEMAND = 0.02
CPU_SHARE = 1 / 5
TWO_CPUS = 1.8
COLD = 1.25


class Verdict:
    """A figure beside its bound; @least says that more is better."""

    def __init__(self, text, value, bound, least, unit=""):
        self.text, self.value, self.bound = text, value, bound
        self.least, self.unit = least, unit

    @property
    def word(self):
        if self.value is None:
            return "-"
        good = self.value >= self.bound if self.least else self.value <= self.bound
        return "met" if good else "missed"

    def number(self, value):
        return "-" if value is None else f"{value:.3g}{self.unit}"

    @property
    def figure(self):
        return self.number(self.value)

    @property
    def goal(self):
        return ("at least " if self.least else "at most ") + self.number(self.bound)


def against_rxe(result):
    for (op, size), bounds in BANDWIDTH.items():
        for path, bound in zip(PATHS, bounds):
            yield Verdict(
                f"{op.upper()} bandwidth, {size_words(size)}, {PATH_WORDS[path]}: times rxe",
                result.ratio("bandwidth", op=op, size=size, path=path), bound, True)
    for flight in FLIGHTS:
        for path, bound in zip(PATHS, RATE):
            yield Verdict(
                f"message rate, 64 B, {flight} in flight, {PATH_WORDS[path]}: times rxe",
                result.ratio("rate", op="write", size=64, path=path, flight=flight),
                bound, True)
    for path, bound in zip(PATHS, LATENCY):
        yield Verdict(
            f"WRITE latency, 2 B, {PATH_WORDS[path]}: part of rxe's",
            result.ratio("latency", op="write", size=2, path=path), bound, False)
    for path in PATHS:
        yield Verdict(
            f"CPU time per GB, 64 KiB, {PATH_WORDS[path]}: part of rxe's",
            result.ratio("cpu", path=path), CPU_SHARE, False)


def services(result):
    for size in (64, KIB):
        for path, bound in zip(PATHS, DATAGRAMS):
            yield Verdict(
                f"datagrams, {size_words(size)}, {PATH_WORDS[path]}: times rxe",
                result.ratio("services", op="UD send", size=size, path=path), bound, True)
    for path in PATHS:
        for op, base, size, bound in (
            ("UC write", "RC write", 64 * KIB, 1),
            ("SRQ send", "RC send", 64, SHARED_RECEIVES),
            ("XRC send", "RC send", 64, SHARED_RECEIVES),
            ("SRQ send", "RC send", KIB, SHARED_RECEIVES),
            ("XRC send", "RC send", KIB, SHARED_RECEIVES),
        ):
            ours, other = (result.median(OURS, "services", op=what, size=size, path=path)
                           for what in (op, base))
            yield Verdict(
                f"{op}, {size_words(size)}, {PATH_WORDS[path]}: part of {base}",
                ours / other if ours and other else None, bound, True)


def against_limits(result):
    copied = {"other": "memcpy", "op": "write", "size": MIB, "path": "local"}
    for flight, ratio in (
        (2, result.ratio("bandwidth", **copied)),
        (4, result.ratio("depth", flight=4, **copied)),
    ):
        yield Verdict(
            f"WRITE, 1 MiB, {flight} in flight, same device: part of memcpy",
            ratio, COPY_SHARE, True)
    for size in (64 * KIB, MIB):
        rate = result.median(OURS, "bandwidth", op="write", size=size, path="wire")
        parts = result.wire_ns(size)
        yield Verdict(
            f"WRITE, {size_words(size)}, two nodes: time by the sum of its parts",
            size / rate * 1e9 / parts if rate and parts else None, WIRE_SUM, False)


def excess(ratio, more_is_better):
    """By how much on-demand memory is slower, as a part."""
    if ratio is None:
        return None
    return (1 / ratio if more_is_better else ratio) - 1


def on_demand(result):
    rows = (
        ("bandwidth", {"op": "write", "size": 64 * KIB}, True, "WRITE bandwidth, 64 KiB"),
        ("rate", {"op": "write", "size": 64, "flight": 128}, True,
         "message rate, 64 B, 128 in flight"),
        ("latency", {"op": "write", "size": 2}, False, "WRITE latency, 2 B"),
    )
    for side in (OURS, "nopin implicit"):
        for path in PATHS:
            for subject, given, more, words in rows:
                ratio = result.paired_ratio(subject, side, "nopin pinned", path=path, **given)
                part = excess(ratio, more)
                yield Verdict(
                    f"{side[6:]}, {words}, {PATH_WORDS[path]}: slower than pinned by",
                    None if part is None else 100 * part, 100 * ON_DEMAND, False, " %")
    touch = result.median("first touch", "cold", op="first", path="local")
    first = result.median(OURS, "cold", op="first", path="local")
    again = result.median(OURS, "cold", op="again", path="local")
    yield Verdict(
        "cold access, (first - again) by the CPU's first touch",
        (first - again) / touch if touch and first and again else None, COLD, False)


def scaling(result):
    for path in PATHS:
        one = result.median(OURS, "cpus", path=path, threads=1)
        two = result.median(OURS, "cpus", path=path, threads=2)
        yield Verdict(
            f"two CPUs, independent QPs, {PATH_WORDS[path]}: times one",
            two / one if one and two else None, TWO_CPUS, True)


def verdicts(result):
    return [
        *against_rxe(result), *services(result), *against_limits(result),
        *on_demand(result), *scaling(result),
    ]
