# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""What on-demand paging costs and saves: tables, plots and targets of nopin-odp."""

from data import GIB, MIB, OPS, OURS, PATH_WORDS, PATHS, size_words
from plots import SIZES, Plot, by, over
from published import PUBLISHED
from table import figure, scaled, verdict_rows
from targets import Verdict

CPU = "CPU"
PAGE = 4096
COLD = {"User Mode Linux": 1.25}  # by the CPU's first touch
COLD_ELSEWHERE = 1.5
PREFETCH = 1.1
OVERCOMMIT = 0.8
STALLS_EVERY = 16  # samples, in which one more may have been repeated
QUICK_SECONDS = 180


def sides_of(result, subject, **given):
    """Those that have a figure, in their order."""
    names = {side for _, points in result.find(subject, **given)
             for side, point in points.items() if "median" in point}
    return [side for side in (*result.sides, CPU) if side in names]


def ratio(points, side=OURS, other=CPU):
    ours, theirs = (points.get(name, {}).get("median") for name in (side, other))
    return ours / theirs if ours and theirs else None


def fastest_ratio(points, side=OURS, other=CPU):
    """Of the fastest tenths, which others on the machine disturb least."""
    ours, theirs = (points.get(name, {}).get("quantiles") for name in (side, other))
    return ours[len(ours) // 10] / theirs[len(theirs) // 10] if ours and theirs else None


def words(value, text="{:.2f}"):
    return "-" if value is None else text.format(value)


def access_words(names):
    parts = [f"{names['where']} {names['op'].upper()}", size_words(names["size"]), names["pages"]]
    if names["align"]:
        parts.append(f"at {names['align']:.0f}")
    return ", ".join(parts)


def access_rows(result, warm):
    """Cold accesses beside the CPU's, or warm ones."""
    picked = [(names, points) for names, points in result.find("odp-access")
              if (names["state"] == "warm") == warm]
    sides = [side for side in sides_of(result, "odp-access")
             if any("median" in points.get(side, {}) for _, points in picked)]
    tail = [] if warm else ["ODP p99", "then again", "ODP : CPU", "fastest tenths"]
    rows = [["", "state", "", *sides, *tail]]
    for names, points in picked:
        cells = [figure(scaled(points.get(side))) for side in sides]
        ours = points.get(OURS)
        if not warm:
            cells += [figure(scaled(ours, "p99")), figure(scaled(ours, "again")),
                      words(ratio(points)), words(fastest_ratio(points))]
        if any(cell != "-" for cell in cells):
            rows.append([access_words(names), names["state"], PATH_WORDS[names["path"]], *cells])
    return rows


def value_rows(result, subject, what, beside=True):
    """One row for each configuration, all sides."""
    sides = sides_of(result, subject)
    rows = [["", "", *sides, *(["ODP : CPU"] if beside else [])]]
    for names, points in result.find(subject):
        cells = [figure(scaled(points.get(side))) for side in sides]
        if beside:
            cells.append(words(ratio(points)))
        rows.append([what(names), PATH_WORDS[names["path"]], *cells])
    return rows


def prefetch_words(names):
    return {
        "write": "to write, {}", "read": "to read, {}", "present": "what is there, {}",
        "demand": "no advice: an access to each page, {}",
    }[names["op"]].format(size_words(names["size"]))


def pitfall_rows(result, subject, what):
    """Times, and what both devices have counted up to the last row."""
    sides = sides_of(result, subject)
    counted = ("timeouts", "retransmits", "sent packets", "repeated")
    rows = [["", "", *(f"{side}, ms" for side in sides), *(f"{OURS}: {name}" for name in counted)]]
    for names, points in result.find(subject):
        cells = [figure(points[side]["median"] / 1e6) if "median" in points.get(side, {})
                 else "-" for side in sides]
        ours = points.get(OURS, {})
        cells += [f"{ours[name]:.0f}" if name in ours else "-" for name in counted]
        rows.append([what(names), PATH_WORDS[names["path"]], *cells])
    return rows


def damming_words(names):
    return f"{names['op'].upper()}, {names['where']}, gap {names['gap'] or 0:.0f} ms"


def flood_words(names):
    return f"{names['qps']:.0f} QPs, {names['op']}, {names['where']}"


def published_rows():
    rows = [["published, for hardware", "us", "source"]]
    for entry in (entry for entry in PUBLISHED if entry.text):
        rows.append([entry.text, entry.words, entry.source])
    return rows


def subject_tables(result):
    def sized(names):
        return size_words(names["size"])

    yield "Access to pages that are not there: latency (us)", access_rows(result, False)
    yield "Access to pages that are there: latency (us)", access_rows(result, True)
    yield ("Pages per second, 64 B each", value_rows(
        result, "odp-rate", lambda names: f"{names['op'].upper()}, {names['state']}, "
        f"{names['flight']:.0f} in flight"))
    yield ("Until the NIC reaches all of fresh memory (us; pinned: by registering it)",
           value_rows(result, "odp-prefetch", prefetch_words))
    yield "Registration (us)", value_rows(result, "registration", sized, False)
    yield "Deregistration (us)", value_rows(result, "deregistration", sized, False)
    yield ("Memory held by a region of which an eighth is touched (bytes)",
           value_rows(result, "odp-memory", sized))
    yield ("A working set of four times the memory, with swap (MB/s)",
           value_rows(result, "odp-overcommit", sized))
    yield "Damming: two requests and a slow page", pitfall_rows(result, "odp-damming",
                                                                damming_words)
    yield "Flood: many QPs need a page at once", pitfall_rows(result, "odp-flood", flood_words)


def all_tables(result):
    for title, rows in subject_tables(result):
        if len(rows) > 1:
            yield title, rows
    yield "Published figures", published_rows()
    yield "Targets", verdict_rows(verdicts(result))


# --- plots ---

def reference_lines(plot):
    """Published figures, as labelled lines across the plot."""
    for i, entry in enumerate(PUBLISHED):
        plot.settings += (
            f'\nset arrow from {entry.us},graph 0 to {entry.us},graph 1 nohead'
            f' linecolor "#b8860b" dashtype 2'
            f'\nset label "{entry.label}" at {entry.us},graph {0.04 + 0.05 * (i % 4)}'
            ' left offset 0.5,0 font ",9" textcolor "#b8860b"')


def quantiles(point):
    steps = point.get("quantiles", []) if point else []
    return [(ns / 1e3, i / (len(steps) - 1)) for i, ns in enumerate(steps)]


def distribution(result, op, path):
    """What part of all accesses to cold pages was done within a time; pinned: to warm ones."""
    size = 8 if op == "atomic" else PAGE
    given = {"op": op, "path": path, "size": size, "pages": "4k", "where": "remote",
             "align": None}
    plot = Plot(f"odp-cold-{op}-{path}",
                f"First {op.upper()} of {size_words(size)} to a page, {PATH_WORDS[path]}",
                'set logscale x\nset xlabel "us (CPU: its own first touch; pinned: page is '
                'there)"\nset ylabel "part of all"\nset yrange [0:1]\nset xrange [1:1000]\n'
                "set key left bottom at graph 0.02,0.3")
    reference_lines(plot)
    cold = result.round("odp-access", state="cold", **given)
    warm = result.round("odp-access", state="warm", **given)
    for side in (*result.sides, CPU):
        plot.add(side, quantiles(cold.get(side) or warm.get(side)), "lines linewidth 2")
    return plot


def cost_over_size(result):
    given = {"op": "write", "path": "local", "pages": "4k", "where": "remote", "align": None}
    plot = Plot("odp-size", "WRITE over size, same device: cold (lines), warm (dots)",
                SIZES.format("us"))
    for side in (*result.sides, CPU):
        plot.add(side, by(result, side, "size", "odp-access", state="cold", **given))
    for side in result.sides:
        plot.add(side, by(result, side, "size", "odp-access", state="warm", **given),
                 "points pointtype 6 pointsize 0.5")
    return plot


def memory_over_time(result):
    """What the process holds: the larger one of resident and pinned."""
    plot = Plot("odp-memory", "Memory held while an eighth of a region is touched, "
                "half of that given back", 'set xlabel "ms"\nset ylabel "MiB"\n'
                "set yrange [0:*]\nset key right top")
    for _, points in result.find("odp-memory"):
        for side in (*result.sides, CPU):
            series = points.get(side, {}).get("series", [])
            plot.add(side, [(ms, max(rss, pinned) / MIB) for ms, _, rss, pinned in series],
                     "lines linewidth 2")
    return plot


def all_plots(result):
    for path in PATHS:
        for op in (*OPS, "atomic"):
            yield distribution(result, op, path)
    yield cost_over_size(result)
    yield memory_over_time(result)
    yield over(result, "odp-prefetch", "Until the NIC reaches all of fresh memory "
               "(pinned: registered)", SIZES.format("us"), "size", "odp-prefetch", (CPU,),
               op="write")
    yield over(result, "odp-registration", "Registration", SIZES.format("us"), "size",
               "registration")
    for op in ("write", "read"):
        for path in PATHS:
            yield over(result, f"odp-rate-{op}-{path}",
                       f"Faults per second, 64 B {op.upper()}s, {PATH_WORDS[path]}",
                       'set logscale x 2\nset xlabel "requests in flight"\n'
                       'set ylabel "pages/s"\nset yrange [0:*]', "flight", "odp-rate", (CPU,),
                       op=op, path=path, state="cold")


# --- targets ---

def counted(result, subject, name):
    """What was counted in the end; None if nothing was, or not all, as samples have failed."""
    if any("failed" in points.get(OURS, {}) for _, points in result.find(subject)):
        return None
    values = [points[OURS][name] for _, points in result.find(subject)
              if name in points.get(OURS, {})]
    return max(values) if values else None


def pitfalls(result):
    for subject, text in (("odp-damming", "damming"), ("odp-flood", "flood")):
        yield Verdict(f"{text}: ACK timeouts", counted(result, subject, "timeouts"), 0, False)
        sent = counted(result, subject, "sent packets")
        again = counted(result, subject, "retransmits")
        yield Verdict(f"{text}: packets sent again, of those sent",
                      100 * again / sent if sent and again is not None else None, 1, False, " %")
        samples = sum(len(points[OURS]["samples"]) for _, points in result.find(subject)
                      if OURS in points)
        yield Verdict(f"{text}: samples repeated", counted(result, subject, "repeated"),
                      1 + samples // STALLS_EVERY, False)


def verdicts(result):
    given = {"where": "remote", "pages": "4k", "size": PAGE, "state": "cold", "path": "local"}
    bound = next((bound for engine, bound in COLD.items() if engine in result.json["engine"]),
                 COLD_ELSEWHERE)
    found = [
        Verdict(f"cold 4 KiB {op.upper()}, {side[6:]}: by the CPU's first touch",
                result.ratio("odp-access", side, CPU, op=op, **given), bound, False)
        for op in ("write", "read") for side in (OURS, "nopin implicit")
    ]
    for side in (OURS, "nopin implicit"):
        found.append(Verdict(
            f"prefetch of 1 GiB, {side[6:]}: by the CPU touching it",
            result.paired_ratio("odp-prefetch", side, CPU, op="write", size=GIB),
            PREFETCH, False))
    for side in (OURS, "nopin implicit"):
        found.append(Verdict(
            f"four times the memory, {side[6:]}: goodput by that of a copying CPU",
            result.paired_ratio("odp-overcommit", side, CPU), OVERCOMMIT, True))
    found += pitfalls(result)
    if result.json.get("quick"):
        found.append(Verdict("the whole run, --quick", result.json["seconds"], QUICK_SECONDS,
                             False, " s"))
    return found
