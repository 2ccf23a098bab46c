"""`vnet tap` itself: what it does to its namespace, when the switch comes and goes or stalls, and what it says.

The switch here is a few lines of Python, so that it can be stopped in ways in which vnetd cannot be; test_tap.py
has hosts on the real one.
"""

import os
import pathlib
import re
import signal
import socket
import threading
import time
import types
import unittest

import harness
import needs
import processes

USER_HERTZ = os.sysconf('SC_CLK_TCK')


class StandIn:
    """A learning switch on one datagram path. `reading` can be cleared: it then lets its queue fill."""

    def __init__(self, path):
        self.path = str(path)
        self.frames = []
        self.reading = threading.Event()
        self.reading.set()
        self._ports = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._socket.bind(self.path)
        self._socket.settimeout(0.05)
        self._running = True
        self._thread = threading.Thread(target=self._switch, daemon=True)
        self._thread.start()

    def _switch(self):
        while self._running:
            self.reading.wait(0.05)
            if not self.reading.is_set():
                continue
            try:
                frame, sender = self._socket.recvfrom(70_000)
            except TimeoutError:
                continue
            self.frames.append((sender, frame))
            self._ports[frame[6:12]] = sender
            to = self._ports.get(frame[:6])
            for port in {to} if to else set(self._ports.values()) - {sender}:
                try:
                    self._socket.sendto(frame, port)
                except OSError:
                    pass  # gone, or full: a switch may lose frames

    def announcements(self):
        """The MACs in the RARP requests so far."""
        return [frame[6:12].hex(':') for _, frame in self.frames if frame[12:14] == b'\x80\x35' and len(frame) == 60]

    def kill(self):
        """The socket file stays, as after kill -9."""
        self._running = False
        self._thread.join()
        self._socket.close()


class Command(harness.Case):
    def setUp(self):
        super().setUp()
        self.path = self.folder / 'switch'

    def switch(self):
        standin = StandIn(self.path)
        self.addCleanup(standin.kill)
        return standin

    def tap(self, *arguments, ready=True, **options):
        program = harness.build_tree() / 'adapter/vnet'
        child = processes.Child([program, 'tap', '--socket', self.path, *arguments], **options)
        self._keep('vnet tap', types.SimpleNamespace(child=child), child.kill)
        if ready:
            child.wait_line('vnet tap ready')
        return child

    def refused(self, *arguments, **options):
        """The message of a run that fails with code 1."""
        child = self.tap(*arguments, ready=False, **options)
        self.assertEqual(child.wait(), 1, child.log)
        return child.log

    def namespace(self):
        needs.root()
        namespace = harness.NetNs()
        self.addCleanup(namespace.remove)
        return namespace

    def host(self, number, *arguments):
        namespace = self.namespace()
        namespace.tap = self.tap('--netns', namespace.name, '--name', 'eth0', *arguments)
        namespace.run(['ip', 'addr', 'add', f'10.9.0.{number}/24', 'dev', 'eth0'])
        return namespace

    def assertPings(self, host, to, *options):
        host.run(['ping', '-c', '3', '-i', '0.2', '-W', '5', *options, to])

    def carrier(self, host):
        return 'NO-CARRIER' not in host.run(['ip', 'link', 'show', 'eth0']).stdout


