"""Assignment without the network: vnet-agent in a namespace on `vnet tap`, told its address by the daemon; no DHCP runs.

The host's end of a serial port is a pseudo terminal here, the driver a listener on the host behind the host alias.
"""

import base64
import json
import os
import pty
import signal
import socket
import time
import unittest

import control
import harness
import needs
import processes
from driver import Driver

GATEWAY = '192.168.1.1'
ALIAS = '192.168.1.254'
ALICE, BOB, CAROL = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02', '52:cc:cc:cc:cc:03'
NEXT_TO_NOTHING_S = 1  # 10 to 100 ms, where nobody else compiles beside it

# Sends pings from before there is an address, and says when the first answer is there.
PING = '''
import select, socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
body = struct.pack('!BBHHH', 8, 0, 0, 7, 1)
total = sum(struct.unpack('!4H', body))
total = (total & 0xffff) + (total >> 16)
body = body[:2] + struct.pack('!H', ~total & 0xffff) + body[4:]
print('pinging', flush=True)
while True:
    try: s.sendto(body, (sys.argv[1], 0))
    except OSError: time.sleep(.001); continue
    if select.select([s], [], [], .005)[0] and s.recv(99)[20] == 0: break
print('answered at', time.monotonic(), flush=True)
'''


def config():
    return {'networks': [{'name': 'home', 'ipv4': f'{GATEWAY}/24', 'ipv6': '2052::1/64', 'mtu': 1400,
                          'host_alias': ALIAS, 'egress': {'enabled': True}, 'dns': {'upstream': 'none'}}],
            'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.1.101'}, {'name': 'bob', 'mac': BOB},
                     {'name': 'carol', 'mac': CAROL}],
            'listen': {'assign': [{'path': 'alice.assign', 'nic': 'alice'}, {'path': 'bob.assign', 'nic': 'bob'},
                                  {'path': 'carol.assign', 'nic': 'carol'},
                                  {'path': 'alice.port', 'nic': 'alice', 'serial': True}]}}


class AgentCase(harness.Case):
    def setUp(self):
        super().setUp()
        needs.root()
        self.daemon = self.vnetd(config=config())
        self.api = control.Control(self.daemon.control)

    def agent(self, host, *flags):
        child = host.start([harness.build_tree() / 'agent/vnet-agent', '--resolv-conf', self.folder / 'resolv.conf',
                            *flags])
        self._voices.append(('vnet-agent', child))
        self.addCleanup(child.kill)
        return child

    def ready(self, name='alice', state='ready'):
        self.api.request('PATCH', f'/v1/nics/{name}', {'assign': state})


