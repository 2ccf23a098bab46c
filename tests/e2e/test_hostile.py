"""What a hostile guest can put on a socket: never a crash, never a frame for somebody else, and the others go on.

Every test ends the same way: a client that was there before still has its gateway, and the daemon ends with 0, which
under the sanitizers also says that nothing was read out of bounds and nothing leaked.
"""

import random
import struct
import unittest

import capture
import frames
import harness
from frames import BROADCAST, ETHERTYPE_EXPERIMENT, ETHERTYPE_IPV4
from harness import DEFAULT_GATEWAY

HOSTILE, BYSTANDER = '52:cc:cc:cc:cc:66', '52:cc:cc:cc:cc:01'


class Hostile(harness.Case):
    def setUp(self):
        super().setUp()
        self.file = self.folder / 'hostile.pcapng'
        self.daemon = self.vnetd('--pcap', self.file)
        self.bystander = self.dgram_nic(self.daemon, BYSTANDER)
        self.assertTrue(self.bystander.arp(DEFAULT_GATEWAY))
        self.bystander.drain()

    def assert_all_well(self):
        self.assertTrue(self.daemon.child.running, self.daemon.log)
        # Asked again as every ARP client asks: what hostile frames were broadcast may still fill the bystander's socket.
        self.assertTrue(any(self.bystander.arp(DEFAULT_GATEWAY, timeout=2) for _ in range(3)),
                        'the gateway no longer answers a bystander')

    def attached(self):
        """A client that the switch knows already, so that what it sends next is judged frame by frame."""
        hostile = self.dgram_nic(self.daemon, HOSTILE)
        self.assertTrue(hostile.arp(DEFAULT_GATEWAY))
        return hostile

    def assert_nothing_reached_the_bystander(self, sender):
        """One socket is read in order: once a last good frame has come through, so has all that was sent before it."""
        sender.send(frames.ethernet(BROADCAST, HOSTILE, ETHERTYPE_EXPERIMENT, b'the end'.ljust(46)))
        seen = []
        self.assertTrue(self.bystander.receive_match(lambda frame: seen.append(frame) or b'the end' in frame))
        proper = (b'\x08\x06', b'\x86\xdd')  # the client's ARP from attached(), the gateway's advertisements
        self.assertEqual([frame[:64] for frame in seen[:-1] if frame[12:14] not in proper], [])

    def test_empty_and_short_datagrams_are_not_forwarded(self):
        hostile = self.attached()
        for length in range(14):
            hostile.send(frames.mac_bytes(BROADCAST + ':' + HOSTILE)[:length].ljust(length, b'\x08'))
        self.assert_nothing_reached_the_bystander(hostile)
        self.assert_all_well()

    def test_oversize_datagrams_are_not_forwarded_and_the_capture_says_why(self):
        hostile = self.attached()
        for length in (1600, 9000, 65535, 69000):
            hostile.send(frames.ethernet(BROADCAST, HOSTILE, ETHERTYPE_EXPERIMENT, b'o' * length))
        self.assert_nothing_reached_the_bystander(hostile)
        self.assert_all_well()
        self.daemon.stop()
        comments = [comment for comment, in capture.rows(self.file, 'frame.comment', where='frame.comment')]
        self.assertTrue(any('oversize' in comment for comment in comments), comments)

    def test_a_guest_that_uses_the_gateways_mac_does_not_take_it_over(self):
        gateway = self.bystander.arp(DEFAULT_GATEWAY)
        hostile = self.attached()
        for _ in range(3):
            hostile.send(frames.ethernet(BROADCAST, gateway, ETHERTYPE_EXPERIMENT, b'I am the gateway'.ljust(46)))
        self.assert_nothing_reached_the_bystander(hostile)
        self.assertEqual(self.bystander.arp(DEFAULT_GATEWAY), gateway)

    def test_a_group_address_as_the_source_is_refused(self):
        hostile = self.attached()
        hostile.send(frames.ethernet(BROADCAST, BROADCAST, ETHERTYPE_EXPERIMENT, b'from all'.ljust(46)))
        hostile.send(frames.ethernet(BROADCAST, '01:00:5e:00:00:01', ETHERTYPE_EXPERIMENT, b'from many'.ljust(46)))
        self.assert_nothing_reached_the_bystander(hostile)
        self.assert_all_well()

    def test_stream_lengths_of_zero_and_4_gib_end_that_client_only(self):
        for length in (0, 0xFFFFFFFF, 0x80000000, 200_000):
            stream = self.stream_nic(self.daemon, HOSTILE)
            self.assertTrue(stream.arp(DEFAULT_GATEWAY))
            stream.send_raw(struct.pack('!I', length))
            self.assert_all_well()
            if length:  # an empty record may also be skipped
                self.assertTrue(stream.closed_by_switch(), f'length {length:#x}')

    def test_a_stream_in_single_bytes_and_one_cut_in_the_middle(self):
        stream = self.stream_nic(self.daemon, HOSTILE)
        frame = frames.arp_request(HOSTILE, '0.0.0.0', DEFAULT_GATEWAY)
        for byte in struct.pack('!I', len(frame)) + frame:
            stream.send_raw(bytes([byte]))
        self.assertTrue(stream.receive_match(lambda got: frames.arp_reply_from(got, DEFAULT_GATEWAY)))
        stream.send_raw(struct.pack('!I', 1000) + b'half')
        stream.close()
        self.assert_all_well()

    def test_headers_for_the_gateway_that_lie_about_their_lengths(self):
        hostile = self.dgram_nic(self.daemon, HOSTILE)
        gateway = hostile.arp(DEFAULT_GATEWAY)
        query = b'\x12\x34\x01\0\0\1' + bytes(6) + b'\1a\0\0\1\0\1'
        good = frames.udp('192.168.127.66', 4000, DEFAULT_GATEWAY, 53, query)
        lies = [
            good[:1], good[:19],
            b'\x4f' + good[1:], b'\x40' + good[1:], b'\x65' + good[1:],   # header length, version
            good[:2] + b'\xff\xff' + good[4:], good[:2] + b'\0\0' + good[4:],   # total length
            good[:24] + b'\xff\xff' + good[26:], good[:24] + b'\0\0' + good[26:],   # UDP length
        ]
        for packet in lies:
            hostile.send(frames.ethernet(gateway, HOSTILE, ETHERTYPE_IPV4, packet))
        for cut in range(len(good)):
            hostile.send(frames.ethernet(gateway, HOSTILE, ETHERTYPE_IPV4, good[:cut]))
        self.assert_all_well()

    def test_dns_pointer_loops_and_dhcp_options_that_run_over(self):
        hostile = self.dgram_nic(self.daemon, HOSTILE)
        gateway = hostile.arp(DEFAULT_GATEWAY)
        header = b'\x12\x34\x01\0\0\1' + bytes(6)
        for name in (b'\xc0\x0c', b'\xc0\xff', b'\x3f', b'\x80', b'\1a\xc0\x0c', b'\x40', b'\1a' * 200):
            packet = frames.udp('192.168.127.66', 4000, DEFAULT_GATEWAY, 53, header + name + b'\0\1\0\1')
            hostile.send(frames.ethernet(gateway, HOSTILE, ETHERTYPE_IPV4, packet))
        for options in (((50, b''),), ((61, b''),), ((55, bytes(255)),), ((12, b'\0' * 255),), ((57, b'\0\0'),)):
            hostile.send(frames.dhcp(HOSTILE, frames.DISCOVER, 7, options))
        whole = frames.dhcp(HOSTILE, frames.DISCOVER, 8)
        body = whole[42:-1] + b'\x32\xff\x01'  # says 255 bytes, has one
        for length in range(0, len(body), 7):
            packet = frames.udp('0.0.0.0', 68, '255.255.255.255', 67, body[:length])
            hostile.send(frames.ethernet(BROADCAST, HOSTILE, ETHERTYPE_IPV4, packet))
        hostile.send(frames.ethernet(BROADCAST, HOSTILE, ETHERTYPE_IPV4,
                                     frames.udp('0.0.0.0', 68, '255.255.255.255', 67, body)))
        self.assert_all_well()
        self.assertRegex(hostile.lease(), r'^192\.168\.127\.')

    def test_noise(self):
        seed = random.randrange(1 << 32)
        print(f'    seed {seed}')
        dice = random.Random(seed)
        hostile = self.dgram_nic(self.daemon, HOSTILE)
        gateway = hostile.arp(DEFAULT_GATEWAY)
        solicitation = b'\x60\0\0\0\0\x08\x3a\xff' + bytes(16) + b'\xff\2' + bytes(13) + b'\2\x85' + bytes(7)
        seeds = [frames.dhcp(HOSTILE, frames.DISCOVER, 9), frames.arp_request(HOSTILE, '0.0.0.0', DEFAULT_GATEWAY),
                 frames.ethernet(gateway, HOSTILE, ETHERTYPE_IPV4,
                                 frames.udp('192.168.127.66', 9, DEFAULT_GATEWAY, 53, bytes(20))),
                 frames.ethernet('33:33:00:00:00:02', HOSTILE, 0x86DD, solicitation)]
        for _ in range(5000):
            frame = bytearray(dice.choice(seeds))
            for _ in range(dice.randrange(6)):
                frame[dice.randrange(12, len(frame))] = dice.randrange(256)
            hostile.send(bytes(frame[:dice.randrange(len(frame)) if dice.random() < 0.2 else None]))
            if dice.random() < 0.02:
                hostile.drain()
                self.bystander.drain()
        self.bystander.drain()
        self.assert_all_well()


if __name__ == '__main__':
    unittest.main()
