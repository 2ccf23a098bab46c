#!/usr/bin/python3
"""./dev bench: what is measured, in one run. Results go to the terminal; put them into the commit.

    ./dev bench [SECONDS]                      the hot path, NATs, and whole switches
    ./dev bench vm [ROUNDS]                    guests: booted, restored, plugged in; see vm_bench.py
    ./dev bench egress [SECONDS [TABLE...]]    egress beside its peers: see egress_bench.py; needs root, for namespaces
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/release'


def main():
    if sys.argv[1:2] == ['egress']:
        sys.exit(subprocess.run([sys.executable, ROOT / 'bench/egress_bench.py', *sys.argv[2:]]).returncode)
    if sys.argv[1:2] == ['vm']:
        sys.exit(subprocess.run([sys.executable, ROOT / 'bench/vm_bench.py', *sys.argv[2:]]).returncode)
    seconds = sys.argv[1] if len(sys.argv) > 1 else '1'
    print('--- the hot path without sockets (items are frames, or copies of a flooded frame)', flush=True)
    subprocess.run([BUILD / 'bench/hot_path_bench', '--benchmark_min_time=0.2'], check=True)
    print('--- a NAT, and a datagram between homes with few and with many homes, guests and mappings', flush=True)
    for name in ('translator_bench', 'internet_bench'):
        subprocess.run([BUILD / 'bench' / name, '--benchmark_min_time=0.2'], check=True)
    print('--- whole switches over real sockets, CPU time per frame', flush=True)
    subprocess.run([BUILD / 'bench/switch_bench', BUILD / 'daemon/vnetd', seconds], check=True)


if __name__ == '__main__':
    main()
