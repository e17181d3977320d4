# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Ratios, limits and verdicts of a result that is made up."""

import json
import os
import shutil
import tempfile
import unittest

import apps
import odp
import page
import plots
import storage
import table
from data import GIB, MIB, OURS, Result, size_words
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


FIRST = {"op": "write", "size": 4096, "pages": "4k", "where": "remote"}
STEPS = {"quantiles": [1000 + 10 * i for i in range(201)], "p99": 2980}
COLD = {**FIRST, "state": "cold", **STEPS}
ODP_POINTS = [
    point("odp-access", "nopin ODP", [1200, 1300, 1400], "ns", again=400, **COLD),
    point("odp-access", "CPU", [1000, 1000, 1000], "ns", **COLD),
    point("odp-access", "nopin pinned", [300, 300, 300], "ns", **FIRST, state="warm", **STEPS),
    {"subject": "odp-access", "side": "nopin ODP", "unit": "ns", "path": "local", "samples": [],
     "failed": "no huge pages", **FIRST, "pages": "hugetlb", "state": "cold"},
    # The machine got slower in the middle, for both alike.
    point("odp-prefetch", "nopin ODP", [1e9, 4e9, 1e9], "ns", op="write", size=GIB),
    point("odp-prefetch", "CPU", [1e9, 4e9, 2e9], "ns", op="write", size=GIB),
    point("odp-prefetch", "nopin ODP", [1e5], "ns", op="write", size=MIB),
    point("odp-overcommit", "nopin ODP", [7e8], op="write", size=MIB),
    point("odp-overcommit", "CPU", [1e9], op="write", size=MIB),
    point("odp-memory", "nopin ODP", [8 * MIB], "B", op="write", size=MIB,
          series=[[0, 0, 0, 0], [5, MIB, 8 * MIB, 0]]),
    point("odp-damming", "nopin ODP", [2e8], "ns", op="read", where="both", gap=1,
          timeouts=0, retransmits=3, repeated=1, **{"sent packets": 100}),
]
ODP_RESULT = {**RESULT, "engine": "User Mode Linux", "points": ODP_POINTS, "quick": True}


APPS = {"path": "wire", "op": "Open MPI", "size": MIB}
APPS_RESULT = {
    **RESULT, "sides": [{"name": name} for name in ("nopin pinned", "nopin ODP", "rxe", "TCP")],
    "points": [
        point("app-bandwidth", "nopin pinned", [3e9], **APPS),
        point("app-bandwidth", "nopin ODP", [2.5e9], **APPS),
        {"subject": "app-bandwidth", "side": "rxe", "unit": "B/s", "samples": [],
         "failed": "one host", **APPS},
        point("app-bandwidth", "TCP", [2e9], **APPS),
        point("app-latency", "nopin pinned", [3e4], "ns", **APPS),
        point("app-latency", "TCP", [2e4], "ns", **APPS),
        {"subject": "app-memory", "side": "nopin ODP", "unit": "B", "resident": 5 << 20,
         "pinned": 0, "series": [[0, 0, 0], [100, 5 << 20, 0]], **APPS},
    ],
}

NVME = {"path": "wire", "op": "NVMe-oF, read", "size": 128 * 1024, "flight": 8}
NFS = {"path": "wire", "op": "NFS, read", "size": MIB, "flight": 4}
STORAGE_RESULT = {
    **RESULT, "sides": [{"name": name} for name in ("nopin", "rxe", "TCP")],
    "points": [
        point("storage-bandwidth", "nopin", [3e8], **NVME),
        point("storage-bandwidth", "rxe", [2e7], **NVME),
        point("storage-bandwidth", "TCP", [2e8], **NVME),
        point("storage-cpu", "nopin", [2], "s/GB", **NVME),
        point("storage-bandwidth", "nopin", [1e8], **NFS),
        point("storage-bandwidth", "TCP", [1e8], **NFS),
    ],
}


