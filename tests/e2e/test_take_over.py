"""vnetd --take-over: a new daemon goes on with everything that the old one had, and a flood ping hardly notices."""

import collections
import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time
import unittest

import capture
import control
import frames
import harness
import needs
import nics
import processes
from frames import ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL, DAVE, EVE = (f'52:cc:cc:cc:cc:{number:02}' for number in range(1, 6))
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24'}],
          'nics': [{'name': 'dave', 'mac': DAVE, 'dgram': 'dave.sock'}, {'name': 'eve', 'mac': EVE}]}
INTERVAL = 0.002
STANDSTILL = 0.1  # seconds of pings that may be lost


def experiment(receiver, sender, text):
    return frames.ethernet(receiver.mac, sender.mac, ETHERTYPE_EXPERIMENT, text.ljust(46, b'.'))


class Pings:
    """A flood from one host to another, with the time of every answer."""

    def __init__(self, host, address):
        self.answered = {}
        self.child = host.start(['ping', '-D', '-n', '-i', str(INTERVAL), address], on_line=self._see)
        harness.eventually(lambda: len(self.answered) > 50, what='pings under way')

    def _see(self, line):
        if found := re.match(r'\[(\d+\.\d+)\].*icmp_seq=(\d+)', line):
            self.answered[int(found[2])] = float(found[1])

    def go_on(self, count=100):
        newest = max(self.answered)
        harness.eventually(lambda: max(self.answered) >= newest + count, 20, 'pings going on')

    def stop(self):
        """(lost, longest silence in seconds); what was under way at the end does not count."""
        self.go_on(20)
        self.child.signal(signal.SIGINT)
        self.child.wait()
        last = max(self.answered)
        times = sorted(self.answered.values())
        silence = max(after - before for before, after in zip(times, times[1:]))
        return last - len(self.answered), silence


