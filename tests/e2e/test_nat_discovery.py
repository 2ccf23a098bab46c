"""What a NAT is said to be is what programs behind it find out: coturn's (RFC 5780) and Vovida's `stun` (RFC 3489).

There are nine homes, each of which is another of the nine combinations of mapping and filtering in every round; the
programs run in all of them at once, since what they wait for are packets that do not come.
"""

import re
import unittest

import homes
import needs

EI, AD, APD = DEPENDENCES = 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'
COMBINATIONS = [(mapping, filtering) for mapping in DEPENDENCES for filtering in DEPENDENCES]
COTURN = {EI: 'Endpoint Independent', AD: 'Address Dependent', APD: 'Address and Port Dependent'}
# RFC 3489 knows four NATs; what maps by destination is symmetric, however it filters.
VOVIDA = {EI: 'Independent Filter', AD: 'Address Dependent Filter', APD: 'Port Dependent Filter'}
GUEST = '10.1.0.101'
SERVER = homes.STUN_ADDRESSES[0]


def wan(home):
    return f'2.9.0.{home + 1}'


class Discovery(homes.Internet):
    config = {
        'networks': [{'name': f'home{home}', 'ipv4': '10.1.0.1/24', 'wan': {'ipv4': wan(home)}} for home in range(9)],
        'nics': [homes.nic(f'guest{home}', home + 1, f'home{home}', GUEST) for home in range(9)],
        'services': [homes.STUN_SERVICE],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guests = [cls.guest(f'guest{home}') for home in range(9)]

    def setUp(self):
        super().setUp()
        needs.tools(turnserver='coturn', stun='stun-client')  # turnutils_natdiscovery comes with the former

    def ask_everywhere(self, **programs):
        """What each program says in each home, by home and name; all of them run at once."""
        said = self.run_all({(home, name): guest.start(command) for home, guest in enumerate(self.guests)
                             for name, command in programs.items()})
        return [{name: said[home, name] for name in programs} for home in range(len(self.guests))]

    def coturn(self, *options):
        return ['turnutils_natdiscovery', '-L', GUEST, *options, SERVER]

    def check_coturn(self, said, mapping, filtering=None):
        """For its last look at the mapping it takes the other address of the second answer rather than of the first
        (RFC 5780, 4.3), and so asks the first server again, at its other port: what depends on the address only it
        takes for dependent on both. But it says by which addresses it was known."""
        known = re.findall(r'UDP reflexive addr: (\S+)', said.partition('Filtering')[0])
        self.assertEqual(EI if len(set(known)) == 1 else AD if known[0] == known[2] else APD, mapping, said)
        if mapping != AD:
            self.assertIn(f'NAT with {COTURN[mapping]} Mapping!', said)
        if filtering:
            self.assertIn(f'NAT with {COTURN[filtering]} Filtering!', said)

    def check_vovida(self, said, mapping, filtering, ports, hairpin):
        """What its socket sends to itself has come in by the mapping that it knows only if that does not depend on the
        destination, or if everybody gets in."""
        nat = f'Independent Mapping, {VOVIDA[filtering]}' if mapping == EI else 'Dependent Mapping'
        found = 'will hairpin' if hairpin and EI in (mapping, filtering) else 'no hairpin'
        self.assertIn(f'Primary: {nat}, {ports}, {found}', said)

    def check(self, combinations, hairpin):
        """All that can be found out in homes with these NATs."""
        answers = self.ask_everywhere(kind=self.coturn('-m', '-f'), hairpin=self.coturn('-H'), vovida=['stun', SERVER])
        for home, ((mapping, filtering), said) in enumerate(zip(combinations, answers)):
            with self.subTest(mapping=mapping, filtering=filtering, hairpin=hairpin):
                self.check_coturn(said['kind'], mapping, filtering)
                self.check_vovida(said['vovida'], mapping, filtering, 'preserves ports', hairpin)
                # Its packet comes from a socket that the one it is for has never sent to: a filter keeps it out.
                came = 'Received a request (maybe a successful hairpinning)' in said['hairpin']
                self.assertEqual(came, hairpin and filtering == EI, said['hairpin'])
                self.assertEqual(self.meet_outside(home), hairpin)

    def meet_outside(self, home):
        """Whether two sockets of a guest, which send to each other's outside endpoint, hear each other.

        Ports are preserved, so they know these endpoints before they have sent. What goes to the STUN server at last
        tells when the answer is no.
        """
        one, other = ends = [self.keep(homes.udp(self.guests[home])) for _ in range(2)]
        for end, to in ((one, other), (other, one), (one, other)):
            end.sendto(b'hello', (wan(home), homes.port_of(to)))
        heard = []
        for end, to in ((one, other), (other, one)):
            heard.append(False)
            homes.ask_stun(end)
            while (came := end.recvfrom(2000))[1] != (SERVER, homes.STUN_PORT):
                self.assertEqual(came, (b'hello', (wan(home), homes.port_of(to))))
                heard[-1] = True
        self.assertEqual(*heard)
        return all(heard)

    def test_the_nine_combinations_changed_by_the_api(self):
        for home, (mapping, filtering) in enumerate(COMBINATIONS):
            self.api.patch(f'/v1/networks/home{home}', {'nat': {'mapping': mapping, 'filtering': filtering}})
        self.check(COMBINATIONS, hairpin=True)

    def test_the_nine_combinations_without_hairpinning_changed_by_vnet(self):
        combinations = COMBINATIONS[4:] + COMBINATIONS[:4]
        for home, (mapping, filtering) in enumerate(combinations):
            self.vnet('network', f'home{home}', 'nat', f'mapping={mapping}', f'filtering={filtering}', 'hairpin=false')
        self.check(combinations, hairpin=False)

    def test_requests_and_answers_in_fragments_find_the_same(self):
        for home, (mapping, filtering) in enumerate(COMBINATIONS):
            self.api.patch(f'/v1/networks/home{home}', {'nat': {'mapping': mapping, 'filtering': filtering}})
        for (mapping, filtering), said in zip(COMBINATIONS, self.ask_everywhere(coturn=self.coturn('-m', '-P'))):
            with self.subTest(mapping=mapping, filtering=filtering):
                self.check_coturn(said['coturn'], mapping)

    def test_presets_are_what_they_are_called(self):
        presets = {'one2one': (EI, EI, 'preserves ports'), 'fullcone': (EI, EI, 'preserves ports'),
                   'easyaf': (EI, AD, 'preserves ports'), 'easy': (EI, APD, 'preserves ports'),
                   'hardaf': (AD, AD, 'random port'), 'hard': (APD, APD, 'random port'),
                   'cgnat': (EI, APD, 'preserves ports')}
        for home, preset in enumerate(presets):
            self.vnet('network', f'home{home}', 'nat', preset)
            self.assertEqual(self.api.get(f'/v1/networks/home{home}')['nat'], preset)
        answers = self.ask_everywhere(coturn=self.coturn('-m', '-f'), vovida=['stun', SERVER])
        for (preset, (mapping, filtering, ports)), said in zip(presets.items(), answers):
            with self.subTest(preset):
                self.check_coturn(said['coturn'], mapping, filtering)
                self.check_vovida(said['vovida'], mapping, filtering, ports, hairpin=True)

    def test_without_translation_there_is_no_nat_to_be_found(self):
        """And its guests are found by their own addresses, as soon as it is so."""
        self.vnet('network', 'home8', 'nat', 'none')
        self.addCleanup(self.vnet, 'network', 'home8', 'nat', 'easy')
        said = self.guests[8].run(['turnutils_natdiscovery', '-L', GUEST, '-m', '-f', SERVER]).stdout
        self.assertEqual(said.count('No NAT!'), 2, said)
        self.assertIn('Open', self.guests[8].run(['stun', SERVER], check=False).stdout)


if __name__ == '__main__':
    unittest.main()
