"""A client of the control API, by Python's own http.client: a second implementation of HTTP, which is the point.

    api = control.Control(daemon.control)
    api.get('/v1/nics/alice')['link']          a document; Refused where the answer is a problem
    api.request('PATCH', path, {...}).status   the whole answer, whatever it says
    with api.events(kind='nic.') as events: events.wait(lambda event: event['event'] == 'nic.link')
"""

import http.client
import json
import socket
import urllib.parse

TIMEOUT = 30


class Refused(AssertionError):
    """An answer of 400 or above to a request that was to succeed."""

    def __init__(self, method, path, reply):
        super().__init__(f'{method} {path}: {reply.status} {reply.body.decode(errors="replace").strip()}')
        self.reply = reply


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def type(self):
        """The media type without its parameters."""
        return self.headers.get('content-type', '').split(';')[0].strip()

    def json(self):
        return json.loads(self.body)


class _Connection(http.client.HTTPConnection):
    """Over a UNIX socket, or to a (host, port); descriptors go with the first bytes."""

    def __init__(self, address, fds=(), timeout=TIMEOUT):
        super().__init__('localhost', timeout=timeout)
        self._address, self._fds = address, list(fds)

    def connect(self):
        if isinstance(self._address, tuple):
            self.sock = socket.create_connection(self._address, self.timeout)
        else:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._address))

    def send(self, data):
        if self._fds:
            if self.sock is None:
                self.connect()
            fds, self._fds = self._fds, []
            data = data[socket.send_fds(self.sock, [data], fds):]
        super().send(data)


def query(path, **parameters):
    """`path` with a query; a list gives a parameter several times, None leaves it out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f'{path}?{urllib.parse.urlencode(given, doseq=True)}' if given else path


class Control:
    """Each request on a connection of its own, unless `connection` is one of connect()."""

    def __init__(self, address, token=None, timeout=TIMEOUT):
        """`address` is a path, or (host, port)."""
        self.address, self.token, self.timeout = address, token, timeout

    def connect(self, fds=()):
        return _Connection(self.address, fds, self.timeout)

    def _begin(self, connection, method, path, document, body, headers):
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault('Authorization', f'Bearer {self.token}')
        if document is not None:
            body = json.dumps(document).encode()
            headers.setdefault('Content-Type', 'application/json')
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def request(self, method, path, document=None, body=None, headers=None, fds=(), connection=None):
        """A Reply. `document` is sent as JSON, `body` as it is."""
        used = connection or self.connect(fds)
        try:
            return Reply(self._begin(used, method, path, document, body, headers))
        finally:
            if connection is None:
                used.close()

    def call(self, method, path, document=None, **options):
        """The answer's document, None where it has none. Raises Refused."""
        reply = self.request(method, path, document, **options)
        if reply.status >= 400:
            raise Refused(method, path, reply)
        return reply.json() if reply.type == 'application/json' else None

    def get(self, path, **parameters):
        return self.call('GET', query(path, **parameters))

    def post(self, path, document=None, **options):
        return self.call('POST', path, document, **options)

    def patch(self, path, document, **options):
        return self.call('PATCH', path, document, **options)

    def put(self, path, document, **options):
        return self.call('PUT', path, document, **options)

    def delete(self, path, document=None, **options):
        return self.call('DELETE', path, document, **options)

    def open(self, path, **parameters):
        """An answer that goes on: a Stream of its bytes."""
        return self._open(query(path, **parameters), {})

    def events(self, last=None, **parameters):
        """`last` is sent as Last-Event-ID."""
        headers = {} if last is None else {'Last-Event-ID': str(last)}
        return Events(self._open(query('/v1/events', **parameters), headers))

    def _open(self, path, headers):
        connection = self.connect()
        response = self._begin(connection, 'GET', path, None, None, headers)
        if response.status >= 400:
            try:
                raise Refused('GET', path, Reply(response))
            finally:
                connection.close()
        return Stream(connection, response)


class Stream:
    """An answer in pieces. The socket is `.socket`, for those who want to stall."""

    def __init__(self, connection, response):
        self._connection, self.response, self.socket = connection, response, connection.sock

    def read(self, size=65536):
        """What is there, at most `size`; b'' at the end."""
        return self.response.read1(size)

    def readline(self):
        return self.response.readline()

    def close(self):
        self.response.close()
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Events:
    """Server-sent events, one at a time: {'id', 'kind', 'data'}, where data is the document."""

    def __init__(self, stream):
        self.stream = stream

    def __iter__(self):
        return self

    def __next__(self):
        """Ends with the stream; TimeoutError when nothing comes for the client's timeout."""
        found = {'id': None, 'kind': 'message', 'data': ''}
        while line := self.stream.readline():
            line = line.decode().rstrip('\r\n')
            if not line:
                if found['data']:
                    found['data'] = json.loads(found['data'])
                    return found
                continue
            name, _, value = line.partition(':')
            value = value.removeprefix(' ')
            if name == 'data':
                found['data'] += value
            elif name == 'event':
                found['kind'] = value
            elif name == 'id':
                found['id'] = int(value)
        raise StopIteration

    def wait(self, wanted):
        """The data of the first event for which `wanted(data)` is true. Bounded by the client's timeout per event."""
        for event in self:
            if wanted(event['data']):
                return event['data']
        raise AssertionError('the events ended before')

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
