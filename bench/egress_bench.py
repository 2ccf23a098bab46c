#!/usr/bin/python3
"""Egress beside its peers: one table for each thing that is measured, all subjects in one run.

    egress_bench.py [SECONDS [TABLE...]]

The tables: tcp, streams, udp, latency, idle, stalls. Throughput is what iperf3's receiver has got; CPU is the measured
process's alone, user and system, for each gigabyte that arrived. Rounds alternate between the subjects, so that a busy
moment hits all, and a cell is the median of them. On two cores the load, the bridge and the subject share what there
is: read the CPU column first.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import egress_peers

ROUNDS = 3
MTUS = (1500, 9000, 65520)
os.environ['VNET_BUILD'] = str(egress_peers.BUILD)
CLIENTS = pathlib.Path(__file__).with_name('egress_clients.py')


def with_pair(kind, mtu, use, default=None):
    """What `use` makes of a fresh pair; a subject that fails says so and has no figure."""
    with tempfile.TemporaryDirectory(prefix='vnet-bench-') as folder:
        pair = None
        try:
            pair = kind(mtu, folder)
            return use(pair)
        except (AssertionError, OSError, ValueError, KeyError, TimeoutError) as problem:
            print(f'  {kind.name}: {str(problem).strip().splitlines()[-1] if str(problem).strip() else repr(problem)}')
            return default
        finally:
            if pair:
                pair.end()


def iperf(pair, *flags, seconds):
    """Bits a second that arrived, the subject's CPU seconds for each gigabyte of them, and the whole report."""
    server = pair.keep(pair.host.start(['iperf3', '-s', '-1', '--forceflush']), 'listening')
    before = pair.cpu_seconds()
    ask = ['iperf3', '-c', pair.server, '-t', str(seconds), '-J', *flags]
    try:
        done = pair.guest.run(ask, timeout=seconds + 15, check=False)
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f'no end after {late.timeout} s') from late
    cpu = pair.cpu_seconds() - before
    server.kill()
    report = json.loads(done.stdout)
    if 'error' in report:
        raise AssertionError(report['error'])
    end = report['end']
    received = end.get('sum_received') or end['sum']
    bits, gigabytes = received['bits_per_second'], received['bytes'] / 1e9
    return bits, cpu / gigabytes if gigabytes > 0.001 else float('inf'), report


def table(title, columns, measure, kinds=None, rounds=ROUNDS):
    """`measure(kind)` gives a dict of columns to figures, or None; the median of the rounds is printed."""
    print(f'--- {title}', flush=True)
    print(f'{"":22}' + ''.join(f'{column:>18}' for column in columns))
    kinds = kinds or egress_peers.installed()
    found = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            if (figures := measure(kind)) is not None:
                found[kind].append(figures)
    for kind in kinds:
        cells = []
        for column in columns:
            values = [figures[column] for figures in found[kind] if column in figures]
            cells.append(show(values))
        print(f'{kind.name:22}' + ''.join(f'{cell:>18}' for cell in cells), flush=True)


def show(values):
    if not values:
        return '-'
    if isinstance(values[0], tuple):
        first, second = (statistics.median(part) for part in zip(*values))
        return f'{first:.2f} ({second:.2f})'
    return f'{statistics.median(values):.2f}'


def tcp(seconds, streams=1, mtus=MTUS):
    for mtu in mtus:
        def measure(kind):
            def both(pair):
                figures = {}
                for column, flags in (('up', []), ('down', ['-R'])):
                    try:
                        bits, cpu, _ = iperf(pair, *flags, '-P', str(streams), seconds=seconds)
                        figures[column] = (bits / 1e9, cpu)
                    except (AssertionError, ValueError) as problem:
                        print(f'  {kind.name} {column}: {str(problem)[-100:]}')
                return figures
            return with_pair(kind, mtu, both)
        table(f'TCP, MTU {mtu}, {streams} stream{"s" * (streams > 1)}: Gbit/s (CPU s/GB)', ('up', 'down'), measure)


