"""Two homes behind NATs, a cloud that is routed, and the world beyond: what guests do on the internet works here.

Both homes have the same addresses inside. Alice is in one, Bob in the other, and there is a server in the cloud.
"""

import errno
import json
import re
import select
import socket
import threading
import unittest

import capture
import harness
import homes
import needs
import pcp
import peer

GATEWAY, INSIDE = '10.1.0.1', '10.1.0.101'
HOME1, HOME2, MOVED = '2.1.1.1', '2.2.2.2', '2.1.1.7'
OUTSIDE6 = '2001:db8:ffff::1'
ALICE6, BOB6 = '2001:db8:1::65', '2001:db8:2::65'
CLOUD_ROUTER, SERVER, SERVER6 = '2.9.9.9', '2.3.0.101', '2001:db8:3::65'
WORLD, WORLD6 = '203.0.113.7', '2001:db8:77::7'
ANY = {WORLD: '0.0.0.0', WORLD6: '::'}


def pieces(count):
    """Bytes that tell where they have been."""
    return b''.join(peer.pattern(count))


class Homes(homes.Internet):
    config = {
        'networks': [
            {'name': 'home1', 'ipv4': f'{GATEWAY}/24', 'ipv6': '2001:db8:1::1/64', 'port_mapping': ['pcp'],
             'wan': {'ipv4': HOME1, 'ipv6': OUTSIDE6}},
            {'name': 'home2', 'ipv4': f'{GATEWAY}/24', 'ipv6': '2001:db8:2::1/64', 'port_mapping': ['pcp'],
             'wan': {'ipv4': HOME2, 'ipv6': '2001:db8:ffff::2'}},
            {'name': 'cloud', 'ipv4': '2.3.0.1/24', 'ipv6': '2001:db8:3::1/64',
             'nat': {'preset': 'none', 'firewall': False},
             'wan': {'ipv4': CLOUD_ROUTER, 'ipv6': '2001:db8:ffff::3'}}],
        'nics': [homes.nic('alice', 1, 'home1', INSIDE), homes.nic('bob', 2, 'home2', INSIDE),
                 homes.nic('server', 3, 'cloud', SERVER)],
        'services': [homes.STUN_SERVICE],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address in (f'{WORLD}/32', f'{WORLD6}/128'):
            cls.world.run(['ip', 'addr', 'add', address, 'dev', 'lo'])
        cls.alice, cls.bob, cls.server = (cls.guest(name) for name in ('alice', 'bob', 'server'))

    def answers(self, address, host, *options, count=3, patience=5):
        """Whether any ping from the host was answered: on a busy machine some come too late for its patience."""
        command = ['ping', '-n', '-c', str(count), '-i', '0.1', '-W', str(patience), *options, address]
        return host.run(command, check=False).returncode == 0

    def map_port(self, host, protocol, inside, suggested):
        client = pcp.Client(self.keep(homes.udp(host)), INSIDE, GATEWAY)
        answer = client.map(protocol, inside, suggested)
        self.assertEqual((answer.result, answer.port), (pcp.SUCCESS, suggested))
        self.addCleanup(client.map, protocol, inside, lifetime=0)

    def hops(self, host, address, *options):
        needs.tools(traceroute='traceroute')
        said = host.run(['traceroute', '-n', '-w', '5', '-q', '1', *options, address]).stdout
        return re.findall(r'(?m)^ *\d+ +(\S+)', said)

    # Pings.

    def test_the_cloud_answers_both_homes(self):
        for host in (self.alice, self.bob):
            self.assertTrue(self.answers(SERVER, host))

    def test_large_ones_go_and_come_in_fragments(self):
        for host in (self.alice, self.bob):
            self.assertTrue(self.answers(SERVER, host, '-s', '4000'))
            self.assertTrue(self.answers(SERVER, host, '-s', '60000'))

    def test_traceroute_shows_the_routers(self):
        """Of a home, from outside, the router is all that there is to see."""
        for options in ((), ('-I',), ('-T', '-p', '9')):
            for host, address, wanted in ((self.alice, SERVER, [GATEWAY, CLOUD_ROUTER, SERVER]),
                                          (self.server, HOME1, ['2.3.0.1', HOME1])):
                with self.subTest(address, options=options):
                    self.assertEqual(self.hops(host, address, *options, '-m', str(len(wanted))), wanted)

    def test_ipv6_is_routed_and_the_firewall_lets_in_what_was_asked_for(self):
        self.assertTrue(self.answers(SERVER6, self.alice))
        self.assertFalse(self.answers(ALICE6, self.server, count=2, patience=1))
        self.assertFalse(self.answers(ALICE6, self.bob, count=2, patience=1))
        self.vnet('network', 'home1', 'nat', 'firewall=false')
        self.addCleanup(self.vnet, 'network', 'home1', 'nat', 'easy')
        self.assertTrue(self.answers(ALICE6, self.server))
        self.assertTrue(self.answers(ALICE6, self.bob))
        self.assertFalse(self.answers(BOB6, self.alice, count=2, patience=1))

    def test_a_blackhole_swallows_what_goes_there_and_nothing_else(self):
        self.assertTrue(self.answers(SERVER, self.alice))
        self.vnet('network', 'home1', 'blackhole', 'add', f'{SERVER}/32')
        self.addCleanup(self.vnet, 'network', 'home1', 'blackhole', 'clear')
        self.assertFalse(self.answers(SERVER, self.alice, count=2, patience=1))
        self.assertEqual(homes.outside_of(self.keep(homes.udp(self.alice)))[0], HOME1)
        self.assertTrue(self.answers(SERVER, self.bob))
        self.vnet('network', 'home1', 'blackhole', 'rm', f'{SERVER}/32')
        self.assertTrue(self.answers(SERVER, self.alice))

    # Datagrams.

    def test_each_home_is_known_by_its_outside_address(self):
        for host, home in ((self.alice, HOME1), (self.bob, HOME2)):
            bound = self.keep(homes.udp(host))
            self.assertEqual(homes.outside_of(bound), (home, homes.port_of(bound)))
        self.assertEqual(homes.outside_of(self.keep(homes.udp(self.server, 5000))), (SERVER, 5000))

    def test_large_ones_cross_in_fragments_both_ways(self):
        self.map_port(self.bob, pcp.UDP, 7000, 7001)
        for name, server, address in (('cloud', self.server, (SERVER, 7000)), ('home', self.bob, (HOME2, 7001))):
            answers, asks = self.keep(homes.udp(server, 7000)), self.keep(homes.udp(self.alice))
            for size in (1473, 4000, 20_000, 60_000):
                with self.subTest(name, size=size):
                    asks.sendto(pieces(size), address)
                    said, source = answers.recvfrom(65536)
                    self.assertEqual((said, source[0]), (pieces(size), HOME1))
                    answers.sendto(said[::-1], source)
                    self.assertEqual(asks.recvfrom(65536), (pieces(size)[::-1], address))

    def test_a_closed_port_is_told_through_the_nats(self):
        self.map_port(self.bob, pcp.UDP, 9, 9)
        for name, address in (('cloud', (SERVER, 9)), ('home', (HOME2, 9))):
            with self.subTest(name):
                asks = self.keep(homes.udp(self.alice))
                asks.connect(address)
                asks.send(b'anybody?')
                with self.assertRaises(ConnectionRefusedError):
                    asks.recv(100)

    def test_ipv6_comes_in_from_where_something_was_sent_to(self):
        inside = self.keep(homes.udp(self.alice, 7000, ALICE6))
        outside = self.keep(homes.udp(self.server, 7000, SERVER6))
        outside.sendto(b'too early', (ALICE6, 7000))
        self.assertTrue(self.answers('2001:db8:3::1', self.server, count=1))  # by then it has been dealt with
        inside.sendto(b'hello', (SERVER6, 7000))
        said, source = outside.recvfrom(100)
        self.assertEqual((said, source[:2]), (b'hello', (ALICE6, 7000)))
        outside.sendto(b'welcome', (ALICE6, 7000))
        self.assertEqual(inside.recv(100), b'welcome')

    def test_another_outside_address_is_used_at_once_and_the_old_one_is_nobodys(self):
        here, there = self.keep(homes.udp(self.alice)), self.keep(homes.udp(self.server))
        known = []
        for wan in (HOME1, MOVED):
            self.vnet('network', 'home1', 'wan', wan, OUTSIDE6)
            self.addCleanup(self.vnet, 'network', 'home1', 'wan', HOME1, OUTSIDE6)
            here.sendto(b'hello', (SERVER, homes.port_of(there)))
            known.append(there.recvfrom(100)[1])
        self.assertEqual(known, [(wan, homes.port_of(here)) for wan in (HOME1, MOVED)])
        there.sendto(b'to the old one', known[0])
        there.sendto(b'to the new one', known[1])
        self.assertEqual(here.recv(100), b'to the new one')
        self.assertTrue(self.answers(SERVER6, self.alice))

    def test_a_capture_has_both_sides_of_each_nat(self):
        needs.tools(tshark='tshark')
        file = self.folder / 'all.pcapng'
        self.map_port(self.bob, pcp.UDP, 7000, 7001)
        made = self.api.post('/v1/captures', {'file': str(file), 'filter': 'udp'})
        answers, asks = self.keep(homes.udp(self.bob, 7000)), self.keep(homes.udp(self.alice))
        port = str(homes.port_of(asks))
        asks.sendto(b'seen six times', (HOME2, 7001))
        self.assertEqual(answers.recv(100), b'seen six times')
        self.api.delete(f'/v1/captures/{made["id"]}')
        names = capture.interfaces(file)
        for name in ('alice', 'home1-gateway', 'home1-wan', 'home2-wan', 'home2-gateway', 'bob'):
            self.assertIn(name, names)
        rows = capture.rows(file, 'frame.interface_name', 'ip.src', 'udp.srcport', 'ip.dst', 'udp.dstport',
                            where=f'udp.payload == {b"seen six times".hex(":")}')
        sent, crossing, received = ((INSIDE, port, HOME2, '7001'), (HOME1, port, HOME2, '7001'),
                                    (HOME1, port, INSIDE, '7000'))
        self.assertEqual(sorted(rows), sorted([
            ('alice', *sent), ('home1-gateway', *sent), ('home1-wan', *crossing),
            ('home2-wan', *crossing), ('home2-gateway', *received), ('bob', *received)]))

    # Connections.

    def check_iperf(self, client, server, address, port=5201):
        """TCP flows both ways."""
        needs.tools(iperf3='iperf3')
        listens = server.start(['iperf3', '-s', '-p', '5201', '--forceflush'])
        self.addCleanup(listens.kill)
        listens.wait_line('Server listening')
        for way in ((), ('-R',)):
            report = json.loads(client.run(['iperf3', '-J', '-t', '1', '-c', address, '-p', port, *way]).stdout)
            self.assertNotIn('error', report)
            rate = report['end']['sum_received']['bits_per_second']
            self.assertGreater(rate, 1e6)
            print(f'  to {address} {"down" if way else "up"}: {rate / 1e6:.0f} Mbit/s', flush=True)
        listens.kill()

    def test_iperf_through_a_nat_to_the_cloud(self):
        for home in (self.alice, self.bob):
            self.check_iperf(home, self.server, SERVER)

    def test_iperf_through_both_nats_to_a_mapped_port(self):
        self.map_port(self.bob, pcp.TCP, 5201, 5202)
        self.check_iperf(self.alice, self.bob, HOME2, 5202)

    def test_two_guests_open_one_connection_at_the_same_time(self):
        """TCP simultaneous open (RFC 5382, REQ-2 and REQ-4): neither listens, and each NAT has seen a SYN go out."""
        for _ in range(5):
            ends = self.keep(homes.tcp(self.alice)), self.keep(homes.tcp(self.bob))
            for end, home, other in ((ends[0], HOME2, ends[1]), (ends[1], HOME1, ends[0])):
                end.setblocking(False)
                self.assertEqual(end.connect_ex((home, homes.port_of(other))), errno.EINPROGRESS)  # ports are preserved
            for end in ends:
                select.select([], [end], [], homes.PATIENCE)
            if not any(end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for end in ends):
                break
        for end, other, home in ((ends[0], ends[1], HOME2), (ends[1], ends[0], HOME1)):
            end.settimeout(homes.PATIENCE)
            self.assertEqual(end.getpeername(), (home, homes.port_of(other)))
        for end, other in (ends, ends[::-1]):
            end.sendall(b'hello')
            self.assertEqual(other.recv(100), b'hello')

    def test_nobody_gets_in_who_was_not_asked(self):
        listens = self.keep(homes.listener(self.alice, 7000))
        caller = self.keep(homes.tcp(self.bob))
        with self.assertRaises(OSError):
            caller.connect((HOME1, 7000))
        listens.setblocking(False)
        with self.assertRaises(BlockingIOError):
            listens.accept()

    # The world.

    def test_connections_from_a_home_reach_the_world(self):
        for address in (WORLD, WORLD6):
            with self.subTest(address):
                serves = self.keep(homes.listener(self.world, 8000, address))
                calls = self.keep(homes.tcp(self.alice, 0, ANY[address]))
                calls.connect((address, 8000))
                connection = self.keep(serves.accept()[0])
                connection.settimeout(homes.PATIENCE)
                sent, count = b'', 4 << 20
                sender = threading.Thread(target=calls.sendall, args=(pieces(count),), daemon=True)
                sender.start()
                while len(sent) < count and (piece := connection.recv(65536)):
                    sent += piece
                sender.join(homes.PATIENCE)
                self.assertEqual(sent, pieces(count))
                connection.sendall(b'thanks')
                self.assertEqual(calls.recv(100), b'thanks')

    def test_datagrams_of_any_size_from_a_home_reach_the_world_and_its_answers_come(self):
        for address in (WORLD, WORLD6):
            answers = self.keep(homes.udp(self.world, 8000, address))
            asks = self.keep(homes.udp(self.alice, 0, ANY[address]))
            asks.settimeout(5)
            for size in (1, 1452, 1473, 9000, 60_000):
                with self.subTest(address, size=size):
                    asks.sendto(pieces(size), (address, 8000))
                    said, source = answers.recvfrom(65536)
                    self.assertEqual(said, pieces(size))
                    answers.sendto(said, source)
                    said, source = asks.recvfrom(65536)
                    self.assertEqual((said, source[:2]), (pieces(size), (address, 8000)))

    def test_the_world_answers_pings_of_any_size_from_a_home(self):
        self.world.run(['sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'])
        for address in (WORLD, WORLD6):
            for size in ('56', '4000'):
                with self.subTest(address, size=size):
                    self.assertTrue(self.answers(address, self.alice, '-s', size))


class Carrier(homes.Internet):
    """The example: two homes behind the NAT of their provider, and a third one that is not."""

    config = json.loads(re.sub(r'/\*.*?\*/', '', (harness.ROOT / 'configs/cgnat.json').read_text(), flags=re.DOTALL))
    config = {**{key: value for key, value in config.items() if key != '$schema'}, 'services': [homes.STUN_SERVICE]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice, cls.bob, cls.carol = (cls.guest(name) for name in ('alice', 'bob', 'carol'))

    def test_behind_two_nats_a_home_is_known_by_the_outer_address(self):
        bound = self.keep(homes.udp(self.alice))
        outside = homes.outside_of(bound)
        self.assertEqual(outside[0], '2.1.1.1')

        def mapped(network):
            listed = self.api.get('/v1/nat/mappings', network=network)['mappings']
            return {each['inside']: each['outside'] for each in listed}
        between = mapped('north')[f'192.168.1.101:{homes.port_of(bound)}']
        self.assertEqual(between.split(':')[0], '100.64.1.1')
        self.assertEqual(mapped('provider')[between], '%s:%d' % outside)

    def test_who_sends_out_is_reached_through_both_nats(self):
        here, there = self.keep(homes.udp(self.alice)), self.keep(homes.udp(self.carol))
        mine, theirs = homes.outside_of(here), homes.outside_of(there)
        there.sendto(b'opens', mine)
        self.assertEqual(homes.outside_of(there), theirs)  # by then it has been
        here.sendto(b'hello', theirs)
        self.assertEqual(there.recvfrom(100), (b'hello', mine))
        there.sendto(b'welcome', mine)
        self.assertEqual(here.recvfrom(100), (b'welcome', theirs))

    def test_customers_meet_inside_of_the_providers_network(self):
        self.vnet('network', 'north', 'nat', 'fullcone')
        self.addCleanup(self.vnet, 'network', 'north', 'nat', 'easy')
        here, there = self.keep(homes.udp(self.alice)), self.keep(homes.udp(self.bob))
        homes.outside_of(here)
        there.sendto(b'hello', ('100.64.1.1', homes.port_of(here)))
        said, source = here.recvfrom(100)
        self.assertEqual((said, source[0]), (b'hello', '100.64.1.2'))
        here.sendto(b'welcome', source)
        self.assertEqual(there.recv(100), b'welcome')

    def test_both_routers_are_on_the_way(self):
        needs.tools(traceroute='traceroute')
        said = self.alice.run(['traceroute', '-n', '-w', '5', '-q', '1', '-m', '3', '2.2.2.2']).stdout
        self.assertEqual(re.findall(r'(?m)^ *\d+ +(\S+)', said), ['192.168.1.1', '100.64.0.1', '2.2.2.2'])

    def test_a_home_may_have_a_carrier_of_its_own(self):
        self.vnet('network', 'cottage', 'nat', 'cgnat')
        self.addCleanup(self.vnet, 'network', 'cottage', 'nat', 'easy')
        bound = self.keep(homes.udp(self.carol))
        self.assertEqual(homes.outside_of(bound)[0], '2.2.2.2')
        said = self.vnet('mappings', '--network', 'cottage')
        self.assertRegex(said, rf'(?m)^udp +192\.168\.1\.101:{homes.port_of(bound)} .* cottage *$')
        self.assertRegex(said, r'(?m)^udp +\S+ +2\.2\.2\.2:.* cottage, its carrier *$')


if __name__ == '__main__':
    unittest.main()
