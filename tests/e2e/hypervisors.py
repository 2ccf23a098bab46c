"""Stand-ins for the hypervisors that vnet-attach(7) tells about: on the wire each does what the real one does.

Each object is the NIC of one process. It binds where the real one binds, sizes its buffers, greets the switch or does
not, and is sent to and received from as any other raw client (see nics.py). kill() leaves the socket's file behind, as
every end but a tidy one does. `vfkit()` and `libkrun()` take the very line that a person writes, so that the manual
is what the tests run.

    Vfkit        beside the switch's path; connects, greets unless it is told not to
    Libkrun      in the temp folder; connects, greets where bit 0 of the flags says so; may leave checksums undone
    VzHelper     a program on Virtualization.framework: at a path that it chooses, connects, never greets, and swaps
                 the attachment of a running VM
    QemuDgram    where it is told, removing what is there; sends by path, connected to nobody
    QemuStream   connects a stream, binds nothing
"""

import itertools
import os
import pathlib
import re
import secrets
import struct

import frames
import nics

MIB = 1 << 20
_processes = itertools.count(os.getpid())


class _Unixgram(nics.DgramNic):
    """A process that connects itself to the switch's socket. BUFFERS: SO_SNDBUF, SO_RCVBUF."""

    def __init__(self, switch_path, mac, path, greets=False):
        super().__init__(switch_path, mac, pathlib.Path(path), connect=True, greeting=nics.VFKT if greets else b'',
                         buffers=self.BUFFERS)

    def kill(self):
        self.socket.close()


class Vfkit(_Unixgram):
    BUFFERS = 1 * MIB, 4 * MIB

    def __init__(self, switch_path, mac, magic=True):
        """Its path is one that was not there before."""
        name = f'vfkit-{next(_processes):x}-{secrets.randbelow(0xffff):x}.sock'
        super().__init__(switch_path, mac, pathlib.Path(switch_path).parent / name, greets=magic)


class Libkrun(_Unixgram):
    BUFFERS = 7 * MIB, 7 * MIB
    FLAG_VFKIT = 1 << 0

    def __init__(self, switch_path, mac, temp, flags=0, process=None):
        """`process`: one that has the number of another before it, and so its path."""
        self.process = process or next(_processes)
        path = pathlib.Path(temp) / f'krun-net-{self.process}-0.sock'
        super().__init__(switch_path, mac, path, greets=bool(flags & self.FLAG_VFKIT))


class _Attachment(_Unixgram):
    BUFFERS = 1 * MIB, 4 * MIB


class VzHelper:
    """One process with one device. `attachment` is what the VM's frames go through, None where it has no carrier."""

    BUFFERS = _Attachment.BUFFERS

    def __init__(self, mac):
        self.mac, self.attachment = mac, None

    def attach(self, switch_path, path):
        self.detach()
        self.attachment = _Attachment(switch_path, self.mac, path)
        return self.attachment

    def detach(self, unlink=False):
        """Lets go of the socket; its file stays unless the program removes it."""
        attachment, self.attachment = self.attachment, None
        if attachment and unlink:
            attachment.close()
        elif attachment:
            attachment.kill()


class QemuDgram(nics.DgramNic):
    def kill(self):
        self.socket.close()


class QemuStream(nics.StreamNic):
    def kill(self):
        self.socket.close()


def vfkit(line):
    """The process that `--device virtio-net,...` makes."""
    options = dict(option.partition('=')[::2] for option in re.search(r'--device virtio-net,(\S+)', line)[1].split(','))
    path = options.pop('unixSocketPath', None) or options.pop('path')
    nic = Vfkit(path, options.pop('mac'), magic=options.pop('vfkitMagic', 'on') == 'on')
    assert options in ({}, {'type': 'unixgram'}), f'vfkit knows nothing of {options}'
    return nic


def libkrun(source, temp, defined):
    """The process that has come to `krun_add_net_unixgram` in these lines of C; with it, the features of its NIC."""
    mac = ':'.join(re.findall(r'0x(\w\w)\b', re.search(r'uint8_t mac\[6\] = {(.*?)}', source)[1]))
    path, fd, argument, features, flags = re.search(
        r'krun_add_net_unixgram\(\s*ctx,\s*"?(.*?)"?,\s*(.*?),\s*(.*?),\s*(.*?),\s*(.*?)\);', source).groups()
    assert (fd, argument) == ('-1', 'mac'), (fd, argument)
    return Libkrun(path, mac, temp, int(flags) if flags.isdigit() else defined[flags]), int(features)


def left_to_the_nic(packet):
    """An IPv4 packet as a guest's kernel hands it to a NIC that promised to finish it: where the checksum of TCP or
    UDP belongs, there is only the sum over the pseudo header (VIRTIO_NET_F_CSUM)."""
    protocol, length = packet[9], len(packet) - 20
    at = 20 + {6: 16, 17: 6}[protocol]
    partial = ~frames.checksum(packet[12:20] + struct.pack('!HH', protocol, length)) & 0xFFFF
    return packet[:at] + struct.pack('!H', partial) + packet[at + 2:]
