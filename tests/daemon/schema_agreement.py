#!/usr/bin/python3
"""Compares our JSON Schema walker with python3-jsonschema.

vnetd has a walker of its own because no library gives its messages (daemon/json_schema.hpp). This is the second
opinion: configs/schema.json must be a valid schema, and both must find the same faults in the same documents.
Run by tests/daemon/config_schema_test.cpp with the schema and a file of cases:
[{"name": ..., "document": ..., "problems": [JSON pointers that the walker complained about]}]
"""

import ipaddress
import json
import re
import sys

import jsonschema


def accepts(parse):
    def check(text):
        if not isinstance(text, str):
            return True  # a format says something about strings only
        try:
            return parse(text) is not False
        except ValueError:
            return False
    return check


def ipv6(text):
    return "%" not in text and ipaddress.IPv6Address(text)


def ip(text):
    return ipv6(text) if ":" in text else ipaddress.IPv4Address(text)


def number(text, least, most):
    return re.fullmatch("0|[1-9][0-9]*", text) is not None and least <= int(text) <= most


def prefix(address):
    def parse(text):
        host, slash, length = text.partition("/")
        bits = address(host).max_prefixlen
        return not slash or number(length, 0, bits)
    return parse


def endpoint(text):
    host, _, port = text.rpartition(":")
    if host.startswith("["):
        ipv6(host[1:-1])
    else:
        ipaddress.IPv4Address(host)
    return number(port, 1, 65535)


def either(*parsers):
    return lambda text: any(accepts(parse)(text) for parse in parsers)


def path(text):
    return 0 < len(text.encode()) <= 4095 and "\0" not in text


def unicast_mac(text):
    octets = bytes.fromhex(re.sub("[:-]", "", text))
    return len(octets) == 6 and octets[0] & 1 == 0 and any(octets)


def domain_name(text):
    return len(text.rstrip(".")) <= 253 and re.fullmatch(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?", text) is not None


def record_name(text):
    return domain_name(text.removeprefix("*.")) and (len(text) <= 253 or not text.startswith("*."))


def ports(text):
    ranges = [part.split("-") for part in text.split(",")]
    return len(ranges) <= 64 and all(
        len(ends) <= 2 and all(number(end, 1, 65535) for end in ends) and int(ends[0]) <= int(ends[-1])
        for ends in ranges)


FORMATS = {
    "name": lambda text: re.fullmatch("[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", text) is not None,
    "domain-name": domain_name,
    "record-name": record_name,
    "unicast-mac": unicast_mac,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipv6,
    "ip": ip,
    "ipv4-prefix": prefix(ipaddress.IPv4Address),
    "ipv6-prefix": prefix(ipv6),
    "ip-prefix": prefix(ip),
    "ports": ports,
    "endpoint": endpoint,
    "endpoint-or-unix": lambda text: path(text[5:]) if text.startswith("unix:") else endpoint(text),
    "dns-server": either(ip, endpoint),
    "path": path,
    "path-or-vsock": lambda text: number(text[6:], 1, 2**32 - 2) if text.startswith("vsock:") else path(text),
    "proto-port": lambda text: text[:4] in ("tcp/", "udp/") and number(text[4:], 1, 65535),
    "dhcp-option-code": lambda text: number(text, 1, 254),
}


def pointer(parts):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def places(error):
    """Where our walker would put the fault: at the member that does not belong, inside the branch that was meant."""
    at = list(error.absolute_path)
    if error.validator == "additionalProperties":
        names = error.schema.get("properties", {})
        return {pointer(at + [name]) for name in error.instance if name not in names}
    if "propertyNames" in error.absolute_schema_path:
        return {pointer(at + [error.instance])}
    if error.validator == "uniqueItems":
        items = error.instance
        return {pointer(at + [i]) for i, item in enumerate(items) if item in items[:i]}
    if error.validator == "oneOf":
        meant = {e.schema_path[0] for e in error.context} - {
            e.schema_path[0] for e in error.context if e.validator == "type" and len(e.relative_path) == 0}
        inner = [e for e in error.context if e.schema_path[0] in meant]
        return set().union(*(places(e) for e in inner)) if inner else {pointer(at)}
    return {pointer(at)}


def main(schema_file, cases_file):
    with open(schema_file, encoding="utf-8") as file:
        schema = json.load(file)
    with open(cases_file, encoding="utf-8") as file:
        cases = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    formats = jsonschema.FormatChecker(formats=())
    for name, check in FORMATS.items():
        formats.checkers[name] = (accepts(check), ())
    validator = jsonschema.Draft202012Validator(schema, format_checker=formats)
    failures = 0
    for case in cases:
        theirs = set().union(*(places(error) for error in validator.iter_errors(case["document"])))
        if theirs != set(case["problems"]):
            failures += 1
            print(f"{case['name']}: jsonschema {sorted(theirs)}, vnetd {sorted(case['problems'])}")
    print(f"{len(cases)} documents, {failures} disagreements")
    return 1 if failures or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
