"""Namespaces on `vnet tap`: hosts of the switch like any other, over IPv4 and IPv6, through a restart of the daemon."""

import re
import unittest

import harness
import needs

CONFIG = {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'ipv6': '2052::1/64', 'mtu': 1400,
                        'dns': {'search': ['corp.test']}}]}


class Hosts(harness.Case):
    def setUp(self):
        super().setUp()
        needs.root()
        self.daemon = self.vnetd(config=CONFIG)

    def pair(self):
        """Two hosts with 192.168.1.11 and .12."""
        hosts = [self.host(self.daemon, f'52:cc:cc:cc:cc:{number}') for number in (11, 12)]
        for number, host in zip((11, 12), hosts):
            host.run(['ip', 'link', 'set', 'eth0', 'mtu', '1400'])
            host.run(['ip', 'addr', 'add', f'192.168.1.{number}/24', 'dev', 'eth0'])
        return hosts

    def test_two_hosts_ping_each_other_and_the_gateway(self):
        first, _ = self.pair()
        first.run(['ping', '-c', '3', '-i', '0.2', '-W', '2', '192.168.1.12'])
        first.run(['ping', '-c', '3', '-i', '0.2', '-W', '2', '192.168.1.1'])

    def test_the_gateway_answers_for_itself_only(self):
        first, _ = self.pair()
        self.assertNotEqual(first.run(['ping', '-c', '1', '-W', '1', '192.168.1.99'], check=False).returncode, 0)
        self.assertRegex(first.run(['ip', 'neigh', 'show', '192.168.1.99']).stdout, 'FAILED|INCOMPLETE|^$')

    def test_full_size_frames_pass_and_so_do_large_pings_in_fragments(self):
        first, _ = self.pair()
        first.run(['ping', '-c', '2', '-i', '0.2', '-W', '2', '-M', 'do', '-s', '1372', '192.168.1.12'])
        first.run(['ping', '-c', '2', '-i', '0.2', '-W', '2', '-s', '8000', '192.168.1.12'])

    def test_slaac_ping6_and_neighbour_discovery(self):
        first, second = self.pair()
        address = second.ipv6()
        self.assertTrue(address.startswith('2052:'), address)
        first.ipv6()
        first.run(['ping', '-6', '-c', '2', '-i', '0.2', '-W', '2', '2052::1'])
        first.run(['ping', '-6', '-c', '2', '-i', '0.2', '-W', '2', address])

    def test_rdisc6_sees_prefix_mtu_resolver_and_search_list(self):
        needs.tools(rdisc6='ndisc6')
        host = self.host(self.daemon)
        host.ipv6('link')
        text = host.run(['rdisc6', '-1', '-w', '2000', 'eth0']).stdout
        self.assertRegex(text, r'Prefix +: 2052::/64')
        self.assertRegex(text, r'MTU +: +1400')
        self.assertRegex(text, r'Recursive DNS server +: ')
        self.assertRegex(text, r'DNS search list +: .*corp\.test')
        neighbour = host.run(['ndisc6', '-1', '-q', '2052::1', 'eth0']).stdout
        self.assertRegex(neighbour.strip().lower(), r'^([0-9a-f]{2}:){5}[0-9a-f]{2}$')

    def test_multicast_of_one_reaches_the_other(self):
        needs.tools(socat='socat')
        first, second = self.pair()
        receiver = 'UDP4-RECV:5353,ip-add-membership=224.0.0.251:eth0,reuseaddr'
        listener = second.start(['socat', '-d', '-d', '-u', receiver, 'STDOUT'])
        self.addCleanup(listener.kill)
        listener.wait_line('starting data transfer loop')
        sender = 'UDP4-DATAGRAM:224.0.0.251:5353,ip-multicast-if=192.168.1.11'
        first.run(['sh', '-c', f'echo hello mdns | socat -u STDIN {sender}'])
        listener.wait_line('hello mdns')

    def test_the_tap_reconnects_by_itself_when_the_daemon_comes_back(self):
        first, _ = self.pair()
        first.run(['ping', '-c', '1', '-W', '5', '192.168.1.12'])
        self.daemon.kill9()
        self.vnetd(config=CONFIG)
        answered = first.run(['ping', '-c', '30', '-i', '0.2', '-w', '6', '192.168.1.12'], check=False).stdout
        received = int(re.search(r'(\d+) received', answered)[1])
        self.assertGreater(received, 5, answered)


if __name__ == '__main__':
    unittest.main()
