#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Runs rdma-core's own Python tests, as Debian ships them, on one device.

usage: run.py TESTS-FOLDER SKIPS-FILE VERDICTS-FILE --dev DEVICE [--gid INDEX] [TEST...]

TESTS-FOLDER holds the package "tests" of python3-pyverbs. A line is printed for
each test: PASS, FAIL or SKIP. A skip has to be foreseen in SKIPS-FILE, whose
lines are "test-pattern <tab> reason-pattern <tab> why"; one that is not is a
failure, as is a line there that no test needed (when all tests are run). With
"<tab> file" at its end, a line counts only where the kernel does not have that file.

VERDICTS-FILE gets a line "test <tab> verdict <tab> reason" for each. With "-" for
SKIPS-FILE nothing is expected of the device, and nothing is printed; tests of which
VERDICTS-FILE has a line are left out, so that the run goes on after one that it did not
live through (exit status 2 or above).
"""
import faulthandler
import importlib
import os
import re
import sys
import unittest
from importlib.machinery import SourceFileLoader

TEST_SECONDS = 120
OTHER_SECONDS = 30   # where nothing is expected
NEEDS_UD = 'CMTestCase.test_rdmacm_async_udp_traffic'


def one_line(text):
    """What unittest says of a failure ends with the exception."""
    lines = [line for line in str(text).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ''


class Skips:
    """The skips that are foreseen."""

    def __init__(self, path):
        self.rules = []
        self.any = path == '-'
        if self.any:
            return
        with open(path, encoding='utf-8') as rules:
            for line in rules:
                if line.strip() and not line.startswith('#'):
                    test, reason, why, *file = line.rstrip('\n').split('\t')
                    if not file or not os.path.exists(file[0]):
                        self.rules.append([re.compile(test), re.compile(reason), why, 0])

    def why(self, test, reason):
        if self.any:
            return ''
        for rule in self.rules:
            if rule[0].search(test) and rule[1].search(reason):
                rule[3] += 1
                return rule[2]
        return None

    def summary(self):
        for _, _, why, count in self.rules:
            if count:
                yield why, count

    def unused(self):
        return [f'{r[0].pattern} / {r[1].pattern}' for r in self.rules if not r[3]]


class Verdicts:
    """What came of each test; of one that is not over, that it began."""

    def __init__(self, path):
        self.file = open(path, 'a+', encoding='utf-8')
        self.file.seek(0)
        self.known = {line.split('\t')[0] for line in self.file}

    def begins(self, test):
        self._line(test, 'FAIL', 'the run did not live through it')

    def ends(self, test, verdict, reason):
        self._line(test, verdict, reason)

    def _line(self, *fields):
        print(*fields, sep='\t', file=self.file, flush=True)


def name_of(test):
    return test.id().split('.', 1)[-1]


class Lines(unittest.TestResult):
    """Prints a line for each test, when it is over."""

    def __init__(self, skips, verdicts):
        super().__init__()
        self.skips = skips
        self.verdicts = verdicts
        self.counts = {'PASS': 0, 'FAIL': 0, 'SKIP': 0}

    def say(self, verdict, test, reason=''):
        self.counts[verdict] += 1
        name = name_of(test)
        self.verdicts.ends(name, verdict, reason)
        if not self.skips.any:
            print(f'{verdict} {name}' + (f': {reason}' if reason else ''), flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.verdicts.begins(name_of(test))
        seconds = OTHER_SECONDS if self.skips.any else TEST_SECONDS
        faulthandler.dump_traceback_later(seconds, exit=True)

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say('PASS', test)

    def _failed(self, test, err):
        text = self._exc_info_to_string(err, test)
        self.say('FAIL', test, one_line(text))
        if self.skips.any:
            return
        print(''.join(f'  | {line}\n' for line in text.splitlines()), end='', flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._failed(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        reason = one_line(reason)
        if self.skips.why(test.id(), reason) is None:
            self.say('FAIL', test, f'unforeseen skip: {reason}')
        else:
            self.say('SKIP', test, reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.say('FAIL', test, 'a failure is expected by the test itself')

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.say('PASS', test)


def flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flat(test)
        else:
            yield test


def has_ud(config):
    """Whether the device makes UD QPs; tests of librdmacm fail where it does not."""
    import pyverbs.enums as e
    from pyverbs.cq import CQ
    from pyverbs.device import Context
    from pyverbs.pd import PD
    from pyverbs.pyverbs_error import PyverbsRDMAError
    from pyverbs.qp import QP, QPCap, QPInitAttr
    with Context(name=config['dev']) as ctx, PD(ctx) as pd, CQ(ctx, 1) as cq:
        try:
            init = QPInitAttr(qp_type=e.IBV_QPT_UD, scq=cq, rcq=cq, cap=QPCap())
            QP(pd, init).close()
        except PyverbsRDMAError:
            return False
    return True


def know_interfaces(base):
    """The tests find an interface by the PCI device that is a device's parent.

    A device of software has none; it has its port's interface.
    """
    def get_ip_mac(self, dev, port, index):
        attributes = f'/sys/class/infiniband/{dev}/ports/{port}/gid_attrs'
        with open(f'{attributes}/ndevs/{index}', encoding='utf-8') as name:
            interface = name.read().strip()
        try:
            self.args.append([dev, port, index, *self.get_ip_mac_address(interface)])
        except (KeyError, IndexError):
            self.args.append([dev, port, index, None, None])

    base.RDMATestCase._get_ip_mac = get_ip_mac


def main():
    folder, skips_file, verdicts_file, rest = *sys.argv[1:4], sys.argv[4:]
    sys.path.insert(0, folder)
    sys.path.insert(0, os.path.join(folder, 'tests'))
    sys.argv = ['run_tests.py'] + rest
    tests = SourceFileLoader('tests', os.path.join(folder, 'tests/__init__.py')).load_module()
    import args_parser
    args_parser.parser.parse_args()
    know_interfaces(importlib.import_module('tests.base'))
    wanted = sys.argv[1:]
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(wanted, tests) if wanted \
        else loader.loadTestsFromModule(tests)

    skips = Skips(skips_file)
    verdicts = Verdicts(verdicts_file)
    result = Lines(skips, verdicts)
    ud = has_ud(args_parser.parser.get_config())
    chosen = unittest.TestSuite()
    for test in flat(suite):
        if skips.any and name_of(test) in verdicts.known:
            continue
        if not ud and test.id().endswith(NEEDS_UD):
            result.addSkip(test, 'needs a UD QP')
        else:
            chosen.addTest(test)
    chosen.run(result)
    if skips.any:
        return 0
    for why, count in skips.summary():
        print(f'INFO {count} skipped: {why}')
    print('INFO rdma-core: {PASS} passed, {FAIL} failed, {SKIP} skipped'.format(**result.counts))
    if not wanted:
        for rule in skips.unused():
            print(f'FAIL skips: no test needed {rule}')
            result.counts['FAIL'] += 1
    return 1 if result.counts['FAIL'] else 0


if __name__ == '__main__':
    sys.exit(main())
