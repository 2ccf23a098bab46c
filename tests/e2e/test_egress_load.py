"""Many flows at once, and many one after the other: all are served, and nothing is left of them."""

import pathlib
import re
import resource
import subprocess
import sys
import unittest

import control
import crowd
import harness
import needs
import test_egress
from test_egress import WORLD4, WORLD6

CROWD = pathlib.Path(crowd.__file__)
FLOWS = 10_000
RATE, SECONDS = 2000, 5
MIB = 1 << 20


def may_open(descriptors):
    """Whether a process of ours may have so many; root can see to it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY or hard >= descriptors:
        return True
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    except (OSError, ValueError):
        return False
    return True


class Load(test_egress.Egress):
    def setUp(self):
        super().setUp()
        if not may_open(FLOWS + 2000):
            needs.skip(f'needs {FLOWS + 2000} descriptors in a process: ulimit -Hn')
        server = self.world.start([sys.executable, CROWD, 'serve'])
        self.addCleanup(server.kill)
        server.wait_line('serving')
        self.client = self.guest()
        for namespace in (self.world, self.client):  # ports are used once only, for a minute
            namespace.run(['sh', '-c', 'echo 1024 65535 > /proc/sys/net/ipv4/ip_local_port_range'])
        self.api = control.Control(self.daemon.control)
        self.before = self.daemon.descriptors()

    def memory(self, what):
        """In bytes."""
        status = pathlib.Path(f'/proc/{self.daemon.pid}/status').read_text()
        return int(re.search(rf'(?m)^{what}:\s+(\d+) kB', status)[1]) << 10

    def flows(self):
        return self.api.get('/v1/status')['limits']['egress_flows']['used']

    def assert_nothing_is_left(self):
        harness.eventually(lambda: self.flows() == 0, 20, 'the end of all flows')
        harness.eventually(lambda: self.daemon.descriptors() <= self.before, 5, f'{self.before} descriptors as before')

    def hold(self, address):
        crowd_of_it = self.client.start([sys.executable, CROWD, 'hold', address, FLOWS], stdin=subprocess.PIPE)
        self.addCleanup(crowd_of_it.kill)
        self.assertEqual(int(crowd_of_it.wait_line(r'^(\d+)$', 60)[1]), FLOWS)
        self.assertEqual(self.flows(), FLOWS)
        crowd_of_it.process.stdin.close()
        self.assertEqual(crowd_of_it.wait(), 0)
        self.assert_nothing_is_left()

    def test_ten_thousand_connections_at_once_leave_neither_descriptors_nor_memory_behind(self):
        sizes = []
        for address in (WORLD4, WORLD6, WORLD4):
            self.hold(address)
            sizes.append(self.memory('VmRSS'))
        print('  resident:', *(f'{size / MIB:.1f}' for size in sizes), 'MiB', flush=True)
        # AddressSanitizer keeps what was freed for a while, and can be known by the terabytes that it reserves.
        if self.memory('VmSize') < 1 << 40:
            self.assertLess(sizes[2], sizes[1] + MIB)

    def test_two_thousand_new_connections_a_second_are_all_answered(self):
        said = self.client.run([sys.executable, CROWD, 'churn', WORLD4, RATE, SECONDS], timeout=60).stdout
        done, failed, seconds = map(float, said.split())
        print(f'  {done / seconds:.0f} connections a second', flush=True)
        self.assertEqual(failed, 0)
        self.assertGreater(done / seconds, 300)
        self.assert_nothing_is_left()


if __name__ == '__main__':
    unittest.main()
