"""Captures, judged by capinfos and tshark: who sent what, which way, and why it was dropped."""

import subprocess
import unittest

import capture
import frames
import harness
import needs
from frames import BROADCAST, ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
INBOUND, OUTBOUND = '0x00000001', '0x00000002'  # pcapng's epb_flags, as tshark prints them
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24'}],
          'nics': [{'name': 'alice', 'mac': ALICE}, {'name': 'bob', 'mac': BOB}]}


class Capture(harness.Case):
    def setUp(self):
        super().setUp()
        needs.tools(tshark='tshark', capinfos='wireshark-common')
        self.file = self.folder / 'run.pcapng'

    def talk(self, daemon):
        """Both NICs ask for the gateway; then alice sends bob one frame."""
        alice, bob = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        for nic in (alice, bob):
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        alice.send(frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'for bob'.ljust(100)))
        self.assertTrue(bob.receive_match(lambda frame: b'for bob' in frame))
        return alice, bob

    def test_one_interface_for_each_nic_and_one_for_the_gateway(self):
        daemon = self.vnetd('--pcap', self.file, config=CONFIG)
        self.talk(daemon)
        daemon.stop()
        names = capture.interfaces(self.file)
        self.assertEqual(len(names), len(set(names)))
        self.assertIn('alice', names)
        self.assertIn('bob', names)
        self.assertTrue([name for name in names if 'gateway' in name or 'lan' in name], names)
        self.assertGreater(capture.packets(self.file), 6)

    def test_a_frame_is_seen_going_in_at_one_nic_and_out_at_the_other(self):
        daemon = self.vnetd('--pcap', self.file, config=CONFIG)
        self.talk(daemon)
        daemon.stop()
        seen = capture.rows(self.file, 'frame.interface_name', 'frame.packet_flags_direction', 'frame.len',
                            where='eth.type == 0x88b5')
        self.assertEqual(sorted(seen), [('alice', INBOUND, '114'), ('bob', OUTBOUND, '114')])

    def test_a_dropped_frame_is_there_with_its_reason(self):
        daemon = self.vnetd('--pcap', self.file, config=dict(CONFIG, nics=[
            {'name': 'alice', 'mac': ALICE}, {'name': 'bob', 'mac': BOB, 'link': 'down'}]))
        alice, bob = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        bob.send(frames.ethernet(BROADCAST, BOB, ETHERTYPE_EXPERIMENT, b'nobody hears me'.ljust(46)))
        self.assertTrue(alice.arp(DEFAULT_GATEWAY))
        daemon.stop()
        rows = capture.rows(self.file, 'frame.interface_name', 'frame.comment', where='eth.type == 0x88b5')
        self.assertEqual(len(rows), 1, rows)
        self.assertIn('link-down', rows[0][1])

    def test_it_is_readable_after_kill_9_up_to_the_last_frame(self):
        daemon = self.vnetd('--pcap', self.file, config=CONFIG)
        self.talk(daemon)
        harness.eventually(lambda: b'for bob' in self.file.read_bytes(), what='the frame in the file')
        daemon.kill9()
        self.assertTrue(capture.rows(self.file, 'frame.number', where='eth.type == 0x88b5'))
        self.assertGreater(capture.packets(self.file), 0)

    def test_to_the_standard_output_it_is_a_stream_that_tshark_reads(self):
        with open(self.file, 'wb') as out:
            daemon = self.vnetd('--pcap', '-', config=CONFIG, stdout=out)
            self.talk(daemon)
            daemon.stop()
        with open(self.file, 'rb') as stream:
            done = subprocess.run(['tshark', '-n', '-r', '-', '-Y', 'eth.type == 0x88b5'], stdin=stream, timeout=30,
                                  capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2, done.stdout)

    def test_filter_and_snaplen_of_the_config(self):
        daemon = self.vnetd(config=dict(CONFIG, capture={'file': str(self.file), 'filter': 'not arp', 'snaplen': 64}))
        self.talk(daemon)
        daemon.stop()
        self.assertEqual(capture.rows(self.file, 'frame.number', where='arp'), [])
        self.assertEqual(set(capture.rows(self.file, 'frame.len', 'frame.cap_len', where='eth.type == 0x88b5')),
                         {('114', '64')})

    def test_a_bad_filter_is_refused_at_start_with_its_text(self):
        with self.assertRaisesRegex(AssertionError, 'not a filter'):
            self.vnetd(config=dict(CONFIG, capture={'file': str(self.file), 'filter': 'not a filter'}))

    def test_rotation_keeps_the_newest_files_and_each_is_whole(self):
        daemon = self.vnetd(config=dict(CONFIG, capture={'file': str(self.file), 'rotate_mb': 1, 'keep': 2}))
        alice, bob = self.talk(daemon)
        big = frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, bytes(1500))
        for _ in range(400):  # 400 x 8 frames, in and out: about 9.7 MB
            for _ in range(8):
                alice.send(big)
            for _ in range(8):
                self.assertIsNotNone(bob.receive(5))
        daemon.stop()
        files = sorted(self.folder.glob('run*.pcapng*'))
        self.assertIn(len(files), (2, 3), files)
        for file in files:
            self.assertLess(file.stat().st_size, 1.2e6, file)
            capture.packets(file)
            self.assertIn('alice', capture.interfaces(file), file)


if __name__ == '__main__':
    unittest.main()
