"""Both ends of what the egress tests exchange. Run as a program, in the namespace where it is wanted.

    peer.py serve            TCP and UDP on PORT of every address, IPv4 and IPv6; says `serving`
    peer.py upload HOST N    sends N bytes, ends its half, prints what the server says it has got
    peer.py download HOST N  asks for N bytes and prints what has come
    peer.py udp HOST N       sends N datagrams that come back; prints how many did
    peer.py large HOST N     the same with one datagram of N bytes; prints what has come, as below
    peer.py open HOST N      N connections at once; prints how many have answered, then closes them

What has come is printed as `N HASH`. A connection begins with a line: `take` or `give N`; the server answers `take` when
the client has ended its half, so that only a half-close gets an answer.
"""

import functools
import hashlib
import random
import select
import socket
import socketserver
import sys
import threading

PORT = 7007
CHUNK = 1 << 16
BLOCK, STRIDE = 1 << 20, 300007  # the second odd, so that each place comes once
SECONDS = 60


@functools.cache
def block():
    return memoryview(random.Random(1).randbytes(BLOCK + CHUNK))


def pattern(count):
    """Chunks from all over one block, none like another for 64 GiB: made as fast as they can be sent."""
    number = 0
    while count > 0:
        begin = number * STRIDE % BLOCK
        chunk = block()[begin:begin + min(count, CHUNK)]
        count -= len(chunk)
        number += 1
        yield chunk


def summary(chunks):
    total, digest = 0, hashlib.sha256()
    for chunk in chunks:
        total += len(chunk)
        digest.update(chunk)
    return f'{total} {digest.hexdigest()}'


def expected(count):
    return summary(pattern(count))


def received(stream):
    return iter(lambda: stream.read1(CHUNK), b'')


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            word, *count = self.rfile.readline().decode().split() or ['']
            if word == 'take':
                self.wfile.write(summary(received(self.rfile)).encode() + b'\n')
            elif word == 'give':
                for chunk in pattern(int(count[0])):
                    self.wfile.write(chunk)
            elif word == 'echo':
                self.wfile.write(self.rfile.readline())
        except ConnectionError:
            pass


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True
    request_queue_size = 1024


def serve():
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.bind(('::', PORT))

    def echo():
        while True:
            datagrams.sendto(*datagrams.recvfrom(CHUNK))
    threading.Thread(target=echo, daemon=True).start()
    with Server(('::', PORT), Handler) as server:
        print('serving', flush=True)
        server.serve_forever()


def connect(host):
    return socket.create_connection((host, PORT), SECONDS)


def upload(host, count):
    with connect(host) as connection, connection.makefile('rb') as answers:
        connection.sendall(b'take\n')
        for chunk in pattern(count):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
        print(answers.readline().decode().strip())


def download(host, count):
    with connect(host) as connection, connection.makefile('rb') as stream:
        connection.sendall(f'give {count}\n'.encode())
        print(summary(received(stream)))


def udp(host, count):
    family, _, _, _, address = socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        back = 0
        for number in range(count):
            one.sendto(f'datagram {number} '.encode() + bytes(number % 1400), address)
            if select.select([one], [], [], 5)[0]:
                back += one.recvfrom(CHUNK)[0].startswith(f'datagram {number} '.encode())
        print(back)


def large(host, count):
    family, _, _, _, address = socket.getaddrinfo(host, PORT, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.settimeout(SECONDS)
        one.sendto(b''.join(pattern(count)), address)
        print(summary([one.recv(CHUNK)]))


def open_many(host, count):
    connections = [connect(host) for _ in range(count)]
    for number, connection in enumerate(connections):
        connection.sendall(f'echo\nhello {number}\n'.encode())
    answers = [connection.makefile('rb').readline() for connection in connections]
    print(sum(answer == f'hello {number}\n'.encode() for number, answer in enumerate(answers)))
    for connection in connections:
        connection.close()


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve()
    else:
        {'upload': upload, 'download': download, 'udp': udp, 'large': large,
         'open': open_many}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
