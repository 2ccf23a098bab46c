"""The control API: all of it answers as openapi.json says, mistakes are answered helpfully and change nothing."""

import json
import re
import socket
import unittest

import control
import harness
import needs
import openapi
from harness import DEFAULT_GATEWAY, ROOT

ALICE, BOB, CAROL, DAVE = (f'52:cc:cc:cc:cc:0{number}' for number in (1, 2, 3, 4))
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'ipv6': 'fd00:1::1/64',
                  'dns': {'upstream': 'none', 'records': [{'name': 'printer.test', 'a': ['192.168.127.9']}]}},
                 {'name': 'office', 'ipv4': '10.9.0.1/24', 'members': 'listed', 'port_security': True},
                 {'name': 'six', 'ipv6': 'fd00:6::1/64'}],
    'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.127.101'},
             {'name': 'bob', 'mac': BOB, 'network': 'office', 'dgram': 'bob.sock'}],
    'services': [{'name': 'echo.test', 'ipv4': '52.52.0.7', 'kind': 'echo'}]}
VOLATILE = {'in', 'out', 'uptime_s', 'since', 'expires', 'remaining_s'}


def without_volatile(value):
    if isinstance(value, dict):
        return {name: without_volatile(member) for name, member in value.items() if name not in VOLATILE}
    return [without_volatile(element) for element in value] if isinstance(value, list) else value


class Api(harness.Case):
    def begin(self, *arguments, config=None):
        openapi.available()
        self.file = json.loads((ROOT / 'daemon/control/openapi.json').read_text())
        daemon = self.vnetd('--state', self.folder / 'state', *arguments, config=config or CONFIG)
        return daemon, openapi.Judged(daemon.control, openapi.Document(self.file))

    def everything(self, daemon):
        """All that a user could see of the configuration that holds, and what of it is on disk."""
        api = control.Control(daemon.control)
        saved = self.folder / 'state/runtime.jsonl'
        return [without_volatile(api.get(path)) for path in
                ('/v1/nics', '/v1/networks', '/v1/leases', '/v1/captures', '/v1/dns/records',
                 '/v1/dns/records?network=office', '/services/dns/all')] + [saved.exists() and saved.read_text()]


