# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Ratios, limits and verdicts of a result that is made up."""

import json
import os
import tempfile
import unittest

import page
import table
from data import MIB, Result, size_words
from targets import Verdict, verdicts


def point(subject, side, samples, unit="B/s", **more):
    ordered = sorted(samples)
    return {
        "subject": subject, "side": side, "unit": unit, "path": "local", "samples": samples,
        "median": ordered[len(ordered) // 2], "min": ordered[0], "max": ordered[-1], **more,
    }


WRITES = {"op": "write", "size": MIB, "post": 1}
POINTS = [
    # While the machine got faster, ODP stayed 1 % behind.
    point("bandwidth", "nopin pinned", [1e9, 2e9, 3e9], **WRITES),
    point("bandwidth", "nopin ODP", [0.99e9, 1.98e9, 2.97e9], **WRITES),
    point("bandwidth", "rxe", [1e8, 1.98e8, 4e8], **WRITES, drops=7),
    point("bandwidth", "memcpy", [4e9, 4e9, 4e9], **WRITES),
    {"subject": "bandwidth", "side": "siw", "unit": "B/s", "path": "local", "samples": [],
     "failed": "no QP", **WRITES},
    point("limit", "limit", [1e9], op="crc"),
    point("limit", "limit", [100], "ns", op="packet"),
]
RESULT = {
    "engine": "none", "kernel": "0", "date": "today", "cpus": 1, "repeats": 3,
    "sample_ms": 1, "seconds": 60, "points": POINTS,
    "sides": [{"name": name} for name in ("nopin pinned", "nopin ODP", "rxe", "siw")],
}


class ReportTest(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(RESULT, file)
        self.addCleanup(os.unlink, file.name)
        self.result = Result(file.name)

    def test_ratio_is_of_medians(self):
        self.assertAlmostEqual(self.result.ratio("bandwidth", **WRITES), 10)

    def test_paired_ratio_is_within_turns(self):
        ratio = self.result.paired_ratio("bandwidth", "nopin ODP", "nopin pinned", **WRITES)
        self.assertAlmostEqual(ratio, 0.99)

    def test_not_measured(self):
        self.assertIsNone(self.result.ratio("latency", op="write", size=2))
        self.assertIsNone(self.result.ratio("bandwidth", other="siw", **WRITES))
        self.assertIsNone(self.result.wire_ns(3))

    def test_sum_of_parts(self):
        # Two CRCs at 1 GB/s, two copies at 4 GB/s, 256 packets of 100 ns
        self.assertAlmostEqual(self.result.wire_ns(MIB), 2 * MIB + MIB / 2 + 25600)

    def test_verdicts(self):
        self.assertEqual(Verdict("", 10, 10, True).word, "met")
        self.assertEqual(Verdict("", 9.9, 10, True).word, "missed")
        self.assertEqual(Verdict("", 0.2, 0.2, False).word, "met")
        self.assertEqual(Verdict("", 0.3, 0.2, False).word, "missed")
        self.assertEqual(Verdict("", None, 0.2, False).word, "-")
        found = {verdict.text: verdict for verdict in verdicts(self.result)}
        share = found["WRITE, 1 MiB, 2 in flight, same device: part of memcpy"]
        self.assertAlmostEqual(share.value, 1.98 / 4)
        self.assertEqual(share.word, "missed")

    def test_what_failed_and_what_was_lost(self):
        notes = "\n".join(table.note_lines(self.result))
        self.assertIn("siw: no QP", notes)
        self.assertIn("rxe 7", notes)

    def test_words(self):
        self.assertEqual(size_words(2), "2 B")
        self.assertEqual(size_words(65536.0), "64 KiB")
        self.assertEqual(size_words(8 * MIB), "8 MiB")

    def test_page(self):
        section = page.section_html(self.result, ".", [])
        self.assertIn('class="missed"', section)


if __name__ == "__main__":
    unittest.main()
