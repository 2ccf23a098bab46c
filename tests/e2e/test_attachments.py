"""The ways in which a NIC's frames come and go, each by a raw client that behaves like one kind of hypervisor."""

import unittest

import frames
import harness
import nics
from frames import BROADCAST, ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL = (f'52:cc:cc:cc:cc:{number:02}' for number in (1, 2, 3))


def experiment(destination, source, text):
    return frames.ethernet(destination, source, ETHERTYPE_EXPERIMENT, text.ljust(46, b'.'))


class Attachments(harness.Case):
    def assert_carries(self, sender, receiver, text=b'hello'):
        sender.send(experiment(receiver.mac, sender.mac, text))
        self.assertTrue(receiver.receive_match(lambda frame: text in frame), f'{receiver.mac} did not get {text}')

    def assert_gets_nothing_like(self, nic, text, timeout=0.5):
        self.assertIsNone(nic.receive_match(lambda frame: text in frame, timeout))

    def assert_attached(self, nic, gateway=DEFAULT_GATEWAY):
        self.assertTrue(nic.arp(gateway), f'the gateway does not answer {nic.mac}')


class SharedPath(Attachments):
    def test_every_kind_of_client_reaches_every_other(self):
        daemon = self.vnetd()
        clients = [
            self.dgram_nic(daemon, '52:cc:cc:cc:00:01'),
            self.dgram_nic(daemon, '52:cc:cc:cc:00:02', connect=True),
            self.dgram_nic(daemon, '52:cc:cc:cc:00:03', connect=True, greeting=nics.VFKT),
            self.stream_nic(daemon, '52:cc:cc:cc:00:04'),
            self.stream_nic(daemon, '52:cc:cc:cc:00:05'),
        ]
        for client in clients:
            self.assert_attached(client)
        for sender in clients:
            for receiver in clients:
                if sender is not receiver:
                    self.assert_carries(sender, receiver)

    def test_the_vfkit_greeting_is_not_a_frame(self):
        daemon = self.vnetd()
        bystander = self.dgram_nic(daemon, BOB)
        self.assert_attached(bystander)
        vfkit = self.dgram_nic(daemon, ALICE, connect=True, greeting=nics.VFKT)
        self.assert_attached(vfkit)
        self.assert_gets_nothing_like(bystander, nics.VFKT)

    def test_a_client_that_comes_back_at_another_path_is_answered_there(self):
        daemon = self.vnetd()
        old = self.dgram_nic(daemon, ALICE, 'old')
        self.assert_attached(old)
        old.close()
        new = self.dgram_nic(daemon, ALICE, 'new')
        self.assert_attached(new)
        peer = self.dgram_nic(daemon, BOB)
        self.assert_attached(peer)
        self.assert_carries(peer, new)

    def test_a_client_that_comes_back_at_the_same_path_is_answered_there(self):
        daemon = self.vnetd()
        peer = self.dgram_nic(daemon, BOB)
        self.assert_attached(peer)
        for _ in range(2):
            nic = self.dgram_nic(daemon, ALICE, 'same')
            self.assert_attached(nic)
            self.assert_carries(peer, nic)
            nic.close()

    def test_a_client_that_never_binds_is_reported_once(self):
        daemon = self.vnetd()
        unbound = self.dgram_nic(daemon, ALICE, '')
        for _ in range(3):
            unbound.send(frames.arp_request(ALICE, '0.0.0.0', DEFAULT_GATEWAY))
        self.assert_attached(self.dgram_nic(daemon, BOB))  # so all three have been read
        daemon.stop()
        self.assertEqual(daemon.log.count('bound to no path'), 1, daemon.log)
        self.assertIn('unbound-sender=3', daemon.log)

    def test_several_macs_behind_one_client_are_all_reached(self):
        daemon = self.vnetd()
        bridge = self.dgram_nic(daemon, ALICE)
        peer = self.dgram_nic(daemon, BOB)
        self.assert_attached(peer)
        behind = [f'52:cc:cc:cc:99:{number:02}' for number in range(8)]
        for mac in [ALICE, *behind]:
            bridge.send(experiment(BROADCAST, mac, b'learn ' + mac.encode()))
            self.assertTrue(peer.receive_match(lambda frame, mac=mac: mac.encode() in frame), mac)
        for mac in behind:
            peer.send(experiment(mac, BOB, b'to ' + mac.encode()))
            self.assertTrue(bridge.receive_match(lambda frame, mac=mac: b'to ' + mac.encode() in frame), mac)


class PerNicPath(Attachments):
    CONFIG = {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24'}],
              'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.1.101', 'dgram': 'alice.sock'},
                       {'name': 'bob', 'mac': BOB}]}

    def test_a_nic_on_a_path_of_its_own_gets_its_address_and_reaches_the_shared_path(self):
        daemon = self.vnetd(config=self.CONFIG)
        for connect in (False, True):
            alice = self.dgram_nic(daemon, ALICE, path=self.folder / 'alice.sock', connect=connect)
            self.assertEqual(alice.lease(), '192.168.1.101')
            bob = self.dgram_nic(daemon, BOB)
            self.assert_attached(bob, '192.168.1.1')
            self.assert_carries(alice, bob)
            self.assert_carries(bob, alice)
            alice.close()
            bob.close()

    def test_once_the_peer_is_known_more_than_eleven_frames_fit(self):
        daemon = self.vnetd(config=self.CONFIG)
        alice = self.dgram_nic(daemon, ALICE, path=self.folder / 'alice.sock', connect=True)
        self.assert_attached(alice, '192.168.1.1')
        bob = self.dgram_nic(daemon, BOB)
        self.assert_attached(bob, '192.168.1.1')
        for number in range(64):  # alice does not read meanwhile; the kernel holds 11 where the ends are not connected
            bob.send(experiment(ALICE, BOB, b'burst %d' % number))
        got = set()
        alice.receive_match(lambda frame: b'burst' in frame and got.add(frame) or len(got) == 64, 3)
        self.assertEqual(len(got), 64)


