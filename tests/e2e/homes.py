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


def nic(name, number, network, host):
    """A NIC of the config; `host` is the last byte of its address, of both families."""
    return {'name': name, 'mac': f'52:cc:cc:cc:cc:{number:02}', 'network': network, 'host': host}


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
    """One daemon for all tests of the class, in a world of its own, with `config`, whose NICs are made by nic()."""

    config = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        needs.root()
        cls.world = harness.NetNs()
        cls.addClassCleanup(cls.world.remove)
        networks = {network['name']: network for network in cls.config['networks']}
        cls.nics = {each['name']: each for each in cls.config['nics']}
        config = {**cls.config, 'nics': []}
        for each in cls.config['nics']:
            gateway = networks[each['network']].get('ipv4')
            address = {'ip': cls._address(gateway, each['host']).split('/')[0]} if gateway else {}
            config['nics'].append({**{key: value for key, value in each.items() if key != 'host'}, **address})
        cls.networks = networks
        cls.daemon = harness.Case.vnetd(cls, config=config, world=cls.world)
        cls.api = control.Control(cls.daemon.control)

    @staticmethod
    def _address(gateway, host):
        network = ipaddress.ip_interface(gateway).network
        return f'{network[host]}/{network.prefixlen}'

    @classmethod
    def guest(cls, name):
        """A namespace with that NIC, its addresses and its routes. It lives as long as the class."""
        one = cls.nics[name]
        host = harness.Case.host(cls, cls.daemon, one['mac'])
        for family, option in (('ipv4', '-4'), ('ipv6', '-6')):
            if gateway := cls.networks[one['network']].get(family):
                nodad = ['nodad'] if family == 'ipv6' else []
                host.run(['ip', option, 'addr', 'add', cls._address(gateway, one['host']), 'dev', 'eth0', *nodad])
                host.run(['ip', option, 'route', 'replace', 'default', 'via', gateway.split('/')[0]])
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
