"""Flows of a guest with the host, as `vnet flows` shows them, and what a change of the rules does to them."""

import json
import os
import socket
import subprocess
import sys

import control
import harness
import needs

GUEST = '52:cc:cc:cc:cc:01'
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'host_alias': '192.168.1.254'}],
    'nics': [{'name': 'alice', 'mac': GUEST}],
}
TALK = """
import socket, sys
connection = socket.create_connection(('192.168.1.254', int(sys.argv[1])), 10)
connection.sendall(b'hello')
try:
    while connection.recv(100):
        pass
    print('ended', flush=True)
except ConnectionResetError:
    print('reset', flush=True)
"""


class Flows(harness.Case):
    def setUp(self):
        super().setUp()
        needs.root()
        self.daemon = self.vnetd(config=CONFIG)
        self.guest = self.host(self.daemon, GUEST)
        self.guest.run(['ip', 'addr', 'add', '192.168.1.11/24', 'dev', 'eth0'])

    def flows(self):
        command = [harness.build_tree() / 'adapter/vnet', 'flows', '--json']
        environment = {**os.environ, 'VNET_CONTROL': str(self.daemon.control)}
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=30).stdout)

    def test_a_connection_is_shown_and_ends_when_egress_is_switched_off(self):
        with socket.create_server(('127.0.0.1', 0)) as server:
            server.settimeout(10)
            port = server.getsockname()[1]
            guest = self.guest.start([sys.executable, '-c', TALK, str(port)])
            self.addCleanup(guest.kill)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                self.assertEqual(connection.recv(5), b'hello')
                connection.sendall(b'and back')
                flow, = harness.eventually(lambda: [f for f in self.flows() if f['bytes_to_guest'] == 8])
                self.assertEqual((flow['proto'], flow['state'], flow['nic']), ('tcp', 'open', 'alice'))
                self.assertEqual(flow['remote'], f'192.168.1.254:{port}')
                self.assertEqual(flow['bytes_from_guest'], 5)
                api = control.Control(self.daemon.control)
                answer = api.request('PATCH', '/v1/networks/home', {'egress': {'enabled': False}})
                self.assertEqual(answer.status, 200)
                self.assertEqual(self.flows(), [])
                guest.wait_line('reset')
                with self.assertRaises(ConnectionResetError):
                    connection.recv(1)
