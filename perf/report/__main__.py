# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""python3 perf/report RESULT.json...: tables on standard output; plots and index.html
beside the first result. Several results, of several engines or of both benchmarks, make
one page."""

import os
import sys

import apps
import odp
import page
import plots
import storage
import table
from data import Result


def view(result):
    """Tables and plots of this kind of result."""
    if result.is_apps():
        return list(apps.all_tables(result)), apps.all_plots(result)
    if result.is_storage():
        return list(storage.all_tables(result)), []
    if result.is_odp():
        return list(odp.all_tables(result)), odp.all_plots(result)
    return list(table.all_tables(result)), plots.all_plots(result)


def main(paths):
    if not paths:
        sys.exit(__doc__)
    folder = os.path.dirname(os.path.abspath(paths[0]))
    sections = []
    for i, path in enumerate(paths):
        result = Result(path)
        tables, pictures = view(result)
        table.show(result, tables)
        drawn = plots.draw(pictures, folder, f"{i + 1}-" if len(paths) > 1 else "")
        sections.append(page.section_html(result, tables, folder, drawn))
    page.write(os.path.join(folder, "index.html"), sections)


if __name__ == "__main__":
    main(sys.argv[1:])
