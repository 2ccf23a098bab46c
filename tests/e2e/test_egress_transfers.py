"""Bytes arrive whole whatever the link loses and whatever it carries at once; how fast they did is printed.

A transfer is VNET_TRANSFER_MIB long, by default short enough for every day; VNET_TRANSFER_LOSS="0 0.01" leaves out the
other losses. One that stands still fails by its time.
"""

import os
import time
import unittest

import control
import harness
import peer
import test_egress
from test_egress import MIB, WORLD4, WORLD6

SIZE_MIB = float(os.environ.get('VNET_TRANSFER_MIB', 0))
LOSSES = [float(loss) for loss in os.environ.get('VNET_TRANSFER_LOSS', '0 0.01 0.05').split()]
USUAL_MIB = {0: 32, 0.01: 8, 0.05: 2}
SLOWEST = 50_000  # bytes a second


class Transfers(test_egress.Egress):
    def narrow_guest(self, mtu):
        """One without IPv6, which such a link does not carry."""
        config = test_egress.network(mtu=mtu)
        del config['networks'][0]['ipv6']
        self.daemon = self.vnetd(config=config, world=self.world)
        host = self.host(self.daemon)
        host.run(['ip', 'link', 'set', 'eth0', 'mtu', str(mtu)])
        host.run(['ip', 'addr', 'add', '192.168.127.5/24', 'dev', 'eth0'])
        host.run(['ip', 'route', 'add', 'default', 'via', harness.DEFAULT_GATEWAY])
        return host

    def transfer(self, mtu, guest, addresses):
        """Each way to each address at each loss."""
        api = control.Control(self.daemon.control)
        for loss in LOSSES:
            api.patch('/v1/networks/lan', {'impair': {'loss': loss}})
            size = int((SIZE_MIB or USUAL_MIB[loss]) * MIB)
            wanted = peer.expected(size)
            for address in addresses:
                for word in ('upload', 'download'):
                    with self.subTest(word, address=address, loss=loss):
                        began = time.monotonic()
                        self.assertEqual(self.ask(guest, word, address, size, timeout=30 + size / SLOWEST), wanted)
                        seconds = time.monotonic() - began
                        print(f'  mtu {mtu:5}, loss {loss * 100:g} %, IPv{6 if ":" in address else 4} {word:8}: '
                              f'{size / MIB:4g} MiB at {size * 8 / 1e6 / seconds:6.1f} Mbit/s', flush=True)

    def test_over_a_link_of_576_bytes(self):
        self.transfer(576, self.narrow_guest(576), [WORLD4])

    def test_over_a_link_of_1500_bytes(self):
        self.transfer(1500, self.guest(mtu=1500), [WORLD4, WORLD6])

    def test_over_a_link_of_9000_bytes(self):
        self.transfer(9000, self.guest(mtu=9000), [WORLD4, WORLD6])

    def test_over_a_link_of_65520_bytes(self):
        self.transfer(65520, self.guest(mtu=65520), [WORLD4, WORLD6])


if __name__ == '__main__':
    unittest.main()
