"""Changes while everything runs: a link that goes down under a VM, NICs that come, move and go under traffic."""

import collections
import datetime
import json
import random
import re
import threading
import time
import unittest

import control
import frames
import harness
import needs
import vm
from frames import BROADCAST, ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24'}],
          'nics': [{'name': 'alice', 'mac': ALICE}, {'name': 'bob', 'mac': BOB}]}
BOBS_ADDRESS = '192.168.127.12'


def link_down(nic, way):
    return nic[way]['drops'].get('link-down', 0)


class Link(harness.Case):
    def start(self):
        self.daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(self.daemon.control)

    def nic(self, name):
        return self.api.get(f'/v1/nics/{name}')

    def test_a_vm_and_its_peer_lose_each_other_with_the_link_and_find_each_other_within_a_second(self):
        needs.root()
        harness.vm_image()
        self.start()
        alice = self.boot('alice', vm.dgram_netdev(self.folder / 'alice.qemu', self.daemon.dgram), ALICE)
        bob = self.host(self.daemon, BOB)
        bob.run(['ip', 'addr', 'add', f'{BOBS_ADDRESS}/24', 'dev', 'eth0'])
        alice.wait_shell()
        lease = alice.lease()
        alice.check(f'ping -c 2 -W 5 {BOBS_ADDRESS}')
        bob.run(['ping', '-c', '1', '-W', '5', lease['ip']])
        # Known for good, so that what is measured is the link and not how often a kernel asks for an address. The
        # guest's busybox cannot do the same; it has heard of bob a moment ago.
        bob.run(['ip', 'neigh', 'replace', lease['ip'], 'lladdr', ALICE, 'dev', 'eth0', 'nud', 'permanent'])
        before = self.nic('alice')
        with self.api.events(kind='nic.link', nic='alice') as events:
            self.change_link('down', 'the cable is pulled', events)
            self.assertNotEqual(alice.run(f'ping -c 2 -W 1 {BOBS_ADDRESS}').code, 0, 'the guest pings through')
            self.assertNotEqual(bob.run(['ping', '-c', '2', '-W', '1', lease['ip']], check=False).returncode, 0)
            down = self.nic('alice')
            self.assertEqual(down['link'], 'down')
            self.assertGreaterEqual(link_down(down, 'in') - link_down(before, 'in'), 2, 'the pings of the guest')
            self.assertGreaterEqual(link_down(down, 'out') - link_down(before, 'out'), 2, 'the pings to the guest')

            pings = bob.start(['ping', '-i', '0.1', lease['ip']])
            self.addCleanup(pings.kill)
            harness.eventually(lambda: link_down(self.nic('alice'), 'out') > link_down(down, 'out'), what='a ping')
            up_at = time.monotonic()
            self.change_link('up', 'and put in again', events)
        pings.wait_line('bytes from')
        seconds = time.monotonic() - up_at
        print(f'    the first answer came {seconds * 1000:.0f} ms after the link was up', flush=True)
        self.assertLess(seconds, 1)
        alice.check(f'ping -c 1 -W 2 {BOBS_ADDRESS}')

        after = self.nic('alice')
        for unchanged in ('name', 'mac', 'network', 'attachment'):
            self.assertEqual(after[unchanged], before[unchanged])
        self.assertEqual(alice.lease(), lease)
        self.assertIn(lease['ip'], [each['ip'] for each in self.api.get('/v1/leases') if each['mac'] == ALICE])
        for way in ('in', 'out'):
            self.assertGreater(after[way]['frames'], before[way]['frames'])
            self.assertGreaterEqual(link_down(after, way), link_down(down, way), 'counters are not begun anew')

    def change_link(self, state, cause, events):
        asked = datetime.datetime.now(datetime.timezone.utc)
        self.assertEqual(self.api.patch('/v1/nics/alice', {'link': state, 'cause': cause})['link'], state)
        event = events.wait(lambda event: True)
        self.assertEqual((event['event'], event['nic'], event['network'], event['subject'], event['cause']),
                         ('nic.link', 'alice', 'lan', state, cause))
        told = datetime.datetime.fromisoformat(event['time'])
        self.assertLess(abs((told - asked).total_seconds()), 5, 'the time of the event')

    def test_every_frame_of_a_link_that_is_down_is_counted_and_none_comes_later(self):
        self.start()
        alice, bob = self.dgram_nic(self.daemon, ALICE), self.dgram_nic(self.daemon, BOB)
        for nic in (alice, bob):
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        self.api.patch('/v1/nics/alice', {'link': 'down'})
        for _ in range(7):
            alice.send(frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'from below'.ljust(46)))
        for _ in range(5):
            bob.send(frames.ethernet(ALICE, BOB, ETHERTYPE_EXPERIMENT, b'to below'.ljust(46)))
        harness.eventually(lambda: (link_down(self.nic('alice'), 'in'), link_down(self.nic('alice'), 'out')) == (7, 5),
                           what='12 frames counted as link-down')
        self.api.patch('/v1/nics/alice', {'link': 'up'})
        bob.send(frames.ethernet(ALICE, BOB, ETHERTYPE_EXPERIMENT, b'to above'.ljust(46)))
        alice.send(frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'from above'.ljust(46)))
        for nic, wanted, unwanted in ((alice, b'to above', b'to below'), (bob, b'from above', b'from below')):
            seen = []
            self.assertTrue(nic.receive_match(lambda frame: seen.append(frame) or wanted in frame))
            self.assertFalse([frame for frame in seen if unwanted in frame], 'a frame from before the link came up')

    def test_a_change_that_changes_nothing_is_no_event(self):
        self.start()
        with self.api.events(kind='nic.') as events:
            for link in ('up', 'down', 'down', 'up', 'up'):
                self.api.patch('/v1/nics/alice', {'link': link})
            self.api.patch('/v1/nics/bob', {'link': 'down'})
            told = [(event['data']['nic'], event['data']['subject']) for _, event in zip(range(3), events)]
        self.assertEqual(told, [('alice', 'down'), ('alice', 'up'), ('bob', 'down')])


