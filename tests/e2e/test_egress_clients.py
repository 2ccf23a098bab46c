"""Programs that everybody uses, behind egress: what they fetch, send and say is what they would without a switch.

Each runs in a namespace that is joined by `vnet tap`, or in a VM; its counterpart is in the world where the daemon is.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import harness
import needs
import peer
import processes
import test_egress
from test_egress import MIB, WORLD4, WORLD6

GATEWAY4, GATEWAY6 = '192.168.127.1', 'fd00:77::1'
GUEST4, GUEST6 = '192.168.127.5', 'fd00:77::5'
ADDRESSES = (WORLD4, WORLD6)


def in_url(address):
    return f'[{address}]' if ':' in address else address


def hash_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Clients(test_egress.Egress):
    def start(self, command, ready=None, **options):
        """A program in the world, once it says `ready`."""
        child = self.world.start(command, **options)
        self.addCleanup(child.kill)
        if ready:
            child.wait_line(ready)
        return child

    def make_file(self, name, size):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(size))
        return file


class Http(Clients):
    def setUp(self):
        super().setUp()
        needs.tools(curl='curl')
        self.files = [self.make_file(f'web/{number}', (number + 1) * MIB // 2) for number in range(8)]

    def curl(self, guest, *words):
        return guest.run(['curl', '-q', '--noproxy', '*', '-sS', '--fail', '-m', '60', *words], timeout=70).stdout

    def fetch(self, guest, url, *options):
        """All files at once; the HTTP version of each, and how many connections curl made for them."""
        got = self.folder / 'got'
        shutil.rmtree(got, ignore_errors=True)
        words = [word for file in self.files for word in (f'{url}/{file.name}', '-o', got / file.name)]
        said = self.curl(guest, *options, '--create-dirs', '--parallel', '--no-progress-meter',
                         '-w', r'%{http_version} %{num_connects}\n', *words)
        self.assertEqual([hash_of(got / file.name) for file in self.files], [hash_of(file) for file in self.files])
        versions, connections = zip(*(line.split() for line in said.splitlines()))
        return set(versions), sum(map(int, connections))

    def test_curl_fetches_files_over_parallel_connections_of_http_1(self):
        guest = self.guest()
        for address in ADDRESSES:
            with self.subTest(address):
                self.start([sys.executable, '-u', '-m', 'http.server', '-b', address, '-p', 'HTTP/1.1',
                            '-d', self.folder / 'web', '8080'], 'Serving HTTP')
                versions, connections = self.fetch(guest, f'http://{in_url(address)}:8080', '--http1.1')
                self.assertEqual(versions, {'1.1'})
                self.assertGreater(connections, 1)

    def test_curl_fetches_files_over_streams_of_one_http_2_connection_and_sends_one(self):
        """With TLS: without it, Debian 12's curl fails at parallel streams by itself."""
        needs.tools(nghttpd='nghttp2-server', openssl='openssl')
        key, certificate = self.folder / 'key', self.folder / 'certificate'
        names = ','.join(f'IP:{address}' for address in ADDRESSES)
        processes.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                       '-subj', '/CN=world', '-addext', f'subjectAltName={names}', '-keyout', key, '-out', certificate])
        guest = self.guest()
        for port, address in enumerate(ADDRESSES, 8443):
            with self.subTest(address):
                self.start(['nghttpd', '--echo-upload', '-a', address, '-d', self.folder / 'web',
                            port, key, certificate])
                harness.eventually(lambda: f':{port} ' in self.world.run(['ss', '-tlnH']).stdout, what='its listening')
                url, options = f'https://{in_url(address)}:{port}', ['--http2', '--cacert', certificate]
                self.assertEqual(self.fetch(guest, url, *options), ({'2'}, 1))
                sent, back = self.files[-1], self.folder / 'back'
                self.curl(guest, *options, '-o', back, '--data-binary', f'@{sent}', url)
                self.assertEqual(hash_of(back), hash_of(sent))


class Git(Clients):
    def test_git_clones_and_pushes(self):
        needs.tools(git='git')
        environment = {**os.environ, 'HOME': str(self.folder), 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_TERMINAL_PROMPT': '0',
                       'GIT_CONFIG_GLOBAL': os.devnull, **{f'GIT_{who}_{what}': 'x@y.test' for who in
                                                           ('AUTHOR', 'COMMITTER') for what in ('NAME', 'EMAIL')}}

        def git(folder, *words, run=processes.run):
            return run(['git', '-C', folder, *words], timeout=60, env=environment).stdout.strip()

        origin, work = self.folder / 'all/origin', self.folder / 'work'
        origin.mkdir(parents=True)
        git(origin, 'init', '-q', '-b', 'main')
        for number in range(20):
            self.make_file(f'all/origin/{number}', 100_000 * number)
            git(origin, 'add', '.')
            git(origin, 'commit', '-q', '-m', f'file {number}')
        git(origin, 'config', 'receive.denyCurrentBranch', 'ignore')
        daemon = f'{git(origin, "--exec-path")}/git-daemon'
        self.start([daemon, '--verbose', '--export-all', '--enable=receive-pack', f'--base-path={origin.parent}',
                    *(f'--listen={address}' for address in ADDRESSES)], 'Ready to rumble', env=environment)
        guest = self.guest()
        for address in ADDRESSES:
            with self.subTest(address):
                shutil.rmtree(work, ignore_errors=True)
                git(self.folder, 'clone', '-q', f'git://{in_url(address)}/origin', work, run=guest.run)
                git(work, 'fsck', '--full', '--strict')
                self.assertEqual(git(work, 'rev-parse', 'HEAD'), git(origin, 'rev-parse', 'HEAD'))
                self.make_file(f'work/from {address.replace(":", "-")}', 3 * MIB)
                git(work, 'add', '.')
                git(work, 'commit', '-q', '-m', 'the guest\'s')
                git(work, 'push', '-q', run=guest.run)
                git(origin, 'fsck', '--full', '--strict')
                self.assertEqual(git(work, 'rev-parse', 'HEAD'), git(origin, 'rev-parse', 'main'))


