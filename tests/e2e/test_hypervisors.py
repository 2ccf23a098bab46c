"""Each kind of hypervisor on the wire, by its stand-in: it gets its address, comes back after a restore, takes bursts;
a program moves its NIC to another network; and what libkrun leaves undone when its offloads are on is dropped with a
reason. test_attach_manual.py has what vnet-attach(7) shows for each.
"""

import os
import re
import struct
import sys
import unittest

import control
import frames
import harness
import hypervisors
import needs
import peer
from frames import ETHERTYPE_EXPERIMENT, ETHERTYPE_IPV4
from harness import DEFAULT_GATEWAY

BOB = '52:cc:cc:cc:cc:02'
BURST = 64
SYN = 2
WORLD, NEIGHBOR, NEIGHBORS_MAC = '198.51.100.1', '192.168.127.77', '52:cc:cc:cc:cc:77'


def experiment(destination, source, text, size=46):
    return frames.ethernet(destination, source, ETHERTYPE_EXPERIMENT, text.ljust(size, b'.'))


class Hypervisors(harness.Case):
    def bystander(self, daemon):
        bob = self.dgram_nic(daemon, BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        return bob

    def kinds(self, daemon):
        """Each kind of hypervisor: its name, a MAC address, what starts it, at the path of one before if given."""
        vfkit, krun, vz, qemu, stream = (f'52:cc:cc:cc:01:0{number}' for number in range(1, 6))

        def libkrun(before):
            return hypervisors.Libkrun(daemon.dgram, krun, self.folder, process=before and before.process)

        def helper(before):
            path = before.path if before else self.folder / f'vz-{os.urandom(4).hex()}.sock'
            return hypervisors.VzHelper(vz).attach(daemon.dgram, path)

        def qemu_dgram(before):
            path = before.path if before else self.folder / f'qemu-{os.urandom(4).hex()}.sock'
            return hypervisors.QemuDgram(daemon.dgram, qemu, path)

        def kept(start):
            def begin(before=None):
                nic = start(before)
                self.addCleanup(nic.close)
                return nic
            return begin

        return [('vfkit', vfkit, kept(lambda before: hypervisors.Vfkit(daemon.dgram, vfkit))),
                ('libkrun', krun, kept(libkrun)),
                ('VZ helper', vz, kept(helper)),
                ('QEMU dgram', qemu, kept(qemu_dgram)),
                ('QEMU stream', stream, kept(lambda before: hypervisors.QemuStream(daemon.stream, stream)))]

    def assert_nothing_was_refused(self, daemon):
        self.assertEqual(control.Control(daemon.control).get('/v1/status')['drops'], {})

    def numbers_of_burst(self, receiver):
        got = []

        def add(frame):
            if found := re.search(rb'burst (\d+)', frame):
                got.append(int(found[1]))
            return len(got) == BURST
        receiver.receive_match(add)
        return got

    def test_each_gets_an_address_and_an_answered_ping(self):
        daemon = self.vnetd()
        for name, _, start in self.kinds(daemon):
            with self.subTest(name):
                nic = start()
                self.assertTrue(nic.ping(DEFAULT_GATEWAY, nic.lease()))
        self.assert_nothing_was_refused(daemon)

    def test_a_new_process_takes_over_from_one_that_was_killed_with_its_first_frame(self):
        daemon = self.vnetd()
        bob = self.bystander(daemon)
        for name, mac, start in self.kinds(daemon):
            with self.subTest(name):
                nic = start()
                address = nic.lease()
                for number in range(12):  # more than a MAC address may move between clients that are both there
                    before = nic
                    before.kill()
                    nic = start(before if number % 2 else None)
                    hello, answer = experiment(BOB, mac, b'I am %d' % number), experiment(mac, BOB, b'%d it is' % number)
                    nic.send(hello)
                    self.assertTrue(bob.receive_match(lambda frame, hello=hello: frame == hello))
                    bob.send(answer)
                    self.assertTrue(nic.receive_match(lambda frame, answer=answer: frame == answer))
                self.assertEqual(nic.lease(), address)
        self.assert_nothing_was_refused(daemon)

    def test_a_new_process_takes_over_while_the_old_one_is_there_and_silent(self):
        daemon = self.vnetd()
        bob = self.bystander(daemon)
        for name, mac, start in self.kinds(daemon):
            with self.subTest(name):
                old, new = start(), start()
                address = old.lease()
                self.assertEqual(new.lease(), address)
                bob.send(experiment(mac, BOB, b'to the new one'))
                self.assertTrue(new.receive_match(lambda frame: b'to the new one' in frame))
                self.assertIsNone(old.receive_match(lambda frame: b'to the new one' in frame, 0.1))

    def test_a_burst_of_full_frames_arrives_in_both_directions(self):
        daemon = self.vnetd()
        bob = self.bystander(daemon)
        for name, mac, start in self.kinds(daemon):
            with self.subTest(name):
                nic = start()
                self.assertTrue(nic.arp(DEFAULT_GATEWAY))
                for sender, receiver in ((nic, bob), (bob, nic)):
                    for number in range(BURST):  # the receiver does not read meanwhile
                        sender.send(experiment(receiver.mac, sender.mac, b'burst %d ' % number, 1500))
                    self.assertEqual(self.numbers_of_burst(receiver), list(range(BURST)))

    def test_on_a_path_of_its_own_a_new_process_takes_over_once_the_old_one_is_missed(self):
        nic = {'name': 'alice', 'mac': '52:cc:cc:cc:cc:01', 'ip': '192.168.127.50', 'dgram': 'alice.sock'}
        daemon = self.vnetd(config={'nics': [nic]})
        for unlinked in (False, True):
            with self.subTest(unlinked=unlinked):
                for _ in range(2):
                    vfkit = hypervisors.Vfkit(self.folder / 'alice.sock', nic['mac'])  # tries until it is let in
                    self.assertEqual(vfkit.lease(), nic['ip'])
                    self.assertTrue(vfkit.ping(DEFAULT_GATEWAY, nic['ip']))
                    (vfkit.close if unlinked else vfkit.kill)()
        self.assert_nothing_was_refused(daemon)

    def test_a_client_that_connected_itself_must_do_it_again_after_a_restart_and_qemu_need_not(self):
        daemon = self.vnetd()
        helper = hypervisors.VzHelper('52:cc:cc:cc:cc:03')
        self.addCleanup(helper.detach)
        qemu = self.dgram_nic(daemon, BOB)
        helper.attach(daemon.dgram, self.folder / 'vz.sock')
        for nic in (helper.attachment, qemu):
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        daemon.kill9()
        daemon = self.vnetd()
        self.assertTrue(qemu.arp(DEFAULT_GATEWAY))
        with self.assertRaises(ConnectionRefusedError):
            helper.attachment.arp(DEFAULT_GATEWAY)
        self.assertTrue(helper.attach(daemon.dgram, self.folder / 'vz.sock').arp(DEFAULT_GATEWAY))


class HotSwap(harness.Case):
    """A VM's NIC that is moved by a program of the user's: nil, then an attachment to another network's socket."""

    MAC, NORTHERNER, SOUTHERNER = (f'52:cc:cc:cc:cc:0{number}' for number in (1, 2, 3))

    def setUp(self):
        super().setUp()
        networks = [{'name': name, 'ipv4': f'10.{number}.0.1/24'} for number, name in enumerate(('north', 'south'))]
        self.paths = {each['name']: self.folder / f'{each["name"]}.sock' for each in networks}
        listen = {'dgram': [{'path': str(path), 'network': name} for name, path in self.paths.items()]}
        self.daemon = self.vnetd(runtime=self.folder, config={'networks': networks, 'listen': listen})
        self.api = control.Control(self.daemon.control)
        self.helper = hypervisors.VzHelper(self.MAC)
        self.addCleanup(self.helper.detach)
        self.north = self.neighbor(self.NORTHERNER, 'north', '10.0.0.1')
        self.south = self.neighbor(self.SOUTHERNER, 'south', '10.1.0.1')

    def neighbor(self, mac, network, gateway):
        nic = self.dgram_nic(self.daemon, mac, path=self.paths[network])
        self.assertTrue(nic.arp(gateway))
        return nic

    def attach(self, network, name='own.sock'):
        return self.helper.attach(self.paths[network], self.folder / name)

    def assert_is_in(self, network, neighbor, stranger, address=None):
        """At once: nothing of it is refused, and nothing of the other network comes."""
        nic, gateway = self.helper.attachment, {'north': '10.0.0.1', 'south': '10.1.0.1'}[network]
        found = nic.lease()
        self.assertEqual(found.split('.')[:3], gateway.split('.')[:3])
        self.assertIn(address, (None, found))
        self.assertTrue(nic.ping(gateway, found))
        for destination in (self.MAC, frames.BROADCAST):
            stranger.send(experiment(destination, stranger.mac, b'from the other network'))
            neighbor.send(experiment(destination, neighbor.mac, b'from this network'))
            seen = []
            self.assertTrue(nic.receive_match(lambda frame: seen.append(frame) or b'from this network' in frame))
            self.assertEqual([frame for frame in seen if b'from the other network' in frame], [])
        nic.send(experiment(frames.BROADCAST, self.MAC, b'hello from ' + network.encode()))
        self.assertTrue(neighbor.receive_match(lambda frame: b'hello from' in frame))
        self.assertIsNone(stranger.receive_match(lambda frame: b'hello from ' + network.encode() in frame, 0.1))
        return found

    def check_swaps(self, swap):
        north = south = None
        for number in range(6):
            swap('north', number)
            north = self.assert_is_in('north', self.north, self.south, north)
            swap('south', number)
            south = self.assert_is_in('south', self.south, self.north, south)
        self.assertEqual(self.api.get('/v1/status')['drops'], {})

    def test_to_another_networks_socket_at_the_same_path(self):
        self.check_swaps(lambda network, number: self.attach(network))

    def test_to_another_networks_socket_at_another_path_while_the_first_file_stays(self):
        self.check_swaps(lambda network, number: self.attach(network, f'{network}-{number}.own'))

    def test_without_an_attachment_it_is_detached_at_once_where_its_file_is_unlinked(self):
        self.attach('north')
        self.assert_is_in('north', self.north, self.south)
        with self.api.events(kind='nic.detached') as events:
            self.helper.detach(unlink=True)
            self.assertEqual(events.wait(lambda event: event['mac'] == self.MAC)['network'], 'north')
        self.attach('south')
        self.assert_is_in('south', self.south, self.north)

    def test_a_nic_that_is_configured_stays_in_its_network_until_it_is_moved(self):
        self.api.post('/v1/nics', {'name': 'fixed', 'mac': self.MAC, 'network': 'north'})
        self.attach('south')
        self.assert_is_in('north', self.north, self.south)
        self.api.patch('/v1/nics/fixed', {'network': 'south'})
        self.assert_is_in('south', self.south, self.north)

    def test_it_is_not_taken_from_a_process_that_is_still_there(self):
        self.attach('north')
        self.assert_is_in('north', self.north, self.south)
        thief = hypervisors.VzHelper(self.MAC)
        self.addCleanup(thief.detach)
        self.assertIsNone(thief.attach(self.paths['south'], self.folder / 'thief.sock').arp('10.1.0.1', timeout=0.5))
        self.assertEqual(self.api.get('/v1/status')['drops'], {'not-member': 1})
        self.assert_is_in('north', self.north, self.south)


class Offloads(harness.Case):
    """libkrun's, switched on: checksums are not there, segments are long, and no header says so."""

    MAC = '52:cc:cc:cc:cc:01'

    def start(self, mtu):
        network = {'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'mtu': mtu, 'egress': {'enabled': True}}
        nics = [{'name': 'krun', 'mac': self.MAC}]
        self.daemon = self.vnetd(config={'networks': [network], 'nics': nics})
        self.api = control.Control(self.daemon.control)
        self.krun = hypervisors.Libkrun(self.daemon.dgram, self.MAC, self.folder)
        self.addCleanup(self.krun.close)
        self.bob = self.dgram_nic(self.daemon, BOB)
        self.gateway = self.bob.arp(DEFAULT_GATEWAY)
        self.address = self.krun.lease()  # a DHCP client makes its packets itself, and finishes them

    def send(self, to, packet):
        self.krun.send(frames.ethernet(to, self.MAC, ETHERTYPE_IPV4, packet))

    def assert_dropped(self, **counts):
        """Because of these reasons, and of no other."""
        expected = {reason.replace('_', '-'): count for reason, count in counts.items()}
        self.assertTrue(self.krun.ping(DEFAULT_GATEWAY, self.address))  # so all before it has been judged
        self.assertEqual(self.api.get('/v1/nics/krun')['in']['drops'], expected)

    def segment(self, to, total):
        """A TCP segment that is to be cut by the NIC: an IP packet of `total` bytes."""
        return hypervisors.left_to_the_nic(frames.tcp(self.address, 40000, to, 80, bytes(total - 40)))

    def query(self):
        """For the address of krun.vnet."""
        question = b'\4krun\4vnet\0' + struct.pack('!HH', 1, 1)
        header = struct.pack('!HHHHHH', 7, 0x100, 1, 0, 0, 0)
        return frames.udp(self.address, 40000, DEFAULT_GATEWAY, 53, header + question)

    def test_ping_and_dhcp_work_and_what_is_left_to_the_nic_is_dropped_with_its_reason(self):
        self.start(1500)
        self.assert_dropped()
        self.send(self.gateway, hypervisors.left_to_the_nic(self.query()))
        self.assert_dropped(bad_checksum=1)
        for packet in (frames.tcp(self.address, 40000, DEFAULT_GATEWAY, 53, flags=SYN),
                       frames.tcp(self.address, 40000, WORLD, 80, flags=SYN),
                       frames.udp(self.address, 40000, WORLD, 53, b'hello')):
            self.send(self.gateway, hypervisors.left_to_the_nic(packet))
        self.assert_dropped(bad_checksum=4)
        self.send(self.gateway, self.segment(WORLD, 65535))
        self.send(self.bob.mac, self.segment(NEIGHBOR, 65535))
        self.send(self.bob.mac, self.segment(NEIGHBOR, 1600))
        self.assert_dropped(bad_checksum=4, oversize=3)

    def test_finished_packets_are_answered(self):
        self.start(1500)
        self.send(self.gateway, self.query())
        answer = self.krun.receive_match(lambda frame: frame[34:38] == struct.pack('!HH', 53, 40000) and frame)
        self.assertEqual(answer[42:44], b'\0\7')
        self.assertIn(bytes(map(int, self.address.split('.'))), answer)
        self.assert_dropped()

    def test_another_guests_kernel_takes_what_is_finished_and_drops_what_is_not(self):
        needs.root()
        self.start(1500)
        host = self.host(self.daemon, NEIGHBORS_MAC)
        host.run(['ip', 'addr', 'add', f'{NEIGHBOR}/24', 'dev', 'eth0'])
        host.run(['ip', 'neigh', 'replace', self.address, 'lladdr', self.MAC, 'dev', 'eth0', 'nud', 'permanent'])
        server = host.start([sys.executable, peer.__file__, 'serve'])
        self.addCleanup(server.kill)
        server.wait_line('serving')
        self.assertEqual(self.krun.arp(NEIGHBOR, self.address), NEIGHBORS_MAC)
        unfinished, finished = (frames.udp(self.address, 40000, NEIGHBOR, peer.PORT, text)
                                for text in (b'unfinished', b'all there'))
        self.send(NEIGHBORS_MAC, hypervisors.left_to_the_nic(unfinished))
        self.send(NEIGHBORS_MAC, finished)
        echoed = []
        self.krun.receive_match(lambda frame: echoed.append(frame[42:]) or b'all there' in frame)
        self.assertIn(b'all there', echoed)
        self.assertNotIn(b'unfinished', echoed)

    def test_other_guests_get_what_fits_as_it_is(self):
        for mtu, total in ((1500, 1500), (65520, 65520)):
            with self.subTest(mtu=mtu):
                self.start(mtu)
                packet = self.segment(NEIGHBOR, total)
                self.send(self.bob.mac, packet)
                self.assertTrue(self.bob.receive_match(lambda frame, packet=packet: frame[14:] == packet))
                self.send(self.bob.mac, self.segment(NEIGHBOR, 65535))
                self.send(self.gateway, self.segment(WORLD, total))
                self.assert_dropped(bad_checksum=1, oversize=1)
                self.krun.close()
                self.daemon.stop()


if __name__ == '__main__':
    unittest.main()
