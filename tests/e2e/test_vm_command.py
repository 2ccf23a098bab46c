"""`vnet vm` with real guests: run, ask, plug in and out, move, and whatever ends before its time."""

import os
import signal
import time
import unittest

import control
import harness
import vnet_vm

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24'}, {'name': 'lab', 'ipv4': '10.7.0.1/24'}],
    'nics': [{'name': 'alice', 'mac': ALICE, 'ip': '192.168.1.101'}],
}


def wait_gone(pid, timeout=10):
    harness.eventually(lambda: not os.path.exists(f'/proc/{pid}') or
                       open(f'/proc/{pid}/stat').read().split()[2] == 'Z', timeout, f'the end of process {pid}')


class TwoVms(harness.Case):
    """alice and bob run all the time; each test leaves them in `home`, attached."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_daemon()
        cls.vms = vnet_vm.Vms(cls, cls.daemon.control)
        started = time.monotonic()
        cls.alice = cls.vms.start('alice', '--nic', 'network=home', '--share', f'{cls.folder}=results', boot=False)
        print(f'alice started in {time.monotonic() - started:.2f} s', flush=True)
        cls.bob = cls.vms.start('bob', '--nic', f'network=home,mac={BOB}', boot=False)
        for machine in (cls.alice, cls.bob):
            machine.guest.wait_shell()
            machine.guest.lease()

    @classmethod
    def start_daemon(cls):
        (cls.folder / 'switch-state').mkdir(exist_ok=True)
        cls.daemon = harness.Case.vnetd(cls, '--state', cls.folder / 'switch-state', config=CONFIG)
        cls.api = control.Control(cls.daemon.control)

    def attached(self, machine, network='home'):
        """Switch, VM and guest agree."""
        nic = self.api.get(f'/v1/nics/{machine.name}')
        self.assertEqual((nic['attachment']['kind'], nic['network']), ('fd', network))
        mine = machine.nic()
        self.assertEqual((mine['attached'], mine['carrier'], mine['network']), (True, 'up', network))
        self.assertEqual(machine.guest.check('cat /sys/class/net/eth0/carrier').strip(), '1')

    def test_a_vm_gets_the_address_that_the_config_has_for_its_name(self):
        self.assertEqual(self.alice.vnet('ip').stdout.strip(), '192.168.1.101')
        self.assertEqual(self.alice.guest.lease()['ip'], '192.168.1.101')
        self.alice.guest.check('ping -c 2 -W 5 192.168.1.1')
        self.attached(self.alice)

    def test_two_vms_ping_each_other(self):
        address = self.bob.vnet('ip').stdout.strip()
        self.alice.guest.check(f'ping -c 2 -W 5 {address}')

    def test_the_list_says_what_there_is(self):
        said = self.vms.vnet('vm', 'list').stdout
        self.assertRegex(said, r'alice +running +\d+ +1 +128M +alice: attached to home')
        view = self.alice.view()
        self.assertEqual((view['state'], view['nics'][0]['mac']), ('running', ALICE))
        self.assertIn(b'qemu', open(f'/proc/{view["pid"]}/comm', 'rb').read())

    def test_what_is_wrong_is_said_with_the_nearest_name(self):
        for words, expected in ((('vm', 'attach', 'alise'), 'did you mean "alice"?'),
                                (('vm', 'attach', 'alice', 'hone'), 'did you mean "home"?'),
                                (('vm', 'detach', 'alice', '--nic', 'alic'), 'did you mean "alice"?'),
                                (('vm', 'start', '--name', 'alice', '--kernel', '/dev/null'), 'runs already'),
                                (('vm', 'start', '--name', 'carol', '--kernel', '/no/such'), '/no/such'),
                                (('vm', 'rm', 'alice'), 'vnet vm stop alice')):
            with self.subTest(words=words):
                done = self.vms.vnet(*words, check=False)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(expected, done.stdout)
        self.attached(self.alice)

    def test_detached_the_guest_has_no_carrier_and_attached_again_its_lease(self):
        address = self.alice.guest.lease()['ip']
        self.assertIn('disconnected', self.alice.vnet('detach').stdout)
        self.assertIsNone(self.api.get('/v1/nics/alice')['attachment'])
        self.alice.guest.check('until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 10000; done')
        self.assertNotEqual(self.alice.guest.run('ping -c 1 -W 1 192.168.1.1').code, 0)
        self.assertIn('attached to home', self.alice.vnet('attach').stdout)
        self.alice.guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 20000; done')
        self.assertEqual(self.alice.guest.lease()['ip'], address)
        self.attached(self.alice)

    def test_moved_under_traffic_it_asks_again_and_gets_the_other_networks_address(self):
        guest = self.alice.guest
        guest.check('ping -i 0.05 192.168.1.1 >/dev/null 2>&1 & echo $! >/run/ping.pid')
        self.alice.vnet('attach', 'lab')
        guest.check('until grep -q ip=10.7.0. /run/lease.eth0; do usleep 10000; done')
        guest.check('ping -c 1 -W 5 10.7.0.1')
        self.attached(self.alice, 'lab')
        self.assertRegex(self.alice.vnet('ip').stdout, r'^10\.7\.0\.')
        self.alice.vnet('attach', 'home')
        guest.check('until grep -q ip=192.168.1.101 /run/lease.eth0; do usleep 10000; done')
        guest.check('kill $(cat /run/ping.pid); until ping -c 1 -W 1 192.168.1.1; do usleep 20000; done')
        self.attached(self.alice)

    def test_a_link_that_goes_down_at_the_switch_is_the_guests_carrier(self):
        guest = self.alice.guest
        with self.api.events(kind='nic.link') as events:
            self.api.patch('/v1/nics/alice', {'link': 'down'})
            events.wait(lambda event: event['nic'] == 'alice')
        guest.check('until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 10000; done')
        self.api.patch('/v1/nics/alice', {'link': 'up'})
        guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 20000; done')
        self.attached(self.alice)

    def test_a_nic_that_is_moved_at_the_switch_asks_again(self):
        self.api.patch('/v1/nics/alice', {'network': 'lab'})
        self.alice.guest.check('until grep -q ip=10.7.0. /run/lease.eth0; do usleep 10000; done')
        self.attached(self.alice, 'lab')
        self.alice.vnet('attach', 'home')
        self.alice.guest.check('until grep -q ip=192.168.1.101 /run/lease.eth0; do usleep 10000; done')

    def test_who_detaches_it_at_the_switch_has_decided(self):
        self.vms.vnet('nic', 'alice', 'detach')
        self.alice.guest.check('until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 10000; done')
        self.assertEqual((self.alice.nic()['attached'], self.alice.nic()['carrier']), (False, 'down'))
        self.alice.vnet('attach')
        self.alice.guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 20000; done')

    def test_a_tcp_connection_between_vms_goes_on_when_the_daemon_is_killed_and_started_again(self):
        address = self.bob.guest.lease()['ip']
        self.alice.guest.check('until [ -s /run/lease.eth0 ]; do usleep 10000; done')
        # A fifo that is open for both never ends, so that nc does not close its half.
        self.bob.guest.check('rm -f /run/got /run/open; mkfifo /run/open; '
                             '(nc -l -p 5000 <>/run/open >/run/got; echo ended >>/run/got) >/dev/null 2>&1 & '
                             "until netstat -lnt | grep -q ':5000 '; do usleep 10000; done")
        self.alice.guest.check('(i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; usleep 50000; done | '
                               f'nc {address} 5000) >/dev/null 2>&1 &')
        self.bob.guest.check('until grep -q "line 5" /run/got; do usleep 10000; done')
        self.daemon.kill9()
        killed = time.monotonic()
        type(self).start_daemon()
        self.bob.guest.check('until grep -q ended /run/got; do usleep 50000; done', timeout=60)
        print(f'the daemon was gone for {time.monotonic() - killed:.1f} s at most', flush=True)
        lines = self.bob.guest.check('cat /run/got').split('\n')
        self.assertEqual(lines[:100], [f'line {i}' for i in range(1, 101)])
        self.attached(self.alice)
        self.attached(self.bob)

    def test_a_shared_folder_is_a_9p_device_with_its_tag(self):
        """The kernel has no 9p to mount it, so the device's configuration is read (VIRTIO 1.2, section 4.1.4.10)."""
        tag = self.alice.guest.check(
            'cd /sys/bus/pci/devices; for one in *; do [ $(cat $one/device) = 0x1009 ] || continue; '
            'for i in 20 21 22 23 24 25 26 27 28; do dd if=$one/resource0 bs=1 skip=$i count=1 2>/dev/null; done; done')
        self.assertEqual(tag, '\x07\0results')

    def test_the_log_is_what_the_guest_wrote(self):
        self.alice.guest.check('echo this is alice >/dev/ttyS0')
        harness.eventually(lambda: 'this is alice' in self.alice.vnet('logs').stdout, what='the line in the log')
        self.assertIn('tcg' if self.alice.view()['accel'] == 'tcg' else 'vnetd is at',
                      self.alice.vnet('logs', '--supervisor').stdout)


