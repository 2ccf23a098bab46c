"""Guests reach the real world through host sockets: here a namespace with addresses of its own, where the daemon runs.

What a guest can reach is what that namespace can, so nothing leaves this machine.
"""

import pathlib
import re
import sys
import unittest

import harness
import needs
import peer
import processes

PEER = pathlib.Path(peer.__file__)
WORLD4, WORLD6 = '203.0.113.7', '2001:db8:77::7'
NOWHERE4 = '198.51.100.9'
ALIAS = '192.168.127.254'
MIB = 1 << 20


def network(**members):
    return {'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24', 'ipv6': 'fd00:77::1/64', 'host_alias': ALIAS,
                          **members}]}


class Egress(harness.Case):
    """One daemon in one world for a class of tests; `members` are those of its network."""

    members = {}

    def setUp(self):
        super().setUp()
        needs.root()
        self.world = harness.NetNs()
        self.addCleanup(self.world.remove)
        for address in (f'{WORLD4}/32', f'{WORLD6}/128'):
            self.world.run(['ip', 'addr', 'add', address, 'dev', 'lo'])
        self.server = self.world.start([sys.executable, PEER, 'serve'])
        self.addCleanup(self.server.kill)
        self.server.wait_line('serving')

    def guest(self, *flags, **members):
        """A namespace at a daemon with such a network, with an address of each family."""
        self.daemon = self.vnetd(*flags, config=network(**members), world=self.world)
        host = self.host(self.daemon)
        host.run(['ip', 'link', 'set', 'eth0', 'mtu', str(members.get('mtu', 1500))])
        host.run(['ip', 'addr', 'add', '192.168.127.5/24', 'dev', 'eth0'])
        host.run(['ip', 'route', 'add', 'default', 'via', '192.168.127.1'])
        host.ipv6()
        return host

    def ask(self, guest, word, address, count, timeout=60):
        return guest.run([sys.executable, PEER, word, address, str(count)], timeout=timeout).stdout.strip()

    def both_ways(self, guest, count, addresses=(WORLD4, WORLD6)):
        wanted = peer.expected(count)
        for address in addresses:
            for word in ('upload', 'download'):
                with self.subTest(word, address=address):
                    self.assertEqual(self.ask(guest, word, address, count), wanted)


class Tcp(Egress):
    def test_bytes_arrive_both_ways_whatever_the_mtu(self):
        for mtu in (1280, 1500, 9000, 65520):
            with self.subTest(mtu=mtu):
                guest = self.guest(mtu=mtu)
                self.both_ways(guest, 16 * MIB)
                self.daemon.stop()

    def test_bytes_arrive_over_a_lossy_link(self):
        guest = self.guest(impair={'loss': 0.03, 'latency_ms': 1})
        self.both_ways(guest, 2 * MIB, [WORLD4])

    def test_a_refused_connection_is_told_at_once_and_an_unreachable_host_too(self):
        guest = self.guest()
        for address, word in ((WORLD4, 'refused'), (WORLD6, 'refused'), (NOWHERE4, 'unreachable|No route'),
                              ('2001:db8:99::1', 'unreachable|No route')):
            with self.subTest(address):
                code = f"import socket; socket.create_connection(('{address}', 9), 5)"
                said = guest.run([sys.executable, '-c', code], check=False, timeout=20)
                self.assertRegex(said.stdout, word)

    def test_three_hundred_connections_at_once_leave_no_descriptor_behind(self):
        guest = self.guest()
        before = self.daemon.descriptors()
        for address in (WORLD4, WORLD6):
            self.assertEqual(self.ask(guest, 'open', address, 300), '300')
        harness.eventually(lambda: self.daemon.descriptors() <= before, 15, f'{before} descriptors as before')

    def test_a_clean_link_sees_no_repetition_and_no_bad_checksum(self):
        needs.tools(tshark='tshark')
        capture = self.folder / 'egress.pcapng'
        guest = self.guest('--pcap', capture)
        # On a busy machine a process may be away for longer than a sender's shortest timer. For the guest's kernel that is
        # its tail probe's, of a few milliseconds, so that one is switched off; of ours, what follows such a silence is
        # explained by it.
        guest.run(['sh', '-c', 'echo 0 >/proc/sys/net/ipv4/tcp_early_retrans'])
        self.both_ways(guest, 4 * MIB, [WORLD4])
        self.daemon.stop()
        repeated = '(tcp.analysis.retransmission || tcp.analysis.out_of_order) && tcp.time_delta < 0.005'
        odd = (f'({repeated}) || tcp.analysis.lost_segment || tcp.analysis.zero_window_probe || '
               'tcp.checksum.status == 0 || ip.checksum.status == 0')
        # Each frame is in the capture twice, at the NIC and at the gateway: one side of it, or all would be repetitions.
        gateway = self.folder / 'gateway.pcapng'
        processes.run(['tshark', '-r', capture, '-w', gateway, '-Y', 'frame.interface_name contains "gateway" && '
                       f'tcp.port == {peer.PORT}'], 60)
        look = ['tshark', '-r', gateway, '-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-Y']
        self.assertGreater(len(processes.run([*look, 'tcp'], 60).stdout.splitlines()), 1000)
        self.assertNotRegex(processes.run([*look, odd], 60).stdout, r'(?m)^ *\d+ ')


