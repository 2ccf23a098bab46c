"""Port mappings as programs of home users ask for them: natpmpc (NAT-PMP), upnpc (UPnP IGD) and a PCP client.

Alice and Bob are in one home, Carol in another: a mapping is one when Carol gets through. The server's host has an
outside address to itself.
"""

import re
import socket
import struct
import time
import unittest

import harness
import homes
import needs
import pcp

GATEWAY, ALICE, BOB = '10.1.0.1', '10.1.0.101', '10.1.0.102'
HOME, AWAY, SERVERS, MOVED = '2.1.1.1', '2.2.2.2', '2.3.3.3', '2.1.1.9'
PROTOCOLS = ['nat-pmp', 'pcp', 'upnp']
KINDS = {'tcp': socket.SOCK_STREAM, 'udp': socket.SOCK_DGRAM}


class Mappings(homes.Internet):
    config = {
        'networks': [
            {'name': 'home', 'ipv4': f'{GATEWAY}/24', 'wan': {'ipv4': HOME}, 'nat': 'easy', 'port_mapping': PROTOCOLS},
            {'name': 'away', 'ipv4': f'{GATEWAY}/24', 'wan': {'ipv4': AWAY}, 'nat': 'hard'},
            {'name': 'servers', 'ipv4': f'{GATEWAY}/24', 'wan': {'ipv4': SERVERS}, 'port_mapping': PROTOCOLS,
             'nat': {'preset': 'one2one', 'filtering': 'address-and-port-dependent', 'host': ALICE}}],
        'nics': [homes.nic('alice', 1, 'home', ALICE), homes.nic('bob', 2, 'home', BOB),
                 homes.nic('carol', 3, 'away', ALICE), homes.nic('dave', 4, 'servers', ALICE),
                 homes.nic('erin', 5, 'servers', BOB)],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice, cls.bob, cls.carol, cls.dave, cls.erin = (cls.guest(nic['name']) for nic in cls.config['nics'])
        needs.tools(natpmpc='natpmpc', upnpc='miniupnpc')
        status = cls.alice.run(['upnpc', '-m', 'eth0', '-s']).stdout
        cls.found = status, re.search(r'desc: (http://\S+)', status)[1]

    def setUp(self):
        super().setUp()
        self.vnet('network', 'home', 'reboot')  # no mapping of the test before
        with self.api.events(follow='false') as events:
            self.since = max(event['id'] for event in events)

    def clients(self, *hosts):
        """A PCP client for each of them."""
        return [pcp.Client(self.keep(homes.udp(host)), host.ipv4()[0].split('/')[0], GATEWAY) for host in hosts]

    def natpmpc(self, host, *words, check=True):
        return host.run(['natpmpc', '-g', GATEWAY, *map(str, words)], check=check).stdout

    def told(self, what, subject):
        """Waits for an event of a mapping, and returns its cause."""
        with self.api.events(since=self.since, kind='nat.mapping.') as events:
            return events.wait(lambda event: (event['event'], event['subject']) ==
                               (f'nat.mapping.{what}', subject))['cause']

    def pinned(self, network='home'):
        """What the API lists of pinned mappings: (protocol, inside, outside)."""
        listed = self.api.get('/v1/nat/mappings', network=network)['mappings']
        return [(each['proto'], each['inside'], each['outside']) for each in listed if each['pinned']]

    def check_reached(self, proto, host, port, outside):
        """Carol gets through to a server of the host, which sees her home's address, and its answer comes back."""
        if proto == 'tcp':
            server, client = self.keep(homes.listener(host, port)), self.keep(homes.tcp(self.carol))
            client.connect(outside)
            connection, peer = server.accept()
            client.sendall(b'question')
            self.assertEqual(self.keep(connection).recv(100), b'question')
            connection.sendall(b'answer')
        else:
            server, client = self.keep(homes.udp(host, port)), self.keep(homes.udp(self.carol))
            client.sendto(b'question', outside)
            said, peer = server.recvfrom(100)
            self.assertEqual(said, b'question')
            server.sendto(b'answer', peer)
        self.assertEqual(peer[0], AWAY)
        self.assertEqual(client.recv(100), b'answer')
        for each in (server, client):
            each.close()

    def check_unreached(self, host, port, outside):
        """Nothing comes through. That something would have is told by a mapping of a neighbouring port."""
        server, witness = (self.keep(homes.udp(host, at)) for at in (port, 9))
        witness_port = self.clients(host)[0].map(pcp.UDP, 9).port
        client = self.keep(homes.udp(self.carol))
        for to in (outside, (outside[0], witness_port)):
            client.sendto(b'question', to)
        self.assertEqual(witness.recv(100), b'question')
        server.setblocking(False)
        with self.assertRaises(BlockingIOError):
            server.recv(100)
        for each in (server, witness):
            each.close()

    # natpmpc.

    def test_natpmpc_learns_the_outside_address(self):
        self.assertIn(f'Public IP address : {HOME}', self.natpmpc(self.alice))

    def test_what_natpmpc_maps_is_reached_from_elsewhere_until_it_is_deleted(self):
        for proto in KINDS:
            with self.subTest(proto):
                said = self.natpmpc(self.alice, '-a', 4444, 22, proto, 600)
                self.assertIn(f'Mapped public port 4444 protocol {proto.upper()} to local port 22 liftime 600', said)
                subject = f'{proto} 4444 to {ALICE} port 22'
                self.assertEqual(self.told('created', subject), 'nat-pmp')
                self.assertIn((proto, f'{ALICE}:22', f'{HOME}:4444'), self.pinned())
                self.assertRegex(self.vnet('mappings'),
                                 rf'(?m)^{proto} +{ALICE}:22 +{HOME}:4444 .*, pinned .* alice +home *$')
                self.check_reached(proto, self.alice, 22, (HOME, 4444))
                self.natpmpc(self.alice, '-a', 0, 22, proto, 0)
                self.assertIn('nat-pmp', self.told('deleted', subject))
                self.assertEqual(self.pinned(), [])
        self.check_unreached(self.alice, 22, (HOME, 4444))

    def test_a_mapping_expires(self):
        self.natpmpc(self.alice, '-a', 4444, 22, 'udp', 1)
        self.assertIn('nat-pmp', self.told('expired', f'udp 4444 to {ALICE} port 22'))
        self.assertEqual(self.pinned(), [])
        self.check_unreached(self.alice, 22, (HOME, 4444))

    def test_who_asks_again_keeps_the_port_and_lives_longer(self):
        self.natpmpc(self.alice, '-a', 4444, 22, 'udp', 2)
        said = self.natpmpc(self.alice, '-a', 5555, 22, 'udp', 900)
        self.assertIn('Mapped public port 4444 protocol UDP to local port 22 liftime 900', said)
        self.assertEqual(self.told('renewed', f'udp 4444 to {ALICE} port 22'), 'nat-pmp')
        self.assertEqual(self.pinned(), [('udp', f'{ALICE}:22', f'{HOME}:4444')])

    def test_a_port_that_another_guest_has_is_replaced(self):
        self.natpmpc(self.alice, '-a', 4444, 22, 'tcp', 600)
        said = self.natpmpc(self.bob, '-a', 4444, 22, 'tcp', 600)
        port = int(re.search(r'Mapped public port (\d+) protocol TCP to local port 22', said)[1])
        self.assertNotEqual(port, 4444)
        self.check_reached('tcp', self.bob, 22, (HOME, port))
        self.check_reached('tcp', self.alice, 22, (HOME, 4444))
        self.natpmpc(self.bob, '-a', 0, 22, 'tcp', 0)
        self.assertEqual(self.pinned(), [('tcp', f'{ALICE}:22', f'{HOME}:4444')])

    def test_all_of_a_guest_are_deleted_and_no_others(self):
        for port in (4444, 4445):
            self.natpmpc(self.alice, '-a', port, port, 'tcp', 600)
        self.natpmpc(self.alice, '-a', 4446, 4446, 'udp', 600)
        self.natpmpc(self.bob, '-a', 4447, 4447, 'tcp', 600)
        self.natpmpc(self.alice, '-a', 0, 0, 'tcp', 0)
        self.assertEqual(self.pinned(), [('tcp', f'{BOB}:4447', f'{HOME}:4447'),
                                         ('udp', f'{ALICE}:4446', f'{HOME}:4446')])

    # What becomes of mappings when the router begins again.

    def check_began_again(self, address, *change):
        """The mapping is gone, the epoch begins again and everybody is told, with the address as it is now."""
        client, = self.clients(self.alice)
        client.map(pcp.TCP, 22, suggested=4444)
        self.assertEqual(len(self.pinned()), 1)
        harness.eventually(lambda: client.announce().epoch >= 2, what='two seconds of the router\'s life')
        began = time.monotonic()

        def is_new(epoch):
            return epoch <= time.monotonic() - began + 1  # were it the old one, it would be two seconds ahead
        hears = self.keep(homes.udp(self.alice, 5350))
        self.vnet('network', 'home', *change)
        self.assertEqual(self.pinned(), [])
        self.assertIn('pcp', self.told('deleted', f'tcp 4444 to {ALICE} port 22'))
        self.assertTrue(is_new(client.announce().epoch))
        waiting = {0, pcp.VERSION}
        while waiting:
            said, source = hears.recvfrom(2000)
            self.assertEqual(source, (GATEWAY, pcp.PORT))
            if said[0] == 0:  # NAT-PMP
                version, opcode, result, epoch, outside = struct.unpack('>BBHI4s', said)
                self.assertEqual((opcode, result), (128, 0))
                if is_new(epoch) and socket.inet_ntoa(outside) == address:
                    waiting.discard(version)
            else:
                answer = pcp.read(said)
                self.assertEqual((answer.opcode, answer.result), (pcp.ANNOUNCE, pcp.SUCCESS))
                if is_new(answer.epoch):
                    waiting.discard(answer.version)
        answer = client.map(pcp.TCP, 22, suggested=4444)
        self.assertEqual((answer.result, answer.address, answer.port), (pcp.SUCCESS, address, 4444))
        self.check_reached('tcp', self.alice, 22, (address, 4444))

    def test_a_reboot_forgets_mappings_and_everybody_is_told(self):
        self.check_began_again(HOME, 'reboot')

    def test_another_outside_address_forgets_mappings_and_everybody_is_told(self):
        self.addCleanup(self.vnet, 'network', 'home', 'wan', HOME)
        self.check_began_again(MOVED, 'wan', MOVED)

    # PCP.

    def test_what_pcp_maps_is_reached_from_elsewhere_until_it_is_deleted(self):
        client, = self.clients(self.alice)
        for proto, number in (('tcp', pcp.TCP), ('udp', pcp.UDP)):
            with self.subTest(proto):
                answer = client.map(number, 22, suggested=4444)
                self.assertEqual((answer.result, answer.address, answer.port, answer.lifetime, answer.nonce),
                                 (pcp.SUCCESS, HOME, 4444, 600, client.nonce))
                self.assertEqual(self.told('created', f'{proto} 4444 to {ALICE} port 22'), 'pcp')
                self.check_reached(proto, self.alice, 22, (HOME, 4444))
                answer = client.map(number, 22, lifetime=0)
                self.assertEqual((answer.result, answer.lifetime), (pcp.SUCCESS, 0))
        self.assertEqual(self.pinned(), [])

    def test_only_who_knows_the_nonce_changes_a_mapping(self):
        client, = self.clients(self.alice)
        client.map(pcp.TCP, 22, suggested=4444)
        for lifetime in (0, 900):
            self.assertEqual(client.map(pcp.TCP, 22, lifetime=lifetime, nonce=bytes(12)).result, pcp.NOT_AUTHORIZED)
        answer = client.map(pcp.TCP, 22, suggested=5555, lifetime=900)
        self.assertEqual((answer.result, answer.port, answer.lifetime), (pcp.SUCCESS, 4444, 900))
        self.assertEqual(self.told('renewed', f'tcp 4444 to {ALICE} port 22'), 'pcp')

    def test_lifetimes_are_held_to_two_minutes_and_a_day(self):
        client, = self.clients(self.alice)
        self.assertEqual(client.map(pcp.TCP, 22, lifetime=1).lifetime, 120)
        self.assertEqual(client.map(pcp.TCP, 22, lifetime=10**6).lifetime, 86_400)

    def test_of_two_guests_who_want_one_port_the_second_gets_another_or_prefers_failure(self):
        alice, bob = self.clients(self.alice, self.bob)
        self.assertEqual(alice.map(pcp.UDP, 22, suggested=4444).port, 4444)
        answer = bob.map(pcp.UDP, 22, suggested=4444, options=pcp.PREFER_FAILURE)
        self.assertEqual(answer.result, pcp.CANNOT_PROVIDE_EXTERNAL)
        answer = bob.map(pcp.UDP, 22, suggested=4444)
        self.assertEqual(answer.result, pcp.SUCCESS)
        self.assertNotEqual(answer.port, 4444)
        self.check_reached('udp', self.bob, 22, (HOME, answer.port))
        self.check_reached('udp', self.alice, 22, (HOME, 4444))

    def test_the_version_is_agreed_upon(self):
        client, = self.clients(self.alice)
        for version in (1, 3):
            answer = client.announce(version)
            self.assertEqual((answer.version, answer.result), (pcp.VERSION, pcp.UNSUPP_VERSION))
        self.assertEqual(client.announce().result, pcp.SUCCESS)

    def test_an_address_that_is_not_the_clients_is_noticed(self):
        client, = self.clients(self.alice)
        client.own = BOB
        self.assertEqual(client.map(pcp.TCP, 22).result, pcp.ADDRESS_MISMATCH)

    def test_with_an_address_to_itself_a_host_has_each_port_as_it_is_and_others_have_none(self):
        dave, erin = self.clients(self.dave, self.erin)
        answer = dave.map(pcp.TCP, 22, suggested=4444)
        self.assertEqual((answer.result, answer.address, answer.port), (pcp.SUCCESS, SERVERS, 22))
        self.assertIn(('tcp', f'{ALICE}:22', f'{SERVERS}:22'), self.pinned('servers'))
        self.check_reached('tcp', self.dave, 22, (SERVERS, 22))
        self.assertNotEqual(erin.map(pcp.TCP, 23).result, pcp.SUCCESS)
        self.assertEqual(len(self.pinned('servers')), 1)

    # upnpc.

    def upnpc(self, host, *words, check=True):
        """Without looking for the router again, which takes two seconds."""
        return host.run(['upnpc', '-u', self.found[1], *map(str, words)], check=check).stdout

    def test_upnpc_finds_the_router_and_its_outside_address(self):
        status, url = self.found
        self.assertIn('Found valid IGD', status)
        self.assertIn('Status : Connected', status)
        self.assertIn(f'ExternalIPAddress = {HOME}', status)
        self.assertTrue(url.startswith(f'http://{GATEWAY}:'), url)

    def test_what_upnpc_maps_is_listed_and_reached_from_elsewhere_until_it_is_deleted(self):
        for proto in KINDS:
            with self.subTest(proto):
                said = self.upnpc(self.alice, '-e', 'a game', '-a', ALICE, 22, 4444, proto, 600)
                self.assertIn(f'external {HOME}:4444 {proto.upper()} is redirected to internal {ALICE}:22', said)
                self.assertEqual(self.told('created', f'{proto} 4444 to {ALICE} port 22'), 'upnp')
                said = self.upnpc(self.bob, '-l')
                self.assertRegex(said, rf"(?m)^ *0 {proto.upper()} +4444->{ALICE}:22 +'a game' '' \d+$")
                self.check_reached(proto, self.alice, 22, (HOME, 4444))
                self.upnpc(self.alice, '-d', 4444, proto)
                self.assertIn('upnp', self.told('deleted', f'{proto} 4444 to {ALICE} port 22'))
        self.assertEqual(self.pinned(), [])

    def test_a_port_that_another_guest_has_is_refused(self):
        self.upnpc(self.alice, '-a', ALICE, 22, 4444, 'tcp', 600)
        said = self.upnpc(self.bob, '-a', BOB, 22, 4444, 'tcp', 600, check=False)
        self.assertIn('failed with code 718 (ConflictInMappingEntry)', said)
        self.upnpc(self.bob, '-d', 4444, 'tcp', check=False)
        self.assertEqual(self.pinned(), [('tcp', f'{ALICE}:22', f'{HOME}:4444')])

    def test_all_protocols_show_what_another_has_mapped(self):
        self.clients(self.alice)[0].map(pcp.TCP, 22, suggested=4444)
        said = self.upnpc(self.bob, '-a', BOB, 22, 4444, 'tcp', 600, check=False)
        self.assertIn('718', said)
        self.assertIn(f'4444->{ALICE}:22', self.upnpc(self.bob, '-l'))


if __name__ == '__main__':
    unittest.main()