class WholeDocument(Api):
    def test_every_operation_of_the_document_answers_as_it_says(self):
        daemon, api = self.begin()
        api.document.check()
        self.assertEqual(api.get('/v1/openapi.json'), self.file, 'the daemon shows the document it was built with')
        alice = self.dgram_nic(daemon, ALICE)
        self.assertEqual(alice.lease(), '192.168.127.101')
        self.dgram_nic(daemon, BOB, path=self.folder / 'bob.sock').arp('10.9.0.1')

        status = api.get('/v1/status')
        self.assertEqual((status['pid'], status['networks'], status['attached']), (daemon.pid, 3, 2))
        self.assertEqual([each['name'] for each in api.get('/v1/networks')], ['home', 'office', 'six'])
        self.assertEqual(api.get('/v1/networks/home')['dhcp']['leases'], 1)
        self.assertNotIn('dhcp', api.get('/v1/networks/six'))
        self.assertEqual(api.get('/v1/flows', nic='alice'), [])
        slow = api.request('PATCH', '/v1/networks/six', {'impair': {'latency_ms': 5, 'up': {'loss': 0.5}}}).json()
        self.assertEqual(slow['impair'], {'up': {'latency_ms': 5, 'loss': 0.5}, 'down': {'latency_ms': 5}})

        self.assertEqual([nic['name'] for nic in api.get('/v1/nics', network='office')], ['bob'])
        self.assertEqual([nic['name'] for nic in api.get('/v1/nics', attached='false')], [])
        self.assertEqual(api.get(f'/v1/nics/{ALICE}')['addresses'], ['192.168.127.101'])
        self.assertEqual(api.get('/v1/nics/bob')['attachment']['kind'], 'dgram-own')

        added = api.request('POST', '/v1/nics', {'name': 'carol', 'mac': CAROL, 'network': 'home', 'link': 'down',
                                                 'dgram': str(self.folder / 'carol.sock'), 'hostname': 'singer'})
        self.assertEqual(api.get(added.headers['location']), added.json())
        changed = api.patch('/v1/nics/carol', {'name': 'dave', 'link': 'up', 'ip': '192.168.127.77', 'cause': 'a test'})
        self.assertEqual((changed['name'], changed['link'], changed['ip']), ('dave', 'up', '192.168.127.77'))
        self.assertNotIn('ip', api.patch('/v1/nics/dave', {'ip': None}))
        self.assertEqual(api.post('/v1/nics', {'mac': DAVE})['name'], DAVE.replace(':', '-'))

        self.assertEqual(api.post(f'/v1/nics/{DAVE}/assignment'), {'assignment': None})
        api.patch(f'/v1/nics/{DAVE}', {'assign': 'ready'})
        assigned = api.post(f'/v1/nics/{DAVE}/assignment')['assignment']
        self.assertEqual((assigned['mac'], assigned['gw'], assigned['mask']), (DAVE, '192.168.127.1', '255.255.255.0'))
        self.assertIn(assigned['ip'], [lease['ip'] for lease in api.get('/v1/leases', network='home')])
        api.delete(f'/v1/leases/{assigned["ip"]}?network=home')

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            attached = api.post('/v1/nics/' + DAVE + '/attach', fds=[theirs.fileno()])
            self.assertEqual(attached['attachment']['kind'], 'fd')
            api.delete(f'/v1/nics/{DAVE}/attach', {'cause': 'a test'})
        self.assertIsNone(api.get(f'/v1/nics/{DAVE}')['attachment'])
        api.delete('/v1/nics/dave')

        self.assertEqual(api.get('/v1/leases', network='home')[0]['nic'], 'alice')
        self.assertEqual(api.get('/v1/leases/192.168.127.101', network='home')['hostname'], 'alice')
        self.assertEqual(api.get('/leases'), {DEFAULT_GATEWAY: api.get('/v1/networks/home')['mac'],
                                              '192.168.127.101': ALICE})
        self.assertEqual(api.get('/services/dhcp/leases'), api.get('/leases'))

        record = {'name': 'all.test', 'a': ['1.2.3.4'], 'aaaa': ['2001:db8::1'], 'txt': ['text'], 'ttl_s': 5,
                  'mx': [{'preference': 1, 'exchange': 'mail.test'}],
                  'srv': [{'priority': 1, 'weight': 2, 'port': 3, 'target': 'host.test'}]}
        self.assertEqual(api.put('/v1/dns/records/all.test', record), record)
        self.assertEqual(api.put('/v1/dns/records/alias.test?network=office', {'cname': 'all.test'})['ttl_s'], 60)
        self.assertEqual(api.get('/v1/dns/records/ALL.test.'), record, 'names of any case, absolute or not')
        self.assertEqual([each['name'] for each in api.get('/v1/dns/records')], ['printer.test', 'all.test'])
        api.delete('/v1/dns/records/alias.test?network=office')
        api.post('/services/dns/add', {'Name': 'crc.', 'Records': [{'Name': 'gateway', 'IP': '192.168.127.1'}]})
        self.assertEqual(len(api.get('/services/dns/all')), 1)

        file = self.folder / 'run.pcapng'
        capture = api.post('/v1/captures', {'file': str(file), 'nics': ['alice', 'home-gateway'], 'filter': 'arp',
                                            'snaplen': 64, 'rotate_mb': 1, 'keep': 2})
        with api.open('/v1/captures/live', nic=['alice', 'bob'], filter='arp', snaplen=60) as live:
            self.assertEqual(live.response.getheader('content-type'), 'application/x-pcapng')
            self.assertEqual(live.read(4), b'\x0a\x0d\x0d\x0a', 'a section header block begins pcapng')
            self.assertEqual({each['live'] for each in api.get('/v1/captures')}, {True, False})
            api.called.add(('GET', '/v1/captures/live'))
        self.assertEqual(api.get('/v1/captures/' + capture['id'])['file'], str(file))
        api.delete('/v1/captures/' + capture['id'])

        forward = api.post('/v1/forwards', {'listen': f'unix:{self.folder}/f.sock', 'to': '192.168.127.101:22',
                                            'network': 'home', 'proxy_protocol': 1})
        self.assertEqual(api.get('/v1/forwards'), [api.get('/v1/forwards/' + forward['id'])])
        self.assertEqual(forward['state'], 'ready', 'the guest has a lease')
        exposed = {'local': f'{self.folder}/g.sock', 'remote': 'tcp://192.168.127.101:22', 'protocol': 'unix'}
        api.post('/services/forwarder/expose', exposed)
        self.assertEqual(api.get('/services/forwarder/all')[1], exposed)
        api.post('/services/forwarder/unexpose', exposed)
        api.delete('/v1/forwards/' + forward['id'])

        self.assertEqual(api.get('/v1/nat/mappings'), {'total': 0, 'mappings': []})
        self.assertEqual(api.get('/v1/services'), [api.get('/v1/services/echo.test')])
        self.assertFalse(api.patch('/v1/services/echo.test', {'up': False})['up'])
        api.post('/v1/networks/home/reboot')

        with api.events(since=0, follow='false', kind='nic.,dhcp.granted') as events:
            self.assertEqual(events.stream.response.getheader('content-type'), 'text/event-stream')
            told = [event['data'] for event in events]
            api.called.add(('GET', '/v1/events'))
        for event in told:
            api.document.validate({'$ref': '#/components/schemas/Event'}, event)
        self.assertIn('dhcp.granted', {event['event'] for event in told})

        snapshot = api.post('/v1/snapshot', {'nics': ['alice']})
        api.delete('/v1/leases/192.168.127.101')
        self.assertEqual(api.get('/v1/leases'), [])
        self.assertEqual(api.post('/v1/restore', snapshot)['nics'], [{'name': 'alice', 'lease': 'restored'}])
        self.assertEqual(len(api.get('/v1/leases')), 1)
        self.assertEqual(len(api.post('/v1/snapshot')['nics']), len(api.get('/v1/nics')))

        self.assertEqual(api.post('/v1/reload'), {'changed': [], 'restart_needed': []})
        self.assertIn('vnet_build_info', api.request('GET', '/metrics').body.decode())
        self.assertEqual(api.request('POST', '/v1/take-over').headers['upgrade'], 'vnet-take-over')
        self.assertEqual(api.get('/v1/status')['pid'], daemon.pid, 'who asked went away: the daemon goes on')
        self.assertEqual(api.document.operations - api.called, set(), 'in the document, and not called here')

    def test_the_daemon_and_the_document_name_the_same_routes_and_methods(self):
        daemon, api = self.begin()
        routes = re.findall(r'\{"([A-Z]+)", "(/[^"]*)", &Api::', (ROOT / 'daemon/control/api.cpp').read_text())
        self.assertGreater(len(routes), 20)
        self.assertEqual(set(routes), api.document.operations)
        plain = control.Control(daemon.control)
        for path in api.document.paths:
            reply = plain.request('OPTIONS', re.sub(r'\{.*?\}', 'x', path))
            # A fixed path may also match a pattern, as captures/live does captures/{id}.
            allowed = set(reply.headers['allow'].split(', '))
            self.assertEqual(reply.status, 405)
            self.assertLessEqual({method for method, known in api.document.operations if known == path}, allowed)


