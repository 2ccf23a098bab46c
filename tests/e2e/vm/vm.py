"""A QEMU virtual machine under a test's control: boot, run commands in the guest, pause, stop, kill.

Three channels: a serial console that only the kernel writes to (kept in a file), a serial shell (see init.sh for its
two-line protocol), and QMP. Shell and QMP are socket pairs made here and handed to QEMU, so there is no path to wait
for and none to clean up.

Acceleration is probed by booting this very image: a /dev/kvm that opens may still hang the guest. The answer is kept
in the cache folder until the machine reboots.
"""

import base64
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import processes

QEMU = 'qemu-system-x86_64'
BOOT_FLAGS = ('console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check nokaslr audit=0 '
              'random.trust_cpu=on 8250.nr_uarts=2')
BOOT_SECONDS = 60  # a loaded 2-core machine under TCG; alone it takes 2.5 s
KVM_PROBE_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Output:
    code: int
    text: str


def dgram_netdev(local, remote):
    """A unixgram NIC by path: `local` is bound by QEMU, `remote` by the switch."""
    return f'dgram,local.type=unix,local.path={local},remote.type=unix,remote.path={remote}'


def fd_netdev(fd):
    """A unixgram NIC on one end of a pair, which QEMU inherits by `pass_fds`."""
    return f'dgram,local.type=fd,local.str={fd}'


def stream_netdev(path):
    """A stream NIC that connects to the switch's stream socket at `path`."""
    return f'stream,server=off,addr.type=unix,addr.path={path}'


class Guest:
    """The shell in the guest, by the protocol of init.sh. `story` tells more about a failure."""

    def __init__(self, name, shell):
        self.name = name
        self._request = 0
        self._buffer = b''
        self._shell = shell
        self.started = time.monotonic()

    def story(self):
        return ''

    def wait_shell(self, timeout=BOOT_SECONDS):
        """Returns the seconds from start to the guest's shell."""
        line = self._read_line(timeout)
        if line != 'READY':
            raise AssertionError(f'{self.name}: expected READY, found {line!r}')
        return time.monotonic() - self.started

    def run(self, script, timeout=20, pause=0):
        """Runs a shell script in the guest. Code 143: stopped at the time limit. `pause`: amid the request."""
        self._request += 1
        encoded = base64.b64encode(script.encode()).decode()
        half, rest = f'{self._request} {timeout} ', f'{encoded}\n'
        self._shell.sendall(half.encode())
        time.sleep(pause)
        self._shell.sendall(rest.encode())
        while True:
            words = (self._read_line(timeout + 10) + ' ').split(' ')
            if words[0] == str(self._request):
                return Output(int(words[1]), base64.b64decode(words[2]).decode(errors='replace'))

    def check(self, script, timeout=20, pause=0):
        """Like run(), but a failure is raised; returns the text."""
        output = self.run(script, timeout, pause)
        if output.code != 0:
            raise AssertionError(f'{self.name}: `{script}` ended with {output.code}:\n{output.text}')
        return output.text

    def lease(self, timeout=30):
        """What udhcpc was given, once it has it, as a dict (see udhcpc.sh)."""
        text = self.check('until [ -s /run/lease ]; do sleep 0.1; done; cat /run/lease', timeout)
        return dict(line.split('=', 1) for line in text.splitlines())

    def global_ipv6(self, timeout=30):
        """The address that SLAAC made, once duplicate address detection is over."""
        show = "ip -6 addr show dev eth0 scope global | grep -v tentative | sed -n 's/.*inet6 \\([^/]*\\).*/\\1/p'"
        return self.check(f'until [ -n "$({show})" ]; do sleep 0.1; done; {show}', timeout).split()[0]

    def _read_line(self, timeout):
        deadline = time.monotonic() + timeout
        while b'\n' not in self._buffer:
            self._shell.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                received = self._shell.recv(65536)
            except TimeoutError:
                raise AssertionError(f'{self.name}: no answer in {timeout} s\n{self.story()}') from None
            if not received:
                raise AssertionError(f'{self.name}: QEMU ended\n{self.story()}')
            self._buffer += received
        line, self._buffer = self._buffer.split(b'\n', 1)
        return line.decode().strip('\r')