def load(test, made_up):
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(made_up, file)
    test.addCleanup(os.unlink, file.name)
    return Result(file.name)


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.result = load(self, RESULT)

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

    def test_a_sample_that_failed(self):
        """The samples before it are no figure, although the file still has their median."""
        given = {**WRITES, "path": "local"}
        good = point("bandwidth", "nopin ODP", [1.98e9, 1.98e9], **WRITES)
        before = {"min": 1, "max": 2, "p99": 3, "again": 4, "quantiles": [1, 2, 3], "drops": 2}
        for failed in ({"failed": "the data differ"}, {"failed": "the data differ", **before}):
            bad = {**good, **failed}
            result = load(self, {**RESULT, "points": [
                bad if one["side"] == "nopin ODP" else one for one in POINTS]})
            self.assertIsNone(result.ratio("bandwidth", **WRITES))
            self.assertIsNone(result.ratio("bandwidth", side="rxe", other=OURS, **WRITES))
            for sides in (("nopin ODP", "nopin pinned"), ("nopin pinned", "nopin ODP")):
                self.assertIsNone(result.paired_ratio("bandwidth", *sides, **WRITES))
            self.assertEqual({one.word for one in verdicts(result)}, {"-"})
            self.assertEqual(table.subject_rows(result, "bandwidth")[1], [
                "WRITE, 1 MiB", "same device", "2,000", "-", "198", "-", "-", "-"])
            self.assertEqual(plots.by(result, "nopin ODP", "size", "bandwidth", **given), [])
            notes = "\n".join(table.note_lines(result))
            self.assertIn("nopin ODP: the data differ (bandwidth write local", notes)
            self.assertEqual("nopin ODP 2" in notes, "drops" in failed)

    def test_words(self):
        self.assertEqual(size_words(2), "2 B")
        self.assertEqual(size_words(65536.0), "64 KiB")
        self.assertEqual(size_words(8 * MIB), "8 MiB")

    def test_names_run_nothing(self):
        plot = plots.Plot("x", "x", "set grid")
        plot.add("mlx5_0 `touch ran` it's\n!touch ran", [(1, 1), (2, 2)])
        self.assertIn(" title 'mlx5_0 `touch ran` it''s !touch ran'", plot.script("x.svg"))
        if shutil.which("gnuplot"):
            with tempfile.TemporaryDirectory() as folder:
                plot.draw(folder)
                self.assertEqual(os.listdir(folder), ["x.svg"])

    def test_page(self):
        tables = list(table.all_tables(self.result))
        section = page.section_html(self.result, tables, ".", [])
        self.assertIn('class="missed"', section)


class OdpTest(unittest.TestCase):
    def setUp(self):
        self.result = load(self, ODP_RESULT)
        self.tables = dict(odp.all_tables(self.result))

    def test_kind(self):
        self.assertTrue(self.result.is_odp())
        self.assertFalse(load(self, RESULT).is_odp())

    def verdict(self, start):
        return next(one for one in odp.verdicts(self.result) if one.text.startswith(start))

    def test_targets(self):
        cold = self.verdict("cold 4 KiB WRITE, ODP")
        self.assertAlmostEqual(cold.value, 1.3)
        self.assertEqual((cold.bound, cold.word), (1.25, "missed"))
        self.assertEqual(self.verdict("cold 4 KiB READ, ODP").word, "-")
        self.assertAlmostEqual(self.verdict("prefetch of 1 GiB, ODP").value, 1)
        self.assertEqual(self.verdict("four times the memory, ODP").word, "missed")
        self.assertEqual(self.verdict("damming: ACK timeouts").word, "met")
        self.assertEqual(self.verdict("damming: packets sent again").word, "missed")
        self.assertEqual(self.verdict("damming: samples repeated").word, "met")
        self.assertEqual(self.verdict("flood: ACK timeouts").word, "-")
        self.assertEqual(self.verdict("the whole run").word, "met")

    def test_samples_that_failed(self):
        points = [{**one, "failed": "no completion"} if one["side"] == "nopin ODP" else one
                  for one in ODP_POINTS]
        self.result = load(self, {**ODP_RESULT, "points": points})
        judged = {one.word for one in odp.verdicts(self.result) if "whole run" not in one.text}
        self.assertEqual(judged, {"-"})
        self.assertNotIn("1.30", str(list(odp.subject_tables(self.result))))
        self.assertNotIn("title 'nopin ODP'", "".join(
            plot.script("x.svg") for plot in odp.all_plots(self.result)))

    def test_counts_without_samples_that_failed(self):
        """What a sample that failed had counted is not known: others do not make up for it."""
        failed = {**ODP_POINTS[-1], "gap": 10, "failed": "no completion"}
        self.result = load(self, {**ODP_RESULT, "points": [*ODP_POINTS, failed]})
        self.assertEqual(self.verdict("damming: ACK timeouts").word, "-")
        self.assertEqual(self.verdict("damming: packets sent again").word, "-")

    def test_more_than_stalls(self):
        """A machine that stands still now and then repeats a few samples, a pitfall many."""
        for samples, repeated, word in ((15, 1, "met"), (15, 2, "missed"), (16, 2, "met")):
            self.result = load(self, {**ODP_RESULT, "points": [
                {**ODP_POINTS[-1], "samples": [2e8] * samples, "repeated": repeated}]})
            self.assertEqual(self.verdict("damming: samples repeated").word, word)
        rows = dict(odp.all_tables(self.result))["Damming: two requests and a slow page"]
        self.assertEqual(rows[1][-4:], ["0", "3", "100", "2"])

    def test_cold_elsewhere(self):
        self.result.json["engine"] = "software emulation"
        self.assertEqual(self.verdict("cold 4 KiB WRITE, ODP").word, "met")

    def test_tables(self):
        access = next(rows for title, rows in self.tables.items() if "not there" in title)
        self.assertEqual(access[1][0], "remote WRITE, 4 KiB, 4k")
        self.assertEqual(access[1][-2:], ["1.30", "1.00"])
        self.assertEqual(len(access), 2)  # what was not to be had is a note
        self.assertIn("no huge pages", "\n".join(table.note_lines(self.result)))
        published = " ".join(" ".join(row) for row in self.tables["Published figures"])
        for words in ("220", "ASPLOS 2017", "+3.5 to 5.7", "+60", "2310.11062"):
            self.assertIn(words, published)

    def test_plots(self):
        drawn = {plot.name: plot.script("x.svg") for plot in odp.all_plots(self.result)}
        cold = drawn["odp-cold-write-local"]
        for side in ("nopin ODP", "CPU", "nopin pinned"):
            self.assertIn(f"title '{side}'", cold)
        self.assertIn("from 220,graph 0", cold)
        self.assertIn("5 8\n", drawn["odp-memory"])
        self.assertIn("title 'CPU'", drawn["odp-prefetch"])

    def test_page(self):
        section = page.section_html(self.result, list(self.tables.items()), ".", [])
        self.assertIn('class="missed"', section)
        self.assertIn("NP-RDMA", section)

    def test_nothing_to_draw(self):
        self.assertEqual(plots.draw([plots.Plot("x", "x", "")], ".", ""), [])


