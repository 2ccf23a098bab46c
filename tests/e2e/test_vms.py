"""Two real VMs on one unixgram path: addresses, ping, names, and a daemon that dies and comes back under them."""

import unittest

import capture
import harness
import needs
import vm

ALICE = {'name': 'alice', 'mac': '52:cc:cc:cc:cc:01', 'ip': '192.168.1.101', 'hostname': 'alice'}
BOB = {'name': 'bob', 'mac': '52:cc:cc:cc:cc:02', 'hostname': 'bob'}
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'ipv6': '2052::1/64',
                  'dhcp': {'range': ['192.168.1.150', '192.168.1.199']}}],
    'nics': [ALICE, BOB],
}


class TwoVms(harness.Case):
    """The VMs are booted once for all tests; each test leaves them as it found them, up and with their leases."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.vm_image()
        needs.tools(capinfos='wireshark-common', tshark='tshark')
        cls.capture_files = []
        cls.start_daemon()
        cls.alice, cls.bob = cls.boot_on(ALICE), cls.boot_on(BOB)
        print(f'booted in {cls.alice.wait_shell():.1f} s and {cls.bob.wait_shell():.1f} s', flush=True)

    @classmethod
    def start_daemon(cls):
        file = cls.folder / f'run{len(cls.capture_files)}.pcapng'
        cls.capture_files.append(file)
        (cls.folder / 'state').mkdir(exist_ok=True)
        cls.daemon = harness.Case.vnetd(cls, '--state', cls.folder / 'state', '--pcap', file, config=CONFIG)

    @classmethod
    def boot_on(cls, nic):
        netdev = vm.dgram_netdev(cls.folder / f'{nic["name"]}.qemu', cls.daemon.dgram)
        return harness.Case.boot(cls, nic['name'], netdev, nic['mac'])

    def test_the_guests_shell_hears_a_request_that_comes_in_pieces_while_an_orphan_ends(self):
        self.alice.check('(sleep 0.5; exit) &')
        self.assertEqual(self.alice.check('echo heard', pause=1), 'heard\n')

    def test_a_reserved_nic_gets_its_address_and_another_one_from_the_range(self):
        self.assertEqual(self.alice.lease()['ip'], '192.168.1.101')
        self.assertRegex(self.bob.lease()['ip'], r'^192\.168\.1\.1[5-9]\d$')
        self.assertEqual(self.bob.lease()['router'], '192.168.1.1')

    def test_they_ping_the_gateway_and_each_other_over_ipv4(self):
        self.alice.check('ping -c 3 -W 2 192.168.1.1')
        self.alice.check(f'ping -c 3 -W 2 {self.bob.lease()["ip"]}')
        self.bob.check('ping -c 3 -W 2 192.168.1.101')

    def test_slaac_gives_them_addresses_and_they_ping_over_ipv6(self):
        address = self.bob.global_ipv6()
        self.assertTrue(address.startswith('2052:'), address)
        self.assertTrue(self.alice.global_ipv6().startswith('2052:'))
        self.alice.check('ping6 -c 3 -W 2 2052::1')
        self.alice.check(f'ping6 -c 3 -W 2 {address}')

    def test_each_resolves_the_others_name(self):
        address = self.bob.lease()['ip']
        self.assertIn(address, self.alice.check('nslookup bob.vnet'))
        self.assertIn('192.168.1.101', self.bob.check('nslookup alice.vnet'))
        self.assertNotEqual(self.alice.run('nslookup nobody.vnet').code, 0)

    def test_a_vm_keeps_its_address_and_its_ping_when_the_daemon_is_killed_and_started_again(self):
        before = self.bob.lease()
        self.alice.check(f'ping -c 1 -W 2 {before["ip"]}')
        self.daemon.kill9()
        self.assertNotEqual(self.alice.run(f'ping -c 2 -W 1 {before["ip"]}').code, 0, 'ping without a switch')
        type(self).start_daemon()
        # Nothing is done in or to the guests: the first pings that go through again are theirs alone.
        self.alice.check(f'until ping -c 1 -W 1 {before["ip"]}; do :; done', timeout=20)
        self.assertEqual(self.bob.lease()['ip'], before['ip'])
        renewed = 'kill -USR1 $(cat /run/udhcpc.eth0.pid); until grep -q event=renew /run/lease; do sleep 0.1; done'
        self.bob.check(f'sed -i s/event=.*/event=old/ /run/lease; {renewed}')
        self.assertEqual(self.bob.lease()['ip'], before['ip'], 'the address after a renewal with the new daemon')

    def test_the_capture_of_a_killed_daemon_has_both_nics(self):
        self.alice.check(f'ping -c 1 -W 2 {self.bob.lease()["ip"]}')
        self.daemon.kill9()
        file = self.capture_files[-1]
        type(self).start_daemon()
        self.assertGreater(capture.packets(file), 0)
        names = capture.interfaces(file)
        self.assertIn('alice', names)
        self.assertIn('bob', names)
        self.assertTrue(capture.rows(file, 'frame.number', where='icmp.type == 8 && frame.interface_name == "alice"'))


class StreamVm(harness.Case):
    def test_a_vm_on_the_stream_socket_gets_a_lease_and_pings(self):
        daemon = self.vnetd(config=CONFIG)
        alice = self.boot('alice', vm.stream_netdev(daemon.stream), ALICE['mac'])
        alice.wait_shell()
        self.assertEqual(alice.lease()['ip'], '192.168.1.101')
        alice.check('ping -c 3 -W 2 192.168.1.1')
        alice.stop()


class PerNicVm(harness.Case):
    def test_a_vm_on_a_path_of_its_own_gets_the_nics_address(self):
        config = dict(CONFIG, nics=[dict(ALICE, dgram='alice.sock')])
        daemon = self.vnetd(config=config)
        netdev = vm.dgram_netdev(self.folder / 'alice.qemu', daemon.folder / 'alice.sock')
        alice = self.boot('alice', netdev, ALICE['mac'])
        alice.wait_shell()
        self.assertEqual(alice.lease()['ip'], '192.168.1.101')
        alice.check('ping -c 3 -W 2 192.168.1.1')


if __name__ == '__main__':
    unittest.main()