class Agents(AgentCase):
    def test_waits_then_has_all_of_it_at_once_and_dials(self):
        driver = Driver()
        self.addCleanup(driver.close)
        host = self.host(self.daemon, ALICE)
        with self.api.events(kind='assign.') as events:
            agent = self.agent(host, '--unix', self.folder / 'alice.assign', '--dial', f'{ALIAS}:{driver.port}')
            waiting = events.wait(lambda event: event['event'] == 'assign.waiting')
            self.assertEqual(waiting['nic'], 'alice')
            self.assertEqual(host.ipv4(), [])
            pinger = host.start(['/usr/bin/python3', '-c', PING, GATEWAY])
            self.addCleanup(pinger.kill)
            pinger.wait_line('pinging')
            began = time.monotonic()
            processes.run([harness.build_tree() / 'adapter/vnet', '--control', self.daemon.control, 'assign', 'alice',
                           'ready'])
            ready = time.monotonic()
            answered = float(pinger.wait_line(r'answered at (\S+)')[1])
            print(f'first answered ping: {(answered - began) * 1000:.1f} ms after vnet assign was started, '
                  f'{(answered - ready) * 1000:.1f} ms after it had ended')
            self.assertLess(answered - ready, NEXT_TO_NOTHING_S)
            given = events.wait(lambda event: event['event'] == 'assign.given')
            self.assertEqual(given['subject'], '192.168.1.101')
        lines, connection = driver.accept()
        hello = json.loads(lines.readline())
        connection.close()
        self.assertEqual((hello['event'], hello['ip'], hello['mac']), ('hello', '192.168.1.101', ALICE))
        self.assertEqual(host.ipv4(), ['192.168.1.101/24'])
        self.assertIn('2052::50cc:ccff:fecc:cc01/64', host.run(['ip', '-6', 'addr', 'show', 'dev', 'eth0']).stdout)
        self.assertIn(f'default via {GATEWAY} dev eth0', host.run(['ip', 'route']).stdout)
        self.assertIn('default via 2052::1', host.run(['ip', '-6', 'route']).stdout)
        self.assertIn('mtu 1400', host.run(['ip', 'link', 'show', 'eth0']).stdout)
        self.assertIn(f'nameserver {GATEWAY}', (self.folder / 'resolv.conf').read_text())
        self.assertEqual(self.api.get('/v1/nics/alice')['assign'], 'ready')
        agent.signal(signal.SIGTERM)
        self.assertEqual(agent.wait(5), 0)

    def test_another_assignment_replaces_the_first(self):
        host = self.host(self.daemon, ALICE)
        self.ready()
        self.agent(host, '--unix', self.folder / 'alice.assign')
        harness.eventually(lambda: host.ipv4() == ['192.168.1.101/24'], what='the first address')
        self.api.request('PATCH', '/v1/nics/alice', {'ip': '192.168.1.55'})
        harness.eventually(lambda: host.ipv4() == ['192.168.1.55/24'], what='the second, alone')
        self.assertEqual(host.run(['ip', 'route']).stdout.count('default'), 1)

    def test_link_changes_are_reported_and_it_dials_anew(self):
        driver = Driver()
        self.addCleanup(driver.close)
        host = self.host(self.daemon, ALICE)
        self.ready()
        self.agent(host, '--unix', self.folder / 'alice.assign', '--dial', f'{ALIAS}:{driver.port}')
        lines, first = driver.accept()
        self.addCleanup(first.close)
        self.assertEqual(json.loads(lines.readline())['event'], 'hello')
        host.run(['ip', 'link', 'set', 'eth0', 'carrier', 'off'])
        time.sleep(1.5)  # the kernel tells of carriers once a second
        host.run(['ip', 'link', 'set', 'eth0', 'carrier', 'on'])
        lines, second = driver.accept()
        self.assertEqual(json.loads(lines.readline())['reason'], 'link up')
        seen = [json.loads(lines.readline()) for _ in range(2)]
        self.assertEqual([(event['event'], event['up']) for event in seen], [('link', False), ('link', True)])
        second.shutdown(socket.SHUT_RDWR)  # `lines` holds it, too
        self.addCleanup(second.close)
        lines, third = driver.accept()
        self.addCleanup(third.close)
        self.assertEqual(json.loads(lines.readline())['reason'], 'connection lost')

    def test_nobody_is_told_about_another(self):
        self.ready()
        for path, expected in (('alice.assign', b''), ('bob.assign', b'wait\n')):
            with socket.socket(socket.AF_UNIX) as asker:
                asker.settimeout(5)
                asker.connect(str(self.folder / path))
                asker.sendall(json.dumps({'mac': BOB if path == 'alice.assign' else ALICE}).encode() + b'\n')
                said = b''
                while piece := asker.recv(4096):
                    said += piece
                said = said if expected else b''.join(line for line in said.splitlines() if BOB.encode() in line)
                self.assertEqual(said, expected, path)
        self.assertEqual(os.stat(self.folder / 'bob.assign').st_mode & 0o777, 0o600)

    def test_a_dhcp_client_gets_the_address_that_was_assigned(self):
        needs.tools(udhcpc='udhcpc')
        for name, mac, identifier in (('bob', BOB, []), ('carol', CAROL, ['-C', '-x', '0x3d:ffdeadbeef'])):
            host = self.host(self.daemon, mac)
            self.ready(name)
            self.agent(host, '--unix', self.folder / f'{name}.assign')
            address = harness.eventually(host.ipv4, what='an address')[0].split('/')[0]
            said = host.run(['udhcpc', '-f', '-n', '-q', '-i', 'eth0', '-s', '/bin/true', *identifier]).stdout
            self.assertIn(f'lease of {address} obtained', said)
        self.assertEqual(len(self.api.get('/v1/leases')), 2)

    def test_what_is_ready_stays_ready_over_a_restart_of_the_daemon(self):
        state = self.folder / 'state'
        state.mkdir()
        self.daemon.stop()
        self.daemon = self.vnetd('--state', state, config=config())
        self.api = control.Control(self.daemon.control)
        self.ready()
        self.daemon.kill9()
        self.daemon = self.vnetd('--state', state, config=config())
        host = self.host(self.daemon, ALICE)
        self.agent(host, '--unix', self.folder / 'alice.assign')
        harness.eventually(lambda: host.ipv4() == ['192.168.1.101/24'], what='the address')