NETWORKS = ('red', 'green', 'blue')


class Traveller:
    """A raw client that stamps its frames with the networks that it may be in, and knows where it has been.

    `where` changes under the lock that also covers stamping and sending, so that a frame with one network in its stamp
    has left before the API was asked to change that.
    """

    def __init__(self, name, client, network, again=None):
        self.name, self.client, self.again = name, client, again
        self.lock = threading.Lock()
        self.where = {network}
        self.been = [(0, {network})]
        self.sent = 0

    def set(self, *networks):
        with self.lock:
            self.where = set(networks)
            self.been.append((time.monotonic(), self.where))

    def send(self, destination):
        with self.lock:
            if not self.where:
                return
            self.sent += 1
            stamp = {'from': self.name, 'in': sorted(self.where), 'at': time.monotonic(), 'number': self.sent}
            self.client.send(frames.ethernet(destination, self.client.mac, ETHERTYPE_EXPERIMENT,
                                             json.dumps(stamp).encode().ljust(46)))

    def was_in(self, start, end):
        """All networks that it may have been in between the two times."""
        with self.lock:
            been = list(self.been)
        until = [time_ for time_, _ in been[1:]] + [end]
        return set().union(*(networks for (since, networks), to in zip(been, until) if since <= end and to >= start))


class Moves(harness.Case):
    SECONDS = 4

    def setUp(self):
        super().setUp()
        networks = [{'name': name, 'ipv4': f'10.{number}.0.1/24', 'members': 'listed'}
                    for number, name in enumerate(NETWORKS)]
        self.daemon = self.vnetd(config={'networks': networks})
        self.api = control.Control(self.daemon.control)
        self.travellers = [self.traveller(number) for number in range(6)]
        self.errors = []

    def traveller(self, number):
        mac, name, network = f'52:cc:cc:cc:dd:{number:02}', f'nic{number}', NETWORKS[number % 3]
        self.api.post('/v1/nics', {'name': name, 'mac': mac, 'network': network})
        client = self.stream_nic(self.daemon, mac) if number >= 4 else self.dgram_nic(self.daemon, mac)
        return Traveller(name, client, network)

    def move(self, traveller, network):
        old, = traveller.where
        traveller.set(old, network)
        self.assertEqual(self.api.patch(f'/v1/nics/{traveller.name}', {'network': network})['network'], network)
        traveller.set(network)

    def remove_and_add(self, traveller, network):
        """Its frames are refused meanwhile, which is waited for: they must not wait for its return."""
        mac = traveller.client.mac
        traveller.set(*traveller.where, 'nowhere')
        self.api.delete(f'/v1/nics/{traveller.name}')
        traveller.set('nowhere')
        refused = lambda: sum(self.api.get('/v1/status')['drops'].values())  # noqa: E731
        before = refused()
        harness.eventually(lambda: refused() > before, what='a frame of a NIC that is not there')
        traveller.set()
        # The answer to this comes after all that was sent before it has been judged.
        self.settled(refused)
        traveller.set(network)
        self.api.post('/v1/nics', {'name': traveller.name, 'mac': mac, 'network': network})

    def settled(self, count):
        now, again = count(), None
        while now != again:
            now, again = count(), now

    def script(self):
        chance = random.Random(3)
        self.calls = collections.Counter()
        end = time.monotonic() + self.SECONDS
        try:
            while time.monotonic() < end:
                traveller = chance.choice(self.travellers)
                network = chance.choice(NETWORKS)
                # A stream's connection ends with its NIC; one that moves keeps it.
                leaves = traveller.client in [each.client for each in self.travellers[:4]] and chance.random() < 0.3
                (self.remove_and_add if leaves else self.move)(traveller, network)
                self.calls['removed and added' if leaves else 'moved'] += 1
        except BaseException as error:  # for the main thread to raise
            self.errors.append(error)

    def judge(self, receiver, frame):
        """True where the frame proves that both were in one network."""
        if frame[12:14] != b'\x88\xb5':
            return False
        now = time.monotonic()
        stamp = json.loads(frame[14:].decode())
        at = receiver.was_in(stamp['at'], now)
        self.assertTrue(at & set(stamp['in']), f'{receiver.name}, which was in {at}, got a frame of {stamp}')
        return len(stamp['in']) == 1 and len(at) == 1

    def test_no_frame_is_ever_received_in_another_network_than_its_senders(self):
        mover = threading.Thread(target=self.script)
        mover.start()
        proofs = collections.Counter()
        turn = 0
        while mover.is_alive():
            sender = self.travellers[turn % 6]
            # To everybody, and to one who may be anywhere: what was learned of it in the old network must not count.
            sender.send(BROADCAST if turn % 2 else self.travellers[turn // 6 % 6].client.mac)
            turn += 1
            for receiver in self.travellers:
                while (frame := receiver.client.receive(0)) is not None:
                    proofs[receiver.name] += self.judge(receiver, frame)
        mover.join()
        for error in self.errors:
            raise error
        print(f'    {turn} frames sent, {sum(proofs.values())} deliveries judged, {dict(self.calls)}', flush=True)
        self.assertGreater(self.calls['moved'], 20)
        self.assertGreater(self.calls['removed and added'], 3)
        for traveller in self.travellers:
            self.assertGreater(proofs[traveller.name], 10, f'frames that {traveller.name} got')
        self.assert_neighbours_only()

    def assert_neighbours_only(self):
        for traveller in self.travellers:
            # One that was removed and added again is found when it sends.
            gateway = f'10.{NETWORKS.index(*traveller.where)}.0.1'
            self.assertTrue(traveller.client.arp(gateway), traveller.name)
        for traveller in self.travellers:
            traveller.client.drain()
            self.assertEqual(self.api.get(f'/v1/nics/{traveller.name}')['network'], *traveller.where)
        for sender in self.travellers:
            text = f'at the end by {sender.name}'.encode()
            sender.client.send(frames.ethernet(BROADCAST, sender.client.mac, ETHERTYPE_EXPERIMENT, text.ljust(46)))
            for receiver in self.travellers:
                if receiver is not sender and receiver.where == sender.where:
                    self.assertTrue(receiver.client.receive_match(lambda frame: text in frame), receiver.name)
            for receiver in self.travellers:
                if receiver.where != sender.where:
                    self.assertIsNone(receiver.client.receive_match(lambda frame: text in frame, 0.05), receiver.name)

    def test_a_moved_nic_gets_an_address_of_its_new_network_and_keeps_its_counters(self):
        traveller = self.travellers[0]
        self.assertRegex(traveller.client.lease(), r'^10\.0\.0\.')
        before = self.api.get('/v1/nics/nic0')
        with self.api.events(kind='nic.moved') as events:
            self.move(traveller, 'blue')
            event = next(events)['data']
        self.assertEqual((event['nic'], event['network'], event['subject']), ('nic0', 'red', 'blue'))
        self.assertRegex(traveller.client.lease(), r'^10\.2\.0\.')
        after = self.api.get('/v1/nics/nic0')
        self.assertGreater(after['in']['frames'], before['in']['frames'])
        self.assertEqual(after['attachment'], before['attachment'])
        self.assertFalse([address for address in after['addresses'] if re.match(r'10\.0\.', address)])


if __name__ == '__main__':
    unittest.main()
