#!/usr/bin/python3
"""VMs under `vnet vm`, by emulation: how long until a guest is there, and until it is somewhere else.

    vm_bench.py [ROUNDS]     medians of ROUNDS, by default 10

Each row is measured from the start of the command to what a person waits for: the agent's first line at a test driver
on the host, or a ping of the gateway that was answered. The floor is a plain `-incoming` of the same machine, from the
start of QEMU to its first frame, without any of ours; rows of one round are measured one after another, so that a busy
moment hits neighbours alike.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ['VNET_BUILD'] = str(ROOT / 'build/release')
sys.path[:0] = [str(ROOT / 'tests/e2e'), str(ROOT / 'tests/e2e/vm')]

import harness  # noqa: E402 (found by the line above)
import driver  # noqa: E402
import vnet_vm  # noqa: E402

ALIAS, GATEWAY, MEMORY = '192.168.1.254', '192.168.1.1', 256
CONFIG = {'networks': [{'name': 'home', 'ipv4': f'{GATEWAY}/24', 'host_alias': ALIAS, 'egress': {'enabled': True},
                        'dns': {'upstream': 'none'}}]}
MACHINE = ['qemu-system-x86_64', '-machine', 'pc', '-accel', 'tcg', '-m', f'{MEMORY}M', '-smp', '1', '-nodefaults',
           '-no-user-config', '-display', 'none', '-vga', 'std']


class Stage(contextlib.ExitStack):
    """A folder, a daemon and VMs, as tests have them."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix='vnet-bench-')))
        self.addCleanup = self.callback
        self.daemon = harness.Vnetd(self.folder, config=CONFIG)
        self.callback(self.daemon.stop)
        self.vms = vnet_vm.Vms(self, self.daemon.control)
        self.driver = self.enter_context(contextlib.closing(driver.Driver()))

    def words(self, name, *more):
        return [*self.vms.machine(name).arguments(agent=f'{ALIAS}:{self.driver.port}', memory=MEMORY),
                '--nic', 'network=home,assign', *more]

    def stop(self, *names):
        for name in names:
            self.vms.vnet('vm', 'stop', name, '--timeout', '0')

    def to_driver(self, name, *more):
        """Seconds from the command to the agent's line."""
        self.driver.drain()
        began = time.monotonic()
        self.vms.vnet('vm', 'start', *self.words(name, *more), timeout=300)
        _, connection = self.driver.hello()
        took = time.monotonic() - began
        connection.close()
        return took

    def eight(self):
        names = [f'guest-{number}' for number in range(8)]
        self.driver.drain()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            starts = [pool.submit(self.vms.vnet, 'vm', 'start', *self.words(name, '--cached')) for name in names]
            macs = set()
            while len(macs) < len(names):
                hello, connection = self.driver.hello(lambda hello: hello['mac'] not in macs)
                macs.add(hello['mac'])
                connection.close()
            took = time.monotonic() - began
            for start in starts:
                start.result()
        self.stop(*names)
        return took