class SerialPort(AgentCase):
    """Commands come over a channel whose other end is the host for certain."""

    def setUp(self):
        super().setUp()
        self.master, self.slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)
        self.reader = os.fdopen(os.dup(self.master), 'rb', buffering=0)
        self.addCleanup(self.reader.close)
        self.host_ns = self.host(self.daemon, ALICE)
        self.child = self.agent(self.host_ns, '--serial', os.ttyname(self.slave))
        self.rest = b''
        self.assertIn('stay', self.line())

    def line(self):
        while b'\n' not in self.rest:
            self.rest += self.reader.read(65536)
        line, self.rest = self.rest.split(b'\n', 1)
        return json.loads(line)

    def say(self, **members):
        os.write(self.master, json.dumps(members).encode() + b'\n')

    def outcome(self, number):
        """What came about it: {'out': bytes, 'err': bytes} and the last line."""
        streams = {'out': b'', 'err': b''}
        while True:
            line = self.line()
            if line.get('id') != number:
                continue
            if 'out' not in line and 'err' not in line:
                return streams, line
            for name in set(streams) & set(line):
                streams[name] += base64.b64decode(line[name])

    def test_runs_commands_and_copies_files(self):
        self.say(id=1, exec=['sh', '-c', 'echo here; echo there >&2; exit 3'])
        streams, last = self.outcome(1)
        self.assertEqual((streams, last), ({'out': b'here\n', 'err': b'there\n'}, {'id': 1, 'exit': 3}))
        self.say(id=2, exec=['/no/such/program'])
        self.assertIn('No such file', self.outcome(2)[1]['error'])
        self.say(id=3, exec=['sleep', '100'])
        self.say(id=3, kill=9)
        self.assertEqual(self.outcome(3)[1], {'id': 3, 'signal': 9})
        content = os.urandom(200_000)
        path = str(self.folder / 'copied')
        for at in range(0, len(content), 2000):  # a terminal takes 4 KiB at a time
            self.say(id=4, put=path, data=base64.b64encode(content[at:at + 2000]).decode(), append=at > 0, mode=0o600)
            self.assertEqual(self.outcome(4)[1], {'id': 4, 'exit': 0})
        self.say(id=5, get=path)
        streams, last = self.outcome(5)
        self.assertEqual((streams['out'] == content, last), (True, {'id': 5, 'exit': 0}))

    def test_is_assigned_over_it_too(self):
        os.write(self.master, b'wait\n{"ip":"192.168.1.77","mask":"255.255.255.0","gw":"192.168.1.1"}\n')
        harness.eventually(lambda: self.host_ns.ipv4() == ['192.168.1.77/24'], what='the address')

    def test_a_daemons_port_answers_line_by_line(self):
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(5)
            port.connect(str(self.folder / 'alice.port'))
            for _ in range(3):
                port.sendall(b'?\n')
                self.assertEqual(port.recv(100), b'wait\n')
            self.ready()
            self.assertIn(b'192.168.1.101', port.recv(1000))


if __name__ == '__main__':
    unittest.main()
