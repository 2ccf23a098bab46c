"""The POSIX side of dgram/, http/ and the host's sockets compiles: what stands where Linux has recvmmsg, sendmmsg,
SOCK_CLOEXEC, inotify, edges of epoll, SO_PEEK_OFF and the error queue.

Compiled here with the Linux branches taken out; it is not run, and nothing says that it works elsewhere.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


# Those of daemon/ that need neither libuv nor the log.
HOST_SOCKETS = ('socket_address', 'host_error', 'edge_poll', 'stream_peek', 'peek_offset', 'host_tcp',
                'error_queue', 'host_datagram', 'host_echo')


class Portable(unittest.TestCase):
    def test_sockets_compile_without_what_only_linux_has(self):
        compiler = os.environ.get('CXX', 'g++')

        def compiled(source):
            return subprocess.run([compiler, '-std=c++20', '-U__linux__', '-fsyntax-only', '-Wall', '-Wextra', '-Werror',
                                   f'-I{ROOT}', source], capture_output=True, text=True, timeout=60)

        sources = sorted([*(ROOT / 'dgram').glob('*.cpp'), *(ROOT / 'http').glob('*.cpp'),
                          *(ROOT / 'daemon' / f'{name}.cpp' for name in HOST_SOCKETS)])
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for source, done in zip(sources, pool.map(compiled, sources)):
                with self.subTest(source.name):
                    self.assertEqual(done.returncode, 0, done.stderr)
