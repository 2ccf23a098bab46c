"""A daemon that comes back finds its clients, even those that say nothing: --state remembers where they were."""

import json

import frames
import harness

ALICE, BOB, CAROL = (f'52:cc:cc:cc:cc:0{number}' for number in (1, 2, 3))


class Restart(harness.Case):
    def state(self):
        return self.folder / 'state'

    def saved(self):
        file = self.state() / 'clients.json'
        return {entry['mac'] for entry in json.loads(file.read_text())} if file.exists() else set()

    def test_a_silent_client_is_reached_after_kill_9(self):
        daemon = self.vnetd('--state', self.state())
        alice, bob = self.dgram_nic(daemon, ALICE), self.dgram_nic(daemon, BOB)
        for nic in (alice, bob):
            self.assertIsNotNone(nic.arp(harness.DEFAULT_GATEWAY))
        harness.eventually(lambda: self.saved() == {ALICE, BOB}, what='both clients on disk')
        daemon.kill9()
        daemon = self.vnetd('--state', self.state())
        bob.drain()
        hello = frames.mac_bytes(BOB) + frames.mac_bytes(ALICE) + b'\x88\xb5' + b'are you there?'
        alice.send(hello)
        self.assertTrue(bob.receive_match(lambda frame: frame == hello), 'bob has not sent anything since the restart')

    def test_a_nic_with_its_own_socket_is_reached_too(self):
        config = {'nics': [{'name': 'alice', 'mac': ALICE, 'dgram': 'alice.sock'}]}
        daemon = self.vnetd('--state', self.state(), config=config)
        alice = self.dgram_nic(daemon, ALICE, path=self.folder / 'alice.sock')
        self.assertIsNotNone(alice.arp(harness.DEFAULT_GATEWAY))
        harness.eventually(lambda: self.saved() == {ALICE}, what='the client on disk')
        daemon.kill9()
        daemon = self.vnetd('--state', self.state(), config=config)
        bob = self.dgram_nic(daemon, BOB)
        hello = frames.mac_bytes(ALICE) + frames.mac_bytes(BOB) + b'\x88\xb5' + b'are you there?'
        bob.send(hello)
        self.assertTrue(alice.receive_match(lambda frame: frame == hello))

    def test_clients_that_are_gone_and_a_damaged_file_cost_nothing(self):
        daemon = self.vnetd('--state', self.state())
        self.assertIsNotNone(self.dgram_nic(daemon, CAROL, name='short-lived').arp(harness.DEFAULT_GATEWAY))
        harness.eventually(lambda: self.saved() == {CAROL}, what='the client on disk')
        daemon.kill9()
        (self.folder / 'short-lived.nic').unlink()
        daemon = self.vnetd('--state', self.state())
        self.assertNotIn('nic.attached', daemon.log)
        daemon.stop()
        (self.state() / 'clients.json').write_text('[{"socket": 7}, {}, nonsense')
        daemon = self.vnetd('--state', self.state())
        self.assertIsNotNone(self.dgram_nic(daemon, ALICE).arp(harness.DEFAULT_GATEWAY))
        self.assertIn('clients.json is damaged', daemon.log)
