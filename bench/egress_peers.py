"""What egress_bench.py compares: vnetd and its peers, each with a guest behind it.

The guest is a network namespace with a TAP. slirp4netns and pasta have a TAP of their own; the others speak over a
socket, and `tap_stream` joins it to a TAP. vnetd is measured as its users have it, with `vnet tap`, and over the same
stream bridge as passt. Whatever is not installed is left out; gvproxy, which Debian does not have, was never there when
this was run.

The host is a namespace, too: nothing that is measured leaves it. It has a default route, because passt and pasta take
the guest's address from there.
"""

import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/release'
sys.path.insert(0, str(ROOT / 'tests/e2e'))

import harness  # noqa: E402 (found by the line above)
import processes  # noqa: E402

HOST, HOST_GATEWAY = '198.51.100.1', '198.51.100.254'
TICKS = 100  # of /proc/PID/stat in a second, on every Linux of ours


class Pair:
    """A host and a guest, and what is between them. `server` is the host as the guest sees it."""

    server = HOST
    name = ''

    def __init__(self, mtu, folder):
        self.mtu, self.folder = mtu, pathlib.Path(folder)
        self.children = []
        self.host, self.guest = harness.NetNs(), harness.NetNs()
        try:
            self.host.run(['ip', 'tuntap', 'add', 'up0', 'mode', 'tap'])
            self.host.run(['ip', 'addr', 'add', f'{HOST}/24', 'dev', 'up0'])
            self.host.run(['ip', 'link', 'set', 'up0', 'up'])
            self.host.run(['ip', 'route', 'add', 'default', 'via', HOST_GATEWAY])
            self.measured = self.start()
            self.address()
        except BaseException:
            self.end()
            raise

    def start(self):
        raise NotImplementedError

    def address(self):
        raise NotImplementedError

    def keep(self, child, ready=None):
        self.children.append(child)
        if ready:
            child.wait_line(ready)
        return child

    def give(self, prefix, gateway):
        self.guest.run(['ip', 'addr', 'add', prefix, 'dev', 'eth0'])
        self.guest.run(['ip', 'link', 'set', 'eth0', 'up', 'mtu', str(self.mtu)])
        self.guest.run(['ip', 'route', 'add', 'default', 'via', gateway])

    def bridge(self, path):
        self.keep(self.guest.start([BUILD / 'bench/tap_stream', 'eth0', str(self.mtu), path]), 'ready')

    def cpu_seconds(self):
        fields = pathlib.Path(f'/proc/{self.measured.process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_kib(self):
        status = pathlib.Path(f'/proc/{self.measured.process.pid}/status').read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS'))

    def end(self):
        for child in reversed(self.children):
            child.kill()
        self.guest.remove()
        self.host.remove()


class Vnetd(Pair):
    name = 'vnetd'

    def start(self):
        config = {'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24', 'mtu': self.mtu}]}
        self.daemon = harness.Vnetd(self.folder, config=config, world=self.host)
        self.keep(self.daemon.child)
        self.plug()
        return self.daemon.child

    def plug(self):
        command = [BUILD / 'adapter/vnet', 'tap', '--name', 'eth0', '--netns', self.guest.name, '--mtu', str(self.mtu),
                   '--socket', self.daemon.dgram]
        self.keep(processes.Child(command), 'ready')

    def address(self):
        self.give('192.168.127.5/24', '192.168.127.1')


class VnetdStream(Vnetd):
    name = 'vnetd, stream'

    def plug(self):
        self.bridge(self.daemon.stream)


class Passt(Pair):
    name = 'passt, stream'
    program = 'passt'
    server = HOST_GATEWAY

    def start(self):
        path = self.folder / 'passt.sock'
        passt = self.keep(self.host.start(['passt', '-f', '-q', '-s', path, '-m', str(self.mtu), '-t', 'none', '-u', 'none',
                                           '-P', self.folder / 'passt.pid', '--runas', '0']))
        harness.eventually(path.exists, 5, 'the socket of passt')
        self.bridge(path)
        return passt

    def address(self):
        self.give(f'{HOST}/24', HOST_GATEWAY)


class Pasta(Passt):
    name = 'pasta, own tap'
    program = 'pasta'

    def start(self):
        pasta = self.keep(self.host.start(['pasta', '-f', '-q', '-I', 'eth0', '-m', str(self.mtu), '-t', 'none', '-u', 'none',
                                           '-T', 'none', '-U', 'none', '--runas', '0',
                                           '--netns', f'/run/netns/{self.guest.name}']))
        self.wait_interface()
        return pasta

    def wait_interface(self):
        harness.eventually(lambda: self.guest.run(['ip', 'link', 'show', 'eth0'], check=False).returncode == 0, 5, 'a tap')


class Slirp(Pasta):
    name = 'slirp4netns, own tap'
    program = 'slirp4netns'
    server = '10.0.2.2'

    def start(self):
        slirp = self.keep(self.host.start(['slirp4netns', f'--mtu={self.mtu}', '--netns-type=path',
                                           f'/run/netns/{self.guest.name}', 'eth0']))
        self.wait_interface()
        return slirp

    def address(self):
        self.give('10.0.2.100/24', '10.0.2.2')


class Gvproxy(Pair):
    name = 'gvproxy, stream'
    program = 'gvproxy'
    server = '192.168.127.254'

    def start(self):
        path = self.folder / 'gvproxy.sock'
        gvproxy = self.keep(self.host.start(['gvproxy', '-mtu', str(self.mtu), '-listen-qemu', f'unix://{path}']))
        harness.eventually(path.exists, 5, 'the socket of gvproxy')
        self.bridge(path)
        return gvproxy

    def address(self):
        self.give('192.168.127.5/24', '192.168.127.1')


class Relay(Pair):
    """The limit: the stream bridge at both ends, and between them a program that copies bytes and does nothing else."""

    name = 'a bare relay, stream'
    program = 'socat'
    server = '192.168.127.1'

    def start(self):
        guest, host = self.folder / 'guest.sock', self.folder / 'host.sock'
        relay = self.keep(self.host.start(['socat', '-b', '262144', f'UNIX-LISTEN:{guest}', f'UNIX-LISTEN:{host}']))
        harness.eventually(guest.exists, 5, 'the first socket of socat')
        self.bridge(guest)
        harness.eventually(host.exists, 5, 'its second')
        self.keep(self.host.start([BUILD / 'bench/tap_stream', 'eth0', str(self.mtu), host]), 'ready')
        return relay

    def address(self):
        self.give('192.168.127.5/24', self.server)
        self.host.run(['ip', 'addr', 'add', f'{self.server}/24', 'dev', 'eth0'])
        self.host.run(['ip', 'link', 'set', 'eth0', 'up', 'mtu', str(self.mtu)])


def installed():
    return [kind for kind in (Vnetd, VnetdStream, Passt, Pasta, Slirp, Gvproxy, Relay)
            if not hasattr(kind, 'program') or shutil.which(kind.program)]
