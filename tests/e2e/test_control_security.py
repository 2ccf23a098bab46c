"""Who may use the control API: this user alone, or whoever has the token; never a guest, and nobody at others' cost."""

import contextlib
import ipaddress
import os
import re
import secrets
import socket
import stat
import struct
import sys
import time
import unittest

import control
import frames
import harness
import needs
import processes
from harness import DEFAULT_GATEWAY, NOBODY

MALLORY = '52:cc:cc:cc:cc:66'
ALIAS, GATEWAY6, MALLORY6 = '192.168.127.254', 'fd00:1::1', 'fd00:1::66'
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24', 'ipv6': f'{GATEWAY6}/64',
                        'host_alias': ALIAS, 'dns': {'upstream': 'none'}}]}
SYN, RST = 0x02, 0x04
MAX_CLIENTS = 64


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class Access(harness.Case):
    def test_the_socket_is_for_its_owner_alone_whatever_the_umask(self):
        daemon = self.vnetd(runtime=self.folder, umask=0)
        self.assertEqual((mode(daemon.control), mode(daemon.control.parent)), (0o600, 0o700))

    def connect_as(self, user, path):
        """What another user's request comes to: the first bytes of the answer, or the error."""
        script = ('import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(20)\n'
                  'try:\n s.connect(sys.argv[1])\n s.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")\n'
                  ' print("answer", s.recv(100))\nexcept OSError as e:\n print(type(e).__name__)')
        done = processes.run([sys.executable, '-c', script, path], user=user, group=user, extra_groups=[])
        return done.stdout.strip()

    def test_another_user_is_refused_by_the_mode_and_where_that_is_opened_by_the_uid(self):
        needs.root()
        daemon = self.vnetd()
        for folder in (type(self).folder, self.folder):
            folder.chmod(0o755)
        self.assertEqual(self.connect_as(NOBODY, daemon.control), 'PermissionError')
        daemon.control.chmod(0o666)
        self.assertIn(self.connect_as(NOBODY, daemon.control),
                      ("answer b''", 'BrokenPipeError', 'ConnectionResetError'))
        self.assertIn("b'HTTP/1.1 200", self.connect_as(0, daemon.control))
        self.assertIn('\nvnet_control_refused_connections_total 1\n',
                      control.Control(daemon.control).request('GET', '/metrics').body.decode())


class Limits(harness.Case):
    """One client's excess is answered, and costs the next one nothing."""

    def setUp(self):
        super().setUp()
        self.daemon = self.vnetd()
        self.api = control.Control(self.daemon.control)

    def raw(self, text=b''):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(30)
        client.connect(str(self.daemon.control))
        client.sendall(text)
        return client

    def answer(self, client):
        """The status and the type of what comes until the connection ends."""
        text = b''
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                text += piece
        head = text.split(b'\r\n\r\n')[0].decode()
        return int(head.split()[1]), re.search(r'Content-Type: (\S+)', head)[1]

    def test_heads_and_bodies_beyond_the_limit_are_refused(self):
        problem = 'application/problem+json'
        big = b'x' * 2_000_000
        for status, request in (
                (431, b'GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ' + big[:20_000] + b'\r\n\r\n'),
                (431, b'GET /v1/status?' + big[:20_000] + b' HTTP/1.1\r\nHost: x\r\n\r\n'),
                (413, b'POST /v1/nics HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n'),
                (400, b'POST /v1/nics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n'),
                (413, b'POST /v1/nics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n' + big),
                (400, b'GET /v1/status HTTP/1.1\r\n\r\n'),
                (400, b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'),
                (505, b'GET /v1/status HTTP/2.0\r\nHost: x\r\n\r\n')):
            with self.subTest(request=request[:60]):
                client = self.raw()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(request)
                self.assertEqual(self.answer(client), (status, problem))
        self.assertEqual(self.api.request('POST', '/v1/nics', body=b' ' * 1_000_000 + b'{}').status, 400)
        self.assertEqual(self.api.get('/v1/status')['limits']['control_clients']['limit'], MAX_CLIENTS)

    def test_slow_clients_are_cut_off_while_others_are_served_at_once(self):
        began = time.monotonic()
        slow = [self.raw(b'GET /v1/st') for _ in range(10)]
        body = self.raw(b'POST /v1/nics HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n')
        worst = dripped = 0
        while time.monotonic() < began + 25 and not select_readable(slow[0], 0.05):
            asked = time.monotonic()
            self.api.get('/v1/status')
            worst = max(worst, time.monotonic() - asked)
            if time.monotonic() > began + dripped:
                dripped += 1
                slow[0].sendall(b'a')  # a byte a second does not help
        self.assertGreater(time.monotonic() - began, 9)
        self.assertLess(time.monotonic() - began, 20)
        for client in (*slow, body):
            self.assertEqual(self.answer(client), (408, 'application/problem+json'))
        self.assertLess(worst, 1, 'seconds that somebody else waited for an answer')

    def test_the_65th_client_is_told_so_when_64_are_at_it_and_served_when_one_of_them_idles(self):
        busy = [self.raw(b'GET /v1/st') for _ in range(MAX_CLIENTS)]
        harness.eventually(lambda: self.answer(self.raw())[0] == 503, what='a 503 for the 65th')
        busy.pop().close()
        harness.eventually(lambda: self.api.request('GET', '/v1/status').status == 200, what='a free place')
        for client in busy:
            client.close()
        idle = [self.raw() for _ in range(MAX_CLIENTS)]
        for _ in range(3):
            self.assertEqual(self.api.request('GET', '/v1/status').status, 200)
        self.assertEqual(idle[0].recv(1), b'', 'the longest idle one has made room')


def select_readable(sock, timeout):
    sock.settimeout(timeout)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK)) or True
    except TimeoutError:
        return False
    finally:
        sock.settimeout(30)


