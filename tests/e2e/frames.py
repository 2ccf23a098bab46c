"""Ethernet frames by hand, for the raw clients: just enough to speak ARP, ping and DHCP, written apart from packet/.

Being a second implementation is the point: a mistake in packet/ would otherwise be on both sides of a test.
"""

import ipaddress
import struct

BROADCAST = 'ff:ff:ff:ff:ff:ff'
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_EXPERIMENT = 0x88B5  # IEEE 802 local experimental: traffic that only the two ends understand

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)


def mac_bytes(text):
    return bytes.fromhex(text.replace(':', ''))


def mac_text(raw):
    return raw.hex(':')


def ethernet(destination, source, ethertype, payload):
    return mac_bytes(destination) + mac_bytes(source) + struct.pack('!H', ethertype) + payload


def checksum(data):
    """RFC 1071."""
    total = sum(struct.unpack(f'!{(len(data) + 1) // 2}H', data + b'\0' * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_request(mac, ip, target):
    body = struct.pack('!HHBBH6s4s6s4s', 1, ETHERTYPE_IPV4, 6, 4, 1, mac_bytes(mac), ipaddress.ip_address(ip).packed,
                       bytes(6), ipaddress.ip_address(target).packed)
    return ethernet(BROADCAST, mac, ETHERTYPE_ARP, body)


def arp_reply_from(frame, ip):
    """The MAC in an ARP reply that speaks for `ip`, else None."""
    if len(frame) < 42 or frame[12:14] != b'\x08\x06' or frame[20:22] != b'\0\x02':
        return None
    return mac_text(frame[22:28]) if frame[28:32] == ipaddress.ip_address(ip).packed else None


def ipv4(source, destination, protocol, payload):
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0,
                         ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed)
    return header[:10] + struct.pack('!H', checksum(header)) + header[12:] + payload


def udp(source, source_port, destination, destination_port, payload):
    pseudo = (ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
              + struct.pack('!HH', 17, 8 + len(payload)))
    header = struct.pack('!HHHH', source_port, destination_port, 8 + len(payload), 0)
    sum_ = checksum(pseudo + header + payload) or 0xFFFF
    return ipv4(source, destination, 17, header[:6] + struct.pack('!H', sum_) + payload)


def tcp(source, source_port, destination, destination_port, payload=b'', flags=0x10):
    """A segment; its flags are ACK, or those given."""
    pseudo = (ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
              + struct.pack('!HH', 6, 20 + len(payload)))
    header = struct.pack('!HHIIBBHHH', source_port, destination_port, 1, 0, 5 << 4, flags, 65535, 0, 0)
    sum_ = checksum(pseudo + header + payload)
    return ipv4(source, destination, 6, header[:16] + struct.pack('!H', sum_) + header[18:] + payload)


def echo_request(source, destination, payload):
    header = struct.pack('!BBHHH', 8, 0, 0, 1, 1)
    sum_ = checksum(header + payload)
    return ipv4(source, destination, 1, header[:2] + struct.pack('!H', sum_) + header[4:] + payload)


def dhcp(mac, kind, xid, options=(), ciaddr='0.0.0.0'):
    """A broadcast client message (RFC 2131 section 2); `options` are (code, bytes)."""
    body = struct.pack('!BBBBIHH4s4s4s4s6s10x64x128xI', 1, 1, 6, 0, xid, 0, 0x8000,
                       ipaddress.ip_address(ciaddr).packed, bytes(4), bytes(4), bytes(4), mac_bytes(mac), 0x63825363)
    for code, value in ((53, bytes([kind])), *options):
        body += bytes([code, len(value)]) + value
    packet = udp(ciaddr, 68, '255.255.255.255', 67, body + b'\xff')
    return ethernet(BROADCAST, mac, ETHERTYPE_IPV4, packet)


def dhcp_reply(frame, xid):
    """{'kind', 'yiaddr', code: bytes} of a server's message with our transaction, else None."""
    if len(frame) < 282 or frame[12:14] != b'\x08\x00' or frame[23] != 17 or frame[34:38] != b'\0\x43\0\x44':
        return None
    body = frame[42:]
    if body[0] != 2 or struct.unpack('!I', body[4:8])[0] != xid:
        return None
    found = {'yiaddr': str(ipaddress.ip_address(body[16:20]))}
    at = 240
    while at + 1 < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
            continue
        found[body[at]] = body[at + 2:at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
    found['kind'] = found.get(53, b'\0')[0]
    return found
