"""`vnet` against a running vnetd: what README shows, each command's effect, and what a person reads when it fails."""

import json
import os
import re
import shlex
import signal
import subprocess
import threading

import control
import frames
import harness
import needs

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.127.1/24'}, {'name': 'lan', 'ipv4': '10.1.0.1/24'}],
    'nics': [{'name': 'alice', 'mac': ALICE}],
}
README = (harness.ROOT / 'README.md').read_text(encoding='utf-8')


class Command(harness.Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(self.daemon.control)

    def command(self, *words):
        return [harness.build_tree() / 'adapter/vnet', *words]

    def environment(self, **more):
        return {**os.environ, 'VNET_CONTROL': str(self.daemon.control), **more}

    def vnet(self, *words, code=0, **more):
        done = subprocess.run(self.command(*words), env=self.environment(**more), capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, code, f'vnet {words}: {done.stdout}{done.stderr}')
        return done.stderr if code else done.stdout


class ReadmeCommands(Command):
    def test_every_change_that_it_shows_is_made(self):
        shown = re.search(r'## Change it while it runs\n\n```sh\n(.*?)```', README, re.S).group(1)
        commands = [shlex.split(line, comments=True) for line in shown.splitlines()]
        ran = [words[1:] for words in commands if words[0] == 'vnet']
        self.assertGreaterEqual(len(ran), 5)
        for words in ran:
            self.vnet(*words)
        alice = self.api.get('/v1/nics/alice')
        self.assertEqual((alice['link'], alice['network']), ('down', 'lan'))
        self.assertEqual(self.api.get('/v1/nics/carol')['ip'], '192.168.127.30')
        self.assertEqual(self.api.get('/v1/dns/records/a.test')['a'], ['1.2.3.4'])

    def test_every_look_that_it_shows_can_be_taken(self):
        shown = re.search(r'## Look inside\n\n```sh\n(.*?)```', README, re.S).group(1)
        words = {line.split()[1] for line in shown.splitlines() if line.startswith('vnet ')}
        self.assertEqual(words, {'status', 'top', 'capture', 'events'})
        self.assertIn('version', self.vnet('status'))
        self.assertIn('alice', self.vnet('top', '--count', '1', '--interval', '0.1'))
        self.assertIn('alice', self.vnet('nics'))
        for table in ('leases', 'networks', 'captures', 'dns'):
            self.vnet(table)
            json.loads(self.vnet(table, '--json'))


class Watching(Command):
    def test_a_live_capture_goes_to_standard_output_until_its_reader_goes(self):
        needs.tools(tshark='tshark')
        alice = self.dgram_nic(self.daemon, ALICE)
        bob = self.dgram_nic(self.daemon, BOB)
        capture = subprocess.Popen(self.command('capture', '--nic', 'alice', '--filter', 'ether proto 0x88b5', '-w', '-'),
                                   env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (capture.stdout.close(), capture.kill(), capture.wait()))
        harness.eventually(lambda: self.api.get('/v1/captures'), what='the capture to begin')
        stop = threading.Event()

        def send():
            while not stop.wait(0.01):
                alice.send(frames.ethernet(BOB, ALICE, 0x88b5, bytes(46)))
                bob.send(frames.ethernet(ALICE, BOB, 0x88b6, bytes(46)))

        sender = threading.Thread(target=send)
        sender.start()
        self.addCleanup(lambda: (stop.set(), sender.join()))
        read = subprocess.run(['tshark', '-l', '-n', '-r', '-', '-c', '20', '-T', 'fields', '-e', 'frame.interface_name', '-e', 'eth.type'],
                              stdin=capture.stdout, capture_output=True, text=True, timeout=60)
        packets = [line for line in read.stdout.split('\n') if line.strip()]  # events are lines without these fields
        self.assertGreaterEqual(len(packets), 15, read.stderr)
        self.assertEqual(set(packets), {'alice\t0x88b5'})
        capture.stdout.close()
        capture.wait(30)
        harness.eventually(lambda: not self.api.get('/v1/captures'), what='the capture to end')

    def test_events_are_followed_through_a_restart(self):
        follower = subprocess.Popen(self.command('events', '--follow', '--json'), env=self.environment(),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (follower.kill(), follower.wait(), follower.stdout.close(), follower.stderr.close()))

        def changed(link):
            seen = None
            while seen != link:
                self.vnet('nic', 'alice', 'link', 'down' if link == 'up' else 'up')
                self.vnet('nic', 'alice', 'link', link)
                event = json.loads(follower.stdout.readline())
                seen = event['subject'] if event['event'] == 'nic.link' else None

        changed('down')
        self.daemon.kill9()
        self.daemon = self.vnetd(config=CONFIG)
        changed('down')
        follower.send_signal(signal.SIGINT)
        self.assertEqual(follower.wait(20), 0)

    def test_nothing_remembered_is_no_error(self):
        self.assertEqual([line for line in self.vnet('events').splitlines() if 'alice' not in line], [])


class Mistakes(Command):
    def test_a_name_that_is_nearly_right_is_told(self):
        self.assertIn('did you mean "alice"?', self.vnet('nic', 'alcie', code=1))
        self.assertIn('did you mean "lan"?', self.vnet('nic', 'alice', 'move', 'lna', code=1))
        self.assertIn('did you mean "link"?', self.vnet('nic', 'alice', 'lnik', 'up', code=2))

    def test_without_a_daemon_it_says_what_to_do(self):
        said = self.vnet('status', code=1, VNET_CONTROL=str(self.folder / 'none.sock'))
        self.assertRegex(said, 'no vnetd at .*none.sock.*start vnetd')

    def test_a_wrong_file_is_not_reloaded_and_its_place_is_named(self):
        file = self.folder / 'vnet.json'
        file.write_text(json.dumps({**CONFIG, 'nics': [{'name': 'alice', 'mac': ALICE, 'lnik': 'up'}]}))
        self.assertRegex(self.vnet('reload', code=1), r'did you mean "link"')
        file.write_text(json.dumps({**CONFIG, 'nics': [{'name': 'alice', 'mac': ALICE, 'link': 'down'}]}))
        self.assertIn('/nics/0/link', self.vnet('reload'))
        self.assertEqual(self.api.get('/v1/nics/alice')['link'], 'down')