class Tcp(harness.Case):
    TOKEN = secrets.token_hex(16)

    def token_file(self, text=None, permissions=0o600, name='token'):
        file = self.folder / name
        file.write_text(self.TOKEN + '\n' if text is None else text)
        file.chmod(permissions)
        return file

    def test_only_who_sends_the_token_is_served(self):
        port = free_port()
        daemon = self.vnetd('--control-tcp', f'127.0.0.1:{port}', '--control-token-file', self.token_file())
        address = ('127.0.0.1', port)
        self.assertEqual(control.Control(address, self.TOKEN).get('/v1/status')['pid'], daemon.pid)
        anybody = control.Control(address)
        for given in (None, '', self.TOKEN, f'Bearer {self.TOKEN[:-1]}', f'Bearer {self.TOKEN}0', 'Bearer ',
                      f'Bearer {self.TOKEN.swapcase()}x', f'Basic {self.TOKEN}', f'Bearer  {self.TOKEN}',
                      f'Bearer {secrets.token_hex(16)}', f'Bearer {self.TOKEN}, Bearer {self.TOKEN}'):
            for path in ('/v1/status', '/metrics', '/leases', '/nowhere', f'/v1/status?token={self.TOKEN}'):
                with self.subTest(given=given, path=path):
                    reply = anybody.request('GET', path, headers={} if given is None else {'Authorization': given})
                    self.assertEqual((reply.status, reply.headers['www-authenticate']), (401, 'Bearer'))
                    self.assertNotIn(b'pid', reply.body)
        self.assertEqual(anybody.request('POST', '/v1/nics', {'name': 'x'}).status, 401)
        self.assertEqual(control.Control(daemon.control).get('/v1/nics'), [])

    def refused_start(self, *arguments):
        done = processes.run([harness.vnetd_program(), '--dgram', self.folder / 'd', '--stream', self.folder / 's',
                              '--control', self.folder / 'c', *arguments], check=False, cwd=self.folder)
        self.assertEqual(done.stdout.count('\n'), 1, f'one sentence: {done.stdout}')
        return done.returncode, done.stdout

    def test_without_a_good_token_it_does_not_start_and_says_why(self):
        tcp = ('--control-tcp', f'127.0.0.1:{free_port()}')
        for code, arguments, said in (
                (2, tcp, '--control-token-file'),
                (2, ('--control-token-file', self.token_file()), '--control-tcp'),
                (2, ('--control-tcp', 'localhost', '--control-token-file', self.token_file()), '127.0.0.1:7070'),
                (1, (*tcp, '--control-token-file', self.folder / 'none'), 'No such file'),
                (1, (*tcp, '--control-token-file', self.token_file('a' * 31, name='short')), '128 random bits'),
                (1, (*tcp, '--control-token-file', self.token_file('', name='empty')), '128 random bits'),
                (1, (*tcp, '--control-token-file', self.token_file('word ' * 20, name='words')), '128 random bits'),
                (1, (*tcp, '--control-token-file', self.token_file(None, 0o640, 'shared')), 'chmod 600'),
                (1, (*tcp, '--control-token-file', self.token_file(None, 0o604, 'public')), 'chmod 600')):
            with self.subTest(arguments=arguments):
                found, text = self.refused_start(*arguments)
                self.assertEqual(found, code, text)
                self.assertIn(said, text)
                self.assertNotIn(self.TOKEN, text)
        self.assertEqual([path.name for path in self.folder.glob('?')], [], 'no socket is left behind')


def syn_frames(source_mac, gateway_mac, source, destination):
    """(port, frame) for every port: the same SYN but for the port and the checksum."""
    source, destination = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    if len(source) == 4:
        header = frames.ipv4(ipaddress.ip_address(source), ipaddress.ip_address(destination), 6, bytes(20))[:20]
        head = frames.ethernet(gateway_mac, source_mac, frames.ETHERTYPE_IPV4, header)
    else:
        header = struct.pack('!IHBB', 6 << 28, 20, 6, 64) + source + destination
        head = frames.ethernet(gateway_mac, source_mac, 0x86DD, header)
    form = struct.Struct('!HHIIBBHHH')
    pseudo = source + destination + struct.pack('!HH', 6, 20) + form.pack(40000, 0, 1, 0, 0x50, SYN, 65535, 0, 0)
    base = sum(struct.unpack(f'!{len(pseudo) // 2}H', pseudo))
    for port in range(1, 65536):
        total = base + port
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        yield port, head + form.pack(40000, port, 1, 0, 0x50, SYN, 65535, ~total & 0xFFFF, 0)


