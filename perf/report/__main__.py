# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""python3 perf/report RESULT.json...: tables on standard output; plots and index.html
beside the first result. Several results, of several engines, make one page."""

import os
import sys

import page
import plots
import table
from data import Result


def main(paths):
    if not paths:
        sys.exit(__doc__)
    folder = os.path.dirname(os.path.abspath(paths[0]))
    sections = []
    for i, path in enumerate(paths):
        result = Result(path)
        table.show(result)
        drawn = plots.draw(result, folder, f"{i + 1}-" if len(paths) > 1 else "")
        sections.append(page.section_html(result, folder, drawn))
    page.write(os.path.join(folder, "index.html"), sections)


if __name__ == "__main__":
    main(sys.argv[1:])