class Mistakes(Api):
    """(method, path, body, status, pointer, what the detail says)"""

    BODIES = [
        ('POST', '/v1/nics', b'{"name": "x",\n "mac" 5}', 400, '', r'2:8.*expected'),
        ('POST', '/v1/nics', b'', 400, '', 'the body is empty'),
        ('POST', '/v1/nics', b'\xff\xfe', 400, '', r'1:1'),
        ('POST', '/v1/nics', b'{"name": "x", "name": "y"}', 400, '/name', '"name" a second time'),
        ('POST', '/v1/nics', b'[' * 500_000 + b']' * 500_000, 400, '/0' * 32, 'too many levels'),
        ('POST', '/v1/nics', b'{"n":' * 100_000 + b'0' + b'}' * 100_000, 400, '/n' * 32, 'too many levels'),
        ('POST', '/v1/nics', b'{"name": 1e999}', 400, '', '^found a number that is too large'),
        ('POST', '/v1/nics', [], 400, '', 'found an array; expected an object'),
        ('POST', '/v1/nics', {}, 400, '', 'neither name nor mac'),
        ('POST', '/v1/nics', {'name': 5}, 400, '/name', r'found 5 \(an integer\)'),
        ('POST', '/v1/nics', {'nmae': 'x'}, 400, '/nmae', 'did you mean "name"'),
        ('POST', '/v1/nics', {'name': 'a b'}, 400, '/name', 'letters, digits'),
        ('POST', '/v1/nics', {'name': 'x', 'mac': '53:cc:cc:cc:cc:01'}, 400, '/mac', 'unicast'),
        ('POST', '/v1/nics', {'name': 'x', 'ip': '10.0.0.1'}, 400, '/ip', r'192\.168\.127\.0/24'),
        ('POST', '/v1/nics', {'name': 'x', 'ip': DEFAULT_GATEWAY}, 400, '/ip', "the gateway's"),
        ('POST', '/v1/nics', {'name': 'x', 'network': 'six', 'ip': '10.0.0.1'}, 400, '/ip', 'without ipv4'),
        ('POST', '/v1/nics', {'name': 'x', 'network': 'hom'}, 400, '/network', 'did you mean "home"'),
        ('POST', '/v1/nics', {'name': 'x', 'dgram': 'relative'}, 400, '/dgram', 'absolute'),
        ('POST', '/v1/nics', {'name': 'x', 'dgram': '/nowhere/x.sock'}, 409, '/dgram', 'No such file'),
        ('POST', '/v1/nics', {'name': 'ALICE'}, 409, '/name', 'there is a NIC alice'),
        ('POST', '/v1/nics', {'name': 'x', 'mac': ALICE}, 409, '/mac', "NIC alice's"),
        ('POST', '/v1/nics', {'name': 'x', 'ip': '192.168.127.101'}, 409, '/ip', 'reserved for NIC alice'),
        ('PATCH', '/v1/nics/alcie', {'link': 'down'}, 404, '', 'did you mean "alice"'),
        ('PATCH', '/v1/nics/alice', {'link': 'dwon'}, 400, '/link', 'did you mean "down"'),
        ('PATCH', '/v1/nics/alice', {'network': 'offic'}, 400, '/network', 'did you mean "office"'),
        ('PATCH', '/v1/nics/alice', {'name': 'bob'}, 409, '/name', 'there is a NIC bob'),
        ('PATCH', '/v1/nics/alice', {'ip': '10.9.0.5', 'link': 'down'}, 400, '/ip', 'expected a host address'),
        ('PATCH', '/v1/nics/alice', {'ip': '300.1.1.1'}, 400, '/ip', 'IPv4 address'),
        ('PATCH', '/v1/nics/alice', {'mac': CAROL}, 400, '/mac', 'unknown member'),
        ('PATCH', '/v1/nics/alice', {'impair': {'up': {'los': 1}}}, 400, '/impair/up/los', 'did you mean "loss"'),
        ('PATCH', '/v1/networks/home', {'impair': {'loss': 2}}, 400, '/impair/loss', 'from 0 to 1'),
        ('PATCH', '/v1/nics/alice', {'cause': 'x' * 201}, 400, '/cause', 'at most 200'),
        ('DELETE', '/v1/nics/alcie', None, 404, '', 'did you mean "alice"'),
        ('POST', '/v1/nics/alice/attach', None, 400, '', '0 descriptors'),
        ('DELETE', '/v1/nics/bob/attach', None, 409, '', 'nothing is attached'),
        ('DELETE', '/v1/nics/alice/attach', {'because': 'x'}, 400, '/because', 'expected one of cause, ended'),
        ('POST', '/v1/captures', {'filter': 'arp'}, 400, '', '"file"'),
        ('POST', '/v1/captures', {'file': 'x.pcapng'}, 400, '/file', 'absolute'),
        ('POST', '/v1/captures', {'file': '/nowhere/x.pcapng'}, 409, '/file', 'No such file'),
        ('POST', '/v1/captures', {'file': '/tmp/x', 'nics': ['bob', 'alcie']}, 400, '/nics/1', 'did you mean "alice"'),
        ('POST', '/v1/captures', {'file': '/tmp/x', 'filter': 'not a filter'}, 400, '/filter', 'libpcap'),
        ('POST', '/v1/captures', {'file': '/tmp/x', 'snaplen': -1}, 400, '/snaplen', 'from 0 to'),
        ('PUT', '/v1/dns/records/x.test', {}, 400, '', 'a name without records'),
        ('PUT', '/v1/dns/records/x.test', {'a': ['1.2.3.4'], 'cname': 'y.test'}, 400, '', 'cname alone'),
        ('PUT', '/v1/dns/records/x.test', {'a': ['1.2.3']}, 400, '/a/0', 'IPv4'),
        ('PUT', '/v1/dns/records/x.test', {'name': 'y.test', 'a': ['1.2.3.4']}, 400, '/name', 'the name in the path'),
        ('PUT', '/v1/dns/records/a%20b.test', {'a': ['1.2.3.4']}, 400, '', 'domain name'),
        ('PUT', '/v1/dns/records/a.*.test', {'a': ['1.2.3.4']}, 400, '', 'domain name'),
        ('PUT', '/v1/dns/records/x..test', {'a': ['1.2.3.4']}, 400, '', 'domain name'),
        ('PUT', '/v1/dns/records/x.test?network=hom', {'a': ['1.2.3.4']}, 404, '', 'did you mean "home"'),
        ('DELETE', '/v1/dns/records/print.test', None, 404, '', 'did you mean "printer.test"'),
        ('POST', '/v1/snapshot', {'nics': ['bob', 'alcie']}, 404, '/nics/1', 'did you mean "alice"'),
        ('POST', '/v1/restore', {'nics': []}, 400, '', '"version"'),
        ('POST', '/v1/restore', {'version': 2, 'nics': []}, 400, '/version', 'found 2'),
    ]
    # What fits is in front of what does not: nothing of it may come about.
    RESTORES = [
        ({'name': 'new2', 'mac': CAROL, 'network': 'gone'}, 409, '/network', 'is not here'),
        ({'name': 'alice', 'mac': CAROL, 'network': 'home'}, 409, '/name', ALICE),
        ({'name': 'new2', 'mac': CAROL, 'network': 'home', 'ip': '10.1.1.1'}, 400, '/ip', 'host address'),
        ({'name': 'new2', 'mac': CAROL, 'network': 'home', 'ip': '192.168.127.101'}, 409, '/ip', 'NIC alice'),
        ({'name': 'new', 'mac': CAROL, 'network': 'home'}, 400, '/name', 'a second time'),
        ({'name': 'new2', 'mac': DAVE, 'network': 'home'}, 400, '/mac', 'a second time'),
    ]
    QUERIES = [
        ('/v1/nics?network=hoem', 404, 'did you mean "home"'),
        ('/v1/nics?attached=maybe', 400, 'true or false'),
        ('/v1/nics?atached=true', 400, 'did you mean "attached"'),
        ('/v1/networks/hme', 404, 'did you mean "home"'),
        ('/v1/leases/1.2.3.4', 404, 'nobody has'),
        ('/v1/leases/nonsense', 404, 'IPv4 address'),
        ('/v1/leases?netwrk=home', 400, 'did you mean "network"'),
        ('/v1/captures/77', 404, 'no capture "77"'),
        ('/v1/captures/live?nic=alcie', 400, 'did you mean "alice"'),
        ('/v1/captures/live?filtr=arp', 400, 'did you mean "filter"'),
        ('/v1/captures/live?filter=not+one', 400, 'libpcap'),
        ('/v1/captures/live?snaplen=-1', 400, 'number of bytes'),
        ('/v1/events?follow=ja', 400, 'true or false'),
        ('/v1/events?since=yesterday', 400, 'a number'),
        ('/v1/events?kinds=nic.', 400, 'did you mean "kind"'),
        ('/v1/dns/records?network=ofice', 404, 'did you mean "office"'),
        ('/v1/status?verbose=1', 400, 'none for this'),
    ]

    def refused(self, reply, status, pointer, detail):
        self.assertEqual((reply.status, reply.type), (status, 'application/problem+json'), reply.body)
        problem = reply.json()
        self.assertEqual((problem['status'], problem['pointer']), (status, pointer), problem)
        self.assertTrue(problem['title'])
        self.assertRegex(problem['detail'], detail)
        return problem

    def test_a_mistake_is_told_with_its_place_and_the_nearest_name_and_changes_nothing(self):
        daemon, api = self.begin()
        before = self.everything(daemon)
        for method, path, body, status, pointer, detail in self.BODIES:
            with self.subTest(request=f'{method} {path} {str(body)[:60]}'):
                document, raw = (None, body) if isinstance(body, bytes) else (body, None)
                self.refused(api.request(method, path, document, body=raw), status, pointer, detail)
                self.assertEqual(self.everything(daemon), before)
        for path, status, detail in self.QUERIES:
            with self.subTest(request=path):
                self.refused(api.request('GET', path), status, '', detail)
        self.assertEqual(self.everything(daemon), before)

    def test_a_snapshot_that_does_not_fit_restores_nothing_of_it(self):
        daemon, api = self.begin()
        before = self.everything(daemon)
        fits = {'name': 'new', 'mac': DAVE, 'network': 'home', 'link': 'up'}
        for entry, status, pointer, detail in self.RESTORES:
            with self.subTest(entry=entry):
                reply = api.request('POST', '/v1/restore', {'version': 1, 'nics': [fits, {'link': 'up', **entry}]})
                self.refused(reply, status, '/nics/1' + pointer, detail)
                self.assertEqual(self.everything(daemon), before)

    def test_several_mistakes_are_told_at_once(self):
        _, api = self.begin()
        problem = self.refused(api.request('POST', '/v1/nics', {'nmae': 'x', 'ip': 7}), 400, '/nmae', 'name')
        self.assertEqual([each['pointer'] for each in problem['problems']], ['/nmae', '/ip'])

    def test_a_wrong_method_is_told_which_there_are_and_a_wrong_path_where_to_look(self):
        daemon, api = self.begin()
        plain = control.Control(daemon.control)
        for path in api.document.paths:
            target = re.sub(r'\{.*?\}', 'x', path)
            reply = plain.request('OPTIONS', target)
            self.refused(reply, 405, '', 'expected one of')
            self.assertTrue(reply.headers['allow'])
        self.refused(plain.request('BREW', '/v1/status'), 501, '', 'not known')
        self.refused(plain.request('GET', '/v1/nisc'), 404, '', '/v1/openapi.json.*did you mean "/v1/nics"')
        for target in ('/', '/v1', '/v1/nics/', '//v1/nics', '/v1/nics/../status', '/v1/nics/alice/attach/x'):
            self.assertEqual(plain.request('GET', target).status, 404, target)
        self.refused(plain.request('GET', '/v1/nics/a%00b'), 400, '', 'malformed')

    def test_a_nic_with_a_reserved_address_moves_to_a_network_that_has_no_ipv4_and_leaves_it_behind(self):
        _, api = self.begin()
        for _ in range(3):
            self.assertNotIn('ip', api.patch('/v1/nics/alice', {'network': 'six'}))
            back = api.patch('/v1/nics/alice', {'network': 'home', 'ip': '192.168.127.101'})
            self.assertEqual((back['network'], back['ip']), ('home', '192.168.127.101'))


