"""Sockets that somebody else made and keeps (systemd's protocol, sd_listen_fds(3)): the daemon may die and come back
while its clients go on, and what they send meanwhile waits for it."""

import json
import signal
import socket
import sys
import threading
import unittest

import control
import frames
import harness
import nics
import processes
from frames import ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL = (f'52:cc:cc:cc:cc:{number:02}' for number in (1, 2, 3))
WINDOW = 8  # the kernel keeps 11 datagrams for a socket that nobody reads
# What systemd does between fork and exec: the sockets become descriptors 3, 4, ..., for this process alone.
ACTIVATE = '''
import fcntl, os, sys
fds = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[2].split(',')]
for number, fd in enumerate(fds):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=sys.argv[1] if sys.argv[1] != 'own' else str(os.getpid()))
os.execv(sys.argv[3], sys.argv[3:])
'''


class Activated:
    """A running daemon; it has what the harness wants of one."""

    def __init__(self, folder, sockets, *arguments, listen_pid='own'):
        paths = {kind: folder / f'{kind}.sock' for kind in ('dgram', 'stream', 'control')}
        self.dgram, self.stream, self.control = paths.values()
        fds = [each.fileno() for each in sockets]
        self.child = processes.Child(
            [sys.executable, '-c', ACTIVATE, listen_pid, ','.join(map(str, fds)), harness.vnetd_program(), '--dgram',
             self.dgram, '--stream', self.stream, '--control', self.control, *arguments], pass_fds=fds, cwd=folder)


