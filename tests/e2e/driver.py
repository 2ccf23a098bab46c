"""The test driver that agents dial: a listener on the host, which guests reach by their network's host alias."""

import json
import select
import socket


class Driver:
    """Hears agents' lines."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        """The lines of the next that dials, as a file, and its connection."""
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        return connection.makefile('r'), connection

    def hello(self, fresh=lambda hello: True):
        """The first line of the next agent that dials, and its connection. On a slow machine one may dial twice."""
        while True:
            lines, connection = self.accept()
            try:
                hello = json.loads(lines.readline())
            except (OSError, ValueError):
                hello = None  # it has given this one up
            if hello and fresh(hello):
                return hello, connection
            connection.close()

    def drain(self):
        """Ends what has been dialled by agents that are no more."""
        while select.select([self.listener], [], [], 0)[0]:
            self.listener.accept()[0].close()

    def close(self):
        self.listener.close()
