"""VMs that `vnet vm` runs, in folders of the test's own, and their guests' shells.

    vms = vnet_vm.Vms(self)                     the test's folder, daemon and cleanup
    alice = vms.start('alice', '--nic', 'network=home')
    alice.guest.check('ping -c 1 192.168.1.1')  the guest, as soon as it has booted

The guest's shell is a second serial port on a socket where the test listens; it is there before QEMU is.
"""

import atexit
import json
import os
import pathlib
import signal
import socket
import time

import harness
import processes
import vm

BOOT_FLAGS = vm.BOOT_FLAGS


class Machine:
    """One name, over starts and restores."""

    def __init__(self, vms, name):
        self.vms, self.name = vms, name
        self.socket_path = vms.folder / f'{name}.shell'
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.socket_path))
        self._listener.listen(1)
        self._listener.settimeout(vm.BOOT_SECONDS)
        self.guest = None

    def arguments(self, dhcp='carrier', memory=128, acpid='on', agent=None):
        """`agent`: vnet-agent runs in the guest, and dials this address, 'IP:PORT' or ''; there is no shell then."""
        image = harness.vm_image(agent=agent is not None)
        made_of = ['--kernel', image.kernel, '--initrd', image.initrd, '--memory', str(memory)]
        if agent is not None:
            words = f'{BOOT_FLAGS} vnet.hostname=prepared vnet.agent=vnet.agent' + (f' vnet.dial={agent}' if agent else '')
            return ['--name', self.name, *made_of, '--append', words]
        return ['--name', self.name, *made_of,
                '--append', f'{BOOT_FLAGS} vnet.hostname={self.name} vnet.dhcp={dhcp} vnet.acpid={acpid}',
                '--qemu-arg=-chardev', f'--qemu-arg=socket,id=shell,path={self.socket_path}',
                '--qemu-arg=-serial', '--qemu-arg=chardev:shell', '--qemu-arg=-no-reboot']

    def connect(self):
        """The shell of the QEMU that has just been started."""
        if self.guest:
            self.guest.close()
        shell, _ = self._listener.accept()
        self.guest = Guest(self, shell)
        return self.guest

    def view(self):
        """What `vnet vm list` says of it; None when there is nothing."""
        return next((one for one in json.loads(self.vms.vnet('vm', 'list', '--json').stdout)
                     if one['name'] == self.name), None)

    def nic(self, index=0):
        return self.view()['nics'][index]

    def vnet(self, verb, *arguments, **options):
        return self.vms.vnet('vm', verb, self.name, *arguments, **options)

    def close(self):
        if self.guest:
            self.guest.close()
        self._listener.close()


class Guest(vm.Guest):
    def __init__(self, machine, shell):
        super().__init__(machine.name, shell)
        self._machine = machine

    def story(self):
        folder = self._machine.vms.runtime / 'vnet/vm' / self.name
        logs = [f'--- {file.name}:\n{file.read_text(errors="replace")[-3000:]}' for file in sorted(folder.glob('*.log'))]
        return '\n'.join([self._cpu(), *logs])

    def _cpu(self):
        """What QEMU was given. Beside a build at a better priority it is 1 % of a core, and that looks like a hang."""
        try:
            status = pathlib.Path(f'/proc/{self._machine.view()["pid"]}/stat').read_text().rsplit(')', 1)[1].split()
            seconds = (int(status[11]) + int(status[12])) / os.sysconf('SC_CLK_TCK')
            load = pathlib.Path('/proc/loadavg').read_text().split()[0]
        except (AssertionError, OSError, TypeError, KeyError) as error:
            return f'--- QEMU cannot be asked: {error!r}'
        return f'--- QEMU has had {seconds:.1f} s of CPU in {time.monotonic() - self.started:.0f} s; load {load}'

    def lease(self, timeout=30, nic='eth0'):
        text = self.check(f'until [ -s /run/lease.{nic} ]; do sleep 0.1; done; cat /run/lease.{nic}', timeout)
        return dict(line.split('=', 1) for line in text.splitlines())

    def close(self):
        self._shell.close()


class Vms:
    """`case` is the test, or its class."""

    def __init__(self, case, control):
        harness.vm_image()
        self.case, self.folder = case, case.folder
        self.runtime = self.folder / 'run'
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(self.runtime), XDG_STATE_HOME=str(self.folder / 'state'),
                                XDG_CACHE_HOME=str(self.folder / 'cache'), VNET_CONTROL=str(control))
        self.machines = {}
        harness.Case.at_end(case, self.end)
        # They are nobody's children, so an interrupted test would leave them running, and a guest that runs is a load.
        atexit.register(self.kill)

    def vnet(self, *words, check=True, timeout=90, **options):
        command = [harness.build_tree() / 'adapter/vnet', *words]
        return processes.run(command, timeout, check, env=self.environment, **options)

    def begin(self, *words):
        """`vnet`, as a processes.Child."""
        return processes.Child([harness.build_tree() / 'adapter/vnet', *words], env=self.environment)

    def machine(self, name):
        if name not in self.machines:
            self.machines[name] = Machine(self, name)
        return self.machines[name]

    def start(self, name, *arguments, boot=True, **options):
        """In the background; with `boot` the guest's shell is waited for."""
        machine = self.machine(name)
        self.vnet('vm', 'start', *machine.arguments(**options), *arguments)
        machine.connect()
        if boot:
            machine.guest.wait_shell()
        return machine

    def end(self):
        """Nothing may be left, and everything is looked for by what only ours has in its command line or environment."""
        for machine in self.machines.values():
            machine.vnet('stop', '--timeout', '0', check=False)
            machine.close()
        harness.eventually(lambda: not self.left(), 10, f'the end of all of {self.left()}')
        atexit.unregister(self.kill)

    def kill(self):
        for one in self.left():
            try:
                os.kill(int(one.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue  # it ended with another of them

    def left(self):
        """Processes that belong to VMs of this test: QEMUs, supervisors, keepers."""
        mark = f'XDG_RUNTIME_DIR={self.runtime}'.encode()
        found = []
        for entry in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                if mark in (entry / 'environ').read_bytes().split(b'\0') and entry.name != str(os.getpid()):
                    found.append(f'{entry.name} {(entry / "comm").read_text().strip()}')
            except OSError:
                continue  # it ended meanwhile
        return found
