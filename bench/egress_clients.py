"""Both ends of what egress_bench.py asks for beside iperf3 and sockperf, in the namespace where they are wanted.

    egress_clients.py answer             on PORT, a byte for a byte, on any number of connections; says `ready`
    egress_clients.py connect HOST N     N times connect, ask, hear, close; prints the median in microseconds
    egress_clients.py hold HOST N        N connections that stay open; says how many there are, and waits
"""

import resource
import selectors
import signal
import socket
import statistics
import sys
import time

PORT = 7008


def answer():
    selector = selectors.DefaultSelector()
    listener = socket.create_server(('', PORT), backlog=4096)
    selector.register(listener, selectors.EVENT_READ)
    print('ready', flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
                continue
            try:
                asked = key.fileobj.recv(64)
            except ConnectionError:
                asked = b''
            if asked:
                key.fileobj.send(asked)
            else:
                selector.unregister(key.fileobj)
                key.fileobj.close()


def connect(host, count):
    took = []
    for _ in range(count):
        began = time.perf_counter()
        with socket.create_connection((host, PORT), 5) as one:
            one.send(b'?')
            one.recv(1)
            took.append(time.perf_counter() - began)
    print(statistics.median(took) * 1e6)


def hold(host, count):
    held = []
    try:
        for _ in range(count):
            one = socket.create_connection((host, PORT), 5)
            one.send(b'?')
            one.recv(1)
            held.append(one)
    except OSError as problem:
        print(problem, flush=True)
    print(f'holding {len(held)}', flush=True)
    signal.pause()


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    word, *rest = sys.argv[1:]
    if word == 'answer':
        answer()
    else:
        {'connect': connect, 'hold': hold}[word](rest[0], int(rest[1]))
