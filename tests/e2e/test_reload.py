"""Reload: the difference takes effect and is named, what is untouched loses no frame, a bad file changes nothing."""

import copy
import json
import signal
import socket
import struct
import threading
import time
import unittest

import capture
import control
import frames
import harness
import needs
import nics
from frames import ETHERTYPE_EXPERIMENT, mac_bytes
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL, DAVE = (f'52:cc:cc:cc:cc:0{number}' for number in (1, 2, 3, 4))
BASE = {
    'networks': [{'name': 'home', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'dns': {'upstream': 'none', 'records': [
                     {'name': 'printer.test', 'a': ['192.168.127.9']}]}},
                 {'name': 'office', 'ipv4': '10.9.0.1/24', 'dns': {'upstream': 'none'}}],
    'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.127.101'}, {'name': 'bob', 'mac': BOB}],
    'listen': {'dgram': ['a.sock'], 'stream': []}}


class Reload(harness.Case):
    def start(self, config=None, *arguments):
        self.config = copy.deepcopy(config or BASE)
        # By its default sockets, for flags would take the place of what the file says of them.
        self.daemon = self.vnetd(*arguments, runtime=self.folder, config=self.config)
        self.api = control.Control(self.daemon.control)
        return self.daemon

    def write(self, config=None):
        text = config if isinstance(config, str) else json.dumps(config or self.config)
        (self.folder / 'vnet.json').write_text(text)

    def reload(self, changed):
        """Reads the file as self.config is now; exactly this is named."""
        self.write()
        self.assertEqual(self.api.post('/v1/reload'), {'changed': changed, 'restart_needed': []})
        self.assertEqual(self.api.post('/v1/reload')['changed'], [], 'nothing is left to do')

    def nic(self, mac, path='a.sock', **options):
        name = f'{mac[-2:]}-{time.monotonic_ns()}'
        return self.dgram_nic(self.daemon, mac, name, self.folder / path, **options)

    def told(self, kind):
        with self.api.events(since=0, follow='false', kind=kind) as events:
            return [event['data'] for event in events]


