"""NICs whose socket is passed through the API: attached, detached and attached again, by every kind of pair, and by
what is no pair at all. The descriptors that the daemon holds are counted throughout."""

import contextlib
import socket
import unittest

import control
import frames
import harness
import nics
import vm
from frames import BROADCAST, ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24'}], 'nics': [{'name': 'alice', 'mac': ALICE}]}
ATTACH = '/v1/nics/alice/attach'
KINDS = {'dgram': socket.SOCK_DGRAM, 'seqpacket': socket.SOCK_SEQPACKET, 'stream': socket.SOCK_STREAM}


def experiment(destination, source, text):
    return frames.ethernet(destination, source, ETHERTYPE_EXPERIMENT, text.ljust(46, b'.'))


class Passed(harness.Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(self.daemon.control)

    def nic(self):
        return self.api.get('/v1/nics/alice')

    def descriptors(self):
        """Among them may be a connection that has just ended, so that a look before is at most one too high."""
        return self.daemon.descriptors()

    def attach(self, kind):
        """Passes one end of a pair; the NIC at the other. Our copy of what was passed is closed, as a launcher's is."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, KINDS[kind])
        self.addCleanup(ours.close)
        with theirs:
            self.assertEqual(self.api.post(ATTACH, fds=[theirs.fileno()])['attachment']['kind'], 'fd')
        return nics.StreamNic(None, ALICE, ours) if kind == 'stream' else nics.PairNic(ours, ALICE)

    def assert_carries(self, sender, receiver, text):
        sender.send(experiment(receiver.mac, sender.mac, text))
        self.assertTrue(receiver.receive_match(lambda frame: text in frame), f'{receiver.mac} did not get {text}')

    def assert_ended(self, nic):
        """The switch has closed its end: a datagram socket learns it when it sends, the others when they read."""
        def gone():
            with contextlib.suppress(BlockingIOError):
                try:
                    nic.send(experiment(BROADCAST, ALICE, b'is anybody there'))
                    return nic.socket.type != socket.SOCK_DGRAM and nic.socket.recv(1, socket.MSG_DONTWAIT) == b''
                except (BrokenPipeError, ConnectionRefusedError, ConnectionResetError):
                    return True
        harness.eventually(gone, what='the end of the connection')

    def test_one_nic_keeps_its_mac_name_and_lease_through_every_kind_of_pair(self):
        bob = self.dgram_nic(self.daemon, BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        before = self.descriptors()
        address = None
        for round_, kind in enumerate((*KINDS, *KINDS)):
            with self.subTest(kind=kind, round=round_):
                alice = self.attach(kind)
                address = address or alice.lease()
                self.assertEqual(alice.lease(), address)
                self.assert_carries(alice, bob, b'to bob by %s' % kind.encode())
                self.assert_carries(bob, alice, b'to alice by %s' % kind.encode())
                self.api.delete(ATTACH)
                self.assert_ended(alice)
                nic = self.nic()
                self.assertIsNone(nic['attachment'])
                self.assertEqual((nic['name'], nic['mac'], nic['network']), ('alice', ALICE, 'lan'))
                self.assertIn(address, [lease['ip'] for lease in self.api.get('/v1/leases') if lease['mac'] == ALICE])
                harness.eventually(lambda: self.descriptors() <= before, what='the descriptor closed')

    def test_another_descriptor_takes_the_nic_over_and_the_first_is_closed(self):
        bob = self.dgram_nic(self.daemon, BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        first = self.attach('dgram')
        self.assert_carries(first, bob, b'by the first')
        held = self.descriptors()
        for kind in ('stream', 'seqpacket', 'dgram'):
            second = self.attach(kind)
            self.assert_carries(bob, second, b'to the second')  # which has said nothing yet
            self.assert_ended(first)
            first = second
        harness.eventually(lambda: self.descriptors() <= held, what='as many descriptors as before')

    def test_a_peer_that_goes_away_detaches_its_nic(self):
        bob = self.dgram_nic(self.daemon, BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        before = self.descriptors()
        with self.api.events(kind='nic.detached') as events:
            for kind in KINDS:
                alice = self.attach(kind)
                self.assertTrue(alice.arp(DEFAULT_GATEWAY))
                alice.close()
                bob.send(experiment(ALICE, BOB, b'are you there'))  # a pair of datagrams has no other sign
                self.assertEqual(events.wait(lambda event: event['nic'] == 'alice')['mac'], ALICE)
                self.assertIsNone(self.nic()['attachment'])
        harness.eventually(lambda: self.descriptors() <= before, what='all descriptors closed')

    def test_a_stream_may_cut_its_records_anywhere(self):
        bob = self.dgram_nic(self.daemon, BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        alice = self.attach('stream')
        record = experiment(BOB, ALICE, b'byte by byte')
        for byte in len(record).to_bytes(4, 'big') + record:
            alice.send_raw(bytes([byte]))
        self.assertTrue(bob.receive_match(lambda frame: frame == record))

    def wrong_descriptors(self):
        """(what, descriptors, a word that the sentence must have)"""
        file = open(self.folder / 'file', 'w+')
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(self.folder / 'listening'))
        listening.listen()
        tcp_listener = socket.create_server(('127.0.0.1', 0))
        tcp = socket.create_connection(tcp_listener.getsockname())
        lonely = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(5)]
        for each in (file, listening, tcp_listener, tcp, lonely, *(end for pair in pairs for end in pair)):
            self.addCleanup(each.close)
        return [('a file', [file], 'socket'), ('a listening socket', [listening], 'listens'),
                ('a TCP connection', [tcp], 'UNIX'), ('a TCP listener', [tcp_listener], 'UNIX'),
                ('a socket that is connected to nobody', [lonely], 'nobody'),
                ('two ends', [pairs[0][0], pairs[1][0]], '2 descriptors'), ('nothing', [], '0 descriptors'),
                ('ten ends', [end for pair in pairs for end in pair], 'descriptors')]

    def test_what_is_no_end_of_a_pair_is_refused_with_a_sentence_and_does_not_leak(self):
        alice = self.attach('dgram')
        self.assertTrue(alice.arp(DEFAULT_GATEWAY))
        since = self.nic()['attachment']['since']
        before = self.descriptors()
        wrongs = self.wrong_descriptors()
        for _ in range(3):
            for what, wrong, word in wrongs:
                with self.subTest(what):
                    reply = self.api.request('POST', ATTACH, fds=[each.fileno() for each in wrong])
                    self.assertEqual((reply.status, reply.type), (400, 'application/problem+json'), reply.body)
                    self.assertIn(word, reply.json()['detail'])
        harness.eventually(lambda: self.descriptors() <= before, what='no descriptor left behind')
        self.assertTrue(alice.arp(DEFAULT_GATEWAY), 'what was attached before still is')
        self.assertEqual(self.nic()['attachment']['since'], since)

    def test_descriptors_that_come_with_any_other_request_are_closed(self):
        before = self.descriptors()
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in ends:
            self.addCleanup(end.close)
        for method, path, status in (('GET', '/v1/status', 200), ('POST', '/v1/nics/nobody/attach', 404),
                                     ('DELETE', ATTACH, 409), ('GET', '/nowhere', 404)):
            self.assertEqual(self.api.request(method, path, fds=[ends[0].fileno()]).status, status, path)
        harness.eventually(lambda: self.descriptors() <= before, what='no descriptor left behind')

    def test_detaching_what_is_not_attached_is_a_conflict(self):
        reply = self.api.request('DELETE', ATTACH)
        self.assertEqual((reply.status, reply.type), (409, 'application/problem+json'))
        self.assertIn('alice', reply.json()['detail'])


class QemuOnAPair(harness.Case):
    def test_a_vm_with_an_end_of_a_pair_gets_its_lease_and_keeps_it_over_another_attachment(self):
        harness.vm_image()
        daemon = self.vnetd(config=dict(CONFIG, nics=[{'name': 'alice', 'mac': ALICE, 'ip': '192.168.127.50'}]))
        api = control.Control(daemon.control)
        qemus, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(ours.close)
        with qemus:
            alice = self.boot('alice', vm.fd_netdev(qemus.fileno()), ALICE, pass_fds=(qemus.fileno(),))
            api.post(ATTACH, fds=[ours.fileno()])  # our own copy stays, to be passed again
        alice.wait_shell()
        self.assertEqual(alice.lease()['ip'], '192.168.127.50')
        alice.check(f'ping -c 2 -W 5 {DEFAULT_GATEWAY}')
        api.delete(ATTACH)
        self.assertNotEqual(alice.run(f'ping -c 1 -W 1 {DEFAULT_GATEWAY}').code, 0)
        api.post(ATTACH, fds=[ours.fileno()])
        alice.check(f'until ping -c 1 -W 1 {DEFAULT_GATEWAY}; do :; done', timeout=20)
        self.assertEqual(alice.lease()['ip'], '192.168.127.50')


if __name__ == '__main__':
    unittest.main()
