"""DNS as real resolvers ask it, in a namespace on `vnet tap`: dig for each kind of answer, dnsperf for load."""

import re
import unittest

import harness
import needs

GATEWAY = '192.168.1.1'
MANY = [f'text {number:02}, long enough that all together do not fit into 512 bytes' for number in range(17)]
CONFIG = {
    'networks': [{
        'name': 'home', 'ipv4': f'{GATEWAY}/24', 'ipv6': '2052::1/64',
        'dns': {'domain': 'vnet', 'upstream': 'none', 'records': [
            {'name': 'a.test', 'a': ['1.2.3.4', '1.2.3.5'], 'aaaa': ['2001:db8::4'], 'ttl_s': 60},
            {'name': 'text.test', 'txt': ['hello world']},
            {'name': 'many.test', 'txt': MANY},
            {'name': 'mail.test', 'mx': [{'preference': 10, 'exchange': 'a.test'}]},
            {'name': '_sip._udp.test', 'srv': [{'priority': 1, 'weight': 2, 'port': 5060, 'target': 'a.test'}]},
            {'name': 'one.test', 'cname': 'two.test'},
            {'name': 'two.test', 'cname': 'a.test'},
            {'name': '4.3.2.1.in-addr.arpa', 'ptr': 'a.test'},
        ]},
    }],
    'nics': [{'name': 'alice', 'mac': '52:cc:cc:cc:cc:01', 'ip': '192.168.1.101'}],
}


class Dns(harness.Case):
    """One daemon and one namespace for all; nothing in here changes either."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        needs.root()
        cls.daemon = harness.Case.vnetd(cls, config=CONFIG)
        cls.client = harness.Case.host(cls, cls.daemon, '52:cc:cc:cc:cc:01')
        cls.client.run(['ip', 'addr', 'add', '192.168.1.101/24', 'dev', 'eth0'])
        cls.client.run(['ping', '-c', '1', '-W', '5', GATEWAY])

    def dig(self, *words):
        needs.tools(dig='bind9-dnsutils')
        return self.client.run(['dig', f'@{GATEWAY}', '+tries=2', '+time=3', *words]).stdout

    def short(self, *words):
        return self.dig('+short', *words).split('\n')[:-1]

    def status(self, *words):
        return re.search(r'status: (\w+)', self.dig(*words))[1]

    def test_each_kind_of_record(self):
        self.assertEqual(sorted(self.short('a.test', 'A')), ['1.2.3.4', '1.2.3.5'])
        self.assertEqual(self.short('a.test', 'AAAA'), ['2001:db8::4'])
        self.assertEqual(self.short('text.test', 'TXT'), ['"hello world"'])
        self.assertEqual(self.short('mail.test', 'MX'), ['10 a.test.'])
        self.assertEqual(self.short('_sip._udp.test', 'SRV'), ['1 2 5060 a.test.'])
        self.assertEqual(self.short('-x', '1.2.3.4'), ['a.test.'])

    def test_a_chain_of_cnames_is_followed_to_its_end(self):
        self.assertEqual(self.short('one.test', 'A')[:2], ['two.test.', 'a.test.'])
        self.assertEqual(sorted(self.short('one.test', 'A')[2:]), ['1.2.3.4', '1.2.3.5'])
        self.assertEqual(self.short('one.test', 'CNAME'), ['two.test.'])

    def test_a_nics_name_and_its_reverse(self):
        self.assertEqual(self.short('alice.vnet', 'A'), ['192.168.1.101'])
        self.assertEqual(self.short('-x', '192.168.1.101'), ['alice.vnet.'])

    def test_no_such_name_is_not_no_such_record(self):
        self.assertEqual(self.status('nobody.vnet', 'A'), 'NXDOMAIN')
        self.assertEqual(self.status('text.test', 'A'), 'NOERROR')
        self.assertEqual(self.short('text.test', 'A'), [])
        self.assertIn('SOA', self.dig('nobody.vnet', 'A'), 'a negative answer has the zone\'s SOA (RFC 2308)')

    def test_names_match_in_any_case_and_keep_the_one_asked(self):
        self.assertIn('A.TeSt.', self.dig('A.TeSt', 'A'))
        self.assertEqual(sorted(self.short('A.TeSt', 'A')), ['1.2.3.4', '1.2.3.5'])

    def test_a_long_answer_is_cut_and_comes_whole_over_tcp_or_with_a_larger_bufsize(self):
        cut = self.dig('+noedns', '+ignore', 'many.test', 'TXT')
        self.assertRegex(cut, r'flags:[^;]* tc')
        self.assertEqual(len(self.short('+noedns', 'many.test', 'TXT')), len(MANY), 'dig asks again over TCP')
        self.assertEqual(len(self.short('+tcp', 'many.test', 'TXT')), len(MANY))
        whole = self.dig('+ignore', '+bufsize=4096', 'many.test', 'TXT')
        self.assertNotRegex(whole, r'flags:[^;]* tc')

    def test_edns_is_answered_only_when_asked_and_an_unknown_version_is_refused(self):
        self.assertNotIn('OPT PSEUDOSECTION', self.dig('+noedns', 'a.test'))
        self.assertIn('EDNS: version: 0', self.dig('+edns=0', 'a.test'))
        self.assertEqual(self.status('+edns=1', '+noednsnegotiation', 'a.test'), 'BADVERS')

    def test_several_queries_on_one_tcp_connection(self):
        text = self.dig('+tcp', '+keepopen', '+short', 'a.test', 'AAAA', 'text.test', 'TXT', 'mail.test', 'MX')
        self.assertEqual(text.split('\n')[:-1], ['2001:db8::4', '"hello world"', '10 a.test.'])

    def test_odd_queries_get_an_honest_error(self):
        self.assertEqual(self.status('+opcode=2', 'a.test'), 'NOTIMP')
        self.assertEqual(self.status('+header-only'), 'FORMERR')

    def test_special_names_stay_here(self):
        for name in ('printer.local', 'x.invalid'):
            self.assertEqual(self.status(name, 'A'), 'NXDOMAIN', name)
        self.assertEqual(self.status('-x', '192.168.1.77'), 'NXDOMAIN')
        self.assertEqual(self.short('localhost', 'A'), ['127.0.0.1'])

    def test_dnsperf_loses_nothing_at_2000_a_second(self):
        needs.tools(dnsperf='dnsperf')
        queries = self.folder / 'queries'
        queries.write_text('a.test A\nalice.vnet A\nnobody.vnet A\none.test A\nmail.test MX\n')
        text = self.client.run(['dnsperf', '-s', GATEWAY, '-d', queries, '-l', '3', '-c', '4', '-Q', '2000']).stdout
        lost = int(re.search(r'Queries lost: +(\d+)', text)[1])
        completed = int(re.search(r'Queries completed: +(\d+)', text)[1])
        print(f'    dnsperf: {completed} answered, {lost} lost in 3 s')
        self.assertEqual(lost, 0, text)
        self.assertGreater(completed, 3000, text)


if __name__ == '__main__':
    unittest.main()
