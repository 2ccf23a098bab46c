"""What was changed at run time survives a restart, however the daemon ended, unless the config file has a newer word."""

import json
import signal
import struct
import threading
import unittest

import capture
import control
import frames
import harness
import needs
from frames import ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL, DAVE, GONE = (f'52:cc:cc:cc:cc:0{number}' for number in (1, 2, 3, 4, 5))
SAVED = 'runtime.jsonl'
NOT_KEPT = {'attachment', 'in', 'out', 'addresses', 'since', 'expires', 'remaining_s', 'attached', 'started', 'frames',
            'accepted', 'lost', 'written', 'configured', 'nic'}


def config(**alice):
    return {'networks': [{'name': 'home', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'dns': {'upstream': 'none', 'records': [
                             {'name': 'printer.test', 'a': ['192.168.127.9']},
                             {'name': 'old.test', 'a': ['1.1.1.1']}]}},
                         {'name': 'office', 'ipv4': '10.9.0.1/24', 'dns': {'upstream': 'none'}}],
            'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.127.101', **alice},
                     {'name': 'bob', 'mac': BOB}, {'name': 'gone', 'mac': GONE}]}


def kept(value):
    if isinstance(value, dict):
        return {name: kept(member) for name, member in value.items() if name not in NOT_KEPT}
    return [kept(element) for element in value] if isinstance(value, list) else value


def resolve(nic, name):
    """The IPv4 addresses of `name`, asked of the gateway by hand; None when nobody answers."""
    question = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0\0\1\0\1'
    packet = frames.udp('192.168.127.200', 5353, DEFAULT_GATEWAY, 53, b'\0\7\1\0\0\1\0\0\0\0\0\0' + question)
    nic.send(frames.ethernet(nic.arp(DEFAULT_GATEWAY, '192.168.127.200'), nic.mac, frames.ETHERTYPE_IPV4, packet))
    reply = nic.receive_match(lambda frame: frame[12:14] == b'\x08\0' and frame[34:36] == b'\0\x35' and frame[42:])
    count = struct.unpack('!H', reply[6:8])[0]
    return ['.'.join(map(str, reply[len(reply) - 4:]))] if count == 1 else []


