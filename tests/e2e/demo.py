#!/usr/bin/python3
"""./dev demo: two real VMs on one switch, told as it happens, in under a minute.

The steps are those of a person at two keyboards: plug in, get an address, ping, look up a name, look at the capture.
Everything runs in a private folder but the capture, which stays in build/demo.pcapng to be opened in Wireshark.
"""

import collections
import re
import shutil
import sys
import tempfile
import pathlib
import time

import capture
import harness
import image
import vm

CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'ipv6': '2052::1/64'}],
    'nics': [
        {'name': 'alice', 'mac': '52:cc:cc:cc:cc:01', 'ip': '192.168.1.101', 'hostname': 'alice'},
        {'name': 'bob', 'mac': '52:cc:cc:cc:cc:02', 'hostname': 'bob'},
    ],
}
CAPTURE = harness.ROOT / 'build/demo.pcapng'
started = time.monotonic()


def say(text):
    print(f'[{time.monotonic() - started:5.1f} s] {text}', flush=True)


def run(folder, cleanup):
    the_image = image.make(harness.cache_folder())
    accelerator = vm.accelerator(the_image)
    say(f'VM image: Linux {the_image.version}, busybox; acceleration: {accelerator}')

    daemon = harness.Vnetd(folder, '--pcap', CAPTURE, config=CONFIG, on_line=lambda line: say(f'    vnetd: {line}'))
    cleanup.append(daemon.child.kill)
    cleanup.append(lambda: daemon.child.state in ('running', 'ended with 0') or say(f'vnetd has {daemon.child.state}'))
    say(f'vnetd runs as process {daemon.pid}; both VMs will use {daemon.dgram}')

    vms = {}
    for nic in CONFIG['nics']:
        netdev = vm.dgram_netdev(folder / f'{nic["name"]}.qemu', daemon.dgram)
        vms[nic['name']] = vm.Vm(nic['name'], the_image, folder, netdev, nic['mac'], accel=accelerator)
        cleanup.append(vms[nic['name']].kill)
        say(f'{nic["name"]} boots: -netdev {netdev},id=net0')

    leases = {}
    for name, machine in vms.items():
        say(f'{name} has booted in {machine.wait_shell():.1f} s')
    for name, machine in vms.items():
        leases[name] = machine.lease()
        say(f'{name} attached, lease: {leases[name]["ip"]}/{leases[name]["mask"]} from {leases[name]["serverid"]} '
            f'for {leases[name]["lease"]} s')

    alice, bob = vms['alice'], vms['bob']
    say('alice pings bob: ' + summary(alice.check(f'ping -c 3 -i 0.2 -W 2 {leases["bob"]["ip"]}')))
    for name, machine in vms.items():
        say(f'{name} has made an IPv6 address by SLAAC: {machine.global_ipv6()}')
    say('alice pings bob over IPv6: ' + summary(alice.check(f'ping6 -c 3 -i 0.2 -W 2 {bob.global_ipv6()}')))
    say('alice looks up bob.vnet: ' + answer(alice.check('nslookup bob.vnet')))
    say('bob looks up alice.vnet: ' + answer(bob.check('nslookup alice.vnet')))

    for machine in vms.values():
        machine.stop()
    daemon.stop()
    say('both VMs and vnetd have ended; capinfos and tshark read the capture:')
    packets = capture.packets(CAPTURE)
    frames = collections.Counter(name for name, in capture.rows(CAPTURE, 'frame.interface_name'))
    for name in capture.interfaces(CAPTURE):
        say(f'  {name:20} {frames[name]:5} frames')
    say(f'  {packets} frames in {CAPTURE}')
    say(f'Summary: 2 VMs, 2 leases, ping over IPv4 and IPv6, 2 names resolved, {packets} frames captured. All well.')


def summary(text):
    """Busybox ping's last two lines as one phrase."""
    received = re.search(r'(\d+) packets transmitted, (\d+) packets received', text)
    average = re.search(r'= [\d.]+/([\d.]+)/', text)
    return f'{received[2]} of {received[1]} answered, {average[1]} ms on average'


def answer(text):
    """The last address that nslookup printed: the first is the server's."""
    return re.findall(r'Address(?: \d)?: *(\S+)', text)[-1]


def main():
    missing = vm.missing() or next((f'{tool} is not installed (package tshark)' for tool in ('tshark', 'capinfos')
                                    if not shutil.which(tool)), None)
    if missing:
        sys.exit(f'./dev demo: {missing}')
    folder = pathlib.Path(tempfile.mkdtemp(prefix='vnet-demo-'))
    cleanup = [lambda: shutil.rmtree(folder)]
    try:
        run(folder, cleanup)
    except (AssertionError, image.Missing) as error:
        say(f'FAILED: {error}')
        return 1
    finally:
        for end in reversed(cleanup):
            end()
    return 0


if __name__ == '__main__':
    sys.exit(main())
