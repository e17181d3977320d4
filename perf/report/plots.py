# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""The figures as plots, drawn by gnuplot."""

import subprocess

from data import OPS, PATH_WORDS, PATHS
from table import scaled

COLOURS = {
    "nopin pinned": "#7fb3d5", "nopin ODP": "#1f4e99", "nopin implicit": "#48a999",
    "rxe": "#c0392b", "siw": "#e59866", "memcpy": "#999999", "first touch": "#999999",
    "CPU": "#999999",
}
OTHERS = ("#8e44ad", "#16a085", "#d35400", "#2c3e50", "#7f8c8d")  # of other devices
# A name is shown as it is: "mlx5_0" has no subscript.
HEAD = """set terminal svg noenhanced size 640,400 font "sans-serif,12" background "#ffffff"
set output "{file}"
set title "{title}"
set grid linecolor "#dddddd"
set key left top reverse Left samplen 2
{settings}
"""


def quoted(name):
    """A string in which gnuplot runs no command, whatever a result has as a name."""
    return "'" + " ".join(name.split()).replace("'", "''") + "'"


class Plot:
    """Lines over x, one for each side; data are written into the script."""

    def __init__(self, name, title, settings):
        self.name, self.title, self.settings = name, title, settings
        self.lines = []

    def add(self, side, values, style="linespoints pointtype 7 pointsize 0.5"):
        """@values: (x, y) or (x, y, least, most)"""
        if values:
            self.lines.append((side, values, style))

    def script(self, file):
        text = HEAD.format(file=file, title=self.title, settings=self.settings)
        # The bars come first, because gnuplot clears the area around their middles.
        bars, parts = [], []
        for i, (side, values, style) in enumerate(self.lines):
            rows = "\n".join(" ".join(f"{value:g}" for value in row) for row in values)
            text += f"$data{i} << EOD\n{rows}\nEOD\n"
            colour = f'linecolor "{COLOURS.get(side, OTHERS[i % len(OTHERS)])}"'
            parts.append(f'$data{i} with {style} {colour} title {quoted(side)}')
            if len(values[0]) == 4:
                bars.append(f"$data{i} using 1:2:3:4 with yerrorbars pointtype 0 {colour} notitle")
        return text + "plot " + ", ".join(bars + parts) + "\n"

    def draw(self, folder):
        """The file's name; None if there is nothing to see."""
        if not any(len(values) > 1 for _, values, _ in self.lines):
            return None
        file = f"{self.name}.svg"
        subprocess.run(["gnuplot"], input=self.script(file), text=True, cwd=folder, check=True)
        return file


def by(result, side, key, subject, **given):
    """(key's value, median, least, most) of a side's points, in order."""
    values = []
    for names, points in result.find(subject, **given):
        point = points.get(side)
        if point and "median" in point:
            values.append((names[key], *(scaled(point, f) for f in ("median", "min", "max"))))
    return sorted(values)


def over(result, name, title, axes, key, subject, extra=(), **given):
    plot = Plot(name, title, axes)
    for side in (*result.sides, *extra):
        plot.add(side, by(result, side, key, subject, **given))
    return plot


SIZES = ('set logscale xy\nset format x "%.0b %BB"\n'
         'set xtics 1, 16\nset ylabel "{}"')


def distribution(result, name, title, subject, sides, **given):
    """What part of all was done within a time."""
    plot = Plot(name, title, 'set logscale x\nset xlabel "us"\nset ylabel "part of all"\n'
                             'set yrange [0:1]\nset key right bottom')
    for side in sides:
        point = result.round(subject, **given).get(side)
        steps = point.get("quantiles", []) if point else []
        plot.add(side, [(ns / 1e3, i / (len(steps) - 1)) for i, ns in enumerate(steps)],
                 "lines linewidth 2")
    return plot


def cpu_bars(result):
    """A side's place on the axis is its number."""
    tics = ", ".join(f"{quoted(side)} {i}" for i, side in enumerate(result.sides))
    for path in PATHS:
        plot = Plot(f"cpu-{path}", f"CPU time per GB, 64 KiB WRITEs, {PATH_WORDS[path]}",
                    f"set xtics ({tics})\nset ylabel 's/GB'\nset yrange [0:*]\n"
                    f"set xrange [-0.6:{len(result.sides) - 0.4}]\nset style fill solid\n"
                    "set boxwidth 0.6\nunset key")
        points = result.round("cpu", path=path)
        for i, side in enumerate(result.sides):
            value = scaled(points.get(side))
            if value is not None:
                plot.add(side, [(i, value)] * 2, "boxes")
        yield plot


def scaling_plots(result, path):
    words = PATH_WORDS[path]
    yield over(result, f"qps-bandwidth-{path}", f"QPs, 64 KiB WRITEs, {words}",
               'set logscale x 2\nset logscale y\nset xlabel "QPs"\nset ylabel "MB/s"',
               "qps", "qps", path=path, post=1)
    yield over(result, f"qps-rate-{path}", f"QPs, 64 B WRITEs, {words}",
               'set logscale x 2\nset logscale y\nset xlabel "QPs"\nset ylabel "messages/s"',
               "qps", "qps", path=path, post=64)
    yield over(result, f"cpus-{path}", f"Threads on their own CPUs, 64 KiB WRITEs, {words}",
               'set xlabel "threads"\nset xtics 1\nset ylabel "MB/s"\nset yrange [0:*]',
               "threads", "cpus", path=path)


def all_plots(result):
    for op in OPS:
        for path in PATHS:
            extra = ("memcpy",) if path == "local" else ()
            yield over(result, f"bandwidth-{op}-{path}",
                       f"{op.upper()}, {PATH_WORDS[path]}", SIZES.format("MB/s"),
                       "size", "bandwidth", extra, op=op, path=path)
            yield over(result, f"rate-{op}-{path}",
                       f"{op.upper()}, 64 at a time, {PATH_WORDS[path]}",
                       SIZES.format("messages/s"), "size", "rate", op=op, path=path, flight=128)
            yield over(result, f"flight-{op}-{path}",
                       f"{op.upper()}, 64 B, 64 at a time, {PATH_WORDS[path]}",
                       'set logscale x 2\nset logscale y\nset xlabel "requests in flight"\n'
                       'set ylabel "messages/s"',
                       "flight", "rate", op=op, path=path, size=64)
    for path in PATHS:
        for op in OPS:
            yield distribution(result, f"latency-{op}-{path}",
                               f"Latency of 2 B {op.upper()}, {PATH_WORDS[path]}",
                               "latency", result.sides, op=op, size=2, path=path)
        yield from scaling_plots(result, path)
    yield from cpu_bars(result)
    yield over(result, "registration", "Registration", SIZES.format("us"), "size",
               "registration")
    yield distribution(result, "cold", "First WRITE to a page, same device", "cold",
                       (*result.sides, "first touch"), op="first", path="local")


def draw(plots, folder, prefix):
    """Names and titles of the files that were drawn."""
    drawn = []
    for plot in plots:
        plot.name = prefix + plot.name
        file = plot.draw(folder)
        if file:
            drawn.append((file, plot.title))
    return drawn