def udp(seconds):
    for size in (64, 1400):
        def measure(kind):
            def both(pair):
                figures = {}
                for column, flags in (('up', []), ('down', ['-R'])):
                    bits, cpu, _ = iperf(pair, *flags, '-u', '-b', '0', '-l', str(size), seconds=seconds)
                    figures[column] = (bits / 8 / size / 1e3, cpu * size * 1e6 / 1e9)
                return figures
            return with_pair(kind, 1500, both)
        table(f'UDP, {size} bytes, a sender that never waits: thousand datagrams/s that arrive (CPU us each)',
              ('up', 'down'), measure)


def latency(seconds):
    def measure(kind):
        def ask(pair):
            figures = {}
            server = pair.keep(pair.host.start(['sockperf', 'server', '--tcp', '-p', '11111']), 'block on socket')
            said = pair.guest.run(['sockperf', 'ping-pong', '--tcp', '-i', pair.server, '-p', '11111', '-t', str(seconds)],
                                  timeout=seconds + 20, check=False).stdout
            server.kill()
            for column, pattern in (('request us', r'percentile 50\.000 = *([\d.]+)'),
                                    ('99 %', r'percentile 99\.000 = *([\d.]+)')):
                if found := re.search(pattern, said):
                    figures[column] = 2 * float(found[1])  # sockperf tells half of the round trip
            pair.keep(pair.host.start([sys.executable, CLIENTS, 'answer']), 'ready')
            before = pair.cpu_seconds()
            count = 1000
            figures['connect us'] = float(pair.guest.run([sys.executable, CLIENTS, 'connect', pair.server, str(count)]).stdout)
            figures['its CPU us'] = (pair.cpu_seconds() - before) * 1e6 / count
            target = pair.server if pair.server != egress_peers.HOST_GATEWAY else egress_peers.HOST_GATEWAY
            said = pair.guest.run(['ping', '-q', '-i', '0.002', '-c', '500', target], check=False).stdout
            if found := re.search(r'= [\d.]+/([\d.]+)/', said):
                figures['ping us'] = float(found[1]) * 1e3
            return figures
        return with_pair(kind, 1500, ask)
    table('latency, MTU 1500, round trips: a request on an open connection (median, 99 %), connect-request-response, ping',
          ('request us', '99 %', 'connect us', 'its CPU us', 'ping us'), measure)


def idle(_):
    def measure(kind):
        def hold(pair):
            pair.keep(pair.host.start([sys.executable, CLIENTS, 'answer']), 'ready')
            before = pair.resident_kib()
            holder = pair.keep(pair.guest.start([sys.executable, CLIENTS, 'hold', pair.server, '10000']))
            opened = int(holder.wait_line(r'holding (\d+)', 60)[1])
            return {'MiB before': before / 1024, 'MiB with them': pair.resident_kib() / 1024, 'connections': opened,
                    'KiB each': (pair.resident_kib() - before) / max(opened, 1)}
        return with_pair(kind, 1500, hold)
    table('10,000 idle TCP connections: resident memory', ('MiB before', 'MiB with them', 'connections', 'KiB each'), measure,
          rounds=1)


def stalls(seconds):
    """Ten runs each way; a run has stalled when a second of it moved less than a tenth of its mean."""
    def measure(kind):
        def ten(pair):
            figures = {}
            for column, flags in (('up', []), ('down', ['-R'])):
                stalled, slowest = 0, float('inf')
                for _ in range(10):
                    bits, _, report = iperf(pair, *flags, '-i', '0.5', seconds=seconds)
                    pieces = [piece['sum']['bits_per_second'] for piece in report['intervals'] if piece['sum']['seconds'] > 0.3]
                    stalled += min(pieces) < bits / 10
                    slowest = min(slowest, bits / 1e9)
                figures[f'{column}: stalled'], figures[f'{column}: slowest'] = stalled, slowest
            return figures
        return with_pair(kind, 1500, ten)
    table('ten runs, MTU 1500: how many stalled, and the slowest in Gbit/s',
          ('up: stalled', 'up: slowest', 'down: stalled', 'down: slowest'), measure, rounds=1)


TABLES = {'tcp': tcp, 'streams': lambda seconds: tcp(seconds, 8), 'udp': udp, 'latency': latency, 'idle': idle, 'stalls': stalls}


def main():
    if os.geteuid() != 0:
        sys.exit('needs root, to make network namespaces')
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    for name in sys.argv[2:] or TABLES:
        TABLES[name](seconds)


if __name__ == '__main__':
    main()
