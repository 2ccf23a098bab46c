"""configs/test-internet.json runs: a guest that knows nothing but the conventions finds all that they promise.

Its MAC address is the convention's, its addresses come by DHCP and from a router's advertisement, and then it talks to
the test driver, as every VM of such a test does.
"""

import re
import shutil
import socket
import unittest

import control
import harness
import homes
import needs
import test_dhcp_clients

MAC, ADDRESS = '52:cc:cc:cc:cc:01', '192.168.1.101'
ROUTER, ROUTER6 = '2.1.1.1', '2001:db8:1:'
DNS, DNS6 = '4.11.4.11', '2411::411'
DRIVER, CONTROL, SEED, FILES, LOGS = ((f'52.52.0.{number}', f'2052::{number}') for number in (2, 3, 5, 6, 9))


def in_url(address):
    return f'[{address}]' if ':' in address else address


class Example(test_dhcp_clients.DhcpClients):
    def setUp(self):
        super().setUp()
        needs.tools(udhcpc='udhcpc', curl='curl', dig='bind9-dnsutils', logger='bsdutils')
        shutil.copy(harness.ROOT / 'configs/test-internet.json', self.folder)
        for name, text in (('files/hello.txt', 'hello\n'), ('seed/vm1/meta-data', 'instance-id: vm1\n')):
            (self.folder / name).parent.mkdir(parents=True)
            (self.folder / name).write_text(text)
        self.driver, self.steering = (self.listen(name) for name in ('driver.sock', 'steering.sock'))
        world = harness.NetNs()
        self.addCleanup(world.remove)
        self.daemon = self.vnetd('--config', self.folder / 'test-internet.json', world=world)
        self.guest = self.host(self.daemon, MAC)
        self.client = self.start_udhcpc(self.guest)

    def listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.settimeout(homes.PATIENCE)
        listener.bind(str(self.folder / name))
        listener.listen()
        return listener

    def say(self, address, port, listener):
        """What the program of the host hears when the guest says hello, and how it is answered."""
        with homes.tcp(self.guest, address='::' if ':' in address else '0.0.0.0') as guest:
            guest.connect((address, port))
            guest.sendall(b'hello')
            guest.shutdown(socket.SHUT_WR)
            program, _ = listener.accept()
            with program, program.makefile('rb') as heard:
                text = heard.read()
                program.sendall(b'welcome')
            self.assertEqual(guest.recv(100), b'welcome')
        return text.decode()

    def dig(self, server, *words):
        return self.guest.run(['dig', '-r', f'@{server}', '+short', '+tries=1', '+time=10', *words]).stdout.split()

    def test_a_vm_finds_everything_where_the_conventions_say(self):
        self.client.wait_line(f'lease of {ADDRESS} obtained')
        lease = self.lease(self.guest)
        self.assertIn(f'{ADDRESS}/24', self.guest.ipv4())
        self.assertIn(f'dns={DNS}', lease)
        self.assertIn('router=192.168.1.1', lease)
        self.assertTrue(self.guest.ipv6().startswith(ROUTER6))

        for server in (DNS, DNS6):
            self.assertEqual(self.dig(server, 'test-driver'), [DRIVER[0]])
            self.assertEqual(self.dig(server, 'test-driver', 'AAAA'), [DRIVER[1]])
            self.assertEqual(self.dig(server, 'vm1.vnet'), [ADDRESS])
        self.assertRegex(self.guest.run(['ip', 'neigh', 'show', '192.168.1.1']).stdout, '52:ee:ee:ee:ee:01')
        for address in DRIVER:
            self.assertEqual(self.say(address, 8008, self.driver), 'hello')
        for address, source in zip(CONTROL, (f'TCP4 {re.escape(ROUTER)}', rf'TCP6 {ROUTER6}\S+')):
            self.assertRegex(self.say(address, 80, self.steering), rf'^PROXY {source} {address} \d+ 80\r\nhello$')

        def curl(address, path):
            return self.guest.run(['curl', '-q', '--noproxy', '*', '-sS', '--fail', '-m', '20',
                                   f'http://{in_url(address)}/{path}']).stdout
        for files, seed in zip(FILES, SEED):
            self.assertEqual(curl(files, 'hello.txt'), 'hello\n')
            self.assertEqual(curl(seed, 'vm1/meta-data'), 'instance-id: vm1\n')

        with control.Control(self.daemon.control).events(kind='service.log') as events:
            for address, source in zip(LOGS, (re.escape(ROUTER), ROUTER6 + r'\S+')):
                self.guest.run(['logger', '-n', address, '-P', '514', '-d', '-p', 'user.info', f'through {address}'])
                event = events.wait(lambda event: f'through {address}' in event['cause'])
                self.assertRegex(event['subject'], f'^syslog {source} informational$')


if __name__ == '__main__':
    unittest.main()
