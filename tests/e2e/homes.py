"""A simulated internet to test: homes behind routers, a namespace for each guest, and sockets in them.

A socket stays in the namespace in which it was made, so a test holds both ends of a conversation in its own hands:

    alice, bob = self.guest('alice'), self.guest('bob')
    asks, answers = homes.udp(alice), homes.udp(bob, 7)
    asks.sendto(b'hello', (BOBS_HOME, 7))

What the host is, for the daemon, is a namespace, too: nothing leaves this machine.
"""

import ipaddress
import os
import socket
import struct

import control
import harness
import needs
import processes
from test_forwards import inside

STUN_ADDRESSES = ('3.3.3.3', '3.3.3.4')
STUN_PORT = 3478
STUN_SERVICE = {'name': 'stun.test', 'kind': 'stun', 'ipv4': list(STUN_ADDRESSES)}
MAGIC_COOKIE = 0x2112A442
XOR_MAPPED_ADDRESS = 0x0020
PATIENCE = 10


def nic(name, number, network, ip):
    return {'name': name, 'mac': f'52:cc:cc:cc:cc:{number:02}', 'network': network, 'ip': ip}


def _socket(host, kind, address, options=()):
    family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    with inside(host):
        made = socket.socket(family, kind)
    made.settimeout(PATIENCE)
    for option in options:
        made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind(address)
    return made


def udp(host, port=0, address='0.0.0.0'):
    return _socket(host, socket.SOCK_DGRAM, (address, port))


def tcp(host, port=0, address='0.0.0.0'):
    """Bound, neither connected nor listening."""
    return _socket(host, socket.SOCK_STREAM, (address, port), (socket.SO_REUSEADDR, socket.SO_REUSEPORT))


def listener(host, port=0, address='0.0.0.0'):
    made = tcp(host, port, address)
    made.listen()
    return made


def port_of(bound):
    return bound.getsockname()[1]


def ask_stun(bound, server=(STUN_ADDRESSES[0], STUN_PORT)):
    """Sends a binding request; its transaction."""
    transaction = os.urandom(12)
    bound.sendto(struct.pack('>HHI', 1, 0, MAGIC_COOKIE) + transaction, server)
    return transaction


def outside_of(bound, server=(STUN_ADDRESSES[0], STUN_PORT)):
    """The endpoint by which that server knows the UDP socket. That something else arrives meanwhile is an error."""
    transaction = ask_stun(bound, server)
    answer, source = bound.recvfrom(2000)
    if source != server or answer[8:20] != transaction:
        raise AssertionError(f'{answer!r} came from {source}, rather than the answer of {server}')
    at = 20
    while at < len(answer):
        kind, size = struct.unpack_from('>HH', answer, at)
        if kind == XOR_MAPPED_ADDRESS:
            port, address = struct.unpack_from('>HI', answer, at + 6)
            return str(ipaddress.ip_address(address ^ MAGIC_COOKIE)), port ^ (MAGIC_COOKIE >> 16)
        at += 4 + (size + 3) // 4 * 4
    raise AssertionError(f'no XOR-MAPPED-ADDRESS in {answer!r}')


class Internet(harness.Case):
    """One daemon for all tests of the class, in a world of its own. Each NIC of its `config` has an address in it."""

    config = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        needs.root()
        cls.world = harness.NetNs()
        cls.addClassCleanup(cls.world.remove)
        cls.daemon = harness.Case.vnetd(cls, config=cls.config, world=cls.world)
        cls.api = control.Control(cls.daemon.control)

    @classmethod
    def guest(cls, name):
        """A namespace with that NIC, its addresses and its routes, for as long as the class. Its IPv6 address has the
        same number in its network as that of IPv4."""
        one = next(each for each in cls.config['nics'] if each['name'] == name)
        network = next(each for each in cls.config['networks'] if each['name'] == one['network'])
        host = harness.Case.host(cls, cls.daemon, one['mac'])
        inside4 = ipaddress.ip_interface(network['ipv4'])
        addresses = [(inside4, one['ip'], [])]
        if 'ipv6' in network:
            inside6 = ipaddress.ip_interface(network['ipv6'])
            number = int(ipaddress.ip_address(one['ip'])) - int(inside4.network.network_address)
            addresses.append((inside6, inside6.network[number], ['nodad']))
        for gateway, own, options in addresses:
            ip = ['ip', f'-{gateway.version}']
            host.run([*ip, 'addr', 'add', f'{own}/{gateway.network.prefixlen}', 'dev', 'eth0', *options])
            host.run([*ip, 'route', 'replace', 'default', 'via', str(gateway.ip)])
        return host

    @classmethod
    def vnet(cls, *words, **options):
        """What `vnet` says to those words."""
        return processes.run([harness.build_tree() / 'adapter/vnet', '--control', cls.daemon.control, *words],
                             **options).stdout

    def keep(self, made):
        """A socket that is closed with the test."""
        self.addCleanup(made.close)
        return made

    def run_all(self, children, timeout=60):
        """Programs that run side by side, by their keys; what each of them said when it came to its end."""
        for child in children.values():
            self.addCleanup(child.kill)
        for child in children.values():
            child.wait(timeout)
        return {key: child.log for key, child in children.items()}
