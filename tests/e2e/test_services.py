"""The services of the simulated internet as programs of a guest meet them: curl, dig, logger, ping, and sockets.

Two guests ask: alice behind an easy NAT, bob in a network that has no router to the internet. To neither is egress
open, and what the host is for the daemon is a namespace: what answers can only be a service.
"""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import socket
import struct
import threading
import time
import unittest
import unittest.mock

import control
import harness
import homes
import needs

MIB = 1 << 20
ALICES_HOME = '2.1.1.1'
ALICES_HOME6 = '2001:db8:ffff::1'
BOB = '10.9.0.101'
DRIVER, DRIVER6 = '52.52.0.2', '2052::2'
PLAIN = '52.52.0.3'
SEED = '52.52.0.5'
FILES, FILES6 = '52.52.0.6', '2052::6'
LOGS = '52.52.0.9'
CLOCK, ECHO, ECHO6, DISCARD, NAMES = '52.52.0.10', '52.52.0.11', '2052::11', '52.52.0.12', '52.52.0.13'
CLOSED = {'dns': {'upstream': 'none'}, 'egress': {'enabled': False}}
SECONDS_TO_1970 = 2_208_988_800  # from 1900, where NTP begins
LARGE = 200 * MIB


def in_url(address):
    return f'[{address}]' if ':' in address else address