class Differences(Reload):
    def test_nics_are_added_changed_renamed_moved_and_removed(self):
        self.start()
        known = self.config['nics']
        known.append({'name': 'carol', 'mac': CAROL, 'ip': '192.168.127.103', 'dgram': 'carol.sock'})
        self.reload(['/nics/2'])
        self.assertEqual(self.nic(CAROL, 'carol.sock').lease(), '192.168.127.103')

        known[0].update(ip='192.168.127.111', hostname='wonderland', link='down')
        self.reload(['/nics/0/ip', '/nics/0/hostname', '/nics/0/link'])
        alice = self.api.get('/v1/nics/alice')
        self.assertEqual((alice['ip'], alice['hostname'], alice['link']), ('192.168.127.111', 'wonderland', 'down'))
        known[0]['link'] = 'up'
        self.reload(['/nics/0/link'])
        self.assertEqual(self.nic(ALICE).lease(), '192.168.127.111')
        self.assertEqual([event['subject'] for event in self.told('nic.link')], ['down', 'up'])

        known[0]['name'], known[1]['name'] = 'bob', 'alice'
        known[0]['ip'], known[1]['ip'] = '192.168.127.112', '192.168.127.111'
        self.write()
        self.assertEqual({pointer for pointer in self.api.post('/v1/reload')['changed']},
                         {'/nics/0/name', '/nics/0/ip', '/nics/1/name', '/nics/1/ip', '/nics/1/hostname'})
        for name, mac, ip in (('bob', ALICE, '192.168.127.112'), ('alice', BOB, '192.168.127.111')):
            nic = self.api.get(f'/v1/nics/{name}')
            self.assertEqual((nic['mac'], nic['ip']), (mac, ip))

        bob = self.nic(BOB)
        self.assertTrue(bob.arp(DEFAULT_GATEWAY))
        known[1].update(network='office', ip='10.9.0.50')
        self.reload(['/nics/1/network', '/nics/1/ip'])
        self.assertIsNone(bob.arp(DEFAULT_GATEWAY, timeout=0.3))
        self.assertEqual(bob.lease(), '10.9.0.50')

        del known[2]
        self.reload(['/nics (carol removed)'])
        self.assertEqual(self.api.request('GET', '/v1/nics/carol').status, 404)
        self.assertFalse((self.folder / 'carol.sock').exists())

    def test_networks_are_added_changed_and_removed(self):
        self.start()
        networks = self.config['networks']
        alice = self.nic(ALICE)
        self.assertTrue(alice.lease())
        networks.append({'name': 'lab', 'ipv4': '10.10.0.1/24', 'dns': {'upstream': 'none'}})
        self.config['nics'].append({'name': 'carol', 'mac': CAROL, 'network': 'lab'})
        self.reload(['/networks/2', '/nics/2'])
        carol = self.nic(CAROL)
        self.assertTrue(carol.lease().startswith('10.10.0.'))

        networks[0].update(mtu=1400, dhcp={'range': ['192.168.127.60', '192.168.127.61'], 'lease_s': 120})
        networks[0]['dns']['records'] = [{'name': 'scanner.test', 'a': ['192.168.127.8']}]
        self.reload(['/networks/0/mtu', '/networks/0/dhcp', '/networks/0/dns'])
        home = self.api.get('/v1/networks/home')
        self.assertEqual((home['mtu'], home['dhcp']['range'], home['dhcp']['lease_s']),
                         (1400, ['192.168.127.60', '192.168.127.61'], 120))
        offer = self.nic(DAVE).dhcp(frames.DISCOVER, 5, [(55, bytes([26]))])
        self.assertIn(offer['yiaddr'], ('192.168.127.60', '192.168.127.61'))
        self.assertEqual(struct.unpack('!H', offer[26])[0], 1400)
        self.assertEqual([record['name'] for record in self.api.get('/v1/dns/records')], ['scanner.test'])
        self.assertEqual([lease['mac'] for lease in self.api.get('/v1/leases', network='home')], [ALICE],
                         'alice has her reserved address still')

        del networks[2], self.config['nics'][2]
        self.reload(['/networks (lab removed)', '/nics (carol removed)'])
        self.assertEqual([network['name'] for network in self.api.get('/v1/networks')], ['home', 'office'])
        # What was plugged in there is unknown now, and the socket's own network takes it in.
        self.assertIsNone(carol.arp('10.10.0.1', timeout=0.3))

        networks[0]['name'] = 'flat'
        self.write()
        self.assertIn('/networks/0', self.api.post('/v1/reload')['changed'])
        self.assertEqual(self.api.get('/v1/nics/alice')['network'], 'flat')
        self.assertTrue(alice.arp(DEFAULT_GATEWAY))

    def test_sockets_are_opened_and_closed(self):
        self.start()
        listen = self.config['listen']
        alice = self.nic(ALICE)
        self.assertTrue(alice.arp(DEFAULT_GATEWAY))
        listen['dgram'].append({'path': 'b.sock', 'network': 'office'})
        listen['stream'].append('s.sock')
        self.reload(['/listen/dgram', '/listen/stream'])
        self.assertTrue(self.nic(CAROL, 'b.sock').arp('10.9.0.1'))
        stream = nics.StreamNic(self.folder / 's.sock', DAVE)
        self.addCleanup(stream.close)
        self.assertTrue(stream.arp(DEFAULT_GATEWAY))

        del listen['dgram'][1], listen['stream'][0]
        self.reload(['/listen/dgram', '/listen/stream'])
        self.assertEqual([path.name for path in self.folder.glob('?.sock')], ['a.sock'])
        self.assertTrue(stream.closed_by_switch())
        self.assertTrue(alice.arp(DEFAULT_GATEWAY))

        self.config['nics'][0]['dgram'] = 'own.sock'
        self.reload(['/nics/0/dgram'])
        self.assertTrue(self.nic(ALICE, 'own.sock').arp(DEFAULT_GATEWAY))
        self.config['nics'][0]['dgram'] = 'other.sock'
        self.reload(['/nics/0/dgram'])
        self.assertTrue(self.nic(ALICE, 'other.sock').arp(DEFAULT_GATEWAY))
        self.assertFalse((self.folder / 'own.sock').exists())

    def test_a_socket_changes_hands(self):
        """Between NICs, from a NIC to all, to another network: each is closed before it is opened again."""
        self.start()
        known, listen = self.config['nics'], self.config['listen']
        known[0]['dgram'], known[1]['dgram'] = 'x.sock', 'y.sock'
        self.reload(['/nics/0/dgram', '/nics/1/dgram'])
        known[0]['dgram'], known[1]['dgram'] = 'y.sock', 'x.sock'
        self.reload(['/nics/0/dgram', '/nics/1/dgram'])
        self.assertTrue(self.nic(ALICE, 'y.sock').arp(DEFAULT_GATEWAY))
        self.assertTrue(self.nic(BOB, 'x.sock').arp(DEFAULT_GATEWAY))
        del known[0]['dgram']
        listen['dgram'] = ['a.sock', 'y.sock']
        self.reload(['/nics/0/dgram', '/listen/dgram'])
        self.assertTrue(self.nic(CAROL, 'y.sock').arp(DEFAULT_GATEWAY))
        listen['dgram'] = ['a.sock', {'path': 'y.sock', 'network': 'office'}]
        self.reload(['/listen/dgram'])
        self.assertTrue(self.nic(DAVE, 'y.sock').arp('10.9.0.1'))
        listen['dgram'] = ['a.sock']
        known[0]['dgram'] = 'y.sock'
        self.reload(['/nics/0/dgram', '/listen/dgram'])
        self.assertTrue(self.nic(ALICE, 'y.sock').arp(DEFAULT_GATEWAY))

    def test_a_network_goes_with_those_who_merely_appeared_there_and_another_takes_its_place(self):
        config = copy.deepcopy(BASE)
        config['listen']['dgram'].append({'path': 'b.sock', 'network': 'office'})
        self.start(config)
        carol, alice = self.nic(CAROL, 'b.sock'), self.nic(ALICE)
        self.assertTrue(carol.lease() and alice.arp(DEFAULT_GATEWAY))
        self.api.post('/v1/nics', {'name': 'dave', 'mac': DAVE, 'network': 'office'})
        self.config['networks'][1]['name'] = 'lab'
        self.config['listen']['dgram'][1]['network'] = 'lab'
        self.reload(['/networks/1', '/networks (office removed)', '/listen/dgram'])
        self.assertEqual([network['name'] for network in self.api.get('/v1/networks')], ['home', 'lab'])
        self.assertEqual([nic['name'] for nic in self.api.get('/v1/nics')], ['alice', 'bob'])
        self.daemon.child.wait_line('NIC dave: .*the file holds')
        again = self.nic(CAROL, 'b.sock')
        self.assertTrue(again.lease().startswith('10.9.0.'))
        self.assertEqual(self.api.get(f'/v1/nics/{CAROL}')['network'], 'lab')

    def test_a_capture_begins_changes_its_file_and_ends(self):
        needs.tools(capinfos='wireshark-common')
        self.start()
        one, two = self.folder / 'one.pcapng', self.folder / 'two.pcapng'
        alice = self.nic(ALICE)
        for step, changed in (({'file': 'one.pcapng'}, ['/capture']), ({'file': 'two.pcapng'}, ['/capture']),
                              ({'file': 'two.pcapng', 'filter': 'arp'}, ['/capture']), (None, ['/capture'])):
            self.config.pop('capture', None)
            if step:
                self.config['capture'] = step
            self.reload(changed)
            self.assertTrue(alice.arp(DEFAULT_GATEWAY))
            self.assertEqual(len(self.api.get('/v1/captures')), 1 if step else 0)
        for file in (one, self.folder / 'two.1.pcapng', two):
            # Both frames as they go in at the one side and out at the other.
            harness.eventually(lambda file=file: capture.packets(file) == 4, what=f'both frames in {file.name}')

    def test_what_needs_a_restart_is_named_and_left_as_it_is(self):
        self.start()
        self.config['seed'] = 7
        self.config['state'] = 'elsewhere'
        self.config['listen']['control'] = 'other.sock'
        self.config['nics'].append({'name': 'carol', 'mac': CAROL})
        self.write()
        done = self.api.post('/v1/reload')
        self.assertEqual(done['changed'], ['/nics/2'])
        self.assertEqual(sorted(done['restart_needed']), ['/listen/control', '/seed', '/state'])
        self.assertFalse((self.folder / 'other.sock').exists() or (self.folder / 'elsewhere').exists())
        self.assertTrue(self.daemon.control.exists())
        self.daemon.child.wait_line('/seed: needs a restart')

    def test_run_time_changes_hold_but_where_the_file_was_edited(self):
        self.start()
        self.api.patch('/v1/nics/alice', {'link': 'down'})
        self.api.patch('/v1/nics/bob', {'link': 'down'})
        self.api.post('/v1/nics', {'name': 'carol', 'mac': CAROL})
        self.api.put('/v1/dns/records/new.test', {'a': ['5.5.5.5']})
        self.config['nics'][0]['hostname'] = 'wonderland'
        self.config['networks'][0]['mtu'] = 1400
        self.reload(['/networks/0/mtu', '/nics/0/hostname'])
        links = {nic['name']: nic['link'] for nic in self.api.get('/v1/nics')}
        self.assertEqual(links, {'alice': 'up', 'bob': 'down', 'carol': 'up'})
        self.assertEqual(self.api.get('/v1/dns/records/new.test')['a'], ['5.5.5.5'])
        self.daemon.child.wait_line('NIC alice: changed at run time, and in the file since')

    def test_sighup_does_the_same(self):
        self.start()
        self.config['nics'].append({'name': 'carol', 'mac': CAROL})
        self.write()
        with self.api.events(kind='config.') as events:
            self.daemon.child.signal(signal.SIGHUP)
            self.assertEqual(next(events)['kind'], 'config.reloaded')
        self.assertEqual(self.api.get('/v1/nics/carol')['mac'], CAROL)

    def test_without_a_file_there_is_nothing_to_reload(self):
        reply = control.Control(self.vnetd().control).request('POST', '/v1/reload')
        self.assertEqual(reply.status, 409)
        self.assertIn('--config', reply.json()['detail'])