class Ends(harness.Case):
    """Every end of a VM, and what is left of it: nothing."""

    def setUp(self):
        super().setUp()
        self.daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(self.daemon.control)
        self.vms = vnet_vm.Vms(self, self.daemon.control)

    def test_killed_with_its_supervisor_no_qemu_is_left(self):
        alice = self.vms.start('alice', boot=False)
        view = alice.view()
        os.kill(view['supervisor'], signal.SIGKILL)
        wait_gone(view['pid'])
        harness.eventually(lambda: not self.vms.left(), what='nothing left')
        self.assertEqual(alice.view()['state'], 'ended')
        alice.vnet('rm')
        self.assertIsNone(alice.view())

    def test_stop_is_answered_when_the_guest_has_shut_down_by_itself(self):
        alice = self.vms.start('alice')
        alice.guest.check('until ls -l /proc/$(pidof acpid)/fd 2>&1 | grep -q /dev/input/event; do usleep 10000; done')
        started = time.monotonic()
        said = alice.vnet('stop', '--timeout', '60').stdout.strip().splitlines()
        took = time.monotonic() - started
        print(f'asked to shut down, the guest took {took:.2f} s', flush=True)
        self.assertEqual(said[-1], 'alice: shut down')
        self.assertLess(took, 20)
        self.assertEqual(alice.view()['state'], 'ended')
        self.assertRegex(self.vms.vnet('vm', 'list').stdout, r'alice +ended')
        self.assertIn('the guest has shut down (guest-shutdown)', alice.vnet('logs', '--supervisor').stdout)

    def test_a_guest_that_does_not_listen_is_ended_when_its_time_is_over(self):
        alice = self.vms.start('alice', acpid='off')
        started = time.monotonic()
        said = alice.vnet('stop', '--timeout', '2').stdout.strip().splitlines()
        self.assertGreaterEqual(time.monotonic() - started, 2)
        self.assertEqual(said[-1], 'alice: ended')
        self.assertIn('the guest did not shut down in time', ' '.join(said))
        self.assertEqual(alice.view()['state'], 'ended')

    def test_it_starts_again_under_its_name_alone(self):
        alice = self.vms.start('alice', boot=False)
        self.assertEqual(alice.vnet('stop', '--timeout', '0').stdout.strip().splitlines()[-1], 'alice: ended')
        self.assertEqual(alice.view()['state'], 'ended')
        self.assertIsNone(self.api.get('/v1/nics/alice')['attachment'], 'unplugged, and not found to be gone')
        self.vms.vnet('vm', 'start', '--name', 'alice')
        alice.connect().wait_shell()
        self.assertEqual(alice.guest.lease()['ip'], '192.168.1.101')

    def test_a_guest_that_powers_off_ends_its_vm(self):
        alice = self.vms.start('alice')
        pid = alice.view()['supervisor']
        with self.assertRaisesRegex(AssertionError, 'QEMU ended'):
            alice.guest.run('poweroff -f')
        wait_gone(pid, 30)
        self.assertIn('shut down', alice.vnet('logs', '--supervisor').stdout)

    def test_disconnected_it_boots_without_carrier_and_is_attached_later(self):
        alice = self.vms.start('alice', '--disconnected')
        self.assertEqual(alice.guest.check('cat /sys/class/net/eth0/carrier').strip(), '0')
        self.assertIsNone(self.api.get('/v1/nics/alice')['attachment'])
        self.assertEqual(alice.vnet('ip', '--timeout', '0', check=False).returncode, 1)
        started = time.monotonic()
        alice.vnet('attach', 'lab')
        alice.guest.check('until ping -c 1 -W 1 10.7.0.1; do usleep 1000; done')
        print(f'attach to first answered ping, by DHCP: {time.monotonic() - started:.2f} s', flush=True)

    def test_without_a_switch_it_boots_and_is_attached_when_there_is_one(self):
        self.daemon.stop()
        alice = self.vms.start('alice', '--nic', f'network=home,mac={ALICE}')
        self.assertEqual(alice.guest.check('cat /sys/class/net/eth0/carrier').strip(), '0')
        self.daemon = self.vnetd(config=CONFIG)
        alice.guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 10000; done', timeout=30)

    def test_a_name_that_the_switch_knows_with_another_mac_is_not_attached_and_it_is_said_why(self):
        alice = self.vms.start('alice', '--nic', 'mac=52:cc:cc:cc:cc:99', boot=False)
        self.assertIn(f'the NIC alice has the MAC address {ALICE} at the switch', alice.nic()['problem'])
        self.assertEqual((alice.nic()['attached'], alice.nic()['carrier']), (False, 'down'))
        self.assertIn('not attached', alice.vnet('logs', '--supervisor').stdout)

    def test_run_ends_with_the_guest_and_shows_its_console(self):
        machine = self.vms.machine('alice')
        child = harness.processes.Child(
            [harness.build_tree() / 'adapter/vnet', 'vm', 'run', *machine.arguments(dhcp='off')], env=self.vms.environment)
        machine.connect().wait_shell()
        machine.guest.check('echo hello from the console >/dev/ttyS0')
        child.wait_line('hello from the console')
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGTERM)
        child.wait(20)
        harness.eventually(lambda: not self.vms.left(), what='nothing left')


if __name__ == '__main__':
    unittest.main()
