#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Two devices' verdicts on rdma-core's own tests (run.py), side by side.

usage: table.py NAME VERDICTS-FILE OTHER-NAME OTHER-VERDICTS-FILE

A line for each test on which they differ, or that neither passes; then whether the first
passes all that the other passes, and more.
"""
import re
import sys


def read(path):
    """The last line of a test is what came of it."""
    verdicts = {}
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            test, verdict, reason = line.rstrip('\n').split('\t')
            verdicts[test] = verdict, reason
    return verdicts


def passed(verdicts):
    return {test for test, (verdict, _) in verdicts.items() if verdict == 'PASS'}


def word(verdict):
    return {'PASS': 'passes', 'FAIL': 'fails', 'SKIP': 'skipped'}.get(verdict, '-')


def vendor(test):
    return re.match(r'(tests\.)?test_(mlx5|efa|cuda)', test)


def rows(one, other):
    """Tests of another vendor's hardware are many, and say nothing."""
    for test in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(test, ('', '')), other.get(test, ('', ''))
        if mine[0] == theirs[0] == 'PASS' or vendor(test):
            continue
        reason = theirs[1] if mine[0] == 'PASS' else mine[1]
        yield test, word(mine[0]), word(theirs[0]), reason[:100]


def main():
    name, other_name = sys.argv[1], sys.argv[3]
    one, other = read(sys.argv[2]), read(sys.argv[4])
    for row in [('test', name, other_name, 'reason'), *rows(one, other)]:
        print('INFO {:<72} {:<8} {:<8} {}'.format(*row))
    mine, theirs = passed(one), passed(other)
    print(f'INFO passed: {len(mine)} by {name}, {len(theirs)} by {other_name}, '
          f'{len(mine & theirs)} by both')
    for test in sorted(theirs - mine):
        print(f'FAIL {test}: {other_name} passes it')
    if theirs < mine:
        print(f'PASS {name} passes all that {other_name} passes, and {len(mine - theirs)} more')
        return 0
    print(f'FAIL {name} passes more than {other_name}: {len(mine)} and {len(theirs)}')
    return 1


if __name__ == '__main__':
    sys.exit(main())