class AppsTest(unittest.TestCase):
    def setUp(self):
        self.result = load(self, APPS_RESULT)

    def test_tables(self):
        self.assertTrue(self.result.is_apps())
        self.assertFalse(self.result.is_odp())
        tables = dict(apps.all_tables(self.result))
        self.assertEqual(tables["Bandwidth of applications (MB/s)"][1], [
            "Open MPI, 1 MiB", "3,000", "2,500", "-", "2,000", "1.5", "1.25", "-"])
        self.assertIn('class="met"', page.section_html(self.result, tables.items(), ".", []))
        self.assertIn("rxe: one host", "\n".join(table.note_lines(self.result)))
        self.assertEqual(tables["Memory of 8 ranks that use 5 % of what they register"][1], [
            "nopin ODP, 1 MiB a rank", "5 MiB", "0 MiB"])

    def test_memory_of_what_failed(self):
        points = [{**one, "failed": "out of memory"} if one["subject"] == "app-memory" else one
                  for one in APPS_RESULT["points"]]
        result = load(self, {**APPS_RESULT, "points": points})
        self.assertEqual(apps.memory_rows(result)[1], ["nopin ODP, 1 MiB a rank", "-", "-"])
        self.assertNotIn("nopin ODP", apps.memory_over_time(result).script("x.svg"))

    def test_memory_over_time(self):
        script = next(apps.all_plots(self.result)).script("x.svg")
        self.assertIn("0.1 5\n", script)
        self.assertIn("title 'nopin ODP, 1 MiB a rank: pinned'", script)

    def test_targets(self):
        found = {one.text: one for one in apps.verdicts(self.result)}
        self.assertEqual(found["Open MPI, 1 MiB: times TCP"].word, "met")
        self.assertEqual(found["Open MPI, 1 MiB: times rxe"].word, "-")
        self.assertEqual(found["Open MPI, 1 MiB: ODP slower than pinned by"].word, "missed")
        self.assertEqual(found["Open MPI, 1 MiB, latency: part of TCP's"].word, "missed")


class Storage(unittest.TestCase):
    def setUp(self):
        self.result = load(self, STORAGE_RESULT)

    def test_tables(self):
        self.assertTrue(self.result.is_storage())
        self.assertFalse(self.result.is_apps())
        tables = dict(storage.all_tables(self.result))
        self.assertEqual(tables["Bandwidth (MB/s)"][1], [
            "NVMe-oF, read, 128 KiB", "300", "20", "200", "15", "1.5"])
        self.assertEqual(tables["CPU time of the whole machine (s/GB)"][1][1], "2")

    def test_targets(self):
        found = {one.text: one for one in storage.verdicts(self.result)}
        self.assertEqual(found["NVMe-oF, read, 128 KiB: times rxe"].word, "met")
        self.assertEqual(found["NFS, read, 1 MiB: times TCP"].word, "missed")
        self.assertNotIn("NFS, read, 1 MiB: times rxe", found)


if __name__ == "__main__":
    unittest.main()
