"""DHCP as real clients live it, in namespaces on `vnet tap`: udhcpc, dhclient, and perfdhcp for many at once."""

import os
import re
import signal
import unittest

import harness
import needs
from harness import HERE

MAC = '52:cc:cc:cc:cc:11'
LEASE = r'lease of (\S+) obtained|bound to (\S+) '


def network(**dhcp):
    return {'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'dhcp': dhcp}]}


class DhcpClients(harness.Case):
    def setUp(self):
        super().setUp()
        needs.root()

    def start_udhcpc(self, host, *flags):
        """In the foreground until it is signalled; what its script was told is `self.lease(host)`."""
        host.lease_file = self.folder / f'{host.name}.lease'
        environment = dict(os.environ, LEASE_FILE=str(host.lease_file), RESOLV_CONF=str(self.folder / 'resolv.conf'))
        client = host.start(['udhcpc', '-f', '-i', 'eth0', '-s', HERE / 'vm/udhcpc.sh', '-t', '4', '-T', '1', *flags],
                            env=environment)
        self.addCleanup(client.kill)
        return client

    def lease(self, host):
        """The lease as udhcpc's script wrote it down, which is the last thing that the script does."""
        harness.eventually(host.lease_file.exists, what='the lease file')
        return host.lease_file.read_text()

    def dhclient(self, *flags):
        return ['dhclient', '-4', '-v', *flags, '-sf', HERE / 'vm/dhclient.sh', '-lf', self.leases,
                '-pf', self.folder / 'dhclient.pid']

    def start_dhclient(self, host):
        """In the foreground, verbose; its lease database is `self.leases`."""
        self.leases = self.folder / 'dhclient.leases'
        (self.folder / 'dhclient.conf').write_text('initial-interval 1; backoff-cutoff 2; timeout 15;\n')
        client = host.start([*self.dhclient('-d', '-1'), '-cf', self.folder / 'dhclient.conf', 'eth0'])
        self.addCleanup(client.kill)
        return client


class Udhcpc(DhcpClients):
    def setUp(self):
        super().setUp()
        needs.tools(udhcpc='udhcpc')

    def test_gets_a_lease_with_router_and_dns_and_can_use_it(self):
        host = self.host(self.vnetd(config=network()), MAC)
        address = self.start_udhcpc(host).wait_line(r'lease of (\S+) obtained')[1]
        lease = self.lease(host)
        self.assertIn(f'{address}/24', host.ipv4())
        self.assertIn('router=192.168.1.1', lease)
        self.assertIn('dns=192.168.1.1', lease)
        self.assertIn('domain=vnet', lease)
        host.run(['ping', '-c', '2', '-W', '2', '192.168.1.1'])

    def test_renews_on_request_and_keeps_the_address(self):
        host = self.host(self.vnetd(config=network()), MAC)
        client = self.start_udhcpc(host)
        address = client.wait_line(r'lease of (\S+) obtained')[1]
        said = len(client.lines)
        client.signal(signal.SIGUSR1)
        self.assertEqual(client.wait_line(r'lease of (\S+) obtained', after=said)[1], address)

    def test_a_released_address_serves_the_next_client(self):
        daemon = self.vnetd(config=network(range=['192.168.1.100', '192.168.1.100']))
        first, second = self.host(daemon, MAC), self.host(daemon, '52:cc:cc:cc:cc:12')
        holder = self.start_udhcpc(first)
        holder.wait_line(r'lease of 192\.168\.1\.100 obtained')
        self.start_udhcpc(second, '-n', '-t', '2').wait_line('no lease')
        # The release is unicast, and the address goes with it: whoever has to ask for the gateway's MAC first is too late.
        first.run(['ping', '-c', '1', '-W', '5', '192.168.1.1'])
        holder.signal(signal.SIGUSR2)
        holder.wait_line('[Uu]nicasting a release')
        self.start_udhcpc(second).wait_line(r'lease of 192\.168\.1\.100 obtained')

    def test_the_same_mac_gets_the_same_address_after_the_daemon_was_killed(self):
        state = self.folder / 'state'
        state.mkdir()
        daemon = self.vnetd('--state', state, config=network())
        other = self.host(daemon, '52:cc:cc:cc:cc:12')
        self.start_udhcpc(other).wait_line(LEASE)
        host = self.host(daemon, MAC)
        address = self.start_udhcpc(host, '-q').wait_line(r'lease of (\S+) obtained')[1]
        daemon.kill9()
        self.vnetd('--state', state, config=network())
        self.assertEqual(self.start_udhcpc(host, '-q').wait_line(r'lease of (\S+) obtained')[1], address)


class Dhclient(DhcpClients):
    def setUp(self):
        super().setUp()
        needs.tools(dhclient='isc-dhcp-client')

    def test_leases_renews_at_t1_and_releases(self):
        host = self.host(self.vnetd(config=network(lease_s=6)), MAC)
        client = self.start_dhclient(host)
        address = client.wait_line(r'bound to (\S+) ')[1]
        said = len(client.lines)
        renewal = client.wait_line(r'DHCPREQUEST for (\S+) on', after=said)
        self.assertEqual(renewal[1], address)
        self.assertEqual(client.wait_line(r'bound to (\S+) ', after=said)[1], address)
        self.assertNotIn('DHCPDISCOVER', '\n'.join(client.lines[said:]))
        client.kill()
        released = host.run([*self.dhclient('-r'), 'eth0']).stdout
        self.assertIn(f'DHCPRELEASE of {address}', released)
        self.assertEqual(host.ipv4(), [])

    def test_init_reboot_is_answered_without_a_discover(self):
        host = self.host(self.vnetd(config=network()), MAC)
        client = self.start_dhclient(host)
        address = client.wait_line(r'bound to (\S+) ')[1]
        client.kill()
        again = self.start_dhclient(host)
        self.assertEqual(again.wait_line(r'bound to (\S+) ')[1], address)
        self.assertNotIn('DHCPDISCOVER', again.log)

    def test_a_foreign_address_is_refused_and_a_fresh_one_given(self):
        host = self.host(self.vnetd(config=network()), MAC)
        client = self.start_dhclient(host)
        client.wait_line(r'bound to (\S+) ')
        client.kill()
        self.leases.write_text(re.sub(r'fixed-address \S+;', 'fixed-address 10.9.9.9;', self.leases.read_text()))
        again = self.start_dhclient(host)
        again.wait_line(r'DHCPREQUEST for 10\.9\.9\.9')
        again.wait_line('DHCPNAK')
        self.assertRegex(again.wait_line(r'bound to (\S+) ')[1], r'^192\.168\.1\.')


class Perfdhcp(DhcpClients):
    def test_a_thousand_clients_at_300_a_second_are_all_served(self):
        needs.tools(perfdhcp='kea-admin')
        daemon = self.vnetd(config={'networks': [{'name': 'big', 'ipv4': '10.0.0.1/16',
                                                  'dhcp': {'range': ['10.0.1.0', '10.0.200.255']}}]})
        host = self.host(daemon, MAC)
        host.run(['ip', 'addr', 'add', '10.0.0.2/16', 'dev', 'eth0'])
        # It speaks as a relay agent: giaddr is its own address, and the answers go there.
        text = host.run(['perfdhcp', '-4', '-l', 'eth0', '-r', '300', '-R', '1000', '-p', '5', '-W', '1000000',
                         '10.0.0.1'], timeout=40, check=False).stdout
        sent = [int(count) for count in re.findall(r'sent packets: (\d+)', text)]
        dropped = [int(count) for count in re.findall(r'drops: (\d+)', text)]
        self.assertEqual(len(sent), 2, text)
        self.assertGreater(min(sent), 1000, text)
        self.assertLessEqual(sum(dropped), sum(sent) // 100, text)
        print(f'    perfdhcp: {sent[0]} discovers, {sent[1]} requests, {sum(dropped)} unanswered')


if __name__ == '__main__':
    unittest.main()
