# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Applications over each device, and over TCP."""

from data import MIB, OURS, size_words
from plots import Plot
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


def memory_points(result):
    for names, points in result.find("app-memory"):
        for side, point in points.items():
            yield f"{side}, {size_words(names['size'])} a rank", point


def memory_rows(result):
    rows = [["", "resident at most", "pinned at most"]]
    for words_of, point in memory_points(result):
        rows.append([words_of, *(f"{point[name] / MIB:,.0f} MiB" if name in point else "-"
                                 for name in ("resident", "pinned"))])
    return rows


def memory_over_time(result):
    plot = Plot("apps-memory", "Open MPI, 8 ranks: what is registered and to 5 % used",
                'set xlabel "s"\nset ylabel "MiB"\nset yrange [0:*]\nset key right top')
    for words_of, point in memory_points(result):
        for name, index, style in (("resident", 1, "lines linewidth 2"),
                                   ("pinned", 2, "lines linewidth 2 dashtype 2")):
            plot.add(f"{words_of}: {name}",
                     [(row[0] / 1e3, row[index] / MIB) for row in point.get("series", [])], style)
    return plot


def all_plots(result):
    yield memory_over_time(result)


def all_tables(result):
    for subject, title in TITLES:
        rows = subject_rows(result, subject)
        if len(rows) > 1:
            yield title, rows
    rows = memory_rows(result)
    if len(rows) > 1:
        yield "Memory of 8 ranks that use 5 % of what they register", rows
    yield "Targets", verdict_rows(verdicts(result))