class BadFile(Reload):
    def bad_files(self):
        """(what the file is then, the pointer, what the detail says)"""
        def edit(change):
            config = copy.deepcopy(BASE)
            config['nics'].append({'name': 'never', 'mac': DAVE})  # would fit, and must not come about
            change(config)
            return config
        of_nics, networks = (lambda c: c['nics']), (lambda c: c['networks'])
        return (
            ('{"networks": [\n  {"name": }]}', '', r'vnet\.json.*2:12'),
            ('', '', r'vnet\.json'),
            (edit(lambda c: c.update(nisc=[])), '/nisc', 'did you mean "nics"'),
            (edit(lambda c: networks(c)[0].update(mtu='big')), '/networks/0/mtu', 'expected an integer'),
            (edit(lambda c: of_nics(c)[0].update(ip='10.9.0.7')), '/nics/0/ip', 'expected a host address'),
            (edit(lambda c: of_nics(c)[1].update(mac=ALICE)), '/nics/1/mac', 'a second time'),
            (edit(lambda c: of_nics(c)[1].update(network='hom')), '/nics/1/network', 'did you mean "home"'),
            (edit(lambda c: networks(c).reverse() or of_nics(c)[0].update(network='home')), '/networks/0',
             'the first since the start'),
            (edit(lambda c: c['listen'].update(dgram=['a.sock', 'none/x.sock'])), '/listen/dgram/1', 'No such file'),
            (edit(lambda c: c['listen'].update(stream=['none/x.sock'])), '/listen/stream/0', 'No such file'),
            (edit(lambda c: of_nics(c)[0].update(dgram='none/x.sock')), '/nics/0/dgram', 'No such file'),
            (edit(lambda c: of_nics(c)[0].update(dgram='taken.sock')), '/nics/0/dgram', 'another process'),
            (edit(lambda c: c.update(capture={'file': 'none/x.pcapng'})), '/capture/file', 'No such file'),
            (edit(lambda c: c.update(capture={'file': 'x', 'filter': 'not one'})), '/capture/filter', 'libpcap'))

    def state(self):
        paths = ('/v1/nics', '/v1/networks', '/v1/captures', '/v1/dns/records')
        sockets = sorted(path.name for path in self.folder.glob('*.sock'))
        return [self.without_counters(self.api.get(path)) for path in paths], sockets

    def test_it_changes_nothing_and_the_problem_names_the_place(self):
        self.start()
        alice, bob = self.nic(ALICE), self.nic(BOB)
        self.assertTrue(alice.arp(DEFAULT_GATEWAY) and bob.arp(DEFAULT_GATEWAY))
        taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.bind(str(self.folder / 'taken.sock'))
        before, events = self.state(), len(self.told('nic.'))
        hello = frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'still here?'.ljust(46))
        for number, (text, pointer, detail) in enumerate(self.bad_files()):
            with self.subTest(pointer=pointer, detail=detail):
                self.write(text)
                reply = self.api.request('POST', '/v1/reload')
                self.assertGreaterEqual(reply.status, 400)
                self.assertEqual(reply.type, 'application/problem+json')
                self.assertEqual(reply.json()['pointer'], pointer, reply.body)
                self.assertRegex(reply.json()['detail'], detail)
                seen = len(self.daemon.child.lines)
                self.daemon.child.signal(signal.SIGHUP)
                self.daemon.child.wait_line(f'not reloaded, nothing has changed: {pointer}', after=seen)
                self.assertEqual(self.state(), before)
        alice.send(hello)
        self.assertTrue(bob.receive_match(lambda frame: frame == hello))
        self.assertEqual(len(self.told('nic.')), events)
        (self.folder / 'vnet.json').unlink()
        self.assertIn('no such file', self.api.request('POST', '/v1/reload').json()['detail'])
        self.write()
        self.assertEqual(self.api.post('/v1/reload'), {'changed': [], 'restart_needed': []})
        self.daemon.stop()

    def without_counters(self, value):
        if isinstance(value, dict):
            return {name: self.without_counters(each) for name, each in value.items()
                    if name not in ('in', 'out', 'since')}
        return [self.without_counters(each) for each in value] if isinstance(value, list) else value


