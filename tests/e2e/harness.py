"""What every end-to-end test stands on: the built daemon, network namespaces, taps and VMs, all gone after the test.

A test derives from `Case` and asks it for parts; each part is ended when the test ends, in the reverse order, and the
daemon's end is itself a check: exit code 0, so under the sanitizers also no leak. When a test fails, what the programs
said is printed after it.

The build tree is VNET_BUILD (ctest sets it), else build/dev, else build/release. What a test needs from the machine it
names through needs.py.
"""

import atexit
import glob
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE / 'vm'), str(HERE.parent)]
os.environ['PATH'] += ':/usr/sbin:/sbin'  # where perfdhcp, dhclient and ip are, and not on everybody's path

import image  # noqa: E402 (found by the line above)
import needs  # noqa: E402
import nics  # noqa: E402
import processes  # noqa: E402
import vm  # noqa: E402

START_SECONDS = 20
NOBODY = 65534
NAMESPACE_PREFIX = 'vnet-e2e'
DEFAULT_GATEWAY = '192.168.127.1'


def build_tree():
    named = os.environ.get('VNET_BUILD')
    candidates = [pathlib.Path(named).resolve()] if named else [ROOT / 'build/dev', ROOT / 'build/release']
    for candidate in map(pathlib.Path, candidates):
        if (candidate / 'daemon/vnetd').exists():
            return candidate
    raise AssertionError(f'no daemon/vnetd in {" or ".join(map(str, candidates))}: run ./dev build')


def vnetd_program():
    return build_tree() / 'daemon/vnetd'


def cache_folder():
    return ROOT / 'build/e2e'


def static_agent():
    """vnet-agent for a guest: under sanitizers it is a program of its own."""
    sanitized = build_tree() / 'agent/vnet-agent-static'
    return sanitized if sanitized.exists() else build_tree() / 'agent/vnet-agent'


def vm_image(agent=False):
    """The test VM's image, with vnet-agent if wanted; skips where none can run."""
    if reason := vm.missing():
        needs.skip(reason)
    try:
        return image.make(cache_folder(), static_agent() if agent else None)
    except image.Missing as reason:
        needs.skip(str(reason))


class Vnetd:
    """A running daemon, its three sockets named by flags in `folder`.

    With `runtime` it is started without those flags and with XDG_RUNTIME_DIR set to that folder, as a user would.
    `world` is the namespace in which it runs: all that its guests can reach of the host.
    """

    def __init__(self, folder, *arguments, config=None, user=None, runtime=None, world=None, **options):
        self.folder = pathlib.Path(folder)
        sockets = pathlib.Path(runtime) / 'vnet' if runtime else self.folder
        self.dgram, self.stream, self.control = (sockets / f'{kind}.sock' for kind in ('dgram', 'stream', 'control'))
        command = [vnetd_program()]
        if runtime:
            options['env'] = dict(os.environ, XDG_RUNTIME_DIR=str(runtime), **options.get('env', {}))
        else:
            command += ['--dgram', self.dgram, '--stream', self.stream, '--control', self.control]
        if config is not None:
            file = self.folder / 'vnet.json'
            file.write_text(json.dumps(config, indent=2))
            command += ['--config', file]
        if world:
            command = ['ip', 'netns', 'exec', world.name, *command]
        if user:
            options.update(user=user, group=user, extra_groups=[])
        self.child = processes.Child([*command, *arguments], cwd=self.folder, **options)
        try:
            self.child.wait_line(r'vnetd ready', START_SECONDS)
        except AssertionError:
            self.child.kill()
            raise

    @property
    def log(self):
        return self.child.log

    @property
    def pid(self):
        return self.child.process.pid

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def stop(self, number=signal.SIGTERM):
        """Asks it to end; anything but exit code 0 within 10 s is an error."""
        if self.child.running:
            self.child.signal(number)
        code = self.child.wait(10)
        if code != 0:
            raise AssertionError(f'vnetd ended with {code}\n{self.log}')

    def kill9(self):
        self.child.kill()


