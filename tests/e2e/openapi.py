"""The control API held against its own description: every answer's status, media type and body."""

import datetime
import ipaddress
import re

import control
import needs

try:
    import jsonschema
except ImportError:
    jsonschema = None


def available():
    if jsonschema is None:
        needs.skip('python3-jsonschema is not installed (package python3-jsonschema)')


def _formats():
    checker = jsonschema.FormatChecker(formats=())
    checker.checks('ipv4', ValueError)(lambda text: bool(ipaddress.IPv4Address(text)) or True)
    checker.checks('date-time', ValueError)(lambda text: bool(datetime.datetime.fromisoformat(text)))
    return checker


class Document:
    def __init__(self, document):
        self.document = document
        self.paths = document['paths']
        self.operations = {(method.upper(), path) for path, resource in self.paths.items()
                           for method in resource if method != 'parameters'}
        self._resolver = jsonschema.RefResolver('', document)

    def check(self):
        """Every schema in it is one, and every reference leads somewhere."""
        for schema in self.document['components']['schemas'].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        for reference in re.findall(r"'\$ref': '([^']*)'", str(self.document)):
            self._resolver.resolve(reference)

    def resolve(self, value):
        while '$ref' in value:
            _, value = self._resolver.resolve(value['$ref'])
        return value

    def validate(self, schema, value):
        jsonschema.Draft202012Validator(schema, resolver=self._resolver, format_checker=_formats()).validate(value)

    def judge(self, method, path, reply):
        """Raises unless the document foresees this answer to this operation."""
        where = f'{method} {path}: {reply.status} {reply.type} {reply.body[:400]!r}'
        responses = self.paths[path][method.lower()]['responses']
        if reply.status < 400 and str(reply.status) not in responses:
            raise AssertionError(f'{where}: the document lists {sorted(responses)}')
        described = self.resolve(responses.get(str(reply.status), responses['default']))
        if 'content' not in described:
            if reply.body or reply.type:
                raise AssertionError(f'{where}: the document lists no content')
            return
        if reply.type not in described['content']:
            raise AssertionError(f'{where}: the document lists {sorted(described["content"])}')
        if 'json' not in reply.type:
            return
        try:
            self.validate(described['content'][reply.type]['schema'], reply.json())
        except jsonschema.ValidationError as wrong:
            raise AssertionError(f'{where}\n{wrong}') from None


class Judged(control.Control):
    """A client that has the document judge every answer; `called` are the operations that succeeded."""

    def __init__(self, address, document, **options):
        super().__init__(address, **options)
        self.document, self.called = document, set()

    def operation(self, method, target):
        """The path of the document that a target belongs to; one without braces goes before."""
        segments = target.split('?')[0].split('/')
        for path in sorted(self.document.paths, key=lambda path: path.count('{')):
            pattern = path.split('/')
            if len(pattern) == len(segments) and all(a.startswith('{') or a == b for a, b in zip(pattern, segments)):
                return path
        raise AssertionError(f'the document has no path for {target}')

    def request(self, method, path, document=None, **options):
        reply = super().request(method, path, document, **options)
        known = self.operation(method, path)
        self.document.judge(method, known, reply)
        if reply.status < 400:
            self.called.add((method, known))
        return reply
