"""Many connections at once, with one thread at each end. Run as a program, in the namespace where it is wanted.

    crowd.py serve                   gives back what it is told, at PORT of every address; says `serving`
    crowd.py hold HOST N             N connections; prints how many have answered, ends them when its stdin ends
    crowd.py churn HOST RATE SECONDS so many new ones a second, each of which says a byte and ends when that has come
                                     back; prints how many did, how many failed, and the seconds that it took

The one that began a connection ends it. No more than AT_ONCE are being made at a time, so that churn is slower than its
rate where the way is; a connection that gets no answer is waited for.
"""

import errno
import resource
import select
import socket
import sys
import time

PORT = 7008
AT_ONCE = 256
CLOSED = select.EPOLLHUP | select.EPOLLERR


def serve():
    listener = socket.create_server(('::', PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
    listener.setblocking(False)
    poll, peers = select.epoll(), {}
    poll.register(listener, select.EPOLLIN)
    print('serving', flush=True)

    def accept():
        try:
            while True:
                peer, _ = listener.accept()
                peer.setblocking(False)
                peers[peer.fileno()] = peer
                poll.register(peer, select.EPOLLIN)
        except BlockingIOError:
            pass

    def answer(number):
        try:
            if said := peers[number].recv(1000):
                peers[number].send(said)
                return
        except ConnectionError:
            pass
        peers.pop(number).close()

    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                accept()
            else:
                answer(number)


class Speaker:
    """One connection; its word is to come back."""

    def __init__(self, family, address, word):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.word = word
        self.refused = self.socket.connect_ex(address) not in (0, errno.EINPROGRESS)

    def speak(self):
        """Whether it could."""
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return False
        return self.socket.send(self.word) == len(self.word)

    def is_answered(self):
        try:
            return self.socket.recv(1000) == self.word
        except ConnectionError:
            return False


def converse(host, due, word, answered):
    """Begins as many as `due(BEGUN)` says, None being the end; each is given to `answered`. Returns how many failed."""
    family, _, _, _, address = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)[0]
    poll, speakers = select.epoll(), {}
    begun = failed = 0
    while (wanted := due(begun)) is not None or speakers:
        for _ in range(min(wanted or 0, AT_ONCE - len(speakers))):
            speaker = Speaker(family, address, word(begun))
            begun += 1
            if speaker.refused:
                failed += 1
            else:
                speakers[speaker.socket.fileno()] = speaker
                poll.register(speaker.socket, select.EPOLLOUT)
        for number, events in poll.poll(0.005):
            speaker = speakers[number]
            if not events & CLOSED and events & select.EPOLLOUT and speaker.speak():
                poll.modify(number, select.EPOLLIN)
                continue
            del speakers[number]
            poll.unregister(number)
            if events & select.EPOLLIN and speaker.is_answered():
                answered(speaker.socket)
            else:
                failed += 1
    return failed


def hold(host, count):
    open_ones = []
    converse(host, lambda begun: count - begun or None, lambda number: f'hello {number}'.encode(), open_ones.append)
    print(len(open_ones), flush=True)
    sys.stdin.read()


def churn(host, rate, seconds):
    done = 0
    began = time.monotonic()

    def due(begun):
        passed = time.monotonic() - began
        return max(int(passed * rate) - begun, 0) if passed < seconds else None

    def answered(connection):
        nonlocal done
        connection.close()
        done += 1
    failed = converse(host, due, lambda _: b'.', answered)
    print(done, failed, f'{time.monotonic() - began:.2f}')


if __name__ == '__main__':
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.argv[1] == 'serve':
        serve()
    else:
        {'hold': hold, 'churn': churn}[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