class Iperf(Clients):
    def setUp(self):
        super().setUp()
        needs.tools(iperf3='iperf3')
        self.start(['iperf3', '-s', '--forceflush'], 'Server listening')
        self.client = self.guest()

    def measure(self, address, *options):
        report = json.loads(self.client.run(['iperf3', '-J', '-c', address, *options]).stdout)
        self.assertNotIn('error', report)
        return report['end']

    def test_eight_tcp_streams_flow_each_way(self):
        for address in ADDRESSES:
            for way in ((), ('-R',)):
                with self.subTest(address, way=way):
                    end = self.measure(address, '-t', '1', '-P', '8', *way)
                    self.assertEqual(len(end['streams']), 8)
                    for stream in end['streams']:
                        self.assertGreater(stream['receiver']['bytes'], 100_000)
                    print(f'  {address} {"down" if way else "up"}: '
                          f'{end["sum_received"]["bits_per_second"] / 1e6:.0f} Mbit/s', flush=True)

    def test_udp_at_a_modest_rate_loses_nothing_either_way(self):
        for address in ADDRESSES:
            for way in ((), ('-R',)):
                with self.subTest(address, way=way):
                    end = self.measure(address, '-t', '1', '-u', '-b', '20M', *way)['sum']
                    self.assertGreater(end['packets'], 1000)
                    self.assertEqual(end['lost_packets'], 0)


class Dns(Clients):
    def test_dig_asks_a_server_in_the_world(self):
        needs.tools(dig='bind9-dnsutils', dnsmasq='dnsmasq-base')
        large = ','.join(f'piece {number:03} ' + 'x' * 200 for number in range(6))
        self.start(['dnsmasq', '-k', '-C', os.devnull, '--log-facility=-', '--no-resolv', '--no-hosts', '--user=root',
                    '--pid-file', '--bind-interfaces', *(f'--listen-address={address}' for address in ADDRESSES),
                    '--host-record=a.test,192.0.2.1', f'--txt-record=large.test,{large}'], 'started, version')
        guest = self.guest()

        def dig(*words):
            return guest.run(['dig', '-r', '+tries=1', '+time=10', *words]).stdout
        for address in ADDRESSES:
            for transport in ('+notcp', '+tcp'):
                with self.subTest(address, transport=transport):
                    self.assertEqual(dig(f'@{address}', transport, '+short', 'a.test'), '192.0.2.1\n')
            with self.subTest(address, transport='one, and then the other'):
                said = dig(f'@{address}', '+bufsize=512', 'large.test', 'TXT')
                self.assertIn('retrying in TCP mode', said)
                self.assertEqual(said.count('"piece '), 6)


class Traceroute(Clients):
    def test_the_gateway_is_the_first_hop_and_the_world_the_last(self):
        needs.tools(traceroute='traceroute')
        self.world.run(['sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'])
        guest = self.guest()
        for address, gateway in ((WORLD4, GATEWAY4), (WORLD6, GATEWAY6)):
            for options in ((), ('-I',), ('-T', '-p', '9')):
                with self.subTest(address, options=options):
                    said = guest.run(['traceroute', '-n', '-w', '5', '-q', '1', *options, address]).stdout
                    hops = re.findall(r'(?m)^ *\d+ +(\S+)', said)
                    self.assertEqual(hops, [gateway, address], said)


