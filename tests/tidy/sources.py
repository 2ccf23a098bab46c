"""The project's files as tests see them, and how a broken rule is reported: `file:line: message`, one line each."""

import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = ('packet', 'switch', 'dhcp', 'dns', 'nat', 'network', 'sim', 'dgram', 'pcap', 'http', 'adapter', 'daemon',
         'agent')


def files(*patterns):
    """Paths below ROOT, as git knows them or would on `git add`, so that nothing built is among them."""
    listed = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard', *patterns], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split('\n')
    return [pathlib.Path(name) for name in listed if name and (ROOT / name).exists()]


def room_of(path):
    """The folder at the top, or None for a file that is in no room."""
    return path.parts[0] if path.parts[0] in ROOMS else None


def lines(path):
    """(number, text) of each line, from 1."""
    return enumerate((ROOT / path).read_text(errors='replace').splitlines(), 1)


def code(path):
    """Like lines(), with comments and the contents of string literals blanked: a rule about code reads code only."""
    text = (ROOT / path).read_text(errors='replace')

    def blank(match):
        found = match[0]
        if found[0] == '/':
            return re.sub(r'[^\n]', ' ', found)
        return found[0] + re.sub(r'[^\n]', ' ', found[1:-1]) + found[-1]

    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z])\'(?:\\.|[^\'\\\n])+\''
    return enumerate(re.sub(pattern, blank, text, flags=re.DOTALL).splitlines(), 1)


class RuleTest(unittest.TestCase):
    def assert_none(self, broken):
        """`broken` is a list of (path, line, message)."""
        if broken:
            self.fail('\n' + '\n'.join(f'{path}:{line}: {message}' for path, line, message in broken))

    def assert_unused(self, pattern, paths, message):
        """No code in `paths` matches; the message gets what matched put in for {}."""
        self.assert_none([(path, number, message.format(found[0].strip())) for path in paths
                          for number, text in code(path) if (found := re.search(pattern, text))])