class TakeOver(harness.Case):
    def setUp(self):
        super().setUp()
        needs.tools(capinfos='wireshark-common')
        self.arguments = ['--state', self.folder / 'state']
        begun = time.monotonic()
        self.old = self.start()
        self.start_seconds = time.monotonic() - begun

    def start(self, *more, config=CONFIG):
        daemon = self.vnetd(*self.arguments, *more, config=config)
        self.api = control.Control(daemon.control)
        return daemon

    def succeed(self, **options):
        """Another daemon, with the old one's flags; the old one has ended well when this returns."""
        old, self.old = self.old, None
        self.old = self.start('--take-over', **options)
        self.assertEqual(old.child.wait(20), 0, old.log)
        self.assertEqual(self.api.get('/v1/status')['pid'], self.old.pid)
        return self.old

    def hosts(self):
        needs.root()
        pair = [self.host(self.old, f'52:cc:cc:cc:dd:{number}') for number in (11, 12)]
        for number, host in zip((11, 12), pair):
            host.run(['ip', 'addr', 'add', f'192.168.127.{number}/24', 'dev', 'eth0'])
        pair[0].run(['ping', '-c', '1', '-W', '5', '192.168.127.12'])
        return pair

    def passed(self, name, mac):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(ours.close)
        with theirs:
            self.api.post(f'/v1/nics/{name}/attach', fds=[theirs.fileno()])
        return nics.PairNic(ours, mac)

    def everyone(self):
        """One client of each kind, all known to the switch."""
        clients = [self.dgram_nic(self.old, ALICE), self.dgram_nic(self.old, BOB, connect=True, greeting=nics.VFKT),
                   self.stream_nic(self.old, CAROL),
                   self.dgram_nic(self.old, DAVE, path=self.folder / 'dave.sock', connect=True),
                   self.passed('eve', EVE)]
        for client in clients:
            self.assertTrue(client.arp(DEFAULT_GATEWAY), client.mac)
        return clients

    def assert_all_connected(self, clients, word):
        for sender in clients:
            for receiver in clients:
                if sender is not receiver:
                    frame = experiment(receiver, sender, word + sender.mac.encode())
                    sender.send(frame)
                    self.assertTrue(receiver.receive_match(lambda got: got == frame),
                                    f'{word}: from {sender.mac} to {receiver.mac}')

    def attachments(self):
        return {nic['mac']: nic['attachment']['kind'] for nic in self.api.get('/v1/nics') if nic['attachment']}

    def test_every_kind_of_client_goes_on_without_doing_anything(self):
        clients = self.everyone()
        before, sockets = self.attachments(), self.sockets()
        self.assertEqual(len(before), 5)
        for number in range(2):
            self.succeed()
            self.assertEqual(self.attachments(), before, 'before anybody has sent')
            self.assertEqual(self.sockets(), sockets, 'the old one removes nothing, the new one makes nothing anew')
            self.assert_all_connected(clients, b'take-over %d ' % number)
        self.old.stop()
        left = [path.name for path in self.folder.iterdir() if path.suffix == '.sock']
        self.assertEqual(left, [], 'the last one removes the sockets')

    def test_a_record_of_which_half_has_come_is_completed_with_the_successor(self):
        alice, _, carol, *_ = self.everyone()
        record = experiment(alice, carol, b'cut in the middle')
        wire = struct.pack('!I', len(record)) + record
        for cut in (2, 4, 30):
            carol.send_raw(wire[:cut])
            # It is read before the answer to this is written: the part waits in the daemon, not in the kernel.
            self.api.get('/v1/status')
            self.succeed()
            carol.send_raw(wire[cut:])
            self.assertTrue(alice.receive_match(lambda frame: frame == record), f'after {cut} bytes')

    def test_a_flood_ping_loses_no_more_than_the_pings_of_a_tenth_of_a_second(self):
        first, _ = self.hosts()
        pings = Pings(first, '192.168.127.12')
        self.addCleanup(pings.child.kill)
        begun, rounds = time.monotonic(), 0
        while rounds < 3 or rounds < 10 and time.monotonic() < begun + 12:
            self.succeed()
            rounds += 1
            pings.go_on()
        lost, silence = pings.stop()
        print(f'    {rounds} take-overs: {lost} of {max(pings.answered)} pings lost, longest silence '
              f'{silence * 1000:.0f} ms', flush=True)
        self.assertLessEqual(lost, rounds * STANDSTILL / INTERVAL)

    def test_frames_under_way_arrive_once_and_in_order(self):
        """Numbered frames of a datagram client, a stream and a passed pair, all to one that reads all the time."""
        alice, bob, carol, _, eve = self.everyone()
        stop = threading.Event()
        sent, got = collections.Counter(), collections.defaultdict(list)

        def send(client):
            while not stop.wait(0.0005):
                client.send(experiment(bob, client, b'number %d' % sent[client.mac]))
                sent[client.mac] += 1
        senders = [threading.Thread(target=send, args=[client], daemon=True) for client in (alice, carol, eve)]

        def receive():
            while any(map(threading.Thread.is_alive, senders)) or any(len(got[mac]) < sent[mac] for mac in list(sent)):
                frame = bob.receive(2)
                if frame is None:
                    return
                if b'number' in frame:
                    got[frames.mac_text(frame[6:12])].append(int(frame[14:].rstrip(b'.').split()[1]))
        receiver = threading.Thread(target=receive)
        for thread in (*senders, receiver):
            thread.start()
        for _ in range(5):
            self.succeed()
            goal = sent[ALICE] + 200
            harness.eventually(lambda: sent[ALICE] > goal, what='traffic')
        stop.set()
        for thread in (*senders, receiver):
            thread.join(20)
        print(f'    {dict(sent)} frames in 5 take-overs', flush=True)
        for mac, count in sent.items():
            self.assertEqual(got[mac], list(range(count)), mac)

    def test_leases_run_time_nics_captures_and_event_numbers_go_on(self):
        file = self.folder / 'run.pcapng'
        self.api.post('/v1/nics', {'name': 'late', 'mac': CAROL, 'ip': '192.168.127.77', 'link': 'down'})
        late = self.dgram_nic(self.old, CAROL)
        self.api.patch('/v1/nics/late', {'link': 'up'})
        self.assertEqual(late.lease(), '192.168.127.77')
        alice = self.dgram_nic(self.old, ALICE)
        leases = {CAROL: '192.168.127.77', ALICE: alice.lease()}
        self.api.post('/v1/captures', {'file': str(file), 'filter': f'ether proto {ETHERTYPE_EXPERIMENT}'})
        self.api.put('/v1/dns/records/printer.lan', {'a': ['192.168.127.9']})
        self.assert_all_connected([late, alice], b'before ')
        with self.api.events(since=0, follow='false') as events:
            told = list(events)
        config = dict(CONFIG, nics=[*CONFIG['nics'], {'name': 'new', 'mac': BOB}])
        self.succeed(config=config)
        self.assertEqual({lease['mac']: lease['ip'] for lease in self.api.get('/v1/leases')}, leases)
        nic = self.api.get('/v1/nics/late')
        self.assertEqual((nic['ip'], nic['link'], nic['configured']), ('192.168.127.77', 'up', True))
        self.assertEqual(self.api.get('/v1/nics/new')['mac'], BOB, 'the successor reads the file as it is now')
        self.assertEqual(self.api.get('/v1/dns/records/printer.lan')['a'], ['192.168.127.9'])
        self.assert_all_connected([late, alice], b'after ')
        self.assertEqual(late.lease(), '192.168.127.77')

        with self.api.events(last=told[-1]['id'], follow='false') as events:
            later = list(events)
        expected = told[-1]['id'] + 1
        if later[0]['kind'] == 'lost':  # what happened between our look and the hand-over, or in its course
            expected += later[0]['data']['lost']
            self.assertEqual(later.pop(0)['data']['next'], expected)
        self.assertEqual([event['id'] for event in later], list(range(expected, expected + len(later))))

        running, = self.api.get('/v1/captures')
        self.assertEqual(running['file'], str(file))
        self.api.delete(f'/v1/captures/{running["id"]}')
        files = sorted(self.folder.glob('run*.pcapng*'))
        self.assertEqual(len(files), 2, files)
        texts = [b''.join(path.read_bytes() for path in files if path != file), file.read_bytes()]
        for path in files:
            self.assertEqual(capture.packets(path), 4, path)
        self.assertIn(b'before ', texts[0])
        harness.eventually(lambda: b'after ' in file.read_bytes(), what='what the successor records')

    def test_the_configured_capture_goes_on_in_a_file_of_its_own(self):
        self.old.stop()
        file = self.folder / 'run.pcapng'
        self.arguments += ['--pcap', file]
        self.old = self.start()
        pair = [self.dgram_nic(self.old, ALICE), self.dgram_nic(self.old, BOB)]
        for nic in pair:
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        for word in (b'in the first', b'in the second', b'in the third'):
            self.assert_all_connected(pair, word)
            if word != b'in the third':
                self.succeed()
        self.old.stop()
        files = list(self.folder.glob('run*.pcapng*'))
        self.assertEqual(len(files), 3, files)
        self.assertIn(b'in the third', file.read_bytes())
        for path in files:
            self.assertGreaterEqual(capture.packets(path), 4)
        together = b''.join(path.read_bytes() for path in files)
        for word in (b'in the first', b'in the second', b'in the third'):
            self.assertEqual(together.count(word), 4, 'two frames, each in and out')

    def refused(self, *arguments, config=CONFIG):
        """What a successor says that does not come into being."""
        file = self.folder / 'bad.json'
        file.write_text(json.dumps(config))
        command = [harness.vnetd_program(), '--dgram', self.old.dgram, '--stream', self.old.stream, '--control',
                   self.old.control, '--config', file, '--take-over', *arguments]
        done = processes.run(command, timeout=30, check=False, cwd=self.folder)
        self.assertIn(done.returncode, (1, 2), done.stdout)
        return done.stdout

    def test_a_successor_that_fails_leaves_the_old_daemon_as_it_was(self):
        clients = self.everyone()
        (self.folder / 'file').write_text('no folder')
        flood = None
        with contextlib.suppress(unittest.SkipTest):
            flood = Pings(self.hosts()[0], '192.168.127.12')
            self.addCleanup(flood.child.kill)
        sockets, descriptors = self.sockets(), self.descriptors()
        for what, said, arguments, config in (
                ('a state folder that is none', 'file', ['--state', self.folder / 'file'], CONFIG),
                ('a capture that cannot be written', 'nowhere', ['--pcap', self.folder / 'nowhere/run.pcapng'], CONFIG),
                ('a socket that cannot be made', 'nowhere', [], dict(CONFIG, nics=[
                    *CONFIG['nics'], {'name': 'x', 'mac': '52:cc:cc:cc:ee:01', 'dgram': 'nowhere/x.sock'}])),
                ('a config that is none', 'mtuu', [], {'networks': [{'name': 'lan', 'mtuu': 1500}]})):
            with self.subTest(what):
                self.assertIn(said, self.refused(*arguments, config=config))
                self.assert_all_connected(clients, what.encode()[:20])
        for what, words in (('goes at once', []), ('goes in the middle', [b'go\n']), ('says nonsense', [b'no\n']),
                            ('says nonsense in the end', [b'go\n', b'no\n'])):
            with self.subTest(what):
                self.fake_successor(words)
                self.assert_all_connected(clients, what.encode()[:20])
        self.assertEqual(self.sockets(), sockets)
        harness.eventually(lambda: self.descriptors() <= descriptors, what='as many descriptors as before')
        if flood:
            lost, silence = flood.stop()
            print(f'    {lost} of {max(flood.answered)} pings lost, longest silence {silence * 1000:.0f} ms',
                  flush=True)
            self.assertEqual(lost, 0)
        address = clients[0].lease()
        self.assertIn(f'"{address}"', json.dumps(self.api.get('/v1/leases')), 'leases are still given')
        self.succeed()
        self.assert_all_connected(clients, b'a good one at last')

    def sockets(self):
        return {path.name: path.stat().st_ino for path in self.folder.iterdir() if path.is_socket()}

    def descriptors(self):
        return self.old.descriptors()

    def asked(self):
        """A connection on which somebody has asked to take over, and has been told to go ahead."""
        fake = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(fake.close)
        fake.settimeout(10)
        fake.connect(str(self.old.control))
        fake.sendall(b'POST /v1/take-over HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')
        answer = b''
        while b'\r\n\r\n' not in answer:
            answer += fake.recv(1)
        self.assertIn(b' 101 ', answer.splitlines()[0])
        return fake

    def test_one_that_asks_and_says_nothing_holds_nobody_up(self):
        clients = self.everyone()
        with self.asked():
            begun = time.monotonic()
            self.assert_all_connected(clients, b'meanwhile ')
            self.assertLess(time.monotonic() - begun, 2, 'frames wait for no first word')
            self.succeed()
            self.assert_all_connected(clients, b'with another ')

    def fake_successor(self, words):
        """Says the words of the wire, reads what comes, and closes."""
        with self.asked() as fake:
            for word in words:
                fake.sendall(word)
                if word == b'go\n':
                    data, fds, *_ = socket.recv_fds(fake, 65536, 64)
                    self.assertTrue(data)
                    for fd in fds:
                        os.close(fd)
        self.old.child.wait_line('not handed over')

    def test_a_successor_that_is_killed_at_any_moment_takes_nothing_with_it(self):
        clients = self.everyone()
        (self.folder / 'vnet.json').write_text(json.dumps(CONFIG))
        command = [harness.vnetd_program(), '--dgram', self.old.dgram, '--stream', self.old.stream, '--control',
                   self.old.control, '--config', self.folder / 'vnet.json', '--take-over', *self.arguments]
        survived = 0
        for twentieth in range(20):
            # A moment in its life that is not chosen by anything that it says: here waiting is the point.
            successor = processes.Child(command, cwd=self.folder)
            with contextlib.suppress(AssertionError):
                successor.wait_line('vnetd ready', twentieth * self.start_seconds / 20)
            successor.kill()
            if self.has_handed_over():
                # It was quick: all was its own, and died with it, as under kill -9.
                self.old = self.start()
                clients = self.everyone()
            else:
                survived += 1
            self.assert_all_connected(clients, b'after %d twentieths ' % twentieth)
        print(f'    {survived} of 20 were killed before they had taken over', flush=True)
        self.assertGreater(survived, 0)

    def has_handed_over(self):
        """An answer shows that it has not, once the successor is dead."""
        try:
            return self.api.get('/v1/status')['pid'] != self.old.pid
        except OSError:
            self.assertEqual(self.old.child.wait(10), 0)
            return True

    def test_with_nobody_to_take_over_from_it_starts_as_always(self):
        self.old.stop()
        self.old = self.start('--take-over')
        self.assertTrue(self.dgram_nic(self.old, ALICE).arp(DEFAULT_GATEWAY))

    def test_sockets_that_the_new_configuration_does_not_name_are_closed_and_said(self):
        dave = self.dgram_nic(self.old, DAVE, path=self.folder / 'dave.sock')
        self.assertTrue(dave.arp(DEFAULT_GATEWAY))
        self.succeed(config=dict(CONFIG, nics=[{'name': 'dave', 'mac': DAVE}]))
        self.assertFalse((self.folder / 'dave.sock').exists())
        self.assertIsNone(self.api.get('/v1/nics/dave')['attachment'])


if __name__ == '__main__':
    unittest.main()
