# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The kernel's storage over each device, and over TCP."""

from apps import ratio, what, words
from table import figure, scaled, verdict_rows
from targets import Verdict

OURS = "nopin"
BY_TCP = 1.2
BY_RXE = 5
TITLES = (("storage-rate", "Requests (1/s)"), ("storage-bandwidth", "Bandwidth (MB/s)"),
          ("storage-cpu", "CPU time of the whole machine (s/GB)"))


def subject_rows(result, subject):
    rows = [["", *result.sides, "nopin : rxe", "nopin : TCP"]]
    for names, points in result.find(subject):
        cells = [figure(scaled(points.get(side))) for side in result.sides]
        rows.append([what(names), *cells, words(ratio(points, OURS, "rxe")),
                     words(ratio(points, OURS, "TCP"))])
    return rows


def verdicts(result):
    for subject in ("storage-rate", "storage-bandwidth"):
        for names, points in result.find(subject):
            if names["op"].startswith("NVMe"):
                yield Verdict(f"{what(names)}: times rxe", ratio(points, OURS, "rxe"), BY_RXE,
                              True)
            yield Verdict(f"{what(names)}: times TCP", ratio(points, OURS, "TCP"), BY_TCP, True)


def all_tables(result):
    for subject, title in TITLES:
        rows = subject_rows(result, subject)
        if len(rows) > 1:
            yield title, rows
    yield "Targets", verdict_rows(verdicts(result))
