"""vnet-agent in guests of `vnet vm`: commands and files, assignment over the port, waking up, and the cache."""

import concurrent.futures
import json
import os
import time
import unittest

import control
import harness
import processes
import vnet_vm
from driver import Driver
from vm import BOOT_SECONDS

ALIAS = '192.168.1.254'
CONFIG = {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'host_alias': ALIAS, 'egress': {'enabled': True},
                        'dns': {'upstream': 'none'}},
                       {'name': 'lab', 'ipv4': '10.7.0.1/24'}]}


class AgentCase(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon = harness.Case.vnetd(cls, config=CONFIG)
        cls.api = control.Control(cls.daemon.control)
        cls.vms = vnet_vm.Vms(cls, cls.daemon.control)
        cls.driver = Driver()
        harness.Case.at_end(cls, cls.driver.close)

    def exec(self, name, *words, check=True, **options):
        flags = options.pop('flags', ['--timeout', str(BOOT_SECONDS)])
        return self.vms.vnet('vm', 'exec', name, *flags, '--', *words, check=check, timeout=2 * BOOT_SECONDS, **options)

    @classmethod
    def guest(cls, name, *arguments, verb='start', **options):
        """A VM whose guest runs the agent; returns when it runs."""
        machine = cls.vms.machine(name)
        words = machine.arguments(agent=options.pop('dial', f'{ALIAS}:{cls.driver.port}'))
        cls.vms.vnet('vm', verb, *words, *arguments, timeout=300, **options)
        return machine


class Commands(AgentCase):
    """One guest with an agent and without an address."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest('alice', '--disconnected', dial='')
        cls.vms.vnet('vm', 'exec', 'alice', '--timeout', str(BOOT_SECONDS), '--', 'true', timeout=2 * BOOT_SECONDS)

    def test_a_commands_output_and_exit_code_are_ours(self):
        done = self.exec('alice', 'sh', '-c', 'echo here; echo there >&2; exit 3', check=False)
        self.assertEqual((done.returncode, done.stdout.replace('there\n', '')), (3, 'here\n'))
        self.assertIn('there', done.stdout)
        self.assertEqual(self.exec('alice', 'sh', '-c', 'kill -9 $$', check=False).returncode, 128 + 9)
        done = self.exec('alice', '/no/such/program', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('No such file', done.stdout)

    def test_files_go_in_and_out(self):
        sent, back = self.folder / 'sent', self.folder / 'back'
        sent.write_bytes(os.urandom(300_000))
        sent.chmod(0o750)
        self.exec('alice', 'sh', '-c', 'stat -c %a /tmp/there', flags=['--put', f'{sent}:/tmp/there',
                                                                       '--get', f'/tmp/there:{back}'])
        self.assertEqual(back.read_bytes(), sent.read_bytes())
        (self.folder / 'empty').touch()
        self.vms.vnet('vm', 'exec', 'alice', '--put', f'{self.folder}/empty:/tmp/empty')
        self.assertEqual(self.exec('alice', 'stat', '-c', '%s %a', '/tmp/there', '/tmp/empty').stdout.split()[0::2],
                         ['300000', '0'])
        for flags, expected in ((['--get', f'/no/such:{back}'], 'No such file'), (['--put', 'nothing'], 'FILE:PATH'),
                                (['--put', f'{self.folder}/none:/tmp/x'], 'cannot read')):
            done = self.vms.vnet('vm', 'exec', 'alice', *flags, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(expected, done.stdout)
        self.assertEqual(back.read_bytes(), sent.read_bytes(), 'what could not be had has replaced nothing')

    def test_a_command_that_nobody_waits_for_is_ended(self):
        child = self.vms.begin('vm', 'exec', 'alice', '--', 'sh', '-c', 'echo begun; exec sleep 1000')
        child.wait_line('begun')
        self.assertIn('sleep 1000', self.exec('alice', 'ps').stdout)
        child.kill()
        harness.eventually(lambda: 'sleep 1000' not in self.exec('alice', 'ps').stdout, 10, 'the end of the command')

    def test_much_output_to_a_slow_reader_is_all_there(self):
        vnet = harness.build_tree() / 'adapter/vnet'
        said = processes.run(['sh', '-c', f'{vnet} vm exec alice -- seq 200000 | {{ sleep 1; wc; }}'],
                             env=self.vms.environment).stdout
        self.assertEqual(said.split(), ['200000', '200000', '1288895'])

    def test_the_view_says_that_there_is_an_agent(self):
        self.assertIs(self.vms.machine('alice').view()['agent'], True)

    def test_a_guest_without_an_agent_is_told_from_one_that_is_slow(self):
        self.vms.start('deaf', '--disconnected', boot=False)
        began = time.monotonic()
        done = self.exec('deaf', 'true', check=False, flags=['--timeout', '1'])
        self.assertGreaterEqual(time.monotonic() - began, 1)
        self.assertIn('no agent answers in the guest; does vnet-agent --serial vnet.agent run there?', done.stdout)


class Assigned(AgentCase):
    def test_an_address_by_the_port_and_a_name_then_a_dial(self):
        self.guest('alice', '--nic', 'network=home,assign')
        hello, connection = self.driver.hello()
        self.addCleanup(connection.close)
        self.assertEqual(hello['ip'], self.vms.vnet('vm', 'ip', 'alice').stdout.strip())
        self.assertEqual(self.exec('alice', 'hostname').stdout.strip(), 'alice')
        self.exec('alice', 'ping', '-c', '1', '-W', '5', '192.168.1.1')

        self.vms.vnet('vm', 'attach', 'alice', 'lab')
        harness.eventually(lambda: 'inet 10.7.0.' in self.exec('alice', 'ip', 'addr').stdout, 10, 'an address of lab')
        self.assertNotIn('192.168.1.', self.exec('alice', 'ip', 'addr').stdout)
        self.exec('alice', 'ping', '-c', '1', '-W', '5', '10.7.0.1')

    def test_when_the_vm_has_ended_its_peers_hear_of_it(self):
        self.guest('erin', '--nic', 'network=home,assign')
        mac = self.api.get('/v1/nics/erin')['mac']
        _, connection = self.driver.hello(lambda hello: hello['mac'] == mac)
        self.addCleanup(connection.close)
        self.vms.vnet('vm', 'stop', 'erin', '--timeout', '0')
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)

    def test_a_connection_with_another_guest_is_over_when_it_is_restored(self):
        for name in ('carol', 'dave'):
            self.guest(name, '--nic', 'network=home,assign', dial='')
            self.addCleanup(lambda name=name: self.vms.vnet('vm', 'stop', name, '--timeout', '0', check=False))
        address = self.vms.vnet('vm', 'ip', 'dave').stdout.strip()
        self.vms.vnet('vm', 'ip', 'carol')
        listening = 'sleep 1000 | nc -l -p 5000 & until netstat -lnt | grep -q :5000; do :; done'
        self.exec('dave', 'sh', '-c', f'({listening}) >/dev/null 2>&1')
        self.exec('carol', 'sh', '-c', f'(sleep 1000 | nc {address} 5000) >/dev/null 2>&1 &')
        harness.eventually(lambda: 'ESTABLISHED' in self.exec('dave', 'netstat', '-nt').stdout, 10, 'the connection')
        self.vms.vnet('vm', 'save', 'carol', 'connected')
        self.vms.vnet('vm', 'stop', 'carol', '--timeout', '0')
        self.vms.vnet('vm', 'restore', 'connected')
        for name in ('carol', 'dave'):
            harness.eventually(lambda name=name: self.exec(name, 'pidof', 'nc', check=False).returncode == 1, 10,
                               f'the end of the connection at {name}')

    def test_it_waits_until_it_is_told(self):
        self.guest('bob', '--nic', 'network=home')
        self.exec('bob', 'true')
        self.assertNotIn('inet 192', self.exec('bob', 'ip', 'addr').stdout)
        self.vms.vnet('assign', 'bob', 'ready')
        hello, connection = self.driver.hello()
        self.addCleanup(connection.close)
        self.assertEqual(hello['event'], 'hello')


class Cached(AgentCase):
    """The first test that needs the prepared guest prepares it."""

    NIC = ('--nic', 'network=home,assign', '--cached')

    def start(self, name, *more, **options):
        self.driver.drain()
        began = time.monotonic()
        machine = self.guest(name, *self.NIC, *more, **options)
        self.addCleanup(lambda: machine.vnet('stop', '--timeout', '0', check=False))
        mac = self.api.get(f'/v1/nics/{name}')['mac']
        hello, connection = self.driver.hello(lambda hello: hello['mac'] == mac)
        self.addCleanup(connection.close)
        print(f'{name}: started to agent at the driver in {time.monotonic() - began:.3f} s', flush=True)
        return hello, connection

    def entries(self):
        return [one for one in json.loads(self.vms.vnet('vm', 'snapshots', '--json').stdout) if one.get('cached')]

    def test_one_prepared_guest_serves_many_each_with_its_own_names(self):
        hellos = {name: self.start(name)[0] for name in ('one', 'two', 'three')}
        self.assertEqual(len(self.entries()), 1)
        nics = {nic['name']: nic for nic in self.api.get('/v1/nics')}
        for name, hello in hellos.items():
            self.assertEqual(hello['mac'], nics[name]['mac'])
            self.assertIn(f'link/ether {nics[name]["mac"]}', self.exec(name, 'ip', 'link').stdout)
            self.assertEqual(self.exec(name, 'hostname').stdout.strip(), name)
            self.assertIn(hello['ip'], nics[name]['addresses'])
        self.assertEqual(len({hello['ip'] for hello in hellos.values()}), 3)
        for name in hellos:
            self.exec(name, 'sh', '-c', 'head -c 8388608 /dev/urandom >/run/its-own')
        memory = next((self.vms.folder / 'cache/vnet/vms').glob('*/memory'))
        prepared = json.loads((memory.parent / 'manifest.json').read_text())['memory']
        self.assertEqual(prepared['xxh3'], self.xxh3(memory), 'a guest has written into what others begin with')
        self.exec('one', 'ping', '-c', '1', '-W', '5', hellos['two']['ip'])
        drawn = {self.exec(name, 'cat', '/proc/sys/kernel/random/uuid').stdout for name in hellos}
        self.assertEqual(len(drawn), 3, 'copies that draw the same random numbers')
        clock = int(self.exec('three', 'date', '+%s').stdout)
        self.assertLess(abs(clock - time.time()), 5)

    def test_each_has_a_copy_of_the_image_as_it_was_prepared(self):
        image = self.folder / 'disk.img'
        with open(image, 'wb') as file:
            file.truncate(64 << 20)
            file.write(b'as it was installed')
        before = image.read_bytes()
        self.addCleanup(lambda: self.vms.vnet('vm', 'snapshots', '--prune'))
        for name in ('writer', 'reader'):
            self.start(name, '--image', image)
            self.assertEqual(self.exec(name, 'head', '-c', '19', '/dev/vda').stdout, 'as it was installed')
            self.exec(name, 'sh', '-c', 'echo written >/dev/vda && sync')
        self.assertEqual(image.read_bytes(), before)

        # And of a VM that is saved by hand, the disk is saved with it.
        self.vms.vnet('vm', 'save', 'writer', 'written')
        self.exec('writer', 'sh', '-c', 'echo later >/dev/vda && sync')
        for name in ('writer', 'reader'):
            self.vms.vnet('vm', 'stop', name, '--timeout', '0')
        self.assertEqual([], list((self.vms.folder / 'state/vnet/disks').iterdir()), 'copies go with their VMs')
        self.vms.vnet('vm', 'restore', 'written')
        self.assertEqual(self.exec('writer', 'head', '-n', '1', '/dev/vda').stdout, 'written\n')
        self.assertEqual(image.read_bytes(), before)

    def test_eight_at_once(self):
        first = self.start('first')[0]['mac']
        began = time.monotonic()
        names = [f'guest-{number}' for number in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for name in names:
                machine = self.vms.machine(name)
                self.addCleanup(lambda machine=machine: machine.vnet('stop', '--timeout', '0', check=False))
            starts = [pool.submit(self.guest, name, *self.NIC) for name in names]
            hellos = {}
            while len(hellos) < len(names):
                hello, connection = self.driver.hello(lambda hello: hello['mac'] not in {first, *hellos})
                self.addCleanup(connection.close)
                hellos[hello['mac']] = hello['ip']
            for start in starts:
                start.result()
        print(f'eight agents at the driver after {time.monotonic() - began:.2f} s', flush=True)
        self.assertEqual(len(set(hellos.values())), 8)
        self.assertEqual(len(self.entries()), 1)

    def test_what_cannot_be_used_is_said_and_booted_instead(self):
        self.start('whole')
        self.addCleanup(lambda: self.vms.vnet('vm', 'stop', 'mended', '--timeout', '0', check=False))
        for part in ('state', 'memory'):
            self.damage(next((self.vms.folder / 'cache/vnet/vms').glob(f'*/{part}')))
            said = self.vms.vnet('vm', 'start', *self.words('mended'), timeout=300)
            self.assertIn(f'its {part} is damaged', said.stdout)
            self.assertIn('it is prepared anew', said.stdout)
            self.assertNotIn('WARNING', said.stdout)
            self.vms.vnet('vm', 'stop', 'mended', '--timeout', '0')

    def words(self, name, *more):
        return [*self.vms.machine(name).arguments(agent=f'{ALIAS}:{self.driver.port}'), *self.NIC, *more]

    @staticmethod
    def damage(file):
        with open(file, 'r+b') as content:
            content.seek(file.stat().st_size // 2)
            content.write(b'damaged')

    def test_a_guest_that_does_not_wake_up_is_booted_with_a_warning(self):
        self.start('prepared')
        [entry] = [one for one in (self.vms.folder / 'cache/vnet/vms').iterdir() if one.is_dir()]
        manifest = entry / 'manifest.json'
        document = json.loads(manifest.read_text())
        # As if QEMU had written a state of another machine.
        state = (entry / 'state').read_bytes()
        (entry / 'state').write_bytes(state[:4096])
        document['state'] = dict(bytes=4096, modified_ns=0, xxh3=self.xxh3(entry / 'state'))
        manifest.write_text(json.dumps(document))
        said = self.vms.vnet('vm', 'start', *self.words('colder'), timeout=300)
        self.addCleanup(lambda: self.vms.vnet('vm', 'stop', 'colder', '--timeout', '0', check=False))
        self.assertIn('WARNING: cannot begin with the prepared guest: ', said.stdout)
        self.assertIn('it is booted instead', said.stdout)
        self.assertFalse(entry.exists(), 'an entry that is of no use')
        self.exec('colder', 'true')

    @staticmethod
    def xxh3(file):
        return processes.run(['xxhsum', '-H2', file]).stdout.split()[0]

    def test_what_is_not_used_is_pruned(self):
        self.start('user')
        self.assertEqual(len(self.entries()), 1)
        self.assertEqual(self.vms.vnet('vm', 'snapshots', '--prune').stdout, '1 removed\n')
        self.assertEqual(self.entries(), [])
        self.exec('user', 'true')

    def test_another_initrd_is_another_guest_and_the_stale_one_goes(self):
        initrd = self.folder / 'initrd'
        self.addCleanup(lambda: self.vms.vnet('vm', 'snapshots', '--prune'))
        machine = self.vms.machine('changing')
        self.addCleanup(lambda: machine.vnet('stop', '--timeout', '0', check=False))
        keys = []
        for content in (b'', b'\0' * 512):
            words = self.words('changing')
            at = words.index('--initrd') + 1
            initrd.write_bytes(harness.vm_image(agent=True).initrd.read_bytes() + content)
            words[at] = initrd
            self.vms.vnet('vm', 'start', *words, timeout=300)
            machine.vnet('stop', '--timeout', '0')
            keys.append([entry['name'] for entry in self.entries()])
        self.assertNotEqual(keys[0], keys[1])
        self.assertEqual(len([key for key in keys[1] if key not in keys[0]]), 1)
        self.assertLessEqual(len(keys[1]), len(keys[0]), 'the stale one has gone')

    def test_two_who_prepare_the_same_wait_for_each_other(self):
        self.vms.vnet('vm', 'snapshots', '--prune')
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            both = [pool.submit(self.vms.vnet, 'vm', 'start', *self.words(name), timeout=300) for name in ('left', 'right')]
            said = ''.join(one.result().stdout for one in both)
        for name in ('left', 'right'):
            self.addCleanup(lambda name=name: self.vms.vnet('vm', 'stop', name, '--timeout', '0', check=False))
            self.exec(name, 'true')
        self.assertEqual(said.count('booting once'), 1, said)
        self.assertIn('another prepares the same guest', said)

    def test_whoever_prepares_and_is_killed_leaves_no_machine(self):
        self.vms.vnet('vm', 'snapshots', '--prune')
        child = self.vms.begin('vm', 'start', *self.words('gone'))
        child.wait_line('booting once')
        harness.eventually(lambda: any('qemu' in one for one in self.vms.left()), 10, 'the machine that is booted')
        child.kill()
        harness.eventually(lambda: not any('qemu' in one for one in self.vms.left()), 10, 'its end')
        self.assertEqual(self.entries(), [])


if __name__ == '__main__':
    unittest.main()
