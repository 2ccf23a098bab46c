"""Captures judged by programs that are not ours: capinfos and tshark."""

import subprocess

import processes

SEPARATOR = '\x1f'  # comments hold spaces and commas


def packets(path):
    """How many packets capinfos counts; raises unless it accepts the file to its last byte."""
    text = processes.run(['capinfos', '-M', '-c', path]).stdout
    if 'cut short' in text or 'error' in text.lower():
        raise AssertionError(text)
    count = next(line.split(':')[1].strip() for line in text.splitlines() if line.startswith('Number of packets'))
    return int(count)


def interfaces(path):
    """The names of the interfaces that the file describes, in order."""
    text = processes.run(['capinfos', '-M', '-I', path]).stdout
    return [line.split('=', 1)[1].strip() for line in text.splitlines() if line.strip().startswith('Name =')]


def rows(path, *fields, where=None, timeout=30):
    """One tuple of texts per packet that the display filter `where` lets through."""
    command = ['tshark', '-n', '-r', str(path), '-T', 'fields', '-E', f'separator={SEPARATOR}', '-E', 'occurrence=a']
    for field in fields:
        command += ['-e', field]
    if where:
        command += ['-Y', where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          preexec_fn=processes.die_with_parent)
    if done.returncode != 0:
        raise AssertionError(f'{" ".join(command)}\n{done.stderr}')
    return [tuple(line.split(SEPARATOR)) for line in done.stdout.split('\n')[:-1]]
