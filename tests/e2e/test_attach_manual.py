"""vnet-attach(7) is true: what it shows for each hypervisor attaches a NIC, which works.

QEMU's lines are run by QEMU. The others start the stand-ins of hypervisors.py, and what the page says of these
hypervisors is what the stand-ins do.
"""

import re
import shlex
import sys
import unittest

import control
import harness
import hypervisors
import processes
from harness import DEFAULT_GATEWAY

PAGE = (harness.ROOT / 'man/vnet-attach.7').read_text(encoding='utf-8')
MAC = '52:54:00:00:00:01'  # the page's


def literals(section):
    """The blocks of code below a heading, as a reader sees them."""
    body = re.search(rf'(?ms)^\.S[sh] {section}$(.*?)^\.S[sh] ', PAGE)[1]
    blocks = re.findall(r'(?ms)^\.Bd -literal -offset indent\n(.*?)^\.Ed$', body)
    return [block.replace('\\e', '\\') for block in blocks]


class Page(harness.Case):
    """What it shows for those that cannot be run here is what starts their stand-ins."""

    def plug_in(self, make):
        daemon = self.vnetd()
        nic = make(lambda text: text.replace('$S', str(daemon.dgram)))
        self.addCleanup(nic.close)
        self.assertEqual(nic.mac, MAC)
        self.assertTrue(nic.ping(DEFAULT_GATEWAY, nic.lease()))
        self.assertEqual(control.Control(daemon.control).get('/v1/status')['drops'], {})
        daemon.stop()
        return nic

    def row(self, client):
        return re.search(rf'(?m)^\.It {client} Ta (.*)$', PAGE)[1].split(' Ta ')[1:]

    def sizes(self, kind):
        return [f'{size // hypervisors.MIB} MiB' for size in kind.BUFFERS]

    def test_the_lines_for_vfkit(self):
        lines = literals('vfkit')[0].splitlines()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.plug_in(lambda filled, line=line: hypervisors.vfkit(filled(line)))
        self.assertEqual(self.row('vfkit'), ['yes', *self.sizes(hypervisors.Vfkit)])

    def test_the_call_of_libkrun_with_either_flag(self):
        call = literals('libkrun')[0]
        for flags in ('0', 'NET_FLAG_VFKIT'):
            self.assertIn(flags, PAGE)
            source = re.sub(r'0\);', f'{flags});', call)

            def make(filled, source=source):
                nic, features = hypervisors.libkrun(filled(source), self.folder,
                                                    {'NET_FLAG_VFKIT': hypervisors.Libkrun.FLAG_VFKIT})
                self.assertEqual(features, 0, 'offloads')
                return nic
            self.plug_in(make)
        self.assertIn(f'`{call.splitlines()[-1]}`', (harness.ROOT / 'README.md').read_text(encoding='utf-8'))
        self.assertEqual(self.row('libkrun'), ['bit 0', *self.sizes(hypervisors.Libkrun)])

    def test_the_program_for_virtualization_framework_does_what_its_stand_in_does(self):
        swift, swap = literals('Virtualization.framework')
        steps = ['socket(AF_UNIX, SOCK_DGRAM', 'unlink(own)', 'call(bind', *(
            f'({option}, {size // hypervisors.MIB} << 20)'
            for option, size in zip(('SO_SNDBUF', 'SO_RCVBUF'), hypervisors.VzHelper.BUFFERS)), 'setsockopt(',
            'call(connect', 'VZFileHandleNetworkDeviceAttachment(fileHandle']
        places = [swift.index(step) for step in steps]
        self.assertEqual(places, sorted(places))
        self.assertNotIn('VFKT', swift)
        self.assertEqual(self.row('your own program'), ['no', *self.sizes(hypervisors.VzHelper)])
        own = re.search(r'cable\(from: "(.*?)"', swift)[1]
        self.assertEqual([line.split('=')[-1].split('(')[0].strip() for line in swap.splitlines()],
                         ['nil', 'unlink', 'try cable'])
        self.assertEqual(re.findall(r'"(/.*?)"', swap), [own, own])


class QemuLines(harness.Case):
    """Each of them with a real QEMU."""

    def boot_with(self, words, **options):
        machine = self.boot('guest', None, MAC, extra=words, **options)
        machine.wait_shell()
        self.assertRegex(machine.lease()['ip'], r'^192\.168\.127\.')
        machine.check(f'ping -c 2 -W 5 {DEFAULT_GATEWAY}')
        machine.stop()

    def test_both_lines_by_path(self):
        harness.vm_image()
        daemon = self.vnetd()
        dgram, stream, _ = literals('QEMU')
        paths = {'/tmp/vm1.sock': self.folder / 'vm1.sock', '$STREAM': daemon.stream, '$S': daemon.dgram, '\\\n': ' '}
        for line in (dgram, stream):
            for shown, path in paths.items():
                line = line.replace(shown, str(path))
            self.boot_with(shlex.split(line))

    def test_the_launcher_that_passes_a_descriptor(self):
        harness.vm_image()
        daemon = self.vnetd(config={'nics': [{'name': 'alice', 'mac': MAC, 'ip': '192.168.127.50'}]})
        script = self.folder / 'launch.py'
        script.write_text(literals('QEMU')[2])
        self.boot_with([], launcher=[sys.executable, script, daemon.control, 'alice'])
        refused = processes.run([sys.executable, script, daemon.control, 'nobody', 'true'], check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn(' 404 ', refused.stdout)


if __name__ == '__main__':
    unittest.main()
