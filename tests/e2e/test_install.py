"""`cmake --install` puts down programs that run, man pages that render, and the schema and examples."""

import subprocess

import harness
import needs


class Install(harness.Case):
    def test_what_is_installed_runs_from_where_it_is(self):
        prefix = self.folder / 'usr'
        subprocess.run(['cmake', '--install', harness.build_tree(), '--prefix', prefix], check=True, timeout=60,
                       capture_output=True)
        for program in ('vnetd', 'vnet'):
            said = subprocess.run([prefix / 'bin' / program, '--version'], check=True, timeout=20, capture_output=True,
                                  text=True).stdout
            self.assertRegex(said, rf'^{program} \d+\.\d+\.\d+\n$')
        default = prefix / 'share/vnet/configs/default.json'
        subprocess.run([prefix / 'bin/vnetd', '--config', default, '--check'], check=True, timeout=20,
                       capture_output=True)
        completions = {'bash': 'bash-completion/completions/vnet', 'zsh': 'zsh/site-functions/_vnet'}
        needs.tools(bash='bash', zsh='zsh')
        for shell, file in completions.items():
            subprocess.run([shell, '-n', prefix / 'share' / file], check=True, timeout=20)
        self.assertTrue(list(prefix.glob('lib*/**/vnetConfig.cmake')), 'find_package(vnet) has nothing to find')
        for page in ('man8/vnetd.8', 'man8/vnet-agent.8', 'man1/vnet.1', 'man5/vnet.json.5', 'man7/vnet-attach.7'):
            self.assertIn('.Dd', (prefix / 'share/man' / page).read_text(encoding='utf-8'))