def open_port(frame, address):
    """The port of `address` that a TCP segment other than a reset comes from, else None."""
    start, source = {b'\x08\x00': (34, 26), b'\x86\xdd': (54, 22)}.get(frame[12:14], (None, None))
    if start is None or len(frame) < start + 20 or frame[23 if start == 34 else 20] != 6:
        return None
    packed = ipaddress.ip_address(address).packed
    if frame[start + 13] & RST or frame[source:source + len(packed)] != packed:
        return None
    return struct.unpack('!H', frame[start:start + 2])[0]


class Guest(harness.Case):
    """The API listens on every address of the host, the guest tries every address and port that it can think of."""

    def begin(self, listen):
        self.port, token = free_port(), self.folder / 'token'
        token.write_text(Tcp.TOKEN)
        token.chmod(0o600)
        daemon = self.vnetd('--control-tcp', f'{listen}:{self.port}', '--control-token-file', token, config=CONFIG)
        self.assertEqual(control.Control(('127.0.0.1', self.port), Tcp.TOKEN).get('/v1/status')['pid'], daemon.pid)
        return daemon

    def scan(self, nic, gateway_mac, source, destination):
        """The ports that answer. Bounded by events: behind each piece goes an ARP, whose reply comes behind theirs."""
        found = set()

        def settle():
            nic.send(frames.arp_request(nic.mac, '192.168.127.66', DEFAULT_GATEWAY))
            while not frames.arp_reply_from(frame := nic.receive(20), DEFAULT_GATEWAY):
                if (port := open_port(frame, destination)) is not None:
                    found.add(port)

        for port, frame in syn_frames(nic.mac, gateway_mac, source, destination):
            nic.send(frame)
            if port % 250 == 0:
                settle()
        settle()
        return found

    def finds_no_port_but_dns(self, listen, addresses):
        daemon = self.begin(listen)
        nic = self.dgram_nic(daemon, MALLORY, connect=True)
        gateway = nic.arp(DEFAULT_GATEWAY)
        for address, expected in addresses.items():
            source = MALLORY6 if ':' in address else '192.168.127.66'
            found = self.scan(nic, gateway, source, address)
            if address == ALIAS:  # the host's own services, if it has any, are there for the guest, and the API is not
                self.assertNotIn(self.port, found)
            else:
                self.assertEqual(found, expected, address)
        seen = control.Control(daemon.control).get(f'/v1/nics/{MALLORY}')['in']
        arrived = seen['frames'] + sum(seen['drops'].values())
        self.assertGreaterEqual(arrived, len(addresses) * 65535, 'every SYN has arrived')

    def test_a_guest_finds_no_port_but_dns_while_the_api_listens_on_the_loopback(self):
        self.finds_no_port_but_dns('127.0.0.1', {ALIAS: set(), DEFAULT_GATEWAY: {53}})

    def test_a_guest_finds_no_port_but_dns_while_the_api_listens_on_every_address(self):
        self.finds_no_port_but_dns('0.0.0.0', {ALIAS: set(), DEFAULT_GATEWAY: {53}, GATEWAY6: {53}})

    def test_a_guests_kernel_connects_to_dns_and_nowhere_else(self):
        needs.root()
        daemon = self.begin('0.0.0.0')
        guest = self.host(daemon)
        guest.run(['ip', 'addr', 'add', '192.168.127.66/24', 'dev', 'eth0'])
        guest.run(['ip', 'route', 'add', 'default', 'via', DEFAULT_GATEWAY])
        guest.ipv6()
        of_host = re.findall(r'inet6? ([0-9a-f.:]+)/\d+ .*scope global', processes.run(['ip', 'addr']).stdout)
        addresses = [DEFAULT_GATEWAY, GATEWAY6, ALIAS, '192.168.127.255', '255.255.255.255', '0.0.0.0', '127.0.0.1',
                     '::1', '169.254.169.254', *of_host]
        script = ('import concurrent.futures, socket, sys\n'
                  'def reach(where):\n'
                  ' s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)\n s.settimeout(3)\n'
                  ' try:\n  s.connect(where)\n  return f"{where[0]} {where[1]}\\n"\n except OSError:\n  return ""\n'
                  'pairs = [(a, p) for a in sys.argv[2:] for p in (53, int(sys.argv[1]))]\n'
                  'with concurrent.futures.ThreadPoolExecutor(64) as pool: print("".join(pool.map(reach, pairs)))')
        reached = guest.run([sys.executable, '-c', script, str(self.port), *addresses]).stdout.split('\n')
        self.assertEqual(set(filter(None, reached)), {f'{DEFAULT_GATEWAY} 53', f'{GATEWAY6} 53'})


if __name__ == '__main__':
    unittest.main()