class Plain:
    """The same machine without us: saved with its link up, so that QEMU announces it as soon as it is loaded."""

    def __init__(self, folder):
        image = harness.vm_image(agent=True)
        self.machine = [*MACHINE, '-kernel', image.kernel, '-initrd', image.initrd, '-append',
                        f'{vnet_vm.BOOT_FLAGS} vnet.agent=vnet.agent']
        self.state, self.control = folder / 'plain.state', folder / 'plain.qmp'
        with self.run() as (_, qmp):
            time.sleep(8)  # nothing of ours in it can say when it has booted
            self.ask(qmp, 'migrate', uri=f'exec:cat >{self.state}')  # running, so that it runs when it is loaded
            while self.ask(qmp, 'query-migrate').get('status') != 'completed':
                time.sleep(0.01)

    @contextlib.contextmanager
    def run(self, *more):
        """Our end of its NIC, and its control."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.control))
            listener.listen(1)
            fd = theirs.fileno()
            # The agent's port is there, and at its other end nobody.
            words = [*self.machine, '-netdev', f'dgram,id=net0,local.type=fd,local.str={fd}', '-device',
                     'virtio-net-pci,netdev=net0,mac=52:cc:cc:cc:cc:01,romfile=', '-device', 'virtio-serial-pci',
                     '-chardev', 'null,id=agent', '-device', 'virtserialport,chardev=agent,name=vnet.agent',
                     '-qmp', f'unix:{self.control}', *more]
            process = subprocess.Popen([str(word) for word in words], pass_fds=[fd], stdin=subprocess.DEVNULL)
            theirs.close()
            qmp = listener.accept()[0].makefile('rw')
        try:
            with ours, qmp:
                qmp.readline()
                self.ask(qmp, 'qmp_capabilities')
                yield ours, qmp
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def ask(qmp, command, **arguments):
        qmp.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        qmp.flush()
        while 'return' not in (answer := json.loads(qmp.readline())):
            if 'error' in answer:
                raise AssertionError(answer)
        return answer['return']

    def restore(self):
        began = time.monotonic()
        with self.run('-incoming', f'exec:cat {self.state}') as (ours, _):
            ours.settimeout(10)
            ours.recv(65536)
            return time.monotonic() - began


class Moving:
    """A running guest, plugged in and out; who waits in it for an answer of the gateway says when it came."""

    WAIT = f'until ping -c 1 -W 1 {GATEWAY} >/dev/null 2>&1; do :; done'

    def __init__(self, stage, name, by_agent):
        self.vms, self.name, self.by_agent = stage.vms, name, by_agent
        if by_agent:
            self.vms.vnet('vm', 'start', *stage.words(name, '--disconnected'), timeout=300)
            self.vms.vnet('vm', 'exec', name, '--timeout', '60', '--', 'true')
        else:
            self.machine = self.vms.start(name, '--nic', 'network=home', '--disconnected', memory=MEMORY)
        self.vms.vnet('vm', 'attach', name)
        self.wait()

    def wait(self):
        if self.by_agent:
            return self.vms.vnet('vm', 'exec', self.name, '--', 'sh', '-c', self.WAIT)
        return self.machine.guest.check(self.WAIT)

    def attach(self):
        """Seconds from `vnet vm attach` to an answered ping, the guest having no address."""
        self.vms.vnet('vm', 'detach', self.name)
        self.forget()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiter = pool.submit(self.wait)
            time.sleep(2)  # it is at it, and what a guest needs to see its carrier go is over
            began = time.monotonic()
            self.vms.vnet('vm', 'attach', self.name)
            waiter.result()
            return time.monotonic() - began

    def cycle(self):
        """Seconds from `vnet vm detach`, with `attach` behind it, to an answered ping."""
        time.sleep(2)
        began = time.monotonic()
        self.vms.vnet('vm', 'detach', self.name)
        self.vms.vnet('vm', 'attach', self.name)
        self.wait()
        return time.monotonic() - began

    def forget(self):
        """So that the guest has to be told its address again."""
        flush = 'ip addr flush dev eth0'
        if self.by_agent:
            self.vms.vnet('vm', 'exec', self.name, '--', 'sh', '-c', flush)
        else:
            self.machine.guest.check(flush)


class Table:
    """Rows of seconds, printed as they are finished."""

    def __init__(self):
        self.floor = None

    def print(self, **rows):
        for row, seconds in rows.items():
            middle = statistics.median(seconds)
            self.floor = self.floor or middle
            print(f'{row.replace("_", " "):48}{middle * 1000:8.0f}  ({min(seconds) * 1000:.0f} to '
                  f'{max(seconds) * 1000:.0f}){middle / self.floor:8.2f}', flush=True)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    table = Table()
    print(f'--- {MEMORY} MiB, emulated; milliseconds, median (least to most) of {rounds}, and as a multiple of the floor')
    with Stage() as stage:
        plain = Plain(stage.folder)
        stage.to_driver('warm', '--cached')
        stage.stop('warm')
        floor, cached, cold, eight = [], [], [], []
        for _ in range(rounds):
            floor.append(plain.restore())
            cached.append(stage.to_driver('cached', '--cached'))
            stage.stop('cached')
        table.print(plain_incoming_to_its_first_frame=floor, cached_restore_to_agent_at_the_driver=cached)
        for _ in range(min(rounds, 5)):
            cold.append(stage.to_driver('cold'))
            stage.stop('cold')
            eight.append(stage.eight())
        table.print(cold_boot_to_agent_at_the_driver=cold, eight_cached_restores_at_once=eight)
        for by_agent, how in ((True, 'assignment'), (False, 'DHCP')):
            moving = Moving(stage, 'moving' if by_agent else 'asking', by_agent)
            table.print(**{f'attach to an answered ping, by {how}': [moving.attach() for _ in range(rounds)],
                           f'detach, attach to an answered ping, by {how}': [moving.cycle() for _ in range(rounds)]})
            stage.stop(moving.name)


if __name__ == '__main__':
    main()