class Vm(Guest):
    """`netdev` is one of the functions' results above, or None for a VM without a NIC."""

    def __init__(self, name, image, folder, netdev, mac='52:cc:cc:cc:cc:01', memory_mib=128, dhcp=True, accel=None,
                 pass_fds=(), launcher=(), extra=()):
        """`launcher`: a command that runs the command behind it. `extra`: more words for QEMU."""
        shell, shell_end = socket.socketpair()
        super().__init__(name, shell)
        self.console_file = pathlib.Path(folder) / f'{name}.console'
        self._qmp, qmp_end = socket.socketpair()
        flags = f'{BOOT_FLAGS} vnet.hostname={name} vnet.dhcp={"on" if dhcp else "off"}'
        command = [
            QEMU, '-name', name, '-machine', 'pc', '-accel', accel or accelerator(image), '-m', memory_mib,
            '-nodefaults', '-display', 'none', '-no-reboot', '-no-user-config',
            '-kernel', image.kernel, '-initrd', image.initrd, '-append', flags,
            '-chardev', f'file,id=console,path={self.console_file}', '-serial', 'chardev:console',
            '-chardev', f'socket,id=shell,fd={shell_end.fileno()}', '-serial', 'chardev:shell',
            '-chardev', f'socket,id=qmp,fd={qmp_end.fileno()}', '-mon', 'chardev=qmp,mode=control',
        ]
        if netdev:
            command += ['-netdev', f'{netdev},id=net0',
                        '-device', f'virtio-net-pci,id=nic0,netdev=net0,mac={mac},romfile=']
        command = [*launcher, *command, *extra]
        self.started = time.monotonic()
        self.child = processes.Child(command, pass_fds=(shell_end.fileno(), qmp_end.fileno(), *pass_fds))
        shell_end.close()
        qmp_end.close()
        self._qmp_file = None

    def qmp(self, command, **arguments):
        """One QMP command; returns its `return` member. Events met on the way are dropped."""
        if self._qmp_file is None:
            self._qmp.settimeout(10)
            self._qmp_file = self._qmp.makefile('rw')
            json.loads(self._qmp_file.readline())
            self.qmp('qmp_capabilities')
        self._qmp_file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._qmp_file.flush()
        while True:
            answer = json.loads(self._qmp_file.readline())
            if 'error' in answer:
                raise AssertionError(f'{self.name}: {command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def stop(self):
        """Ends QEMU in order and checks that it ended well."""
        if self.child.running:
            self.qmp('quit')
        code = self.child.wait(10)
        self._close()
        if code != 0:
            raise AssertionError(f'{self.name}: QEMU ended with {code}\n{self.child.log}')

    def kill(self):
        self.child.kill()
        self._close()

    def _close(self):
        self._shell.close()
        self._qmp.close()

    def story(self):
        console = self.console_file.read_text(errors='replace')[-2000:] if self.console_file.exists() else ''
        return f'QEMU said:\n{self.child.log}\nend of the console:\n{console}'


def missing():
    """Why no VM can run here, or None."""
    return None if shutil.which(QEMU) else f'{QEMU} is not installed (package qemu-system-x86)'


def accelerator(image):
    """'kvm' where a guest really runs on it, else 'tcg'."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'tcg'
    boot = pathlib.Path('/proc/sys/kernel/random/boot_id').read_text().strip()
    answer = image.initrd.parent / f'accelerator-{boot}-{image.version}'
    if answer.exists():
        return answer.read_text()
    probe = Vm('probe', image, image.initrd.parent, netdev=None, accel='kvm')
    try:
        probe.wait_shell(KVM_PROBE_SECONDS)
        found = 'kvm'
    except AssertionError:
        found = 'tcg'
        print(f'/dev/kvm opens but a guest does not run on it within {KVM_PROBE_SECONDS} s: using TCG', flush=True)
    finally:
        probe.kill()
    answer.write_text(found)
    return found