class Switching(Attachments):
    def pair(self, **network):
        daemon = self.vnetd(config={'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24', **network}]})
        pair = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        for nic in pair:
            self.assert_attached(nic)
            nic.drain()
        return daemon, *pair

    def test_broadcast_reaches_the_others_and_never_its_sender(self):
        _, alice, bob = self.pair()
        alice.send(experiment(BROADCAST, ALICE, b'to all'))
        self.assertTrue(bob.receive_match(lambda frame: b'to all' in frame))
        self.assert_gets_nothing_like(alice, b'to all')

    def test_a_known_unicast_reaches_only_its_destination_and_an_unknown_one_everybody(self):
        daemon, alice, bob = self.pair()
        carol = self.dgram_nic(daemon, CAROL)
        self.assert_attached(carol)
        alice.send(experiment(BOB, ALICE, b'only for bob'))
        alice.send(experiment('52:cc:cc:cc:cc:77', ALICE, b'for a stranger'))
        seen = []
        self.assertTrue(carol.receive_match(lambda frame: seen.append(frame) or b'for a stranger' in frame))
        self.assertFalse([frame for frame in seen if b'only for bob' in frame])
        self.assertTrue(bob.receive_match(lambda frame: b'only for bob' in frame))
        self.assertTrue(bob.receive_match(lambda frame: b'for a stranger' in frame))

    def test_a_mac_that_moves_is_followed_within_one_frame(self):
        daemon, alice, bob = self.pair()
        carol = self.dgram_nic(daemon, CAROL)
        self.assert_attached(carol)
        carol.send(experiment(BOB, ALICE, b'alice is here now'))
        self.assertTrue(bob.receive_match(lambda frame: b'here now' in frame))
        bob.send(experiment(ALICE, BOB, b'found you'))
        self.assertTrue(carol.receive_match(lambda frame: b'found you' in frame))
        self.assert_gets_nothing_like(alice, b'found you')

    def test_vlan_tags_and_unknown_ethertypes_pass_untouched(self):
        _, alice, bob = self.pair()
        tagged, unknown = (0x8100, b'\0\x64\x08\0' + b'tagged'.ljust(42)), (0x1234, b'what is this'.ljust(46))
        for ethertype, payload in (tagged, unknown):
            frame = frames.ethernet(BOB, ALICE, ethertype, payload)
            alice.send(frame)
            self.assertEqual(bob.receive_match(lambda got: got[12:14] == frame[12:14] and got), frame)

    def check_largest(self, mtu):
        _, alice, bob = self.pair(mtu=mtu)
        largest = frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'x' * mtu)
        # A tag may add 4 bytes, so "beyond" is said with room to spare.
        alice.send(frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'y' * (mtu + 100)))
        alice.send(largest)
        first = bob.receive_match(lambda frame: frame[12:14] == b'\x88\xb5' and frame)
        self.assertEqual(len(first or b''), len(largest))

    def test_frames_of_the_mtu_pass_and_longer_ones_do_not(self):
        self.check_largest(1500)

    def test_jumbo_frames_pass_up_to_65520_bytes(self):
        self.check_largest(65520)


class Membership(Attachments):
    NETWORK = {'name': 'home', 'ipv4': '192.168.127.1/24'}

    def test_a_nic_whose_link_is_down_neither_sends_nor_receives(self):
        daemon = self.vnetd(config={'networks': [self.NETWORK],
                                    'nics': [{'name': 'alice', 'mac': ALICE, 'link': 'down'}]})
        alice, bob = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        self.assert_attached(bob)
        self.assertIsNone(alice.arp(DEFAULT_GATEWAY, timeout=0.5))
        bob.send(experiment(BROADCAST, BOB, b'anybody'))
        self.assert_gets_nothing_like(alice, b'anybody')

    def test_a_listed_network_admits_only_the_nics_that_are_named(self):
        daemon = self.vnetd(config={'networks': [dict(self.NETWORK, members='listed')],
                                    'nics': [{'name': 'alice', 'mac': ALICE, 'network': 'home'}]})
        self.assert_attached(self.dgram_nic(daemon, ALICE))
        self.assertIsNone(self.dgram_nic(daemon, BOB).arp(DEFAULT_GATEWAY, timeout=0.5))

    def test_port_security_drops_a_foreign_mac_and_a_foreign_address(self):
        daemon = self.vnetd(config={
            'networks': [dict(self.NETWORK, port_security=True)],
            'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.127.11', 'dgram': 'alice.sock'},
                     {'name': 'bob', 'mac': BOB, 'ip': '192.168.127.12', 'dgram': 'bob.sock'}]})
        alice, bob = (self.dgram_nic(daemon, mac, path=self.folder / f'{name}.sock')
                      for name, mac in (('alice', ALICE), ('bob', BOB)))
        for nic in (alice, bob):
            self.assert_attached(nic)
        self.assert_carries(alice, bob)
        alice.send(experiment(BOB, CAROL, b'in a mask'))
        foreign = frames.udp('192.168.127.12', 1, '192.168.127.12', 2, b'in a mask')
        alice.send(frames.ethernet(BOB, ALICE, frames.ETHERTYPE_IPV4, foreign))
        self.assert_gets_nothing_like(bob, b'in a mask')


if __name__ == '__main__':
    unittest.main()
