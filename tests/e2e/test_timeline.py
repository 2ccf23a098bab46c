"""What a timeline does to a guest, step by step, as the guest sees it: a script asks a STUN server all the time.

A step's time is that of its event, so a busy machine, which delays both, does not matter: what is judged are the
questions that were asked, and could be answered, between a step and the next.
"""

import datetime
import json
import threading
import time
import unittest

import control
import harness
import homes

HOME, NEW_HOME = '2.1.1.1', '2.1.1.9'
SERVERS = [(address, homes.STUN_PORT) for address in homes.STUN_ADDRESSES]
GAP = 0.5
PATIENCE = 0.15
LATENCY = 0.03
CONFIG = {
    'networks': [{'name': 'home', 'ipv4': '192.168.1.1/24', 'wan': {'ipv4': HOME}, 'nat': 'easy',
                  'dns': {'upstream': 'none'}, 'egress': {'enabled': False}}],
    'nics': [homes.nic('alice', 1, 'home', '192.168.1.101'), homes.nic('bob', 2, 'home', '192.168.1.102')],
    'services': [homes.STUN_SERVICE],
}


def seconds_of(event):
    return datetime.datetime.fromisoformat(event['time']).timestamp()


class Question:
    """One that was asked of a server, and when; `outside` is None when no answer came within PATIENCE."""

    def __init__(self, bound, server):
        self.server, self.asked = server, time.time()
        bound.settimeout(PATIENCE)
        try:
            self.outside = homes.outside_of(bound, server)
        except TimeoutError:
            self.outside = None
        self.took = time.time() - self.asked


class Observer:
    """Asks both servers in turn from one socket, until it is told to stop."""

    def __init__(self, guest):
        self.bound = homes.udp(guest)
        self.questions = []
        self._running = True
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self):
        while self._running:
            for server in SERVERS:
                self._drain()
                try:
                    self.questions.append(Question(self.bound, server))
                except AssertionError:
                    continue  # the answer to an earlier question came after all
            time.sleep(0.01)

    def _drain(self):
        self.bound.setblocking(False)
        try:
            while self.bound.recv(2000):
                pass
        except BlockingIOError:
            pass

    def stop(self):
        self._running = False
        self._thread.join()
        self.bound.close()

    def between(self, begin, end):
        """Asked in that time, with time for an answer."""
        return [each for each in self.questions if begin + 0.01 < each.asked and each.asked + PATIENCE < end]


class Timeline(homes.Internet):
    config = CONFIG

    def play(self, *steps, gap=GAP, meanwhile=lambda: None):
        """Gives the running daemon these steps, `gap` apart and the first in half a second or more; their events."""
        file = self.daemon.folder / 'vnet.json'
        config = json.loads(file.read_text())
        config['timeline'] = []
        self.addCleanup(self.play_nothing, file, dict(config))
        first = self.api.get('/v1/status')['uptime_s'] + 1.5  # whole seconds, cut
        config['timeline'] = [{'at_s': round(first + number * gap, 3), **step} for number, step in enumerate(steps)]
        file.write_text(json.dumps(config))
        with self.api.events(kind='timeline.') as events:
            self.api.post('/v1/reload')
            meanwhile()
            return [next(events)['data'] for _ in steps]

    def play_nothing(self, file, config):
        file.write_text(json.dumps(config))
        self.api.post('/v1/reload')