class Untouched(Reload):
    RELOADS = 10
    WINDOW = 64

    def test_a_flow_between_nics_that_do_not_change_loses_no_frame_in_ten_reloads(self):
        self.start()
        alice, bob = self.nic(ALICE, connect=True), self.nic(BOB, connect=True)
        self.assertTrue(alice.arp(DEFAULT_GATEWAY) and bob.arp(DEFAULT_GATEWAY))
        head = mac_bytes(BOB) + mac_bytes(ALICE) + struct.pack('!H', ETHERTYPE_EXPERIMENT)
        done, received, room = threading.Event(), [], threading.Semaphore(self.WINDOW)
        sent, last = 0, 0xffffffff

        def receive():
            while (frame := bob.receive(10)) is not None:
                if frame[12:14] != b'\x88\xb5':
                    continue
                number = struct.unpack('!I', frame[14:18])[0]
                if number == last:
                    return
                received.append(number)
                room.release()

        def send():
            nonlocal sent
            while not done.is_set():
                if room.acquire(timeout=0.2):  # a window, so that nothing is lost by the test's own slowness
                    alice.send(head + struct.pack('!I', sent) + bytes(42))
                    sent += 1
            alice.send(head + struct.pack('!I', last) + bytes(42))

        threads = [threading.Thread(target=receive), threading.Thread(target=send)]
        for thread in threads:
            thread.start()
        counts = []
        try:
            for number in range(self.RELOADS):
                there = number % 2 == 0
                self.config = copy.deepcopy(BASE)
                if there:
                    self.config['networks'][0].update(mtu=1400, dhcp={'lease_s': 60})
                    self.config['networks'][0]['dns']['records'].append({'name': 'x.test', 'a': ['1.2.3.4']})
                    self.config['networks'][1]['mtu'] = 9000
                    self.config['networks'].append({'name': 'lab', 'ipv4': '10.10.0.1/24'})
                    self.config['nics'].append({'name': 'carol', 'mac': CAROL, 'network': 'lab', 'dgram': 'carol.sock'})
                    self.config['listen'] = {'dgram': ['a.sock', 'b.sock'], 'stream': ['s.sock']}
                    self.config['capture'] = {'file': 'run.pcapng'}
                self.write()
                self.assertTrue(self.api.post('/v1/reload')['changed'])
                counts.append(len(received))
                harness.eventually(lambda: len(received) > counts[-1] + 200, what='frames after the reload')
        finally:
            done.set()
            for thread in threads:
                thread.join(30)
        self.assertEqual(received, list(range(sent)), 'all, once, and in their order')
        self.assertGreater(sent, 200 * self.RELOADS)
        print(f'    {sent} frames, none lost')


if __name__ == '__main__':
    unittest.main()