class Activation(harness.Case):
    def setUp(self):
        super().setUp()
        self.sockets = [self.bound('dgram', socket.SOCK_DGRAM), self.bound('stream', socket.SOCK_STREAM),
                        self.bound('control', socket.SOCK_STREAM)]
        self.arguments = ['--state', self.folder / 'state']

    def bound(self, name, type_):
        made = socket.socket(socket.AF_UNIX, type_)
        self.addCleanup(made.close)
        made.bind(str(self.folder / f'{name}.sock'))
        if type_ == socket.SOCK_STREAM:
            made.listen(16)
        return made

    def start(self, **options):
        daemon = Activated(self.folder, self.sockets, *self.arguments, **options)
        self._keep('vnetd', daemon, lambda: self.end(daemon))
        try:
            daemon.child.wait_line('vnetd ready', harness.START_SECONDS)
        except AssertionError:
            daemon.child.wait(10)  # it has said its last word, and is still on its way out
            raise
        self.api = control.Control(daemon.control)
        return daemon

    def end(self, daemon):
        if daemon.child.running:
            daemon.child.signal(signal.SIGTERM)
            self.assertEqual(daemon.child.wait(10), 0, daemon.child.log)

    def frame(self, sender, receiver, text):
        return frames.ethernet(receiver.mac, sender.mac, ETHERTYPE_EXPERIMENT, text.ljust(46, b'.'))

    def assert_carries(self, sender, receiver, text):
        sender.send(self.frame(sender, receiver, text))
        self.assertTrue(receiver.receive_match(lambda frame: text in frame), f'{receiver.mac} did not get {text}')

    def clients(self, daemon):
        """As vfkit connects, and as QEMU sends; both remembered on disk."""
        pair = (self.dgram_nic(daemon, ALICE, connect=True, greeting=nics.VFKT), self.dgram_nic(daemon, BOB))
        for nic in pair:
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        known = self.folder / 'state/clients.json'
        harness.eventually(lambda: known.exists() and {ALICE, BOB} <= {
            entry['mac'] for entry in json.loads(known.read_text())}, what='both clients on disk')
        return pair

    def test_clients_go_on_over_kill_9_and_what_they_sent_meanwhile_arrives(self):
        daemon = self.start()
        alice, bob = self.clients(daemon)
        for number in range(3):
            daemon.child.kill()
            for sender, receiver in ((alice, bob), (bob, alice)):
                sender.socket.setblocking(False)  # nobody reads: it must fit, or fail
                for text in (b'first', b'second', b'third'):
                    sender.send(self.frame(sender, receiver, b'%s of absence %d' % (text, number)))
                sender.socket.setblocking(True)
            daemon = self.start()
            for receiver in (alice, bob):
                got = []
                receiver.receive_match(lambda frame: b'absence' in frame and got.append(frame) or len(got) == 3)
                self.assertEqual([frame[14:].split()[0] for frame in got], [b'first', b'second', b'third'],
                                 f'{receiver.mac} in absence {number}')
            self.assert_carries(alice, bob, b'and on %d' % number)
            self.assert_carries(bob, alice, b'and back %d' % number)

    def test_under_traffic_only_what_the_daemon_had_in_its_hands_is_lost(self):
        """At most WINDOW frames are under way, so that none is lost for another reason than the kill."""
        daemon = self.start()
        alice, bob = self.clients(daemon)
        alice.socket.setblocking(False)
        sent, got, lost = 0, [], []

        def take(frame):
            if b'number' in frame:
                got.append(int(frame[14:].rstrip(b'.').split()[1]))
            return got and got[-1] == sent - 1

        for number in range(5):
            threading.Timer(0.05 + number / 100, daemon.child.signal, [signal.SIGKILL]).start()
            before = sent - len(got)
            while True:
                try:
                    for _ in range(WINDOW):
                        alice.send(self.frame(alice, bob, b'number %d' % sent))
                        sent += 1
                except BlockingIOError:
                    break  # it waits in a queue that nobody reads
                if not bob.receive_match(take, 0.3):
                    break
            self.assertEqual(daemon.child.wait(10), -signal.SIGKILL)
            daemon = self.start()
            bob.receive_match(take, 1)
            self.assert_carries(alice, bob, b'and on')
            lost.append(sent - len(got) - before)
        self.assertEqual(got, sorted(set(got)), 'in order, and none twice')
        print(f'    {sent} frames, lost by each kill: {lost}', flush=True)
        self.assertLessEqual(max(lost), WINDOW)
        self.assertGreater(sent, 200)

    def test_a_request_and_a_stream_that_come_while_it_is_away_are_served_when_it_is_back(self):
        daemon = self.start()
        _, bob = self.clients(daemon)
        daemon.child.kill()
        waiting = self.api.connect()
        self.addCleanup(waiting.close)
        waiting.request('GET', '/v1/status')
        carol = self.stream_nic(daemon, CAROL)
        carol.send(self.frame(carol, bob, b'said to nobody'))
        daemon = self.start()
        self.assertEqual(waiting.getresponse().status, 200)
        self.assertTrue(bob.receive_match(lambda frame: b'said to nobody' in frame))
        self.assert_carries(bob, carol, b'and answered')

    def test_the_sockets_are_not_its_own_to_remove(self):
        daemon = self.start()
        self.clients(daemon)
        self.end(daemon)
        self.assertEqual(sorted(path.name for path in self.folder.glob('*.sock')),
                         ['control.sock', 'dgram.sock', 'stream.sock'])
        daemon = self.start()
        self.clients(daemon)

    def test_variables_for_another_process_are_not_heeded(self):
        for path in self.folder.glob('*.sock'):
            path.unlink()
        daemon = self.start(listen_pid='1')
        self.clients(daemon)
        self.end(daemon)
        self.assertEqual(list(self.folder.glob('*.sock')), [], 'those were its own')

    def test_a_socket_that_the_configuration_does_not_name_is_an_error_that_names_it(self):
        self.sockets.append(self.bound('other', socket.SOCK_DGRAM))
        with self.assertRaisesRegex(AssertionError, r'inherited socket .*other\.sock'):
            self.start()

    def test_one_that_is_given_a_part_of_the_sockets_makes_the_others(self):
        self.sockets = self.sockets[:1]
        for name in ('stream', 'control'):
            (self.folder / f'{name}.sock').unlink()
        daemon = self.start()
        self.clients(daemon)
        self.assertTrue(self.stream_nic(daemon, CAROL).arp(DEFAULT_GATEWAY))
        self.assertEqual(self.api.get('/v1/status')['networks'], 1)

    def test_a_daemon_that_takes_over_hands_on_what_it_was_given(self):
        daemon = self.start()
        alice, bob = self.clients(daemon)
        successor = self.vnetd('--take-over', *self.arguments)
        self.assertEqual(daemon.child.wait(10), 0)
        self.assert_carries(alice, bob, b'through the successor')
        successor.stop()
        self.assertEqual(len(list(self.folder.glob('*.sock'))), 3, 'they are still not its own to remove')


if __name__ == '__main__':
    unittest.main()