class Effects(Timeline):
    def test_each_step_is_done_in_its_time_and_felt_by_the_guest(self):
        """Each step, and what is true of every question after it: (where, whether it is answered, what else)."""
        home = {'network': 'home'}
        script = [
            ({'nic': 'alice', 'link': 'down'}, self.silence),
            ({'nic': 'alice', 'link': 'up'}, self.as_ever),
            ({'service': 'stun.test', 'up': False}, self.silence),
            ({'service': 'stun.test', 'up': True}, self.as_ever),
            ({**home, 'blackhole': ['3.3.3.0/24']}, self.silence),
            ({**home, 'blackhole': []}, self.as_ever),
            ({**home, 'impair': {'latency_ms': LATENCY * 1000}}, self.slowness),
            ({**home, 'impair': {}}, self.as_ever),
            ({**home, 'nat': 'hard'}, self.two_ports),
            ({**home, 'reboot': True}, self.other_ports),
            ({**home, 'wan': {'ipv4': NEW_HOME}}, self.another_home),
            ({**home, 'wan': {'ipv4': HOME}, 'nat': 'easy'}, self.as_ever)]
        observer = Observer(self.guest('alice'))
        self.addCleanup(observer.stop)
        harness.eventually(lambda: any(each.outside for each in observer.questions), what='an answer')
        self.port, self.hard_ports = homes.port_of(observer.bound), None
        events = self.play(*(step for step, _ in script))
        self.assertEqual([(each['event'], each['subject']) for each in events],
                         [('timeline.step', f'/timeline/{number}') for number in range(len(script))])
        times = [seconds_of(each) for each in events]
        time.sleep(max(0, times[-1] + GAP + PATIENCE - time.time()))
        for number, (begin, end) in enumerate(zip(times, [*times[1:], times[-1] + GAP + PATIENCE])):
            step, judge = script[number]
            with self.subTest(step):
                # Each step at its own time after the first, which a busy machine may be late for.
                self.assertAlmostEqual(begin - times[0], number * GAP, delta=GAP)
                questions = observer.between(begin, end)
                self.assertTrue(questions, 'nothing was asked')
                judge(questions)

    def silence(self, questions):
        self.assertEqual([each.outside for each in questions], [None] * len(questions))

    def as_ever(self, questions):
        self.assertEqual({each.outside for each in questions}, {(HOME, self.port)})
        self.assertLess(min(each.took for each in questions), 2 * LATENCY)

    def slowness(self, questions):
        self.assertEqual({each.outside for each in questions}, {(HOME, self.port)})
        self.assertGreaterEqual(min(each.took for each in questions), 2 * LATENCY)

    def ports(self, questions, home):
        """By server, the port of all answers."""
        self.assertEqual({each.outside and each.outside[0] for each in questions}, {home})
        ports = {server: {each.outside[1] for each in questions if each.server == server} for server in SERVERS}
        self.assertEqual([len(each) for each in ports.values()], [1, 1], 'one mapping for each destination')
        ports = {server: port for server, (port,) in ports.items()}
        self.assertEqual(len(set(ports.values())), 2)
        return ports

    def two_ports(self, questions):
        self.hard_ports = self.ports(questions, HOME)

    def other_ports(self, questions):
        before, self.hard_ports = self.hard_ports, self.ports(questions, HOME)
        self.assertEqual(set(self.hard_ports.values()) & set(before.values()), set(), 'the router has forgotten all')

    def another_home(self, questions):
        self.ports(questions, NEW_HOME)


class Failures(Timeline):
    def test_a_step_that_fails_is_told_and_the_rest_goes_on(self):
        failed, done = self.play({'nic': 'bob', 'link': 'down'}, {'nic': 'alice', 'link': 'down'}, gap=0.1,
                                 meanwhile=lambda: self.api.delete('/v1/nics/bob'))
        self.assertEqual((failed['event'], failed['subject'], failed['nic']), ('timeline.failed', '/timeline/0', 'bob'))
        self.assertEqual(failed['cause'], '/timeline/0/nic: there is no NIC "bob"')
        self.assertEqual((done['event'], done['subject'], done['nic']), ('timeline.step', '/timeline/1', 'alice'))
        self.assertEqual(self.api.get('/v1/nics/alice')['link'], 'down')
        self.daemon.child.wait_line(r'timeline: /timeline/0/nic: there is no NIC "bob"')


class FromTheStart(harness.Case):
    def test_time_begins_with_the_daemon_and_fractions_of_a_second_count(self):
        steps = [{'at_s': 0.25, 'network': 'lan', 'impair': {'latency_ms': 1}},
                 {'at_s': 0, 'service': 'a.test', 'up': False},
                 {'at_s': 0.125, 'service': 'a.test', 'up': True}]
        daemon = self.vnetd(config={'networks': [{'name': 'lan', 'ipv4': '192.168.127.1/24'}], 'timeline': steps,
                                    'services': [{'name': 'a.test', 'ipv4': '52.52.0.1', 'kind': 'echo'}]})
        with control.Control(daemon.control).events(since=0, kind='timeline.') as events:
            seen = [next(events)['data'] for _ in steps]
        self.assertEqual([each['subject'] for each in seen], ['/timeline/1', '/timeline/2', '/timeline/0'])
        times = [seconds_of(each) for each in seen]
        for late, at in zip((each - times[0] for each in times), (0, 0.125, 0.25)):
            self.assertAlmostEqual(late, at, delta=0.1)


if __name__ == '__main__':
    unittest.main()
