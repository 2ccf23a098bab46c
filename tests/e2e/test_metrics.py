"""/metrics as Prometheus reads it: promtool finds nothing to say, and the numbers are those of the API."""

import re
import unittest

import control
import frames
import harness
import needs
import processes
from frames import DISCOVER, ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, STRANGER = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02', '52:cc:cc:cc:cc:66'
HOSTILE = b'x"} 1\nvnet_evil{a="\\' + bytes(range(1, 32)) + b'\xff\xc3'
CONFIG = {'networks': [{'name': 'home', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'members': 'listed',
                        'dns': {'upstream': 'none'}},
                       {'name': 'office', 'ipv4': '10.9.0.1/24'}],
          'nics': [{'name': 'alice', 'mac': ALICE}, {'name': 'bob', 'mac': BOB},
                   {'name': 'absent', 'mac': '52:00:00:00:00:09'}]}


class Metrics(harness.Case):
    def begin(self):
        daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(daemon.control)
        self.alice, self.bob = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        for nic in (self.alice, self.bob):
            self.assertTrue(nic.lease())
        return daemon

    def scrape(self):
        """{(name, labels): value}, after promtool has looked at it."""
        needs.tools(promtool='prometheus')
        reply = self.api.request('GET', '/metrics')
        self.assertEqual(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
        file = self.folder / 'metrics.txt'
        file.write_bytes(reply.body)
        with open(file) as text:
            said = processes.run(['promtool', 'check', 'metrics'], stdin=text, check=False)
        self.assertEqual((said.returncode, said.stdout), (0, ''))
        samples = {}
        for line in reply.body.decode().splitlines():
            if line.startswith('#'):
                continue
            name, labels, value = re.fullmatch(r'(\w+)(?:\{(.*)\})? ([0-9.e+]+)', line).groups()
            samples[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ''))] = float(value)
        return samples

    def of_nic(self, samples, name, nic, **labels):
        labels = {'nic': nic, 'network': 'home', **labels}
        return samples.get((f'vnet_nic_{name}', frozenset(labels.items())))

    def test_promtool_accepts_it_and_it_counts_what_the_api_counts(self):
        daemon = self.begin()
        hello = frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, b'hello'.ljust(86))
        for _ in range(50):
            self.alice.send(hello)
        for _ in range(50):
            self.assertTrue(self.bob.receive_match(lambda frame: frame == hello))
        self.api.patch('/v1/nics/bob', {'link': 'down'})
        for _ in range(7):
            self.bob.send(frames.ethernet(ALICE, BOB, ETHERTYPE_EXPERIMENT, b'unheard'.ljust(46)))
        self.dgram_nic(daemon, STRANGER).send(frames.ethernet(ALICE, STRANGER, ETHERTYPE_EXPERIMENT, bytes(46)))
        harness.eventually(lambda: self.api.get('/v1/status')['drops'], what='the refused frame')
        harness.eventually(lambda: self.api.get('/v1/nics/bob')['in']['drops'].get('link-down') == 7, what='7 drops')
        self.api.post('/v1/captures', {'file': str(self.folder / 'x.pcapng')})

        samples = self.scrape()
        for nic in self.api.get('/v1/nics'):
            for way, name in (('in', 'received'), ('out', 'sent')):
                for unit in ('frames', 'bytes'):
                    self.assertEqual(self.of_nic(samples, f'{name}_{unit}_total', nic['name']), nic[way][unit])
                for reason, count in nic[way]['drops'].items():
                    self.assertEqual(self.of_nic(samples, 'dropped_frames_total', nic['name'], reason=reason,
                                                 direction=way), count)
            self.assertEqual(self.of_nic(samples, 'link_up', nic['name']), nic['link'] == 'up')
            self.assertEqual(self.of_nic(samples, 'attached', nic['name']), nic['attachment'] is not None)
        self.assertGreaterEqual(self.of_nic(samples, 'received_frames_total', 'alice'), 52)
        self.assertEqual(self.of_nic(samples, 'dropped_frames_total', 'bob', reason='link-down', direction='in'), 7)
        refused = {labels: value for (name, labels), value in samples.items() if name == 'vnet_refused_frames_total'}
        self.assertEqual(sum(refused.values()), 1)
        self.assertEqual(samples['vnet_dhcp_leases', frozenset({('network', 'home')})], 2)
        self.assertEqual(samples['vnet_captures', frozenset()], 1)

    def test_what_a_guest_calls_itself_breaks_neither_the_metrics_nor_the_json(self):
        self.begin()
        for text in (HOSTILE, b'a' * 255, b'\0', 'nämé'.encode(), b'alice', b'-x-', b'../../etc'):
            offer = self.alice.dhcp(DISCOVER, 77)
            wanted = ((50, bytes(map(int, offer['yiaddr'].split('.')))), (54, offer[54]), (12, text))
            self.assertTrue(self.alice.dhcp(frames.REQUEST, 77, wanted))
            samples = self.scrape()
            self.assertFalse([name for name, _ in samples if 'evil' in name])
            for path in ('/v1/leases', '/v1/nics', '/v1/snapshot'):
                document = self.api.call('POST' if 'snap' in path else 'GET', path)
                self.assertTrue(document)
            with self.api.events(since=0, follow='false') as events:
                self.assertTrue(list(events))

    def test_a_thousand_nics_are_scraped_whole_while_frames_go_on(self):
        self.begin()
        for number in range(1000):
            self.api.post('/v1/nics', {'name': f'nic-{number}', 'network': 'home'})
        samples = self.scrape()
        self.assertEqual(len([1 for name, _ in samples if name == 'vnet_nic_link_up']), 1003)
        self.assertEqual(len(self.api.get('/v1/nics')), 1003)


if __name__ == '__main__':
    unittest.main()
