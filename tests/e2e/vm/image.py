"""The test VM's image: the distribution's cloud kernel and an initramfs of busybox, made on the spot.

The kernel is the newest /boot/vmlinuz-*-cloud-amd64, or any other whose modules are installed, or VNET_KERNEL. Its
virtio drivers may be modules; what is built in is left out. The initramfs holds busybox, those modules, /init and the
DHCP script, and vnet-agent where a test wants it; it is kept in a cache folder under a name that is a digest of all that went into it, and appears there by
rename, so that two test programs may make it at once.

Not supported: other architectures than x86-64, kernels with a module compression that this machine cannot undo.
"""

import dataclasses
import glob
import gzip
import hashlib
import io
import os
import pathlib
import platform
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent

# Each needs those before it. The order is the dependency order; insmod does not look it up.
MODULES = (
    'virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci',
    'failover', 'net_failover', 'virtio_net', 'virtio_console', 'virtio_blk', 'inet_diag',
    'tcp_diag',
)
BUTTON_MODULES = ('button', 'evdev')  # the power button, and how acpid reads it; init.sh loads them when it has booted
DECOMPRESS = {'.xz': ['xz', '-dc'], '.zst': ['zstd', '-dc'], '.gz': ['gzip', '-dc']}


class Missing(Exception):
    """The image cannot be made here; the text names the package that would help."""


@dataclasses.dataclass(frozen=True)
class Image:
    kernel: pathlib.Path
    initrd: pathlib.Path

    @property
    def version(self):
        return self.kernel.name.removeprefix('vmlinuz-')


def make(cache, agent=None):
    """The image, made in folder `cache` unless it is there already. `agent`: vnet-agent's file, to be in it."""
    if platform.machine() not in ('x86_64', 'AMD64'):
        raise Missing(f'the test VM is x86-64 only, and this machine is {platform.machine()}')
    kernel, modules = _kernel()
    files = dict(_files(modules))
    if agent:
        files['bin/vnet-agent'] = (0o100755, pathlib.Path(agent).read_bytes())
    digest = hashlib.sha256()
    for name, (mode, data) in sorted(files.items()):
        digest.update(b'%s %o %d\n' % (name.encode(), mode, len(data)) + data)
    cache = pathlib.Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    initrd = cache / f'initrd-{digest.hexdigest()[:16]}.gz'
    if not initrd.exists():
        fresh = initrd.with_suffix(f'.{os.getpid()}')
        fresh.write_bytes(gzip.compress(_cpio(files), compresslevel=6, mtime=0))
        fresh.rename(initrd)
    return Image(kernel, initrd)


def _kernel():
    """The kernel's path and its modules as {name: path}."""
    def newest_first(path):
        return [int(number) for number in re.findall(r'\d+', path)]

    paths = [os.environ['VNET_KERNEL']] if 'VNET_KERNEL' in os.environ else [
        path for pattern in ('/boot/vmlinuz-*-cloud-amd64', '/boot/vmlinuz-*')
        for path in sorted(glob.glob(pattern), key=newest_first, reverse=True)]
    for path in paths:
        folder = '/lib/modules/' + os.path.basename(path).removeprefix('vmlinuz-') + '/kernel'
        if os.access(path, os.R_OK) and os.path.isdir(folder):
            found = {}
            for module in glob.glob(folder + '/**/*.ko*', recursive=True):
                name = os.path.basename(module).split('.')[0].replace('-', '_')
                if name in MODULES + BUTTON_MODULES:
                    found[name] = pathlib.Path(module)
            return pathlib.Path(path), found
    raise Missing('no readable /boot/vmlinuz-* with modules in /lib/modules (package linux-image-cloud-amd64)')


def _files(modules):
    """(path in the image, (mode, content)) of everything but the folders."""
    busybox = pathlib.Path(os.environ.get('VNET_BUSYBOX', '/bin/busybox'))
    if not busybox.exists():
        raise Missing('no /bin/busybox (package busybox-static)')
    program = busybox.read_bytes()
    if b'ld-linux' in program[:4096]:
        raise Missing('/bin/busybox is linked dynamically, and the image has no libraries (package busybox-static)')
    yield 'bin/busybox', (0o100755, program)
    applets = subprocess.run([busybox, '--list'], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != 'busybox':
            yield 'bin/' + applet, (0o120777, b'busybox')
    order = [name for name in MODULES if name in modules]
    for name in sorted(modules):
        yield f'modules/{name}.ko', (0o100644, _read_module(modules[name]))
    yield 'modules/order', (0o100644, ''.join(f'{name}.ko\n' for name in order).encode())
    yield 'init', (0o100755, (HERE / 'init.sh').read_bytes())
    yield 'etc/acpi/PWRF/00000080', (0o100755, b'#!/bin/sh\npoweroff -f\n')  # what acpid runs for the power button
    yield 'etc/udhcpc.sh', (0o100755, (HERE / 'udhcpc.sh').read_bytes())


def _read_module(path):
    command = DECOMPRESS.get(path.suffix)
    if command is None:
        return path.read_bytes()
    if not shutil.which(command[0]):
        raise Missing(f'{path} needs {command[0]}')
    return subprocess.run([*command, path], capture_output=True, check=True).stdout


def _cpio(files):
    """An archive in the "newc" form (Documentation/driver-api/early-userspace/buffer-format.rst in Linux)."""
    out = io.BytesIO()

    def entry(number, name, mode, data):
        links = 1
        fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out.write(b'070701' + b''.join(b'%08X' % field for field in fields) + name.encode() + b'\0')
        out.write(b'\0' * (-out.tell() % 4) + data)
        out.write(b'\0' * (-out.tell() % 4))

    folders = {'dev', 'proc', 'sys', 'run', 'tmp'}
    folders |= {str(folder) for name in files for folder in pathlib.PurePath(name).parents} - {'.'}
    entries = [(name, 0o040755, b'') for name in sorted(folders)]
    entries += [(name, mode, data) for name, (mode, data) in files.items()]
    for number, (name, mode, data) in enumerate(entries, 1):
        entry(number, name, mode, data)
    entry(0, 'TRAILER!!!', 0, b'')
    return out.getvalue()
