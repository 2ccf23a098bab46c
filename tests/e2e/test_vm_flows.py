"""Connections of a VM that is saved and restored: they are gone, and both ends hear it at once, although each only waits.

The guest's end is a `nc` that has nothing to say; the other one is a socket of the test's, which the guest reaches by
the network's host alias or a forward, or a service behind the network's router.
"""

import itertools
import socket
import time
import unittest

import control
import harness
import vnet_vm

ALICE = '52:cc:cc:cc:cc:01'
ALIAS, ADDRESS, SERVICE = '192.168.1.254', '192.168.1.101', '3.3.3.3'
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'host_alias': ALIAS, 'wan': {'ipv4': '2.1.1.1'}}],
    'nics': [{'name': 'alice', 'mac': ALICE, 'ip': ADDRESS}],
    'services': [{'name': 'echo.test', 'ipv4': SERVICE, 'kind': 'echo'}],
}
SECONDS = 30  # on a busy machine; a connection that nobody ends waits for ever


class Flows(harness.Case):
    """Each test has a snapshot of its own, and leaves alice running, restored from it."""

    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = harness.Case.vnetd(cls, config=CONFIG)
        cls.api = control.Control(cls.daemon.control)
        cls.vms = vnet_vm.Vms(cls, cls.daemon.control)
        cls.alice = cls.vms.start('alice', '--nic', f'network=home,mac={ALICE}')
        cls.alice.guest.lease()

    def setUp(self):
        super().setUp()
        self.number = next(self.numbers)

    def in_guest(self, script):
        return self.alice.guest.check(script, SECONDS)

    def start_nc(self, *arguments):
        """In the background; what ends it is in a file afterwards. A fifo that it has open itself never ends."""
        files = {name: f'/run/{name}.{self.number}' for name in ('in', 'out', 'end')}
        self.in_guest(f'mkfifo {files["in"]}; (nc {" ".join(map(str, arguments))} <>{files["in"]} >{files["out"]} '
                      f'2>{files["end"]}.error; echo $? >{files["end"]}) >/dev/null 2>&1 &')
        self.addCleanup(lambda: self.alice.guest.run('killall nc'))

    def listen(self):
        listener = socket.create_server(('127.0.0.1', 0))
        listener.settimeout(SECONDS)
        self.addCleanup(listener.close)
        return listener

    def connect(self):
        """The guest's nc, connected to a socket of the test's, which is returned."""
        listener = self.listen()
        self.start_nc(ALIAS, listener.getsockname()[1])
        connection, _ = listener.accept()
        self.keep(connection)
        self.say(connection, 'hello')
        return connection

    def keep(self, connection):
        connection.settimeout(SECONDS)
        self.addCleanup(connection.close)

    def say(self, connection, text):
        connection.sendall(f'{text}\n'.encode())
        self.in_guest(f'until grep -q {text} /run/out.{self.number}; do usleep 10000; done')

    def save(self):
        self.alice.vnet('save', f'warm{self.number}')

    def stop_and_restore(self):
        self.alice.vnet('stop', '--timeout', '0', check=False)
        started = time.monotonic()
        self.vms.vnet('vm', 'restore', f'warm{self.number}')
        self.alice.connect()
        return started

    def assert_guest_hears_of_the_end(self, started):
        self.in_guest(f'until [ -s /run/end.{self.number} ]; do usleep 10000; done')
        print(f'nc has ended {time.monotonic() - started:.2f} s after the restore was begun', flush=True)
        self.in_guest('until ping -c 1 -W 1 192.168.1.1; do usleep 10000; done')

    def assert_reset(self, connection):
        with self.assertRaises(ConnectionResetError):
            while connection.recv(4096):
                pass

    def listed(self):
        return self.api.post('/v1/snapshot', {'nics': ['alice']})['nics'][0].get('connections', [])

    def test_a_connection_with_the_world(self):
        connection = self.connect()
        self.save()
        started = self.stop_and_restore()
        self.assert_guest_hears_of_the_end(started)
        self.assert_reset(connection)
        self.assertEqual(self.api.get('/v1/flows'), [])

    def test_one_that_went_on_after_the_save(self):
        connection = self.connect()
        self.save()
        self.say(connection, 'more')
        self.in_guest(f'echo answer >/run/in.{self.number}')
        self.assertEqual(connection.recv(100), b'answer\n')
        started = self.stop_and_restore()
        self.assert_guest_hears_of_the_end(started)
        self.assert_reset(connection)

    def test_one_that_the_switch_has_forgotten(self):
        connection = self.connect()
        self.save()
        self.alice.vnet('stop', '--timeout', '0', check=False)
        connection.close()
        self.api.delete('/v1/nics/alice')
        self.assertEqual(self.api.get('/v1/flows'), [])
        self.assert_guest_hears_of_the_end(self.stop_and_restore())

    def test_one_that_came_in_by_a_forward(self):
        self.start_nc('-l', '-p', 8000)
        self.in_guest(f'until cat /proc/net/tcp* | grep -q ":{8000:04X} .* 0A "; do usleep 10000; done')
        listen = self.listen()
        where = listen.getsockname()
        listen.close()
        forward = self.api.post('/v1/forwards', {'listen': f'127.0.0.1:{where[1]}', 'to': f'{ADDRESS}:8000'})
        self.addCleanup(self.api.delete, f'/v1/forwards/{forward["id"]}')
        connection = socket.create_connection(where, SECONDS)
        self.keep(connection)
        self.say(connection, 'hello')
        self.save()
        started = self.stop_and_restore()
        self.assert_guest_hears_of_the_end(started)
        self.assert_reset(connection)

    def test_one_with_a_service_behind_the_router(self):
        self.start_nc(SERVICE, 7)
        self.in_guest(f'echo hello >/run/in.{self.number}; '
                      f'until grep -q hello /run/out.{self.number}; do usleep 10000; done')
        listed = self.listed()
        self.assertEqual([(one['guest'].split(':')[0], one['remote']) for one in listed], [(ADDRESS, f'{SERVICE}:7')])
        self.save()
        self.assert_guest_hears_of_the_end(self.stop_and_restore())
        self.assertEqual(self.listed(), [])


if __name__ == '__main__':
    unittest.main()
