"""The format is what clang-format makes of it (./dev format), and shell scripts are what a POSIX shell reads."""

import subprocess
import unittest

import needs
import sources


class Format(sources.RuleTest):
    def test_cpp_files_are_formatted(self):
        needs.tools(clang_format='clang-format')
        paths = sources.files('*.cpp', '*.hpp')
        done = subprocess.run(['clang-format', '--dry-run', '-Werror', *paths], cwd=sources.ROOT, capture_output=True,
                              text=True, timeout=100)
        wrong = [line for line in done.stderr.splitlines() if 'error:' in line]
        self.assertEqual(done.returncode, 0, '\n'.join(['', *wrong[:20], './dev format']))

    def test_no_line_ends_in_spaces_and_every_file_ends_in_a_newline(self):
        broken = []
        for path in sources.files('*.cpp', '*.hpp', '*.py', '*.sh', '*.json', '*.md', '*.txt', 'dev', '.ci/*'):
            if 'seeds' in path.parts:
                continue  # a fuzzer's seeds are what they are
            text = (sources.ROOT / path).read_text(errors='replace')
            if text and not text.endswith('\n'):
                broken.append((path, text.count('\n') + 1, 'no newline at the end'))
            broken += [(path, number, 'spaces at the end of the line') for number, line in sources.lines(path)
                       if line != line.rstrip()]
        self.assert_none(broken)

    def test_shell_scripts_parse(self):
        for path in sources.files('dev', '*.sh'):
            done = subprocess.run(['sh', '-n', path], cwd=sources.ROOT, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == '__main__':
    unittest.main()
