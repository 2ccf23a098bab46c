"""A receiver that stops reading must not change the rate of another pair: measured, with the numbers printed.

One thread does it all, so that the machine's scheduler has no say: alice sends bob a burst that fits into the kernel's
smallest queue and waits for it to arrive, and with each burst one frame goes to carol. In the even rounds carol reads,
in the odd ones she does not, with her queue full from the start. The medians of both kinds of rounds are compared.
"""

import statistics
import time
import unittest

import frames
import harness
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL = (f'52:cc:cc:cc:cc:{number:02}' for number in (1, 2, 3))
BURST = 8  # frames; 11 fit where the two ends are not connected to each other
ROUNDS = 10
ROUND_SECONDS = 0.4
LEAST_RATIO = 0.8  # what two idle rounds differ by on a loaded machine; a shared queue or a wait gives 0.1 and less


class StalledReader(harness.Case):
    def rate(self, alice, bob, carol, reads):
        """Frames per second from alice to bob."""
        to_bob = frames.ethernet(BOB, ALICE, frames.ETHERTYPE_EXPERIMENT, bytes(1500))
        to_carol = frames.ethernet(CAROL, ALICE, frames.ETHERTYPE_EXPERIMENT, bytes(1500))
        started, count = time.monotonic(), 0
        while time.monotonic() - started < ROUND_SECONDS:
            alice.send(to_carol)
            for _ in range(BURST):
                alice.send(to_bob)
            for _ in range(BURST):
                if bob.receive(2) is None:
                    return 0.0
                count += 1
            if reads:
                carol.drain()
        return count / (time.monotonic() - started)

    def measure(self, title, alice, bob, carol):
        for nic in (alice, bob, carol):
            self.assertTrue(nic.arp(DEFAULT_GATEWAY), nic.mac)
        for nic in (alice, bob, carol):
            nic.drain()
        rates = {True: [], False: []}
        for number in range(ROUNDS):
            reads = number % 2 == 0
            if not reads:
                for _ in range(2000):  # more than any queue of hers holds
                    alice.send(frames.ethernet(CAROL, ALICE, frames.ETHERTYPE_EXPERIMENT, bytes(1500)))
                alice.send(frames.ethernet(BOB, ALICE, frames.ETHERTYPE_EXPERIMENT, b'the fill is through'.ljust(46)))
                self.assertTrue(bob.receive_match(lambda frame: b'the fill' in frame))
            rates[reads].append(self.rate(alice, bob, carol, reads))
            carol.drain()
        reading, stalled = statistics.median(rates[True]), statistics.median(rates[False])
        print(f'    {title}: {reading:.0f} frames/s beside a reader, {stalled:.0f} beside a stalled one, '
              f'ratio {stalled / reading:.2f}', flush=True)
        self.assertGreater(stalled, LEAST_RATIO * reading, title)

    def test_on_the_shared_path(self):
        daemon = self.vnetd()
        self.measure('shared path, unconnected', *(self.dgram_nic(daemon, mac) for mac in (ALICE, BOB, CAROL)))

    def test_on_the_shared_path_with_connected_clients(self):
        daemon = self.vnetd()
        self.measure('shared path, connected',
                     *(self.dgram_nic(daemon, mac, connect=True) for mac in (ALICE, BOB, CAROL)))

    def test_on_a_path_per_nic(self):
        names = {'alice': ALICE, 'bob': BOB, 'carol': CAROL}
        daemon = self.vnetd(config={
            'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24'}],
            'nics': [{'name': name, 'mac': mac, 'dgram': f'{name}.sock'} for name, mac in names.items()]})
        self.measure('path per NIC', *(self.dgram_nic(daemon, mac, path=self.folder / f'{name}.sock', connect=True)
                                       for name, mac in names.items()))

    def test_on_streams(self):
        daemon = self.vnetd()
        self.measure('stream', *(self.stream_nic(daemon, mac) for mac in (ALICE, BOB, CAROL)))


if __name__ == '__main__':
    unittest.main()
