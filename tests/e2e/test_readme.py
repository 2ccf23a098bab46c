"""README tells the truth: its config loads, its flags exist, its folders are there, its attach lines are vnetd's own."""

import re
import subprocess

import harness

README = (harness.ROOT / 'README.md').read_text(encoding='utf-8')


class Readme(harness.Case):
    def help_of(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout

    def test_the_config_that_it_shows_is_accepted(self):
        shown = re.findall(r'```jsonc\n(.*?)```', README, re.S)
        self.assertGreater(len(shown), 1)
        for text in shown:
            path = self.folder / 'readme.json'
            path.write_text(text, encoding='utf-8')
            checked = subprocess.run([harness.vnetd_program(), '--config', path, '--check'], capture_output=True, text=True,
                                     timeout=20)
            self.assertEqual(checked.returncode, 0, checked.stderr)
            self.assertNotIn('not in effect', checked.stderr, 'README shows only what works')

    def test_the_internet_that_it_shows_runs_and_every_command_does_what_it_says(self):
        section = re.search(r'(?ms)^## An internet of your own$(.*?)^## ', README)[1]
        config, commands = (re.search(rf'(?s)```{kind}\n(.*?)```', section)[1] for kind in ('jsonc', 'sh'))
        start, *lines = commands.splitlines()
        name, = re.fullmatch(r'vnetd --config (\S+)', start).groups()
        (self.folder / 'files').mkdir()
        (self.folder / name).write_text(config, encoding='utf-8')
        daemon = self.vnetd('--config', self.folder / name)
        self.assertNotIn('not in effect', daemon.log)
        self.assertGreater(len(lines), 5)
        environment = {'PATH': f'{harness.build_tree() / "adapter"}:/usr/bin:/bin', 'VNET_CONTROL': str(daemon.control)}
        for line in lines:
            done = subprocess.run(line, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True,
                                  timeout=20)
            self.assertEqual(done.returncode, 0, f'{line}\n{done.stderr}')
        self.assertIn('service.changed', done.stdout, 'what was done above is among the events')
        self.assertTrue((self.folder / 'nat.pcapng').exists())

    def test_every_flag_that_it_shows_exists(self):
        known = self.help_of(harness.vnetd_program(), '--help') + self.help_of(harness.build_tree() / 'adapter/vnet', 'tap', '--help')
        shown = re.findall(r'^(?:vnetd|vnet tap)[^#|\n]*', README, re.M) + re.findall(r'`vnet tap[^`]*`', README)
        flags = {flag for line in shown for flag in re.findall(r'--[a-z-]+', line)}
        self.assertGreater(len(flags), 4)
        for flag in sorted(flags):
            self.assertIn(flag, known)

    def test_every_command_of_dev_that_it_shows_exists(self):
        listed = self.help_of(harness.ROOT / 'dev', 'help')
        for command in sorted(set(re.findall(r'\./dev ([a-z]+)', README))):
            self.assertRegex(listed + ' help', rf'\b{command}\b')

    def test_the_map_is_the_tree(self):
        folders = re.findall(r'^\| `([a-z]+)/` \|', README, re.M)
        self.assertEqual([name for name in folders if not (harness.ROOT / name).is_dir()], [])
        present = {path.name for path in harness.ROOT.iterdir() if path.is_dir() and not path.name.startswith('.')}
        self.assertEqual(present - set(folders) - {'build'}, set(), 'a folder that the map does not name')

    def test_the_attach_lines_are_those_that_vnetd_prints(self):
        daemon = self.vnetd()
        said = daemon.log
        for line in re.findall(r'`((?:-netdev|--device) [^`]*)`', README):
            pattern = re.escape(line).replace(r'\$STREAM', r'\S+').replace(r'\$S', r'\S+')
            self.assertRegex(said, pattern)
