"""What a test needs from its machine. Without it the test is skipped and says why; with CI=true it fails.

There nothing may be left out unseen: a skipped test on the integration machine is a test that nobody runs.
"""

import os
import shutil
import unittest


def skip(reason):
    if os.environ.get('CI') == 'true':
        raise AssertionError(f'needed under CI: {reason}')
    raise unittest.SkipTest(reason)


def root():
    if os.geteuid() != 0:
        skip('needs root, to make network namespaces: sudo ./dev test')


def tools(**packages):
    """tools(dig='bind9-dnsutils'): the program, and the Debian package that has it; `_` stands for `-`."""
    for tool, package in packages.items():
        tool = tool.replace('_', '-')
        if not shutil.which(tool):
            skip(f'{tool} is not installed (package {package})')
