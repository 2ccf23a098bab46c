"""A PCP client (RFC 6887), as small as it can be.

    client = pcp.Client(homes.udp(alice), ALICE, GATEWAY)
    answer = client.map(pcp.TCP, 22, suggested=2222)
    answer.result, answer.port, answer.address, answer.lifetime, answer.epoch
"""

import dataclasses
import ipaddress
import os
import socket
import struct

PORT = 5351
VERSION = 2
ANNOUNCE, MAP = 0, 1
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
PREFER_FAILURE = struct.pack('>BxH', 2, 0)
SUCCESS, UNSUPP_VERSION, NOT_AUTHORIZED, CANNOT_PROVIDE_EXTERNAL, ADDRESS_MISMATCH = 0, 1, 2, 11, 12


def packed(address):
    """16 bytes; an IPv4 address is written as ::ffff:0:0/96."""
    address = ipaddress.ip_address(address)
    return address.packed if address.version == 6 else bytes(10) + b'\xff\xff' + address.packed


@dataclasses.dataclass
class Answer:
    version: int
    opcode: int
    result: int
    lifetime: int
    epoch: int
    nonce: bytes = b''
    port: int = 0
    address: str = ''


def read(data):
    version, opcode, result, lifetime, epoch = struct.unpack_from('>BBxBII', data)
    answer = Answer(version, opcode & 0x7f, result, lifetime, epoch)
    if version == VERSION and answer.opcode == MAP and len(data) >= 60:
        answer.nonce = data[24:36]
        answer.port, = struct.unpack_from('>H', data, 42)
        address = ipaddress.IPv6Address(data[44:60])
        answer.address = str(address.ipv4_mapped or address)
    return answer


class Client:
    def __init__(self, bound, own, gateway):
        self.socket, self.own, self.gateway, self.nonce = bound, own, gateway, os.urandom(12)

    def ask(self, request):
        self.socket.sendto(request, (self.gateway, PORT))
        return read(self.socket.recv(1100))

    def header(self, opcode, lifetime=0, version=VERSION):
        return struct.pack('>BBxxI', version, opcode, lifetime) + packed(self.own)

    def announce(self, version=VERSION):
        return self.ask(self.header(ANNOUNCE, version=version))

    def map(self, protocol, inside, suggested=0, lifetime=600, options=b'', nonce=None):
        anybody = packed('::' if ':' in self.own else '0.0.0.0')
        return self.ask(self.header(MAP, lifetime) + (nonce or self.nonce) +
                        struct.pack('>BxxxHH', protocol, inside, suggested) + anybody + options)