class State(harness.Case):
    def start(self, said=None):
        daemon = self.vnetd('--state', self.folder / 'state', config=said or config())
        self.api = control.Control(daemon.control)
        return daemon

    def end(self, daemon, how):
        if how == 'kill -9':
            daemon.kill9()
        else:
            daemon.stop(signal.SIGTERM)

    def everything(self):
        found = {path: kept(self.api.get(path)) for path in
                 ('/v1/networks', '/v1/leases', '/v1/captures', '/v1/dns/records', '/services/dns/all')}
        for network in found['/v1/networks']:
            del network['nics']  # those that merely appeared, as dave, are not kept
        configured = [kept(nic) for nic in self.api.get('/v1/nics') if nic['configured']]
        return dict(found, nics=sorted(configured, key=lambda nic: nic['mac']))

    def change_everything(self, daemon, file):
        api = self.api
        api.post('/v1/nics', {'name': 'carol', 'mac': CAROL, 'dgram': str(self.folder / 'carol.sock')})
        api.patch('/v1/nics/alice', {'link': 'down'})
        api.patch('/v1/nics/bob', {'name': 'robert', 'network': 'office', 'ip': '10.9.0.77'})
        api.delete('/v1/nics/gone')
        api.put('/v1/dns/records/new.test', {'a': ['5.5.5.5'], 'ttl_s': 7})
        api.put('/v1/dns/records/printer.test', {'a': ['192.168.127.10']})
        api.delete('/v1/dns/records/old.test')
        api.post('/services/dns/add', {'Name': 'crc.', 'DefaultIP': '7.7.7.7',
                                       'Records': [{'Name': 'host', 'IP': '6.6.6.6'}]})
        api.post('/v1/captures', {'file': str(file), 'filter': 'arp', 'nics': ['carol']})
        return self.dgram_nic(daemon, DAVE).lease()

    def test_all_of_it_survives_kill_9_and_sigterm(self):
        needs.tools(capinfos='wireshark-common')
        for how in ('kill -9', 'SIGTERM'):
            with self.subTest(how=how):
                self.setUp()
                file = self.folder / 'x.pcapng'
                daemon = self.start()
                lease = self.change_everything(daemon, file)
                self.assertTrue(self.dgram_nic(daemon, CAROL, 'carol', self.folder / 'carol.sock').arp(DEFAULT_GATEWAY))
                harness.eventually(lambda: capture.packets(file) == 2, what='carol in the first file')
                before = self.everything()
                self.end(daemon, how)

                daemon = self.start()
                self.assertEqual(self.everything(), before)
                carol = self.dgram_nic(daemon, CAROL, 'carol2', self.folder / 'carol.sock')
                for name, address in (('new.test', '5.5.5.5'), ('printer.test', '192.168.127.10'),
                                      ('host.crc', '6.6.6.6'), ('any.crc', '7.7.7.7')):
                    self.assertEqual(resolve(carol, name), [address], name)
                self.assertEqual(resolve(carol, 'old.test'), [])
                self.assertEqual(self.dgram_nic(daemon, DAVE).lease(), lease)
                alice = self.dgram_nic(daemon, ALICE)
                alice.send(frames.ethernet(CAROL, ALICE, ETHERTYPE_EXPERIMENT, bytes(46)))
                harness.eventually(lambda: 'link-down' in self.api.get('/v1/nics/alice')['in']['drops'],
                                   what='a frame that the link, down as it was, does not let through')
                harness.eventually(lambda: capture.packets(file) > 2, what='carol in the new file')
                self.assertEqual(capture.packets(self.folder / 'x.1.pcapng'), 2, 'what was recorded is put aside whole')
                self.assertIn('carol', capture.interfaces(file))
                daemon.stop()

    def test_what_is_changed_back_is_forgotten_and_the_file_has_its_word_again(self):
        daemon = self.start()
        for link in ('down', 'up'):
            self.api.patch('/v1/nics/alice', {'link': link})
        daemon.stop()
        daemon = self.start(config(link='down'))
        self.assertEqual(self.api.get('/v1/nics/alice')['link'], 'down')
        self.assertNotIn('NIC alice', daemon.log)

    def test_no_change_that_was_answered_is_lost_when_it_is_killed_amid_others(self):
        daemon = self.start()
        answered = []

        def add(thread):
            api = control.Control(daemon.control)
            try:
                for number in range(1000):
                    answered.append(api.post('/v1/nics', {'name': f'nic-{thread}-{number}'})['name'])
            except OSError:
                pass  # it is dead

        threads = [threading.Thread(target=add, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        harness.eventually(lambda: len(answered) >= 100, 20, 'a hundred changes')
        daemon.kill9()
        for thread in threads:
            thread.join(30)
        self.assertGreaterEqual(len(answered), 100)
        self.start()
        self.assertLessEqual(set(answered), {nic['name'] for nic in self.api.get('/v1/nics')})

    def test_the_file_wins_where_it_was_edited_since_and_the_log_says_so(self):
        daemon = self.start()
        self.api.patch('/v1/nics/alice', {'link': 'down', 'ip': '192.168.127.111'})
        self.api.patch('/v1/nics/bob', {'link': 'down'})
        self.api.post('/v1/nics', {'name': 'carol', 'mac': CAROL})
        self.api.put('/v1/dns/records/printer.test', {'a': ['192.168.127.10']})
        daemon.stop()
        edited = config(ip='192.168.127.50')
        edited['nics'].append({'name': 'carol', 'mac': DAVE})  # the name that a run-time NIC has
        edited['networks'][0]['dns']['records'][0]['a'] = ['192.168.127.11']
        daemon = self.start(edited)
        alice, bob, carol = (self.api.get(f'/v1/nics/{name}') for name in ('alice', 'bob', 'carol'))
        self.assertEqual((alice['ip'], alice['link']), ('192.168.127.50', 'up'))
        self.assertEqual(bob['link'], 'down', 'the file says of bob what it said before')
        self.assertEqual(carol['mac'], DAVE)
        self.assertEqual(self.api.get('/v1/dns/records/printer.test')['a'], ['192.168.127.11'])
        for what in ('NIC alice: changed at run time, and in the file since: the file holds',
                     'NIC carol: .*does not go together with the file.*the file holds',
                     'DNS name printer.test of network home: changed at run time, and in the file'):
            self.assertRegex(daemon.log, what)
        self.assertNotIn('NIC bob', daemon.log)

    def test_damage_is_set_aside_and_told_what_is_whole_counts_and_the_next_change_is_kept(self):
        whole = json.dumps({'version': 1, 'nics': [{'mac': CAROL, 'now': {'name': 'carol', 'mac': CAROL, 'network': 'home'}}]}) + '\n'
        for damage in ('nonsense\n', '\n', '{"version": 9}\n', '\0' * 5000 + '\n',
                       '{"version": 1, "nics": [{"mac": "52:cc:cc:cc:cc:09", "now": {"name": 5}}]}\n',
                       '{"version": 1, "nics": [{"mac": "52:cc:cc:cc:cc:09", "now": {"name": "x", "mac": "01:00:00:00:00:00"}}]}\n'):
            with self.subTest(damage=damage[:40]):
                self.setUp()
                file = self.folder / 'state' / SAVED
                file.parent.mkdir(mode=0o700)
                file.write_text(whole + damage)
                daemon = self.start()
                self.assertRegex(daemon.log, SAVED + r': line 2: .*; the file was set aside as .*\.damaged')
                self.assertEqual(file.with_name(SAVED + '.damaged').read_text(), whole + damage)
                self.assertEqual(self.api.get('/v1/nics/carol')['mac'], CAROL)
                self.api.patch('/v1/nics/alice', {'link': 'down'})
                daemon.kill9()
                self.start()
                self.assertEqual(self.api.get('/v1/nics/alice')['link'], 'down')
                self.assertEqual(self.api.get('/v1/nics/carol')['mac'], CAROL)

    def test_a_change_that_was_cut_short_was_never_answered_and_is_left_out(self):
        daemon = self.start()
        self.api.patch('/v1/nics/alice', {'link': 'down'})
        file = self.folder / 'state' / SAVED
        size = file.stat().st_size
        self.api.patch('/v1/nics/bob', {'link': 'down'})
        daemon.kill9()
        whole = file.read_bytes()
        for length in range(size + 1, len(whole), 97):
            file.write_bytes(whole[:length])
            daemon = self.start()
            self.assertEqual([self.api.get(f'/v1/nics/{name}')['link'] for name in ('alice', 'bob')], ['down', 'up'])
            self.assertNotIn('damaged', daemon.log)
            daemon.stop()

    def test_a_change_that_names_what_is_gone_does_not_keep_it_from_starting(self):
        daemon = self.start()
        self.api.post('/v1/nics', {'name': 'carol', 'mac': CAROL, 'network': 'office'})
        self.api.post('/v1/captures', {'file': str(self.folder / 'sub.pcapng')})
        daemon.stop()
        file = self.folder / 'state' / SAVED
        file.write_text(file.read_text().replace(str(self.folder / 'sub.pcapng'), '/nowhere/sub.pcapng'))
        without_office = config()
        del without_office['networks'][1]
        daemon = self.start(without_office)
        self.assertRegex(daemon.log, 'NIC carol: .*the file holds')
        self.assertRegex(daemon.log, 'capture /nowhere/sub.pcapng: .*it does not go on')
        self.assertEqual({nic['name'] for nic in self.api.get('/v1/nics')}, {'alice', 'bob', 'gone'})


if __name__ == '__main__':
    unittest.main()
