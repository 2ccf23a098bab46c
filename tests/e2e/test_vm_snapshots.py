"""`vnet vm save` and `restore` with real guests: what is saved, what must be the same, and how a restored guest wakes."""

import json
import time
import unittest

import control
import harness
import vnet_vm

ALICE, BOB = '52:cc:cc:cc:cc:01', '52:cc:cc:cc:cc:02'
CONFIG = {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24'}, {'name': 'lab', 'ipv4': '10.7.0.1/24'}]}


class Snapshots(harness.Case):
    """alice is saved once, as `warm`; each test leaves no VM of that name running but its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.folder / 'switch-state').mkdir()
        cls.daemon = harness.Case.vnetd(cls, '--state', cls.folder / 'switch-state', config=CONFIG)
        cls.api = control.Control(cls.daemon.control)
        cls.vms = vnet_vm.Vms(cls, cls.daemon.control)
        cls.alice = cls.vms.start('alice', '--nic', f'network=home,mac={ALICE}', boot=False)
        cls.bob = cls.vms.start('bob', '--nic', f'network=home,mac={BOB}', boot=False)
        for machine in (cls.alice, cls.bob):
            machine.guest.wait_shell()
        cls.lease = cls.alice.guest.lease()
        cls.alice.guest.check('echo remembered >/run/note')
        started = time.monotonic()
        cls.saved = cls.alice.vnet('save', 'warm').stdout
        print(f'saved in {time.monotonic() - started:.2f} s: {cls.saved.strip()}', flush=True)

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: self.alice.vnet('stop', '--timeout', '0', check=False))

    def stop(self):
        self.alice.vnet('stop', '--timeout', '0', check=False)
        self.assertEqual(self.alice.view()['state'], 'ended')

    def restore(self, *arguments):
        self.vms.vnet('vm', 'restore', 'warm', *arguments)
        self.alice.connect()

    def manifest(self):
        return json.loads((self.folder.parent / 'state/vnet/snapshots/warm/manifest.json').read_text())

    def test_a_saved_vm_goes_on_running_with_what_it_had(self):
        self.stop()
        self.restore()
        self.alice.guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 10000; done')
        self.alice.vnet('save', 'again')
        self.assertEqual(self.alice.view()['state'], 'running')
        self.assertEqual(self.alice.nic()['carrier'], 'up')
        self.alice.guest.check('until ping -c 1 -W 1 192.168.1.1; do usleep 10000; done')
        self.vms.vnet('vm', 'rm', '--snapshot', 'again')
        self.assertNotIn('again', self.vms.vnet('vm', 'snapshots').stdout)

    def test_the_manifest_has_all_that_must_be_the_same(self):
        manifest = self.manifest()
        self.assertEqual(manifest['vm']['nics'], [{'name': 'alice', 'model': 'virtio-net-pci', 'mac': ALICE, 'network': 'home'}])
        self.assertRegex(manifest['qemu_version'], r'^\d+\.\d+\.\d+')
        self.assertEqual(len(manifest['kernel']['xxh3']), 32)
        self.assertEqual(manifest['switch_memory']['nics'][0]['lease']['ip'], self.lease['ip'])
        self.assertIn('warm', self.vms.vnet('vm', 'snapshots').stdout)

    def test_restored_it_wakes_with_its_memory_and_its_address_and_others_reach_it(self):
        self.stop()
        started = time.monotonic()
        self.restore()
        print(f'restored in {time.monotonic() - started:.2f} s', flush=True)
        self.assertEqual(self.alice.guest.check('cat /run/note').strip(), 'remembered')
        self.bob.guest.check(f'until ping -c 1 -W 1 {self.lease["ip"]}; do usleep 1000; done')
        print(f'restored to answering a ping after {time.monotonic() - started:.2f} s', flush=True)
        self.assertEqual(self.alice.guest.lease()['ip'], self.lease['ip'])
        self.assertEqual(self.alice.vnet('ip').stdout.strip(), self.lease['ip'])

    def test_restored_disconnected_it_has_no_carrier_until_it_is_attached(self):
        self.stop()
        self.restore('--disconnected')
        self.assertEqual(self.alice.guest.check('cat /sys/class/net/eth0/carrier').strip(), '0')
        self.assertEqual((self.alice.nic()['attached'], self.alice.nic()['carrier']), (False, 'down'))
        self.alice.vnet('attach', 'lab')
        self.alice.guest.check('until grep -q ip=10.7.0. /run/lease.eth0; do usleep 10000; done')
        self.alice.guest.check('ping -c 1 -W 5 10.7.0.1')

    def test_a_lease_that_the_switch_has_forgotten_is_there_again(self):
        self.stop()
        self.api.delete(f'/v1/leases/{self.lease["ip"]}')
        self.restore('--disconnected')
        leases = {lease['ip']: lease['mac'] for lease in self.api.get('/v1/leases')}
        self.assertEqual(leases.get(self.lease['ip']), ALICE)

    def test_an_address_that_another_has_taken_is_given_afresh(self):
        self.stop()
        self.api.delete(f'/v1/leases/{self.lease["ip"]}')
        self.api.post('/v1/nics', {'name': 'thief', 'mac': '52:cc:cc:cc:cc:77', 'ip': self.lease['ip']})
        self.addCleanup(self.api.delete, '/v1/nics/thief')
        self.restore()
        # One look at the file for both: it is away for a moment while udhcpc begins anew.
        self.alice.guest.check('until ip=$(sed -n s/^ip=//p /run/lease.eth0) && [ -n "$ip" ] && '
                               f'[ "$ip" != {self.lease["ip"]} ]; do usleep 10000; done')
        self.alice.guest.check('ping -c 1 -W 5 192.168.1.1')

    def test_another_set_of_nics_is_refused_before_qemu_starts(self):
        self.stop()
        for nics, expected in (([], None),
                               (['network=home', 'network=lab'], 'saved with 1 NIC, and is to be restored with 2'),
                               (['model=e1000'], 'NIC 1 (alice) was saved as virtio-net-pci, and is to be restored as e1000'),
                               (['mac=52:cc:cc:cc:cc:99'], f'was saved with the MAC address {ALICE}')):
            if expected is None:
                continue
            with self.subTest(nics=nics):
                flags = [word for nic in nics for word in ('--nic', nic)]
                done = self.vms.vnet('vm', 'restore', 'warm', *flags, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(expected, done.stdout)
                self.assertEqual(self.alice.view()['state'], 'ended')

    def test_what_is_damaged_or_unknown_is_refused(self):
        self.stop()
        state = self.folder.parent / 'state/vnet/snapshots/warm/state'
        whole = state.read_bytes()
        state.write_bytes(whole[:-1])
        self.assertIn('not whole', self.vms.vnet('vm', 'restore', 'warm', check=False).stdout)
        state.write_bytes(b'x' + whole[1:])
        self.assertIn('its state is damaged', self.vms.vnet('vm', 'restore', 'warm', check=False).stdout)
        state.write_bytes(whole)
        self.assertIn('did you mean "warm"?', self.vms.vnet('vm', 'restore', 'wram', check=False).stdout)

    def test_a_second_vm_of_the_name_is_refused(self):
        self.stop()
        self.restore()
        self.assertIn('runs already', self.vms.vnet('vm', 'restore', 'warm', check=False).stdout)


if __name__ == '__main__':
    unittest.main()
