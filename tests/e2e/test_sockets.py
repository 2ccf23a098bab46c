"""The daemon as a citizen of its host: its folder, its socket files, its signals, its user, its command line."""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import unittest

import harness
import processes
from harness import DEFAULT_GATEWAY

MAC = '52:cc:cc:cc:cc:01'


class Sockets(harness.Case):
    def alive(self, daemon):
        """The gateway answers a raw client."""
        self.assertTrue(self.dgram_nic(daemon, MAC).arp(DEFAULT_GATEWAY), daemon.log)

    def test_without_flags_they_are_in_a_private_folder_below_xdg_runtime_dir(self):
        daemon = self.vnetd(runtime=self.folder)
        self.assertEqual(stat.S_IMODE((self.folder / 'vnet').stat().st_mode), 0o700)
        for path in (daemon.dgram, daemon.stream):
            self.assertTrue(stat.S_ISSOCK(path.stat().st_mode), path)
        self.alive(daemon)

    def test_at_start_it_prints_how_qemu_and_vfkit_attach(self):
        daemon = self.vnetd()
        self.assertRegex(daemon.log, r'-netdev dgram,.*' + re.escape(str(daemon.dgram)))
        self.assertRegex(daemon.log, r'virtio-net,unixSocketPath=' + re.escape(str(daemon.dgram)))

    def test_sigterm_and_sigint_end_it_with_0_and_remove_the_sockets(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.vnetd()
            self.alive(daemon)
            daemon.stop(number)
            self.assertEqual([path.name for path in self.folder.glob('*.sock')], [])

    def test_what_a_killed_daemon_left_behind_is_replaced(self):
        self.vnetd().kill9()
        self.assertTrue((self.folder / 'dgram.sock').exists())
        self.alive(self.vnetd())

    def test_a_second_daemon_on_the_same_sockets_is_refused_and_the_first_goes_on(self):
        daemon = self.vnetd()
        second = processes.run([harness.vnetd_program(), '--dgram', daemon.dgram, '--stream', self.folder / 'other',
                                '--control', self.folder / 'another'], timeout=20, check=False)
        self.assertIn(second.returncode, (1, 2), second.stdout)
        self.assertIn(str(daemon.dgram), second.stdout)
        self.alive(daemon)

    def test_a_file_that_is_not_a_socket_is_never_removed(self):
        precious = self.folder / 'precious'
        precious.write_text('not a socket')
        refused = processes.run([harness.vnetd_program(), '--dgram', precious, '--stream', self.folder / 's',
                                 '--control', self.folder / 'c'], timeout=20, check=False)
        self.assertIn(refused.returncode, (1, 2), refused.stdout)
        self.assertEqual(precious.read_text(), 'not a socket')

    def test_it_tells_systemd_when_it_is_ready(self):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notify.close)
        notify.bind(str(self.folder / 'notify'))
        notify.settimeout(10)
        self.vnetd(env=dict(os.environ, NOTIFY_SOCKET=str(self.folder / 'notify')))
        self.assertIn(b'READY=1', notify.recv(1024))

    def test_it_runs_as_an_ordinary_user(self):
        if os.geteuid() != 0:
            self.skipTest('every test here already runs it as an ordinary user')
        type(self).folder.chmod(0o711)
        os.chown(self.folder, harness.NOBODY, harness.NOBODY)
        daemon = self.vnetd(user=harness.NOBODY)
        status = pathlib.Path(f'/proc/{daemon.pid}/status').read_text()
        self.assertRegex(status, rf'Uid:\s+{harness.NOBODY}\b')
        self.assertRegex(status, r'CapEff:\s+0+\n')
        nic = self.dgram_nic(daemon, MAC)
        os.chown(nic.path, harness.NOBODY, -1)  # its hypervisor would be the same user's
        self.assertRegex(nic.lease(), r'^192\.168\.127\.')


class CommandLine(harness.Case):
    def vnetd_says(self, *arguments, code, **options):
        done = processes.run([harness.vnetd_program(), *arguments], timeout=20, check=False, **options)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def config(self, text):
        file = self.folder / 'run.json'
        file.write_text(text)
        return file

    def test_check_accepts_a_good_file_with_comments(self):
        file = self.config('{"networks": [{"name": "lan", "ipv4": "10.1.1.1/24"}]} // one network')
        self.assertIn('ok', self.vnetd_says('--check', '--config', file, code=0))

    def test_check_refuses_a_misspelt_member_and_names_file_pointer_and_the_right_name(self):
        file = self.config('{"networks": [{"name": "lan", "mtuu": 1500}]}')
        said = self.vnetd_says('--check', '--config', file, code=2)
        for part in ('run.json', '/networks/0', 'mtuu', '"mtu"'):
            self.assertIn(part, said)

    def test_broken_json_and_a_missing_file_are_code_2(self):
        self.assertIn('run.json', self.vnetd_says('--check', '--config', self.config('{"networks": ['), code=2))
        self.assertIn('nowhere', self.vnetd_says('--config', self.folder / 'nowhere', code=2))

    def test_an_unknown_flag_is_code_2_with_the_nearest_one(self):
        self.assertIn('--dgram', self.vnetd_says('--dgrm', 'x', code=2))

    def test_print_config_prints_what_loads_again_as_the_same(self):
        file = self.config('{"networks": [{"name": "lan", "ipv4": "10.1.1.1/24"}]}')
        first = self.printed(file)
        self.assertEqual(first['networks'][0]['mtu'], 1500)
        again = self.folder / 'again.json'
        again.write_text(json.dumps(first))
        self.assertEqual(self.printed(again), first)

    def printed(self, file):
        return json.loads(self.vnetd_says('--print-config', '--config', file, code=0, stderr=subprocess.DEVNULL))

    def test_version_and_help(self):
        self.assertRegex(self.vnetd_says('--version', code=0), r'\d+\.\d+')
        self.assertIn('--pcap', self.vnetd_says('--help', code=0))


if __name__ == '__main__':
    unittest.main()
