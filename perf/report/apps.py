# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Applications over each device, and over TCP."""

from data import OURS, size_words
from table import figure, scaled, verdict_rows
from targets import Verdict

PINNED = "nopin pinned"
BY_TCP = 1.2
BY_RXE = 5
ON_DEMAND = 3  # per cent
TITLES = (("app-bandwidth", "Bandwidth of applications (MB/s)"),
          ("app-latency", "Latency of applications, half of a round trip (us)"))


def ratio(points, side, other):
    ours, theirs = (points.get(name, {}).get("median") for name in (side, other))
    return ours / theirs if ours and theirs else None


def words(value):
    return "-" if value is None else f"{value:.3g}"


def what(names):
    return f"{names['op']}, {size_words(names['size'])}"


def subject_rows(result, subject):
    rows = [["", *result.sides, "pinned : TCP", "ODP : TCP", "pinned : rxe"]]
    for names, points in result.find(subject):
        cells = [figure(scaled(points.get(side))) for side in result.sides]
        ratios = [ratio(points, PINNED, "TCP"), ratio(points, OURS, "TCP"),
                  ratio(points, PINNED, "rxe")]
        rows.append([what(names), *cells, *map(words, ratios)])
    return rows


def verdicts(result):
    for names, points in result.find("app-bandwidth"):
        yield Verdict(f"{what(names)}: times TCP", ratio(points, PINNED, "TCP"), BY_TCP, True)
        yield Verdict(f"{what(names)}: times rxe", ratio(points, PINNED, "rxe"), BY_RXE, True)
        part = ratio(points, PINNED, OURS)
        yield Verdict(f"{what(names)}: ODP slower than pinned by",
                      None if part is None else 100 * (part - 1), ON_DEMAND, False, " %")
    for names, points in result.find("app-latency"):
        yield Verdict(f"{what(names)}, latency: part of TCP's", ratio(points, PINNED, "TCP"), 1,
                      False)


def all_tables(result):
    for subject, title in TITLES:
        rows = subject_rows(result, subject)
        if len(rows) > 1:
            yield title, rows
    yield "Targets", verdict_rows(verdicts(result))
