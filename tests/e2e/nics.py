"""Raw clients of the switch's sockets: each behaves on the wire like one kind of hypervisor, without a guest.

`DgramNic` has the three ways in which datagram clients come: bound to a path and sending to the switch's (QEMU),
bound and connected, with or without the greeting (vfkit, VZ helpers), and never bound (a mistake; nobody can answer
it). `StreamNic` puts a 4-byte big-endian length before each frame (QEMU's stream netdev, passt's clients). `PairNic`
holds one end of a pair whose other end was passed to the switch.
"""

import os
import select
import socket
import struct
import time

import frames

VFKT = b'VFKT'
FRAME_MAX = 70_000


class _Nic:
    """What both kinds share; a subclass has `socket`, send() and receive()."""

    def arp(self, ip, own_ip='0.0.0.0', timeout=5):
        """Asks who has `ip`; the answer's MAC, or None. With 0.0.0.0 it is a probe (RFC 5227)."""
        self.send(frames.arp_request(self.mac, own_ip, ip))
        return self.receive_match(lambda frame: frames.arp_reply_from(frame, ip), timeout)

    def ping(self, ip, own_ip, timeout=5):
        """Whether `ip`, which must answer ARP, answers an echo request."""
        mac = self.arp(ip, own_ip, timeout)
        assert mac, f'nobody has {ip}'
        text = os.urandom(16)
        self.send(frames.ethernet(mac, self.mac, frames.ETHERTYPE_IPV4, frames.echo_request(own_ip, ip, text)))
        return bool(self.receive_match(lambda frame: frame[23:24] == b'\1' and frame[34:35] == b'\0' and text in frame,
                                       timeout))

    def dhcp(self, kind, xid, options=(), timeout=5, **fields):
        """Sends a DHCP message; the server's reply as frames.dhcp_reply() has it, or None."""
        self.send(frames.dhcp(self.mac, kind, xid, options, **fields))
        return self.receive_match(lambda frame: frames.dhcp_reply(frame, xid), timeout)

    def lease(self, timeout=5):
        """DISCOVER to ACK; the address."""
        xid = int.from_bytes(os.urandom(4), 'big')
        offer = self.dhcp(frames.DISCOVER, xid, timeout=timeout)
        assert offer and offer['kind'] == frames.OFFER, f'no offer: {offer}'
        wanted = ((50, bytes(map(int, offer['yiaddr'].split('.')))), (54, offer[54]))
        ack = self.dhcp(frames.REQUEST, xid, wanted, timeout)
        assert ack and ack['kind'] == frames.ACK, f'no ACK: {ack}'
        return ack['yiaddr']

    def receive_match(self, match, timeout=5):
        """The first true result of `match(frame)` over what arrives, or None in the end. Others are dropped."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            frame = self.receive(left)
            if frame is not None and (found := match(frame)):
                return found
        return None

    def drain(self):
        """Reads all that has arrived; returns how many frames."""
        count = 0
        while self.receive(0) is not None:
            count += 1
        return count

    def _readable(self, timeout):
        return bool(select.select([self.socket], [], [], timeout)[0])

    def close(self):
        self.socket.close()


def _until_permitted(action, timeout=2):
    """On a path of its own a NIC's successor is refused until the switch has seen that the one before has gone.

    It is told by inotify, within microseconds; only a client that returns within the same ones can be refused.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() > deadline:
                raise


class DgramNic(_Nic):
    def __init__(self, switch_path, mac, path=None, connect=False, greeting=b'', buffers=(1 << 20, 4 << 20)):
        """Without `path` the socket stays unbound. `buffers`, to send and to receive, are for one that connects."""
        self.mac, self.path, self.switch_path = mac, path, str(switch_path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.connected = connect
        if path:
            if os.path.exists(path):
                os.unlink(path)
            self.socket.bind(str(path))
        if connect:
            for option, size in zip((socket.SO_SNDBUF, socket.SO_RCVBUF), buffers):
                self.socket.setsockopt(socket.SOL_SOCKET, option, size)
            _until_permitted(lambda: self.socket.connect(self.switch_path))
        if greeting:
            self.send(greeting)

    def send(self, datagram):
        if self.connected:
            self.socket.send(datagram)
        else:
            _until_permitted(lambda: self.socket.sendto(datagram, self.switch_path))

    def receive(self, timeout=5):
        return self.socket.recv(FRAME_MAX) if self._readable(timeout) else None

    def close(self):
        super().close()
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)


class PairNic(_Nic):
    """One end of a datagram or seqpacket pair; the switch was given the other end."""

    def __init__(self, end, mac):
        self.mac, self.socket = mac, end
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def send(self, frame):
        self.socket.send(frame)

    def receive(self, timeout=5):
        """None also when the switch has closed its end."""
        return (self.socket.recv(FRAME_MAX) or None) if self._readable(timeout) else None


class StreamNic(_Nic):
    def __init__(self, switch_path, mac, end=None):
        """`end`: connected already, an end of a pair."""
        self.mac, self.socket = mac, end
        if end is None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(str(switch_path))
        self._buffer = b''

    def send(self, frame):
        self.send_raw(struct.pack('!I', len(frame)) + frame)

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self, timeout=5):
        deadline = time.monotonic() + timeout
        while len(self._buffer) < 4 or len(self._buffer) < 4 + struct.unpack('!I', self._buffer[:4])[0]:
            if not self._readable(max(deadline - time.monotonic(), 0)):
                return None
            received = self.socket.recv(FRAME_MAX)
            if not received:
                raise ConnectionResetError('the switch closed the stream')
            self._buffer += received
        length = struct.unpack('!I', self._buffer[:4])[0]
        frame, self._buffer = self._buffer[4:4 + length], self._buffer[4 + length:]
        return frame

    def closed_by_switch(self, timeout=5):
        """True once the switch has ended the connection; frames met before that are dropped."""
        deadline = time.monotonic() + timeout
        try:
            while (left := deadline - time.monotonic()) > 0:
                if self._readable(left) and not self.socket.recv(FRAME_MAX):
                    return True
        except ConnectionResetError:
            return True
        return False