class Traffic(Command):
    def test_two_namespaces_reach_each_other(self):
        self.switch()
        first = self.host(1)
        self.host(2)
        self.assertPings(first, '10.9.0.2')

    def test_frames_of_every_size_pass(self):
        self.switch()
        for mtu in (1500, 9000, 65520):
            with self.subTest(mtu=mtu):
                first = self.host(1, '--mtu', mtu)
                second = self.host(2, '--mtu', mtu)
                self.assertPings(first, '10.9.0.2', '-M', 'do', '-s', str(mtu - 28))
                for host in (first, second):
                    host.tap.signal(signal.SIGTERM)
                    self.assertEqual(host.tap.wait(), 0)

    def test_a_stalled_switch_costs_no_cpu_and_loses_nothing_but_the_time(self):
        standin = self.switch()
        first = self.host(1)
        self.host(2)
        self.assertPings(first, '10.9.0.2')
        standin.reading.clear()
        pinging = first.start(['ping', '-c', '100', '-i', '0.01', '-W', '5', '10.9.0.2'])
        self.addCleanup(pinging.kill)
        time.sleep(0.5)
        before = self.cpu_seconds(first.tap)
        time.sleep(1)
        self.assertLess(self.cpu_seconds(first.tap) - before, 0.1)
        standin.reading.set()
        pinging.wait()
        self.assertIn(' 0% packet loss', pinging.log)

    def cpu_seconds(self, child):
        fields = pathlib.Path(f'/proc/{child.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / USER_HERTZ


class Switch(Command):
    def test_the_mac_is_announced_when_a_switch_is_found(self):
        standin = self.switch()
        host = self.host(1, '--mac', '52:cc:cc:cc:cc:01')
        self.assertEqual(standin.announcements(), ['52:cc:cc:cc:cc:01'])
        self.assertIn('52:cc:cc:cc:cc:01', host.run(['ip', 'link', 'show', 'eth0']).stdout)

    def test_without_a_switch_it_waits_with_the_carrier_down(self):
        namespace = self.namespace()
        tap = self.tap('--netns', namespace.name, '--name', 'eth0', ready=False)
        tap.wait_line('waiting for the switch at .*no such socket')
        self.assertFalse(self.carrier(namespace))
        self.switch()
        tap.wait_line('vnet tap ready: eth0 ([0-9a-f]{2}:){5}[0-9a-f]{2} via ' + str(self.path))
        self.assertTrue(self.carrier(namespace))

    def test_a_killed_switch_takes_the_carrier_and_its_successor_brings_it_back(self):
        standin = self.switch()
        first = self.host(1)
        self.host(2)
        self.assertPings(first, '10.9.0.2')
        standin.kill()
        first.tap.wait_line('lost the switch at .*nobody listens', 5)
        self.assertFalse(self.carrier(first))
        second = self.switch()
        first.tap.wait_line('attached again', 5)
        self.assertTrue(self.carrier(first))
        harness.eventually(lambda: len(second.announcements()) >= 2, 5, 'both announcements')
        self.assertPings(first, '10.9.0.2')


class Life(Command):
    def test_a_signal_ends_it_with_code_0_and_nothing_is_left(self):
        self.switch()
        for number in (signal.SIGTERM, signal.SIGINT):
            host = self.host(1)
            self.assertTrue(list(self.folder.glob('switch.tap-eth0-*')))
            host.tap.signal(number)
            self.assertEqual(host.tap.wait(), 0)
            self.assertIn('does not exist', host.run(['ip', 'link', 'show', 'eth0'], check=False).stdout)
            self.assertFalse(list(self.folder.glob('switch.tap-eth0-*')))

    def test_its_mac_is_the_same_on_every_start_and_another_in_another_namespace(self):
        self.switch()

        def mac(namespace):
            tap = self.tap('--netns', namespace.name)
            found = re.search(r'ready: tap0 (\S+)', tap.log)[1]
            tap.signal(signal.SIGTERM)
            tap.wait()
            return found

        first, second = self.namespace(), self.namespace()
        once = mac(first)
        self.assertEqual(mac(first), once)
        self.assertNotEqual(mac(second), once)

    def test_it_ends_with_code_1_when_its_interface_is_deleted(self):
        self.switch()
        host = self.host(1)
        host.run(['ip', 'link', 'del', 'eth0'])
        self.assertEqual(host.tap.wait(), 1)
        self.assertIn('eth0 was removed by somebody else', host.tap.log)

    def test_an_interface_that_is_set_down_and_up_again_carries_frames_again(self):
        self.switch()
        first = self.host(1)
        second = self.host(2)
        second.run(['ip', 'link', 'set', 'eth0', 'down'])
        self.assertNotEqual(first.run(['ping', '-c', '1', '-W', '1', '10.9.0.2'], check=False).returncode, 0)
        second.run(['ip', 'link', 'set', 'eth0', 'up'])
        self.assertPings(first, '10.9.0.2')

    def test_an_ordinary_user_has_one_in_a_namespace_of_their_own(self):
        needs.root()  # to become somebody else
        self.switch()
        for folder in (type(self).folder, self.folder):
            folder.chmod(0o777)
        self.path.chmod(0o777)
        user = {'user': harness.NOBODY, 'group': harness.NOBODY, 'extra_groups': []}
        program = harness.build_tree() / 'adapter/vnet'
        if processes.run(['unshare', '-rn', program, '--version'], check=False, **user).returncode != 0:
            needs.skip('ordinary users may not make user namespaces here, or not run the build')
        child = processes.Child(['unshare', '-rn', program, 'tap', '--socket', self.path], **user)
        self.addCleanup(child.kill)
        child.wait_line('vnet tap ready: tap0')
        child.signal(signal.SIGINT)
        self.assertEqual(child.wait(), 0)

    def test_what_cannot_be_done_is_said_with_what_would_help(self):
        namespace = self.namespace()
        self.assertIn('ip netns', self.refused('--netns', 'no-such-namespace'))
        self.assertIn('is no network namespace', self.refused('--netns', '/etc/hostname'))
        inside = ('--netns', namespace.name)
        self.assertIn('is no TAP', self.refused(*inside, '--name', 'lo'))
        self.tap(*inside, ready=False).wait_line('waiting')
        self.assertIn('--name chooses another', self.refused(*inside))
        user = {'user': harness.NOBODY, 'group': harness.NOBODY, 'extra_groups': []}
        if processes.run([harness.build_tree() / 'adapter/vnet', '--version'], check=False, **user).returncode == 0:
            self.assertRegex(self.refused(**user), 'CAP_NET_ADMIN.*unshare -rn')


class WithVnetd(Command):
    def test_dhcp_gives_the_namespace_an_address_and_leaves_the_host_its_resolver(self):
        needs.tools(udhcpc='udhcpc')
        self.path = self.vnetd().dgram
        namespace = self.namespace()
        before = pathlib.Path('/etc/resolv.conf').read_bytes()
        tap = self.tap('--netns', namespace.name, '--name', 'eth0', '--dhcp')
        self.assertRegex(harness.eventually(namespace.ipv4, 15, 'an address')[0], r'^192\.168\.127\.')
        self.assertPings(namespace, harness.DEFAULT_GATEWAY)
        self.assertEqual(pathlib.Path('/etc/resolv.conf').read_bytes(), before)
        tap.signal(signal.SIGTERM)
        self.assertEqual(tap.wait(), 0)
        self.assertEqual(processes.run(['ip', 'netns', 'pids', namespace.name]).stdout.strip(), '')

    def test_a_tap_of_root_joins_the_switch_of_an_ordinary_user(self):
        needs.root()
        for folder in (type(self).folder, self.folder):
            os.chown(folder, harness.NOBODY, harness.NOBODY)
        self.path = self.vnetd(user=harness.NOBODY).dgram
        host = self.host(1)
        host.run(['ip', 'addr', 'add', '192.168.127.50/24', 'dev', 'eth0'])
        self.assertPings(host, harness.DEFAULT_GATEWAY)

    def test_a_path_of_the_nics_own_serves_it_too(self):
        mac = '52:cc:cc:cc:cc:01'
        self.vnetd(config={'nics': [{'name': 'alice', 'mac': mac, 'dgram': 'alice.sock'}]})
        self.path = self.folder / 'alice.sock'
        host = self.host(1, '--mac', mac)
        host.run(['ip', 'addr', 'add', '192.168.127.50/24', 'dev', 'eth0'])
        self.assertPings(host, harness.DEFAULT_GATEWAY)
        host.tap.kill()
        again = self.tap('--netns', host.name, '--name', 'eth0', '--mac', mac)
        host.run(['ip', 'addr', 'add', '192.168.127.50/24', 'dev', 'eth0'])
        self.assertPings(host, harness.DEFAULT_GATEWAY)
        self.assertTrue(again.running)


if __name__ == '__main__':
    unittest.main()
