#!/usr/bin/python3
"""Runs Python test files one after the other, and adds up what all kinds of tests said.

    runner.py FILE...            runs them with unittest, a line per test
    runner.py --sum FOLDER       reads every result in FOLDER; the last line is `N passed, N failed, N skipped`

A result is a file from GoogleTest (*.xml) or lines `passed failed skipped` of numbers (*.counts). Test files write the
second kind, appended, when VNET_RESULTS names a folder. Exit code: 0 all well, 1 a failure, 77 all skipped.
"""

import os
import pathlib
import signal
import sys
import time
import unittest
import xml.etree.ElementTree as xml

SKIPPED = 77


class Result(unittest.TextTestResult):
    """One line per test: verdict, seconds, name; reasons of skips on the spot."""

    def startTest(self, test):
        unittest.TestResult.startTest(self, test)
        self._started = time.monotonic()

    def _line(self, verdict, test, note=''):
        seconds = time.monotonic() - getattr(self, '_started', time.monotonic())
        name = test.id() if not hasattr(test, '_testMethodName') else f'{type(test).__name__}.{test._testMethodName}'
        self.stream.writeln(f'  {verdict:7} {seconds:5.1f} s  {name}{note}')
        self.stream.flush()

    def addSuccess(self, test):
        self._line('ok', test)
        self.passed = getattr(self, 'passed', 0) + 1

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self._line('FAILED', test)

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self._line('ERROR', test)

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self._line('skipped', test, f': {reason}')


def interrupt(*_):
    raise KeyboardInterrupt  # so that atexit clears away what the test had started


def run_files(files):
    signal.signal(signal.SIGTERM, interrupt)
    total = [0, 0, 0]
    for file in map(pathlib.Path, files):
        print(f'{file.stem}:', flush=True)
        sys.path.insert(0, str(file.resolve().parent))
        suite = unittest.defaultTestLoader.loadTestsFromName(file.stem)
        result = unittest.TextTestRunner(sys.stdout, resultclass=Result, verbosity=0, warnings='default').run(suite)
        bad = len({test for test, _ in result.failures + result.errors})
        for index, count in enumerate((getattr(result, 'passed', 0), bad, len(result.skipped))):
            total[index] += count
    if folder := os.environ.get('VNET_RESULTS'):
        with open(pathlib.Path(folder) / 'python.counts', 'a') as out:
            print(*total, file=out)
    if total[1] or not any(total):
        return 1
    return 0 if total[0] else SKIPPED


def sum_up(folder):
    passed = failed = skipped = 0
    for file in sorted(pathlib.Path(folder).glob('*')):
        if file.suffix == '.counts':
            for line in file.read_text().splitlines():
                counts = list(map(int, line.split()))
                passed, failed, skipped = passed + counts[0], failed + counts[1], skipped + counts[2]
        elif file.suffix == '.xml':
            for case in xml.parse(file).getroot().iter('testcase'):
                bad = case.find('failure') is not None
                ran = case.get('result') == 'completed'  # the others were skipped by themselves, or disabled
                passed += ran and not bad
                failed += bad
                skipped += not ran and not bad
                if bad:
                    print(f'FAILED {file.stem} {case.get("classname")}.{case.get("name")}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    return 1 if failed or not passed else 0


if __name__ == '__main__':
    arguments = sys.argv[1:]
    sys.exit(sum_up(arguments[1]) if arguments[:1] == ['--sum'] else run_files(arguments))