class Netcat(Clients):
    def setUp(self):
        super().setUp()
        needs.tools(nc='netcat-openbsd')
        self.client = self.guest()

    def test_a_guest_that_has_ended_its_half_gets_its_answer(self):
        sent = self.folder / 'sent'
        sent.write_bytes(b'take\n' + b''.join(peer.pattern(4 * MIB)))
        for address in ADDRESSES:
            with self.subTest(address), sent.open('rb') as stdin:
                said = self.client.run(['nc', '-N', address, str(peer.PORT)], stdin=stdin).stdout
                self.assertEqual(said.strip(), peer.expected(4 * MIB))

    def test_a_guest_goes_on_sending_when_the_world_has_ended_its_half(self):
        from_world, from_guest = self.make_file('from world', MIB), self.make_file('from guest', 2 * MIB)
        in_world, in_guest = self.folder / 'in world', self.folder / 'in guest'
        for port, address in enumerate(ADDRESSES, 7100):
            with self.subTest(address), in_guest.open('wb') as got:
                with from_world.open('rb') as stdin, in_world.open('wb') as stdout:
                    server = self.start(['nc', '-nv', '-N', '-l', address, port], 'Listening',
                                        stdin=stdin, stdout=stdout)
                client = self.client.start(['nc', '-N', address, port], stdin=subprocess.PIPE, stdout=got)
                self.addCleanup(client.kill)
                ended = ['ss', '-tnH', 'state', 'close-wait', 'dport', '=', f':{port}']
                harness.eventually(lambda: self.client.run(ended).stdout, what='the end of the world\'s half')
                with client.process.stdin as to_client:
                    to_client.write(from_guest.read_bytes())
                self.assertEqual((client.wait(), server.wait()), (0, 0))
                self.assertEqual([hash_of(in_guest), hash_of(in_world)], [hash_of(from_world), hash_of(from_guest)])


class Ssh(Clients):
    def test_ssh_and_scp_reach_a_guest_through_a_forward(self):
        needs.tools(ssh='openssh-client', sshd='openssh-server')
        key, hosts, config = (self.folder / name for name in ('key', 'known_hosts', 'sshd_config'))
        for name in ('key', 'host_key'):
            processes.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', self.folder / name])
        public = (self.folder / 'host_key.pub').read_text()
        hosts.write_text(''.join(f'[{address}]:2222 {public}' for address in ADDRESSES))
        config.write_text(f'HostKey {self.folder}/host_key\nAuthorizedKeysFile {self.folder}/key.pub\nStrictModes no\n'
                          'PidFile none\nUsePAM no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n')
        guest = self.guest(forwards=[{'listen': f'{in_url(there)}:2222', 'to': f'{in_url(here)}:22'}
                                     for there, here in ((WORLD4, GUEST4), (WORLD6, GUEST6))])
        guest.run(['ip', 'addr', 'add', f'{GUEST6}/64', 'dev', 'eth0', 'nodad'])
        # `ip netns exec` gives it mounts of its own: a /run where sshd finds its folder, and a root who is not locked.
        shadow = self.folder / 'shadow'
        shadow.write_text('root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n')
        server = guest.start(['sh', '-c', f'mount --bind {shadow} /etc/shadow && mount -t tmpfs run /run && '
                              f'mkdir /run/sshd && exec {shutil.which("sshd")} -D -e -f {config}'])
        self.addCleanup(server.kill)
        for family in ('0.0.0.0', '::'):
            server.wait_line(f'Server listening on {family} ')
        sent, back = self.make_file('sent', 8 * MIB), self.folder / 'back'
        options = ['-F', os.devnull, '-i', key, *(word for option in (
            'BatchMode=yes', 'IdentitiesOnly=yes', 'IdentityAgent=none', 'StrictHostKeyChecking=yes',
            f'UserKnownHostsFile={hosts}', f'GlobalKnownHostsFile={os.devnull}') for word in ('-o', option))]
        for there, here in ((WORLD4, GUEST4), (WORLD6, GUEST6)):
            with self.subTest(there):
                said = self.world.run(['ssh', *options, '-p', '2222', f'root@{there}', 'echo $SSH_CONNECTION']).stdout
                self.assertRegex(said, rf'^{there} \d+ {here} 22\n$')
                arrived = self.folder / f'arrived-{there.replace(":", "-")}'
                at = f'root@{in_url(there)}:{arrived}'
                for words in ([sent, at], [at, back]):
                    self.world.run(['scp', '-q', *options, '-P', '2222', *words], timeout=60)
                self.assertEqual([hash_of(arrived), hash_of(back)], [hash_of(sent)] * 2)
                back.unlink()


class WithAVm(Clients):
    def test_a_vm_fetches_a_file_and_sends_it_back_and_ends_its_half(self):
        harness.vm_image()
        page = self.folder / 'web/page'
        page.parent.mkdir()
        page.write_bytes(b''.join(peer.pattern(16 * MIB)))
        self.start([sys.executable, '-u', '-m', 'http.server', '-b', WORLD4, '-d', page.parent, '8080'], 'Serving HTTP')
        daemon = self.vnetd(config=test_egress.network(), world=self.world)
        machine = self.boot('vm', harness.vm.dgram_netdev(self.folder / 'vm.nic', daemon.dgram), '52:cc:cc:cc:cc:01')
        machine.wait_shell()
        machine.lease()
        machine.check(f'wget -q -O /tmp/page http://{WORLD4}:8080/page', timeout=60)
        self.assertEqual(machine.check('sha256sum < /tmp/page').split()[0], hash_of(page))
        said = machine.check(f'(echo take; cat /tmp/page) | nc {WORLD4} {peer.PORT}', timeout=60)
        self.assertEqual(said.strip(), peer.expected(16 * MIB))


if __name__ == '__main__':
    unittest.main()