class NetNs:
    """A network namespace of its own, `lo` up. Named after this process, so that a later run clears what was killed."""

    _numbers = itertools.count(1)

    def __init__(self):
        _remove_orphans()
        self.name = f'{NAMESPACE_PREFIX}-{os.getpid()}-{next(self._numbers)}'
        processes.run(['ip', 'netns', 'add', self.name])
        atexit.register(self.remove)
        self.run(['ip', 'link', 'set', 'lo', 'up'])

    def run(self, command, timeout=30, check=True, **options):
        return processes.run(['ip', 'netns', 'exec', self.name, *command], timeout, check, **options)

    def start(self, command, **options):
        return processes.Child(['ip', 'netns', 'exec', self.name, *command], **options)

    def ipv4(self, interface='eth0'):
        """The addresses with their prefix lengths."""
        return re.findall(r'inet (\S+)', self.run(['ip', '-4', 'addr', 'show', 'dev', interface]).stdout)

    def ipv6(self, scope='global', interface='eth0', timeout=15):
        """The address that the kernel made itself, once duplicate address detection is over. Scope: global or link."""
        show = ['ip', '-6', 'addr', 'show', 'dev', interface, 'scope', scope, '-tentative']
        found = eventually(lambda: re.findall(r'inet6 ([0-9a-f:]+)/', self.run(show).stdout), timeout,
                           f'an IPv6 address of scope {scope}')
        return found[0]

    def remove(self):
        atexit.unregister(self.remove)
        processes.run(['ip', 'netns', 'del', self.name], check=False)


def _remove_orphans():
    for path in glob.glob(f'/run/netns/{NAMESPACE_PREFIX}-*'):
        name = os.path.basename(path)
        owner = name.split('-')[2]
        if not os.path.exists(f'/proc/{owner}'):
            processes.run(['ip', 'netns', 'del', name], check=False)


class Tap:
    """`vnet tap`: an interface in a namespace, joined to the switch's unixgram path."""

    def __init__(self, namespace, switch_path, mac=None, name='eth0'):
        command = [build_tree() / 'adapter/vnet', 'tap', '--name', name, '--netns', namespace.name,
                   '--socket', switch_path]
        if mac:
            command += ['--mac', mac]
        self.child = processes.Child(command)
        try:
            self.child.wait_line(r'ready', START_SECONDS)
        except AssertionError:
            self.child.kill()
            raise

    def stop(self):
        if self.child.running:
            self.child.signal(signal.SIGTERM)
        code = self.child.wait(10)
        if code != 0:
            raise AssertionError(f'vnet tap ended with {code}\n{self.child.log}')


class Case(unittest.TestCase):
    """A test with a private folder; parts made through it are ended with it."""

    @classmethod
    def setUpClass(cls):
        vnetd_program()  # not built: said once, not by every test
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='vnet-e2e-'))  # short: a UNIX socket path has 108 bytes
        cls._voices = []
        atexit.register(shutil.rmtree, cls.folder, True)
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='t-', dir=type(self).folder))
        self._before = len(self._voices)

    def run(self, result=None):
        bad = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > bad:
            for name, child in self._voices:
                print(f'--- {name}, {child.state}, said:', *child.lines[-60:], sep='\n')
        del self._voices[getattr(self, '_before', 0):]
        return result

    # Each maker below also takes the class in place of the test, `Case.vnetd(cls)` in setUpClass, for a part that all
    # tests of the class share.

    def at_end(self, action):
        (self.addClassCleanup if isinstance(self, type) else self.addCleanup)(action)

    def _keep(self, name, part, end):
        self._voices.append((name, part.child))
        Case.at_end(self, end)
        return part

    def vnetd(self, *arguments, **options):
        options.setdefault('folder', self.folder)
        daemon = Vnetd(options.pop('folder'), *arguments, **options)
        # A test that has ended the daemon itself, even by kill -9, leaves nothing to check here.
        return Case._keep(self, 'vnetd', daemon, lambda: daemon.child.running and daemon.stop())

    def host(self, daemon, mac=None, path=None):
        """A namespace whose eth0 is on the switch. `.tap` is its tap."""
        namespace = NetNs()
        Case.at_end(self, namespace.remove)
        namespace.tap = Tap(namespace, path or daemon.dgram, mac)
        Case._keep(self, 'vnet tap', namespace.tap, namespace.tap.stop)
        return namespace

    def boot(self, name, netdev, mac, **options):
        """A VM that is on its way up; wait_shell() says when it is there."""
        machine = vm.Vm(name, vm_image(), self.folder, netdev, mac, **options)
        return Case._keep(self, name, machine, machine.kill)

    def dgram_nic(self, daemon, mac, name=None, path=None, **options):
        """A raw client bound in the test's folder; name='' leaves it unbound."""
        own = None if name == '' else self.folder / f'{name or mac.replace(":", "")}.nic'
        nic = nics.DgramNic(path or daemon.dgram, mac, own, **options)
        self.addCleanup(nic.close)
        return nic

    def stream_nic(self, daemon, mac):
        nic = nics.StreamNic(daemon.stream, mac)
        self.addCleanup(nic.close)
        return nic


def eventually(check, timeout=10, what='the condition'):
    """Waits until `check()` is true, for things that only a look can tell; returns its result."""
    deadline = time.monotonic() + timeout
    while True:
        if found := check():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'{what} did not come true in {timeout} s')
        time.sleep(0.05)
