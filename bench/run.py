#!/usr/bin/python3
"""./dev bench: everything that is measured, in one run. Results go to the terminal; put them into the commit."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / 'build/release'


def main():
    seconds = sys.argv[1] if len(sys.argv) > 1 else '1'
    print('--- the hot path without sockets (items are frames, or copies of a flooded frame)', flush=True)
    subprocess.run([BUILD / 'bench/hot_path_bench', '--benchmark_min_time=0.2'], check=True)
    print('--- whole switches over real sockets, CPU time per frame', flush=True)
    subprocess.run([BUILD / 'bench/switch_bench', BUILD / 'daemon/vnetd', seconds], check=True)


if __name__ == '__main__':
    main()
