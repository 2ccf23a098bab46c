"""Stands in for a QEMU that its guest has taken over: speaks enough QMP to be started, and of its screen says what it likes.

    qemu_stand_in.py FOLDER QEMU-ARGUMENTS...

At each `screendump` it does what the file FOLDER/act says: `write` what is in FOLDER/picture, put in the place of the
file that it was given a `link` to FOLDER/picture or a `pipe`, report an `error`, be `silent`, or `end`.
"""

import json
import os
import pathlib
import re
import socket
import sys


def screendump(folder, path):
    """What there is to be answered; None: nothing."""
    act = (folder / 'act').read_text().strip()
    if act == 'end':
        sys.exit(3)
    if act == 'silent':
        return None
    if act == 'error':
        return {'error': {'class': 'GenericError', 'desc': 'there is no screen'}}
    if act == 'write':
        path.write_bytes((folder / 'picture').read_bytes())
    else:
        path.unlink()
        if act == 'link':
            path.symlink_to(folder / 'picture')
        else:
            os.mkfifo(path)
    return {'return': {}}


def main():
    folder = pathlib.Path(sys.argv[1])
    number = int(re.search(r'id=qmp,fd=(\d+)', ' '.join(sys.argv))[1])
    with socket.socket(fileno=number) as qmp:
        qmp.setblocking(True)

        def say(document):
            qmp.sendall(json.dumps(document).encode() + b'\n')

        say({'QMP': {'version': {'qemu': {'major': 7, 'minor': 2, 'micro': 0}, 'package': ''}, 'capabilities': []}})
        for line in qmp.makefile('r'):
            asked = json.loads(line)
            answer = {'return': {}}
            if asked['execute'] == 'screendump':
                answer = screendump(folder, pathlib.Path(asked['arguments']['filename']))
            if answer:
                say({**answer, 'id': asked['id']})
            if asked['execute'] == 'cont':
                say({'event': 'RESUME', 'timestamp': {'seconds': 0, 'microseconds': 0}})
            if asked['execute'] == 'quit':
                return


if __name__ == '__main__':
    main()