class Gvproxy(Api):
    """The forms that its clients know: github.com/containers/gvisor-tap-vsock, pkg/types and pkg/services/dns."""

    def resolve(self, guest, name):
        return guest.run(['dig', f'@{DEFAULT_GATEWAY}', '+short', '+tries=2', '+time=3', name]).stdout.split()

    def test_zones_added_in_its_form_are_shown_in_its_form_and_resolve_in_a_guest(self):
        needs.root()
        needs.tools(dig='bind9-dnsutils')
        daemon, api = self.begin()
        guest = self.host(daemon)
        guest.run(['ip', 'addr', 'add', '192.168.127.50/24', 'dev', 'eth0'])
        add = {'Name': 'crc.testing.', 'Records': [{'Name': 'host', 'IP': '192.168.127.254'}]}
        self.assertEqual(api.request('POST', '/services/dns/add', add).body, b'')
        self.assertEqual(self.resolve(guest, 'host.crc.testing'), ['192.168.127.254'])
        self.assertEqual(self.resolve(guest, 'other.crc.testing'), [])

        # Go's clients leave members out, send null, and its reader takes names of any case.
        api.post('/services/dns/add', {'name': 'apps.', 'records': None, 'defaultIP': '192.168.127.2'})
        self.assertEqual(self.resolve(guest, 'whatever.apps'), ['192.168.127.2'])

        # The same zone again: its records come to those that there are, a record again has its new address.
        api.post('/services/dns/add', {'Name': 'crc.testing.', 'DefaultIP': '192.168.127.3', 'Records': [
            {'Name': 'api', 'IP': '192.168.127.4'}, {'Name': 'host', 'IP': '192.168.127.5'}]})
        self.assertEqual(self.resolve(guest, 'host.crc.testing'), ['192.168.127.5'])
        self.assertEqual(self.resolve(guest, 'api.crc.testing'), ['192.168.127.4'])
        self.assertEqual(self.resolve(guest, 'other.crc.testing'), ['192.168.127.3'])
        zones = {zone['Name']: zone for zone in api.get('/services/dns/all')}
        self.assertEqual(set(zones), {'crc.testing.', 'apps.'})
        self.assertEqual(zones['crc.testing.']['DefaultIP'], '192.168.127.3')
        self.assertEqual(sorted((each['Name'], each['IP']) for each in zones['crc.testing.']['Records']),
                         [('api', '192.168.127.4'), ('host', '192.168.127.5')])

        api.post('/services/dns/add', {'Name': 'crc.testing.'})
        self.assertEqual(self.resolve(guest, 'other.crc.testing'), [], 'a zone shown without a default has none')

    def test_what_is_no_zone_is_refused_as_text_and_changes_nothing(self):
        daemon, api = self.begin()
        before = self.everything(daemon)
        for body in (b'{', b'[]', b'{"Name": 5}', b'{"Name": "x.", "Records": [{"Name": "a", "IP": "b"}]}',
                     b'{"Name": "x.", "Records": [{"Name": "a", "IP": "1.2.3.4"}, {"Name": "b..", "IP": "1.2.3.4"}]}',
                     b'{"Name": "x.", "DefaultIP": "300.1.2.3"}',
                     b'{"Name": "x.", "Records": [{"Name": "white space", "IP": "1.2.3.4"}]}',
                     b'{"Name": "x.", "Records": [{"Regexp": ".*", "IP": "1.2.3.4"}]}'):
            reply = api.request('POST', '/services/dns/add', body=body)
            self.assertEqual((reply.status, reply.type), (400, 'text/plain'), body)
            self.assertTrue(reply.body)
        self.assertEqual(self.everything(daemon), before)

    def test_leases_map_addresses_to_mac_addresses_the_gateway_included(self):
        daemon, api = self.begin()
        carol = self.dgram_nic(daemon, CAROL)
        address = carol.lease()
        for path in ('/leases', '/services/dhcp/leases'):
            self.assertEqual(api.get(path), {DEFAULT_GATEWAY: carol.arp(DEFAULT_GATEWAY), address: CAROL})


if __name__ == '__main__':
    unittest.main()