class Datagrams(Egress):
    def test_udp_of_any_size_comes_back(self):
        guest = self.guest()
        for address in (WORLD4, WORLD6):
            with self.subTest(address):
                self.assertEqual(self.ask(guest, 'udp', address, 100), '100')

    def test_what_is_larger_than_the_mtu_goes_and_comes_in_fragments(self):
        self.world.run(['sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'])
        guest = self.guest()
        for address in (WORLD4, WORLD6):
            for count in (9_000, 60_000):
                with self.subTest(address=address, count=count):
                    self.assertEqual(self.ask(guest, 'large', address, count), peer.expected(count))
            with self.subTest('ping', address=address):
                said = guest.run(['ping', '-s', '4000', '-c', '3', '-i', '0.2', '-W', '5', address]).stdout
                self.assertRegex(said, ' 0% packet loss')
                self.assertEqual(said.count('4008 bytes from'), 3)

    def test_a_closed_port_is_told_by_icmp(self):
        guest = self.guest()
        code = (f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); "
                f"s.connect(('{WORLD4}', 9)); s.send(b'x'); s.recv(9)")
        self.assertIn('ConnectionRefusedError', guest.run([sys.executable, '-c', code], check=False).stdout)

    def test_ping_goes_through_where_the_host_lets_it(self):
        self.world.run(['sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'])
        guest = self.guest()
        for address in (WORLD4, WORLD6, ALIAS):
            with self.subTest(address):
                said = guest.run(['ping', '-c', '3', '-i', '0.2', '-W', '5', address]).stdout
                self.assertRegex(said, ' 0% packet loss')


class Policy(Egress):
    def reached(self, guest, address, port=peer.PORT):
        code = f"import socket; socket.create_connection(('{address}', {port}), 3)"
        return guest.run([sys.executable, '-c', code], check=False).returncode == 0

    def test_the_hosts_loopback_is_reached_by_its_alias_only(self):
        guest = self.guest()
        guest.run(['ip', 'route', 'replace', '127.0.0.53/32', 'via', '192.168.127.1'])
        self.assertTrue(self.reached(guest, ALIAS))
        for address in ('127.0.0.53', '169.254.169.254', '64:ff9b::7f00:1'):
            self.assertFalse(self.reached(guest, address), address)
        self.daemon.stop()
        self.assertFalse(self.reached(self.guest(name='other', host_alias='192.168.127.253'), ALIAS))

    def test_the_longest_prefix_decides_and_deny_wins_a_tie(self):
        guest = self.guest(egress={'deny': ['203.0.113.0/24'], 'allow': [f'{WORLD4}/32', '::/0']})
        self.assertTrue(self.reached(guest, WORLD4))
        self.assertTrue(self.reached(guest, WORLD6))
        self.daemon.stop()
        guest = self.guest(egress={'deny': [f'{WORLD4}/32'], 'allow': [f'{WORLD4}/32']})
        self.assertFalse(self.reached(guest, WORLD4))

    def test_a_host_only_network_reaches_nothing(self):
        guest = self.guest(egress={'enabled': False})
        for address in (WORLD4, WORLD6, ALIAS):
            self.assertFalse(self.reached(guest, address), address)


class WithAVm(Egress):
    def test_a_vm_fetches_a_file(self):
        harness.vm_image()
        (self.folder / 'page').write_text('hello from outside\n')
        web = self.world.start([sys.executable, '-u', '-m', 'http.server', '-b', WORLD4, '8080', '-d', self.folder])
        self.addCleanup(web.kill)
        web.wait_line('Serving HTTP')
        daemon = self.vnetd(config=network(), world=self.world)
        machine = self.boot('vm', harness.vm.dgram_netdev(self.folder / 'vm.nic', daemon.dgram), '52:cc:cc:cc:cc:01')
        machine.wait_shell()
        machine.lease()
        # Debian's static wget cannot look up what it need not: it crashes in the C library's name services.
        asked = f"printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | nc -w 10 {WORLD4} 8080"
        machine.check(f'{asked} | grep "hello from outside"')


if __name__ == '__main__':
    unittest.main()
