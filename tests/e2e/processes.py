"""Child processes that cannot outlive the test: the kernel kills them when their parent dies, however it dies.

`Child` reads its program's output in a thread and lets a test wait for a line, with a time limit, instead of sleeping.
"""

import atexit
import ctypes
import re
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == 'linux' else None
_alive = set()


def die_with_parent():
    """For `preexec_fn`. The signal comes when the *thread* that forked ends, so fork from the main thread."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@atexit.register
def _kill_the_rest():
    for child in list(_alive):
        child.kill()


class Child:
    """A program running in the background. `lines` holds all that it has said on stdout and stderr so far.

    `on_line` is called with each line as it comes, in the reading thread. With `stdout=FILE` only stderr is read.
    """

    def __init__(self, command, on_line=None, **options):
        self.command = [str(word) for word in command]
        self.lines = []
        self._on_line = on_line
        self._said = threading.Condition()
        self._closed = False
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('stdout', subprocess.PIPE)
        stderr = subprocess.STDOUT if options['stdout'] == subprocess.PIPE else subprocess.PIPE
        self.process = subprocess.Popen(self.command, stderr=stderr, preexec_fn=die_with_parent, **options)
        self._pipe = self.process.stdout or self.process.stderr
        _alive.add(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._pipe:
            line = raw.decode(errors='replace').rstrip('\r\n')
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
            if self._on_line:
                self._on_line(line)
        with self._said:
            self._closed = True
            self._said.notify_all()

    @property
    def log(self):
        return '\n'.join(self.lines)

    def wait_line(self, pattern, timeout=20, after=0):
        """The match of the first line from index `after` on. Raises with the whole log when it does not come."""
        deadline = time.monotonic() + timeout
        with self._said:
            while True:
                for line in self.lines[after:]:
                    if found := re.search(pattern, line):
                        return found
                after = max(after, len(self.lines))
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    why = 'ended' if self._closed else f'said nothing like it in {timeout} s'
                    raise AssertionError(f'waiting for /{pattern}/: {self.command[0]} {why}\n{self.log}')
                self._said.wait(left)

    def wait(self, timeout=20):
        """The exit code."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        self._pipe.close()
        _alive.discard(self)
        return code

    def signal(self, number):
        self.process.send_signal(number)

    @property
    def running(self):
        return self.process.poll() is None

    @property
    def state(self):
        return 'running' if self.running else f'ended with {self.process.returncode}'

    def kill(self):
        if self.running:
            self.process.kill()
        self.wait()


def run(command, timeout=30, check=True, **options):
    """Runs to the end; the result has `returncode` and, as text, `stdout`, with stderr in it unless sent elsewhere."""
    command = [str(word) for word in command]
    options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, **options}
    done = subprocess.run(command, timeout=timeout, preexec_fn=die_with_parent, text=True, errors='replace', **options)
    if check and done.returncode != 0:
        raise AssertionError(f'{" ".join(command)}\nended with {done.returncode}:\n{done.stdout}')
    return done
