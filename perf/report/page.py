# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""One HTML page with all tables and plots, which needs no other file."""

import base64
import html
import os

from table import heading, note_lines

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>nopin: performance</title>
<style>
body { font: 15px/1.5 sans-serif; max-width: 1320px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 }
td, th { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left }
.met { color: #1e7d32 } .missed { color: #c0392b }
.plots { display: flex; flex-wrap: wrap; gap: 10px }
img { border: 1px solid #eee; max-width: 100% }
</style>
</head>
<body>
<h1>nopin: performance</h1>
"""


def table_html(rows):
    lines = ["<table>"]
    for i, row in enumerate(rows):
        tag = "td" if i else "th"
        cells = []
        for cell in row:
            style = f' class="{cell}"' if cell in ("met", "missed") else ""
            cells.append(f"<{tag}{style}>{html.escape(cell)}</{tag}>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</table>"])


def image_html(folder, file, title):
    with open(os.path.join(folder, file), "rb") as svg:
        data = base64.b64encode(svg.read()).decode()
    return f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{data}">'


def section_html(result, tables, folder, drawn):
    """@tables: (title, rows), of which one is called Targets"""
    tables = dict(tables)
    parts = [f"<h2>{html.escape(heading(result))}</h2>"]
    targets = tables.pop("Targets")
    parts += ["<h3>Targets</h3>", table_html(targets)]
    parts += ['<div class="plots">', *(image_html(folder, *plot) for plot in drawn), "</div>"]
    for title, rows in tables.items():
        parts += [f"<h3>{html.escape(title)}</h3>", table_html(rows)]
    parts += [f"<p>{html.escape(line)}</p>" for line in note_lines(result)]
    return "\n".join(parts)


def write(path, sections):
    with open(path, "w", encoding="utf-8") as file:
        file.write(HEAD + "\n".join(sections) + "\n</body>\n</html>\n")
