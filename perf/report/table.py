# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The figures as tables: lists of rows of words, for the terminal and the page."""

from data import OURS, PATH_WORDS, size_words
from targets import verdicts

TITLES = (
    ("bandwidth", "Bandwidth, each request posted by itself", "MB/s"),
    ("depth", "The same over requests in flight", "MB/s"),
    ("rate", "Message rate, 64 requests posted at a time", "messages/s"),
    ("services", "Services: datagrams, without acknowledgement, shared receives",
     "MB/s or messages/s"),
    ("latency", "Latency, half of a round trip; of READs, until the completion", "us"),
    ("cpu", "CPU time of the whole machine per GB, sleeping for completions", "s/GB"),
    ("qps", "QPs in one thread", "MB/s or messages/s"),
    ("cpus", "Threads on CPUs of their own", "MB/s"),
    ("registration", "Registration of memory that is there", "us"),
    ("cold", "Memory that is used for the first time", "us"),
)
COLD_WORDS = {
    "first": "first WRITE to a page",
    "again": "the next one to it",
    "fresh": "map, register, write, release",
}


def figure(value):
    if value is None:
        return "-"
    if value >= 100000:
        return f"{value / 1000:,.0f}k"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def scaled(point, field="median"):
    """In the units of the titles."""
    if not point or field not in point:
        return None
    return point[field] / {"B/s": 1e6, "ns": 1e3}.get(point["unit"], 1)


def share(result, names, points):
    """How much of what the machine can do at all; None if there is no such limit."""
    ours = points.get(OURS, {}).get("median")
    call, touch = result.limit("call"), points.get("first touch", {}).get("median")
    copy = points.get("memcpy", {}).get("median")
    if not ours:
        return None
    bandwidth = names["subject"] in ("bandwidth", "depth")
    if bandwidth and names["path"] == "local":
        return ours / copy if copy else None
    if bandwidth:
        parts = result.wire_ns(names["size"])
        return ours * parts / names["size"] / 1e9 if parts else None
    if names["subject"] == "rate" and names["path"] == "local":
        return ours * (call / names["flight"] / 1e9 + 1 / copy) if call and copy else None
    if names["subject"] == "cold" and names["op"] == "first":
        return touch / ours if touch else None
    if names["subject"] in ("latency", "registration"):
        return call / ours if call else None
    return None


def what(names):
    parts = []
    if names["subject"] == "cold":
        parts.append(COLD_WORDS.get(names["op"], names["op"]))
    elif names["op"] and names["subject"] != "registration":
        parts.append(names["op"].upper())
    if names["size"]:
        parts.append(size_words(names["size"]))
    if names["flight"]:
        parts.append(f"{names['flight']:.0f} in flight")
    for key, word in (("qps", "QP"), ("threads", "thread")):
        if names[key]:
            parts.append(f"{names[key]:.0f} {word}{'s' if names[key] > 1 else ''}")
    return ", ".join(parts)


def subject_rows(result, subject):
    """Head and rows; of each side the median."""
    rows = [["", "", *result.sides, "ODP : rxe", "of limit"]]
    for names, points in result.find(subject):
        cells = [figure(scaled(points.get(side))) for side in result.sides]
        ours, rxe = (points.get(side, {}).get("median") for side in (OURS, "rxe"))
        part = share(result, names, points)
        path = "" if subject == "registration" else PATH_WORDS[names["path"]]
        rows.append([
            what(names), path, *cells,
            f"{ours / rxe:.3g}" if ours and rxe else "-",
            f"{100 * part:.0f} %" if part else "-",
        ])
    return rows


def limit_rows(result):
    rows = [["limit", ""]]
    words = (
        ("crc", "CRC32 of a packet", 1e6, "MB/s"), ("call", "system call", 1, "ns"),
        ("touch", "first touch of a page by the CPU", 1e3, "us"),
        ("packet", "packet of a train over veth, without its data", 1, "ns"),
    )
    for name, text, unit, unit_words in words:
        value = result.limit(name)
        rows.append([text, f"{figure(value / unit)} {unit_words}" if value else "-"])
    for names, points in result.find("bandwidth", op="write", path="local"):
        value = scaled(points.get("memcpy"))
        rows.append([f"memcpy, {size_words(names['size'])}", f"{figure(value)} MB/s"])
    return rows


def verdict_rows(found):
    rows = [["target", "measured", "wanted", ""]]
    for verdict in found:
        rows.append([verdict.text, verdict.figure, verdict.goal, verdict.word])
    return rows


def note_lines(result):
    lines = []
    for (side, reason), where in result.failures().items():
        some = "; ".join(where[:3]) + (f"; and {len(where) - 3} more" if where[3:] else "")
        lines.append(f"- {side}: {reason} ({some})")
    drops = result.drops()
    dropped = ", ".join(f"{side} {count}" for side, count in drops.items())
    lines.append(f"packets dropped at a full backlog: {dropped or 'none'}")
    return lines


def text(rows):
    """Columns, the first to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def heading(result):
    info = result.json
    return (
        f"Linux {info['kernel']}, {info['cpus']:.0f} CPUs, {info['engine']}; {info['date']}; "
        f"medians of {info['repeats']:.0f} samples of {info['sample_ms']:.0f} ms, "
        f"taken in turns; {info['seconds'] / 60:.1f} minutes"
    )


def all_tables(result):
    """(title, rows) of all that was measured."""
    for subject, title, unit in TITLES:
        rows = subject_rows(result, subject)
        if len(rows) > 1:
            yield f"{title} ({unit})", rows
    yield "What the machine can do", limit_rows(result)
    yield "Targets", verdict_rows(verdicts(result))


def show(result, tables):
    print(heading(result))
    for title, rows in tables:
        print(f"\n{title}\n\n{text(rows)}")
    print()
    for line in note_lines(result):
        print(line)
