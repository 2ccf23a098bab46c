"""Port forwards: connections from the host's side reach a server in a guest, and the guest sees who they are from.

The daemon and its clients are in a namespace of their own, `world`, whose loopback has an address that is not the
loopback's: so ports are free, and a client can come from a real address.
"""

import contextlib
import ctypes
import json
import os
import socket
import struct
import unittest

import control
import harness
import needs
import processes

WORLD = '198.51.100.7'
WORLD6 = '2001:db8::7'
GUEST = '192.168.127.2'
GUEST6 = '2052::2'
MAC = '52:cc:cc:cc:cc:02'
CLONE_NEWNET = 0x40000000

# Says who called, and gives back what it said first.
SERVER = '''
import os, socket, threading
def say(line):
    os.write(1, f'{line}\\n'.encode())  # two threads may speak at once
def serve(address, family):
    with socket.create_server((address, 22), family=family) as listener:
        say(f'listening {address}')
        while True:
            connection, peer = listener.accept()
            with connection:
                said = connection.recv(1000)
                say(f'called from {peer[0]} {peer[1]}')
                connection.sendall(said)
def answer(address, family):
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((address, 53))
        while True:
            said, peer = server.recvfrom(65536)
            say(f'asked by {peer[0]} {peer[1]}')
            server.sendto(said, peer)
for task, *each in ((serve, '::', socket.AF_INET6), (answer, '::', socket.AF_INET6),
                    (answer, '0.0.0.0', socket.AF_INET)):
    threading.Thread(target=task, args=each, daemon=True).start()
serve('0.0.0.0', socket.AF_INET)
'''