class Services(homes.Internet):
    config = {
        'networks': [
            {'name': 'home', 'ipv4': '192.168.1.1/24', 'ipv6': '2001:db8:1::1/64', 'nat': 'easy',
             'wan': {'ipv4': ALICES_HOME, 'ipv6': ALICES_HOME6}, **CLOSED},
            {'name': 'lone', 'ipv4': '10.9.0.1/24', **CLOSED}],
        'nics': [homes.nic('alice', 1, 'home', '192.168.1.101'), homes.nic('bob', 2, 'lone', '10.9.0.101')],
        'services': [
            {'name': 'driver.test', 'ipv4': DRIVER, 'ipv6': DRIVER6, 'proxy_protocol': True,
             'forward': {'tcp/8008': 'unix:driver.sock', 'tcp/8009': '127.0.0.1:8009', 'udp/8008': '127.0.0.1:8008'}},
            {'name': 'plain.test', 'ipv4': PLAIN, 'forward': {'tcp/80': '127.0.0.1:8010', 'tcp/81': '127.0.0.1:9'}},
            {'name': 'seed.test', 'ipv4': SEED, 'kind': 'cloud-init', 'root': 'seed'},
            {'name': 'files.test', 'ipv4': FILES, 'ipv6': FILES6, 'kind': 'files', 'root': 'files'},
            {'name': 'logs.test', 'ipv4': LOGS, 'kind': 'syslog'},
            {'name': 'time.test', 'ipv4': CLOCK, 'kind': 'ntp'},
            {'name': 'echo.test', 'ipv4': ECHO, 'ipv6': ECHO6, 'kind': 'echo'},
            {'name': 'discard.test', 'ipv4': DISCARD, 'kind': 'discard'},
            {'name': 'names.test', 'ipv4': NAMES, 'kind': 'dns',
             'records': [{'name': 'db.corp.test', 'a': ['10.77.0.1'], 'txt': ['x' * 200] * 8}]}],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice, cls.bob = cls.guest('alice'), cls.guest('bob')

    def connect(self, guest, address, port):
        return self.keep(self.connected(guest, address, port))

    @staticmethod
    def connected(guest, address, port):
        made = homes.tcp(guest, address='::' if ':' in address else '0.0.0.0')
        made.connect((address, port))
        return made

    def listen(self, port):
        """A program on the loopback of the host."""
        return self.keep(homes.listener(self.world, port, '127.0.0.1'))

    def accept(self, listener):
        listener.settimeout(homes.PATIENCE)
        made, _ = listener.accept()
        made.settimeout(homes.PATIENCE)
        return self.keep(made)

    def ask_udp(self, guest, endpoint, payload, patience=homes.PATIENCE):
        """The answer to a datagram; None: there was none."""
        asks = self.keep(homes.udp(guest, address='::' if ':' in endpoint[0] else '0.0.0.0'))
        asks.settimeout(patience)
        asks.sendto(payload, endpoint)
        try:
            answer, source = asks.recvfrom(65535)
        except TimeoutError:
            return None
        self.assertEqual(source[:2], endpoint)
        return answer


class Http(Services):
    @classmethod
    def setUpClass(cls):
        # Else what is freed is kept, for the sanitizer to see whether somebody still uses it: up to 256 MB.
        options = {'ASAN_OPTIONS': f'{os.environ.get("ASAN_OPTIONS", "")}:quarantine_size_mb=1'}
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, options))
        super().setUpClass()
        files = pathlib.Path(cls.folder) / 'files'
        (files / 'sub').mkdir(parents=True)
        (files / 'sub/a & b.txt').write_text('a small file\n')
        piece = bytes(range(256)) * (MIB // 256)
        digest = hashlib.sha256()
        with open(files / 'large.bin', 'wb') as large:
            for number in range(LARGE // MIB):
                stamped = number.to_bytes(8, 'big') + piece[8:]
                digest.update(stamped)
                large.write(stamped)
        cls.digest = digest.hexdigest()
        seed = pathlib.Path(cls.folder) / 'seed/alice'
        seed.mkdir(parents=True)
        (seed / 'meta-data').write_text('instance-id: alice\n')
        (seed / 'user-data').write_text('#cloud-config\n')

    def setUp(self):
        super().setUp()
        needs.tools(curl='curl')

    def curl(self, *words, guest=None, check=True):
        return (guest or self.alice).run(['curl', '-q', '--noproxy', '*', '-sS', '-m', '60', *words], timeout=70,
                                         check=check).stdout

    def memory(self):
        """The most that the daemon has had of it, in bytes."""
        status = pathlib.Path(f'/proc/{self.daemon.pid}/status').read_text()
        return int(re.search(r'VmHWM:\s+(\d+)', status)[1]) * 1024

    def test_curl_gets_a_file_its_head_and_a_part_of_it(self):
        for guest, address in ((self.alice, FILES), (self.alice, FILES6), (self.bob, FILES)):
            with self.subTest(guest=guest.name, address=address):
                curl = functools.partial(self.curl, guest=guest)
                url = f'http://{in_url(address)}/sub/a%20%26%20b.txt'
                self.assertEqual(curl(url), 'a small file\n')
                head = curl('-I', url)
                self.assertRegex(head, r'(?i)^HTTP/1.1 200 .*\r?\n')
                self.assertRegex(head, r'(?i)\ncontent-length: 13\r?\n')
                self.assertRegex(head, r'(?i)\ncontent-type: text/plain')
                self.assertEqual(curl('-r', '2-6', '-w', ' %{http_code}', url), 'small 206')
                self.assertEqual(curl('-r', '99-', '-o', '/dev/null', '-w', '%{http_code}', url), '416')

    def test_what_is_not_there_and_what_may_not_be_done_are_said(self):
        for path, status in (('nothing', '404'), ('../vnet.json', '404'), ('%2e%2e/vnet.json', '404')):
            said = self.curl('--path-as-is', '-o', '/dev/null', '-w', '%{http_code}', f'http://{FILES}/{path}')
            self.assertEqual(said, status, path)
        said = self.curl('-d', 'x', '-o', '/dev/null', '-w', '%{http_code}', f'http://{FILES}/sub/')
        self.assertEqual(said, '405')

    def test_a_folder_lists_what_is_in_it(self):
        page = self.curl('-L', f'http://{FILES}/sub')
        self.assertIn('<a href="a%20%26%20b.txt">a &amp; b.txt</a>', page)
        self.assertIn('<a href="sub/">sub/</a>', self.curl(f'http://{FILES}/'))

    def test_a_large_file_arrives_whole_and_does_not_pass_through_the_daemons_memory(self):
        self.curl('-r', '0-20000000', '-o', '/dev/null', f'http://{FILES}/large.bin')
        before = self.memory()
        got = self.folder / 'large'
        begun = time.monotonic()
        self.curl('-o', got, f'http://{FILES}/large.bin')
        seconds = time.monotonic() - begun
        print(f'    {LARGE / seconds / MIB:.0f} MiB/s', flush=True)
        with got.open('rb') as file:
            self.assertEqual(hashlib.file_digest(file, 'sha256').hexdigest(), self.digest)
        got.unlink()
        self.assertLess(self.memory() - before, LARGE / 8)

    def test_cloud_init_finds_its_seed_and_nobody_lists_seeds(self):
        self.assertEqual(self.curl(f'http://{SEED}/alice/meta-data'), 'instance-id: alice\n')
        self.assertEqual(self.curl(f'http://{SEED}/alice/user-data'), '#cloud-config\n')
        for path in ('', 'alice/', 'alice/vendor-data'):
            said = self.curl('-o', '/dev/null', '-w', '%{http_code}', f'http://{SEED}/{path}')
            self.assertEqual(said, '404', path)


class Forwards(Services):
    def check_conversation(self, guest, server):
        guest.sendall(b'to the host')
        self.assertEqual(server.recv(100), b'to the host')
        server.sendall(b'to the guest')
        self.assertEqual(guest.recv(100), b'to the guest')
        server.close()
        self.assertEqual(guest.recv(100), b'')

    def test_a_unix_socket_is_reached_and_told_who_comes_after_the_nat(self):
        listener = self.keep(socket.socket(socket.AF_UNIX))
        path = pathlib.Path(type(self).folder) / 'driver.sock'
        listener.bind(str(path))
        self.addCleanup(path.unlink)
        listener.listen()
        for guest, address, source, word in ((self.alice, DRIVER, ALICES_HOME, 'TCP4'), (self.bob, DRIVER, BOB, 'TCP4'),
                                             (self.alice, DRIVER6, None, 'TCP6')):
            with self.subTest(guest=guest.name, address=address):
                asks = self.connect(guest, address, 8008)
                server = self.accept(listener)
                header = b''
                while not header.endswith(b'\r\n'):
                    header += server.recv(1)
                # The NAT preserves ports; IPv6 is routed, and comes from whichever of its addresses the guest chose.
                own, port = asks.getsockname()[:2]
                self.assertEqual(header.decode(), f'PROXY {word} {source or own} {address} {port} 8008\r\n')
                self.check_conversation(asks, server)

    def test_the_loopback_of_the_host_is_reached_without_a_header_where_none_is_asked_for(self):
        listener = self.listen(8010)
        for guest in (self.alice, self.bob):
            self.check_conversation(self.connect(guest, PLAIN, 80), self.accept(listener))

    def test_where_nobody_listens_the_connection_is_refused(self):
        for port, what in ((81, 'of the host'), (82, 'of the service')):
            with self.subTest(f'a port {what}'), self.assertRaises(ConnectionRefusedError):
                self.connect(self.alice, PLAIN, port)

    def test_datagrams_go_both_ways_with_each_guest_by_itself(self):
        server = self.keep(homes.udp(self.world, 8008, '127.0.0.1'))
        asks = [self.keep(homes.udp(guest)) for guest in (self.alice, self.bob)]
        for number, each in enumerate(asks):
            each.sendto(b'from %d' % number, (DRIVER, 8008))
        peers = dict(server.recvfrom(100) for _ in asks)
        for number, each in enumerate(asks):
            for size in (1, 1400, 30_000):
                answer = (b'to %d' % number).ljust(size)
                server.sendto(answer, peers[b'from %d' % number])
                self.assertEqual(each.recvfrom(65535), (answer, (DRIVER, 8008)))


class InTheProcess(Services):
    def test_what_logger_says_is_an_event(self):
        needs.tools(logger='bsdutils')
        for guest, who in ((self.alice, ALICES_HOME), (self.bob, BOB)):
            for transport in ('-d', '-T'):
                with self.subTest(who, transport=transport), self.api.events(kind='service.log') as events:
                    text = f'hello by {transport[1]}'
                    guest.run(['logger', '-n', LOGS, '-P', '514', transport, '-p', 'daemon.err', '-t', 'probe', text])
                    event = events.wait(lambda event: text in event['cause'])
                    self.assertEqual(event['subject'], f'logs.test {who} error')
                    self.assertIn('probe', event['cause'])

    def test_sntp_tells_the_hosts_time(self):
        for guest in (self.alice, self.bob):
            sent = time.time()
            request = struct.pack('>B39xQ', 4 << 3 | 3, 0x1234_5678_9abc_def0)
            answer = self.ask_udp(guest, (CLOCK, 123), request)
            first, stratum, origin, received, transmitted = struct.unpack('>BB22xQQQ', answer)
            self.assertEqual((first, stratum, origin), (4 << 3 | 4, 1, 0x1234_5678_9abc_def0))
            for stamp in (received, transmitted):
                self.assertGreaterEqual(stamp / 2**32 - SECONDS_TO_1970, sent - 0.01)
                self.assertLessEqual(stamp / 2**32 - SECONDS_TO_1970, time.time() + 0.01)

    def test_an_echo_is_what_was_said_and_what_is_discarded_is_gone(self):
        for address in (ECHO, ECHO6):
            self.assertEqual(self.ask_udp(self.alice, (address, 7), b'echo me'), b'echo me')
            talks = self.connect(self.alice, address, 7)
            sent = bytes(range(256)) * 4000
            sender = threading.Thread(target=lambda: (talks.sendall(sent), talks.shutdown(socket.SHUT_WR)))
            sender.start()
            got = b''
            while piece := talks.recv(65536):
                got += piece
            sender.join()
            self.assertEqual(got, sent)
        talks = self.connect(self.bob, DISCARD, 9)
        talks.sendall(bytes(MIB))
        talks.shutdown(socket.SHUT_WR)
        self.assertEqual(talks.recv(1), b'')
        self.assertIsNone(self.ask_udp(self.bob, (DISCARD, 9), b'gone', 0.3))

    def test_pings_are_answered(self):
        for guest, address in ((self.alice, ECHO), (self.alice, ECHO6), (self.bob, PLAIN), (self.bob, FILES)):
            guest.run(['ping', '-c', '1', '-W', '5', address])


class Names(Services):
    def setUp(self):
        super().setUp()
        needs.tools(dig='bind9-dnsutils')

    def dig(self, guest, server, *words):
        """Status, flags, and the answers' data, and what dig has said."""
        said = guest.run(['dig', '-r', f'@{server}', '+tries=1', '+time=10', *words]).stdout
        status = re.search(r'status: (\w+)', said)[1]
        answers = re.findall(r'(?m)^[^;\s]\S*\s+\d+\s+IN\s+(?:A|AAAA)\s+(\S+)$', said)
        return status, re.search(r'flags: ([a-z ]*);', said)[1].split(), answers, said

    def test_a_second_dns_server_knows_its_own_zone_and_nothing_else(self):
        for guest in (self.alice, self.bob):
            for transport in ('+notcp', '+tcp'):
                with self.subTest(guest=guest.name, transport=transport):
                    dig = functools.partial(self.dig, guest, NAMES, transport)
                    status, flags, answers, _ = dig('db.corp.test')
                    self.assertEqual((status, answers), ('NOERROR', ['10.77.0.1']))
                    self.assertIn('aa', flags)
                    self.assertEqual(dig('no.corp.test')[0], 'NXDOMAIN')
                    self.assertEqual(dig('www.elsewhere.test')[0], 'REFUSED')
        said = self.dig(self.alice, NAMES, '+bufsize=512', 'db.corp.test', 'TXT')[3]
        self.assertIn('retrying in TCP mode', said)
        self.assertEqual(said.count('x' * 200), 8)

    def test_the_names_of_services_are_known_in_every_network_and_the_second_servers_are_not(self):
        for guest, gateway in ((self.alice, '192.168.1.1'), (self.alice, '2001:db8:1::1'), (self.bob, '10.9.0.1')):
            with self.subTest(gateway):
                self.assertEqual(self.dig(guest, gateway, 'driver.test')[2], [DRIVER])
                self.assertEqual(self.dig(guest, gateway, 'driver.test', 'AAAA')[2], [DRIVER6])
                self.assertEqual(self.dig(guest, gateway, 'db.corp.test')[2], [])


class UpAndDown(Services):
    def switch(self, name, state):
        return self.vnet('service', name, state)

    @contextlib.contextmanager
    def down(self, name):
        self.switch(name, 'down')
        try:
            yield
        finally:
            self.switch(name, 'up')

    def test_one_that_is_down_is_silent_and_comes_back(self):
        ask = functools.partial(self.ask_udp, self.alice, (ECHO, 7), b'are you there?')
        self.assertTrue(ask())
        talks = self.connect(self.alice, ECHO, 7)
        with self.api.events(kind='service.') as events:
            with self.down('echo.test'):
                self.assertIsNone(ask(0.3))
                ping = self.alice.run(['ping', '-c', '1', '-W', '1', ECHO], check=False)
                self.assertIn('0 received', ping.stdout)
                self.assertNotIn('nreachable', ping.stdout)
                talks.sendall(b'x')
                talks.settimeout(0.3)
                with self.assertRaises(TimeoutError):
                    talks.recv(1)
                with self.assertRaises(TimeoutError):
                    self.call_in_vain(ECHO, 7)
            self.assertEqual([next(events)['data']['subject'] for _ in range(2)], ['echo.test down', 'echo.test up'])
        self.assertTrue(ask())
        talks.settimeout(homes.PATIENCE)
        with self.assertRaises(ConnectionResetError):  # it has forgotten that connection
            talks.recv(1)

    def call_in_vain(self, address, port, patience=0.5):
        calls = self.keep(homes.tcp(self.alice))
        calls.settimeout(patience)
        calls.connect((address, port))

    def test_a_program_of_the_host_is_cut_off_without_a_word(self):
        listener = self.listen(8010)
        talks = self.connect(self.alice, PLAIN, 80)
        server = self.accept(listener)
        talks.sendall(b'first')
        self.assertEqual(server.recv(100), b'first')
        with self.down('plain.test'):
            with contextlib.suppress(ConnectionError):
                self.assertEqual(server.recv(100), b'', 'the host sees the end of it')
            talks.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                talks.recv(1)
            with self.assertRaises(TimeoutError):
                self.call_in_vain(PLAIN, 80)
        again = self.connect(self.alice, PLAIN, 80)
        again.sendall(b'second')
        self.assertEqual(self.accept(listener).recv(100), b'second')

    def test_the_table_says_who_is_down_and_where_they_lead(self):
        with self.down('plain.test'):
            table = self.vnet('services')
            self.assertRegex(table, r'(?m)^plain.test +- +down +52.52.0.3 +tcp/80 127.0.0.1:8010, tcp/81 127.0.0.1:9$')
            self.assertRegex(table, r'(?m)^logs.test +syslog +up +52.52.0.9 +-$')
            one = json.loads(self.vnet('service', 'plain.test', '--json'))
            self.assertEqual(one, self.api.get('/v1/services/plain.test'))
            self.assertEqual([each['name'] for each in self.api.get('/v1/services') if not each['up']], ['plain.test'])
        refused = self.api.request('PATCH', '/v1/services/plan.test', {'up': False})
        self.assertEqual(refused.status, 404)
        self.assertIn('did you mean "plain.test"?', refused.json()['detail'])


class OverATakeOver(harness.Case):
    def test_who_is_down_stays_down_when_a_successor_takes_over_and_is_up_after_a_restart(self):
        config = {'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24'}],
                  'services': [{'name': f'{name}.test', 'ipv4': f'52.52.0.{number}', 'kind': 'echo'}
                               for number, name in enumerate(('a', 'b'), 1)]}

        def downs(daemon):
            return [each['name'] for each in control.Control(daemon.control).get('/v1/services') if not each['up']]
        first = self.vnetd('--state', self.folder / 'state', config=config)
        control.Control(first.control).patch('/v1/services/a.test', {'up': False})
        second = self.vnetd('--state', self.folder / 'state', '--take-over', config=config)
        self.assertEqual(first.child.wait(10), 0)
        self.assertEqual(downs(second), ['a.test'])
        second.stop()
        third = self.vnetd('--state', self.folder / 'state', config=config)
        self.assertEqual(downs(third), [])


if __name__ == '__main__':
    unittest.main()
