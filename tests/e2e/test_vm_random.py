"""A real VM through a random life: plugged in and out, moved, its link set, its daemon killed, itself saved. After each
step the guest's carrier, the switch's link and the attachment agree. The model test does the same five hundred times on
virtual time (tests/adapter/vm_nic_model_test.cpp). The seed is printed; VNET_SEED=N repeats a life.
"""

import json
import os
import random
import socket
import time
import unittest

import control
import harness
import vnet_vm

CONFIG = {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24'}, {'name': 'lab', 'ipv4': '10.7.0.1/24'}]}
STEPS = 16


class RandomLife(harness.Case):
    def setUp(self):
        super().setUp()
        (self.folder / 'switch-state').mkdir()
        self.start_daemon()
        self.vms = vnet_vm.Vms(self, self.daemon.control)
        self.monitor = self.folder / 'monitor.sock'
        self.alice = self.vms.start('alice', '--nic', 'network=home', '--qemu-arg=-chardev',
                                    f'--qemu-arg=socket,id=monitor,path={self.monitor},server=on,wait=off',
                                    '--qemu-arg=-mon', '--qemu-arg=chardev=monitor,mode=control')
        self.wanted = True

    def start_daemon(self):
        self.daemon = self.vnetd('--state', self.folder / 'switch-state', config=CONFIG)
        self.api = control.Control(self.daemon.control)

    # What may happen. Each returns when it has been asked for, and not when it is done.

    def attach(self):
        self.wanted = True
        self.alice.vnet('attach', self.dice.choice(['home', 'lab']))

    def detach(self):
        self.wanted = False
        self.alice.vnet('detach')

    def detach_at_the_switch(self):
        if self.api.get('/v1/nics/alice')['attachment']:
            self.wanted = False
            self.api.delete('/v1/nics/alice/attach')

    def link_at_the_switch(self):
        self.api.patch('/v1/nics/alice', {'link': self.dice.choice(['up', 'down'])})

    def move_at_the_switch(self):
        self.api.patch('/v1/nics/alice', {'network': self.dice.choice(['home', 'lab'])})

    def kill_the_daemon(self):
        self.daemon.kill9()
        self.start_daemon()

    def save_and_restore(self):
        self.alice.vnet('save', 'life')
        self.alice.vnet('stop', '--timeout', '0')
        self.vms.vnet('vm', 'restore', 'life')
        self.alice.connect()

    def agree(self):
        nic, mine = self.api.get('/v1/nics/alice'), self.alice.nic()
        attached, lit = nic['attachment'] is not None, nic['attachment'] is not None and nic['link'] == 'up'
        return ((attached, attached, 'up' if lit else 'down') == (self.wanted, mine['attached'], mine['carrier']) and
                (not attached or mine['network'] == nic['network']))

    def qemu_state(self):
        """What QEMU says of itself, by a monitor of the test's own: a guest that answers nothing cannot be asked."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.monitor))
            stream = connection.makefile('rw')
            stream.readline()

            def ask(command, **arguments):
                stream.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
                stream.flush()
                while 'return' not in (answer := json.loads(stream.readline())):
                    if 'error' in answer:
                        return answer['error']['desc']
                return answer['return']

            ask('qmp_capabilities')
            # The registers twice: a guest that runs is elsewhere the second time.
            asked = ['status', 'network', 'chardev', 'irq', 'pic', 'lapic', 'registers', 'registers']
            told = []
            for one in asked:
                told.append(f'--- info {one}\n{ask("human-monitor-command", **{"command-line": "info " + one})}')
                time.sleep(0.2)
            return '\n'.join(told)

    def guest_carrier(self):
        """Asked again and again from here, and not waited for in there: a guest that sees another carrier and one that
        answers nothing are two failures."""
        try:
            return self.alice.guest.run('cat /sys/class/net/eth0/carrier').text.strip()
        except AssertionError as silence:
            try:
                state = self.qemu_state()
            except (OSError, ValueError) as error:
                state = f'QEMU does not answer either: {error}'
            raise AssertionError(f'{silence}\n{state}') from None

    def test_carrier_link_and_attachment_agree_after_every_step(self):
        seed = int(os.environ.get('VNET_SEED', random.randrange(10 ** 6)))
        print(f'VNET_SEED={seed}', flush=True)
        self.dice = random.Random(seed)
        steps = [self.attach, self.attach, self.detach, self.detach_at_the_switch, self.link_at_the_switch,
                 self.move_at_the_switch, self.kill_the_daemon, self.save_and_restore]
        story = []
        for _ in range(STEPS):
            step = self.dice.choice(steps)
            story.append(step.__name__)
            print(f'{time.monotonic():.1f} {step.__name__}', flush=True)
            step()
            harness.eventually(self.agree, 20, f'agreement after {story} (VNET_SEED={seed})')
            carrier = '1' if self.alice.nic()['carrier'] == 'up' else '0'
            harness.eventually(lambda wanted=carrier: self.guest_carrier() == wanted, 30,
                               f'carrier {carrier} in the guest after {story} (VNET_SEED={seed})')


if __name__ == '__main__':
    unittest.main()