@contextlib.contextmanager
def inside(namespace):
    """This thread, and the programs that it starts, are in the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open('/proc/thread-self/ns/net') as home, open(f'/run/netns/{namespace.name}') as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), 'setns')
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Forwards(harness.Case):
    def setUp(self):
        super().setUp()
        needs.root()
        world = harness.NetNs()
        self.addCleanup(world.remove)
        world.run(['ip', 'addr', 'add', f'{WORLD}/32', 'dev', 'lo'])
        world.run(['ip', 'addr', 'add', f'{WORLD6}/128', 'dev', 'lo', 'nodad'])
        self.enterContext(inside(world))

    def start(self, *forwards, **network):
        config = {'networks': [{'name': 'home', 'ipv4': '192.168.127.1/24', 'ipv6': '2052::1/64',
                                'forwards': list(forwards), **network}]}
        return self.vnetd(config=config)

    def guest(self, daemon):
        """A host with GUEST and GUEST6, on which the server listens; it has said nothing to anybody yet."""
        guest = self.host(daemon, MAC)
        guest.server = guest.start(['python3', '-c', SERVER])
        self.addCleanup(guest.server.kill)
        guest.server.wait_line('listening 0.0.0.0$')
        guest.server.wait_line('listening ::$')
        # Only now, for whoever waits for the guest is there at once.
        guest.run(['ip', 'addr', 'add', f'{GUEST}/24', 'dev', 'eth0'])
        guest.run(['ip', 'addr', 'add', f'{GUEST6}/64', 'dev', 'eth0', 'nodad'])
        guest.run(['ip', 'route', 'add', 'default', 'via', '192.168.127.1'])
        guest.run(['ip', '-6', 'route', 'add', 'default', 'via', '2052::1'])
        return guest

    def call(self, address, source=None):
        """Connects, says hello; the socket."""
        family = socket.AF_UNIX if isinstance(address, os.PathLike) else \
            socket.AF_INET6 if ':' in address[0] else socket.AF_INET
        client = socket.socket(family, socket.SOCK_STREAM)
        self.addCleanup(client.close)
        client.settimeout(10)
        if source:
            client.bind((source, 0))
        client.connect(str(address) if family == socket.AF_UNIX else address)
        client.sendall(b'hello')
        return client

    def hear(self, client):
        """All that comes until the other side ends."""
        heard = b''
        while piece := client.recv(1000):
            heard += piece
        return heard

    def ask(self, address, said=b'question', source=None):
        """Sends a datagram to the forward; the socket."""
        client = socket.socket(socket.AF_INET6 if ':' in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(10)
        if source:
            client.bind((source, 0))
        client.connect(address)  # so that only answers from there are heard
        client.send(said)
        return client

    def test_a_guest_is_reached_by_tcp_and_sees_the_real_client(self):
        daemon = self.start({'listen': f'{WORLD}:2222', 'to': f'{GUEST}:22'},
                            {'listen': f'[{WORLD6}]:2222', 'to': f'[{GUEST6}]:22'})
        guest = self.guest(daemon)
        client = self.call((WORLD, 2222))
        self.assertEqual(self.hear(client), b'hello')
        self.assertEqual(guest.server.wait_line(r'called from (\S+) (\d+)').groups(),
                         tuple(map(str, client.getsockname())))
        client = self.call((WORLD6, 2222))
        self.assertEqual(self.hear(client), b'hello')
        self.assertEqual(guest.server.wait_line(r'called from (\S*:\S*) (\d+)').groups(),
                         tuple(map(str, client.getsockname()[:2])))

    def test_clients_of_the_loopback_and_of_a_unix_socket_come_from_the_gateway(self):
        daemon = self.start({'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'},
                            {'listen': 'unix:ssh.sock', 'to': f'{GUEST}:22'},
                            {'listen': '[::1]:2222', 'to': f'{GUEST}:22'}, egress={'enabled': False})
        guest = self.guest(daemon)
        for address in (('127.0.0.1', 2222), daemon.folder / 'ssh.sock', ('::1', 2222)):
            seen = len(guest.server.lines)
            self.assertEqual(self.hear(self.call(address)), b'hello')
            guest.server.wait_line(r'called from 192\.168\.127\.1 ', after=seen)

    def test_the_host_alias_stands_for_the_loopback(self):
        daemon = self.start({'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'}, host_alias='192.168.127.254')
        guest = self.guest(daemon)
        self.assertEqual(self.hear(self.call(('127.0.0.1', 2222))), b'hello')
        guest.server.wait_line(r'called from 192\.168\.127\.254 ')

    def test_a_proxy_header_says_who_the_client_is(self):
        daemon = self.start({'listen': '127.0.0.1:2221', 'to': f'{GUEST}:22', 'proxy_protocol': 1},
                            {'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22', 'proxy_protocol': 2},
                            {'listen': 'unix:ssh.sock', 'to': f'{GUEST}:22', 'proxy_protocol': 1})
        self.guest(daemon)
        # The server answers with the first bytes that it gets, which are the header, and then the rest of the greeting
        # may or may not be among them.
        client = self.call(('127.0.0.1', 2221))
        expected = f'PROXY TCP4 127.0.0.1 127.0.0.1 {client.getsockname()[1]} 2221\r\n'.encode()
        self.assertEqual(self.hear(client)[:len(expected)], expected)
        client = self.call(('127.0.0.1', 2222))
        expected = (b'\r\n\r\n\0\r\nQUIT\n\x21\x11' + struct.pack('>H', 12) + socket.inet_aton('127.0.0.1') * 2 +
                    struct.pack('>HH', client.getsockname()[1], 2222))
        self.assertEqual(self.hear(client)[:len(expected)], expected)
        self.assertEqual(self.hear(self.call(daemon.folder / 'ssh.sock'))[:15], b'PROXY UNKNOWN\r\n')

    def test_a_client_waits_for_a_guest_that_is_not_there_yet(self):
        daemon = self.start({'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'})
        client = self.call(('127.0.0.1', 2222))
        self.guest(daemon)
        self.assertEqual(self.hear(client), b'hello')

    def test_a_guest_is_reached_by_udp_and_sees_the_real_client(self):
        daemon = self.start({'proto': 'udp', 'listen': f'{WORLD}:5353', 'to': f'{GUEST}:53'},
                            {'proto': 'udp', 'listen': f'[{WORLD6}]:5353', 'to': f'[{GUEST6}]:53'},
                            {'listen': f'{WORLD}:5353', 'to': f'{GUEST}:22'}, egress={'enabled': False})
        guest = self.guest(daemon)
        for address in (WORLD, 5353), (WORLD6, 5353):
            client = self.ask(address, source=address[0])
            self.assertEqual(client.recv(100), b'question')
            self.assertEqual(guest.server.wait_line(rf'asked by {address[0]} (\d+)')[1], str(client.getsockname()[1]))
            for size in (0, 1, 1472, 9000, 40000):
                client.send(bytes(size))
                self.assertEqual(client.recv(65536), bytes(size))

    def test_two_udp_forwards_to_one_port_answer_each_from_its_own(self):
        daemon = self.start({'proto': 'udp', 'listen': '127.0.0.1:5353', 'to': f'{GUEST}:53'},
                            {'proto': 'udp', 'listen': '[::1]:5354', 'to': f'{GUEST}:53'},
                            {'proto': 'udp', 'listen': f'{WORLD}:5355', 'to': f'{GUEST}:53'})
        guest = self.guest(daemon)
        for address, seen in ((('127.0.0.1', 5353), '192.168.127.1'), (('::1', 5354), '192.168.127.1'),
                              ((WORLD, 5355), WORLD)):
            lines = len(guest.server.lines)
            client = self.ask(address)
            self.assertEqual(client.recv(100), b'question')
            guest.server.wait_line(f'asked by {seen} ', after=lines)
        forwards = control.Control(daemon.control).get('/v1/forwards')
        self.assertEqual([(each['proto'], each['state'], each['accepted'], each['refused']) for each in forwards],
                         [('udp', 'ready', 1, 0)] * 3)

    def test_a_datagram_waits_for_a_guest_that_is_not_there_yet(self):
        daemon = self.start({'proto': 'udp', 'listen': '127.0.0.1:5353', 'to': f'{GUEST}:53'})
        client = self.ask(('127.0.0.1', 5353))
        api = control.Control(daemon.control)
        harness.eventually(lambda: api.get('/v1/forwards')[0]['waiting'] == 1, what='a forward that waits')
        self.assertEqual(api.get('/v1/forwards')[0]['state'], 'waiting')
        self.guest(daemon)
        self.assertEqual(client.recv(100), b'question')

    def test_a_port_in_use_is_an_error_that_names_it(self):
        with socket.create_server(('127.0.0.1', 2222)):
            with self.assertRaises(AssertionError) as caught:
                self.start({'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'})
        self.assertIn('forward 127.0.0.1:2222: Address already in use', str(caught.exception))

    def test_a_forward_comes_and_goes_by_request(self):
        daemon = self.start()
        api = control.Control(daemon.control)
        guest = self.guest(daemon)
        path = daemon.folder / 'ssh.sock'
        made = api.request('POST', '/v1/forwards', {'listen': f'unix:{path}', 'to': f'{GUEST}:22'})
        self.assertEqual(made.status, 201)
        self.assertEqual(self.hear(self.call(path)), b'hello')
        self.assertEqual([(each['listen'], each['state']) for each in api.get('/v1/forwards')],
                         [(f'unix:{path}', 'ready')])
        self.assertEqual(api.request('DELETE', made.headers['location']).status, 204)
        self.assertFalse(path.exists())
        with socket.create_server(('127.0.0.1', 2222)):
            refused = api.request('POST', '/v1/forwards', {'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'})
        self.assertEqual(refused.status, 409)
        self.assertIn('127.0.0.1:2222: Address already in use', refused.json()['detail'])

        vnet = [harness.build_tree() / 'adapter/vnet', '--control', daemon.control]
        processes.run([*vnet, 'forward', 'add', 'tcp', '127.0.0.1:2222', f'{GUEST}:22'])
        self.assertEqual(self.hear(self.call(('127.0.0.1', 2222))), b'hello')
        self.assertRegex(processes.run([*vnet, 'forwards']).stdout, r'tcp +127\.0\.0\.1:2222 +\S+:22 +home +ready +1')
        processes.run([*vnet, 'forward', 'add', 'udp', '127.0.0.1:2222', f'{GUEST}:53'])
        self.assertEqual(self.ask(('127.0.0.1', 2222)).recv(100), b'question')
        processes.run([*vnet, 'forward', 'rm', api.get('/v1/forwards')[-1]['id']])
        with self.assertRaises(ConnectionRefusedError):
            self.ask(('127.0.0.1', 2222)).recv(100)
        self.assertTrue(guest.server.running)

    def test_gvproxys_form(self):
        daemon = self.start()
        api = control.Control(daemon.control)
        self.guest(daemon)
        exposed = {'local': ':6443', 'remote': f'{GUEST}:22', 'protocol': 'tcp'}
        self.assertEqual(api.request('POST', '/services/forwarder/expose', exposed).status, 200)
        self.assertEqual(self.hear(self.call((WORLD, 6443))), b'hello')
        self.assertEqual(api.get('/services/forwarder/all'), [dict(exposed, local='0.0.0.0:6443')])
        self.assertEqual(api.request('POST', '/services/forwarder/unexpose',
                                     {'local': ':6443', 'protocol': 'tcp'}).status, 200)
        with self.assertRaises(ConnectionRefusedError):
            self.call((WORLD, 6443))

    def test_forwards_survive_a_restart_a_reload_and_a_take_over(self):
        listed = {'listen': '127.0.0.1:2221', 'to': f'{GUEST}:22', 'proto': 'tcp'}
        config = {'networks': [{'name': 'home', 'ipv4': '192.168.127.1/24', 'forwards': [listed]}],
                  'state': str(self.folder / 'state')}
        daemon = self.vnetd(config=config)
        api = control.Control(daemon.control)
        api.request('POST', '/v1/forwards', {'listen': '127.0.0.1:2222', 'to': f'{GUEST}:22'})
        api.request('POST', '/v1/forwards', {'listen': '127.0.0.1:2222', 'to': f'{GUEST}:53', 'proto': 'udp'})

        def listening():
            return sorted(each['listen'] for each in api.get('/v1/forwards'))
        daemon.stop()
        daemon = self.vnetd(config=config)
        self.assertEqual(listening(), ['127.0.0.1:2221', '127.0.0.1:2222', '127.0.0.1:2222'])
        config['networks'][0]['forwards'] = [dict(listed, listen='127.0.0.1:2223')]
        (daemon.folder / 'vnet.json').write_text(json.dumps(config))
        api.request('POST', '/v1/reload')
        self.assertEqual(listening(), ['127.0.0.1:2222', '127.0.0.1:2222', '127.0.0.1:2223'])
        self.vnetd('--take-over', config=config)
        daemon.child.wait(10)
        self.assertEqual(listening(), ['127.0.0.1:2222', '127.0.0.1:2222', '127.0.0.1:2223'])


if __name__ == '__main__':
    unittest.main()
