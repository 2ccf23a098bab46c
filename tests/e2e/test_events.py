"""The event stream: in order, numbered, resumed exactly, and never a burden for the frames, however many come."""

import contextlib
import fcntl
import multiprocessing
import os
import re
import signal
import statistics
import subprocess
import time
import unittest

import control
import frames
import harness
import processes
from frames import ETHERTYPE_EXPERIMENT
from harness import DEFAULT_GATEWAY

ALICE, BOB, CAROL = (f'52:cc:cc:cc:cc:{number:02}' for number in (1, 2, 3))
CONFIG = {'networks': [{'name': 'lan', 'ipv4': f'{DEFAULT_GATEWAY}/24'}, {'name': 'lab', 'ipv4': '10.1.1.1/24'}],
          'nics': [{'name': 'alice', 'mac': ALICE}, {'name': 'bob', 'mac': BOB}]}
BACKLOG = 16_384
# A guest that insists on an address of another network: the server refuses, and each refusal is an event.
OFFERED = frames.dhcp(CAROL, frames.DISCOVER, 7)  # as much work for the server, and no event
REFUSED = frames.dhcp(CAROL, frames.REQUEST, 7, ((50, bytes([10, 99, 99, 99])),))


class Stream(harness.Case):
    def setUp(self):
        super().setUp()
        self.daemon = self.vnetd(config=CONFIG)
        self.api = control.Control(self.daemon.control)

    def flap(self, times, nic='alice'):
        """Two events for each time."""
        for _ in range(times):
            for link in ('down', 'up'):
                self.api.patch(f'/v1/nics/{nic}', {'link': link})

    def past(self, since=0, **parameters):
        """All events so far, as the stream tells them."""
        with self.api.events(since=since, follow='false', **parameters) as events:
            return list(events)

    def cause_refusals(self, count):
        """As many events, as fast as it goes; returns when all have happened."""
        carol = self.dgram_nic(self.daemon, CAROL)
        with contextlib.closing(carol):
            for number in range(count):
                carol.send(REFUSED)
                if number % 100 == 99:
                    carol.drain()
            # An answer behind all the refusals; it may find the queue to carol full of them.
            harness.eventually(lambda: carol.arp(DEFAULT_GATEWAY, timeout=1), what='an answer')

    def test_events_come_in_order_with_consecutive_numbers_and_times(self):
        with self.api.events() as events:
            self.flap(100)
            told = [event for _, event in zip(range(200), events)]
        ids = [event['id'] for event in told]
        self.assertEqual(ids, list(range(ids[0], ids[0] + 200)))
        self.assertEqual([event['data']['subject'] for event in told], ['down', 'up'] * 100)
        times = [event['data']['time'] for event in told]
        self.assertEqual(times, sorted(times))
        for event in told:
            self.assertEqual((event['data']['id'], event['data']['event']), (event['id'], event['kind']))

    def test_a_reader_that_comes_back_with_its_last_id_misses_nothing_and_gets_nothing_twice(self):
        self.flap(3)
        whole = self.past()
        pieces = []
        for size in (1, 2, 3):
            with self.api.events(last=pieces[-1]['id'] if pieces else 0) as events:
                pieces += [event for _, event in zip(range(size), events)]
            self.flap(2)
        pieces += self.past(since=pieces[-1]['id'])
        self.assertEqual(pieces, whole + self.past(since=whole[-1]['id']))
        # The header counts, where both are given: a browser sends it when it comes back to a URL with `since`.
        with self.api.events(last=pieces[-2]['id'], since=0, follow='false') as events:
            self.assertEqual(list(events), pieces[-1:])

    def test_a_reader_who_is_up_to_date_is_told_nothing_until_something_happens(self):
        self.flap(1)
        last = self.past()[-1]['id']
        self.assertEqual(self.past(since=last), [])
        with self.api.events(last=last) as events:
            self.flap(1)
            self.assertEqual(next(events)['id'], last + 1)

    def test_without_follow_it_ends_with_what_has_happened(self):
        self.flap(5)
        self.assertEqual([event['data']['subject'] for event in self.past(kind='nic.link')], ['down', 'up'] * 5)

    def test_filters_by_kind_nic_and_network(self):
        with contextlib.closing(self.dgram_nic(self.daemon, CAROL)) as carol:
            carol.lease()
        self.flap(1, 'alice')
        self.flap(1, 'bob')
        self.api.patch('/v1/nics/bob', {'network': 'lab'})
        self.flap(1, 'bob')
        everything = [event['data'] for event in self.past()]

        def check(wanted, **parameters):
            found = [event['data'] for event in self.past(**parameters)]
            self.assertEqual(found, [event for event in everything if wanted(event)], parameters)
            self.assertTrue(found, parameters)
        check(lambda event: event['event'].startswith('nic.'), kind='nic.')
        check(lambda event: event['event'] == 'dhcp.granted', kind='dhcp.granted')
        check(lambda event: event['event'] in ('nic.link', 'dhcp.granted'), kind='dhcp.granted,nic.link')
        check(lambda event: event.get('nic') == 'bob', nic='bob')
        check(lambda event: event.get('network') == 'lab', network='lab')
        check(lambda event: event.get('nic') == 'bob' and event['event'] == 'nic.link' and event['network'] == 'lab',
              nic='bob', kind='nic.link', network='lab')
        self.assertEqual(self.past(kind='nic.lin'), [], 'a beginning counts only with its dot')

    def test_after_kill_9_a_reader_is_told_that_it_may_have_missed_something(self):
        self.flap(2)
        last = self.past()[-1]['id']
        self.daemon.kill9()
        self.daemon = self.vnetd(config=CONFIG)
        with self.api.events(last=last) as events:
            self.flap(1)
            lost, first = next(events), next(events)
        self.assertEqual(lost['kind'], 'lost')
        self.assertNotIn('lost', lost['data'], 'how many the dead daemon had not told is not known')
        self.assertEqual(first['id'], lost['data']['next'])
        self.assertGreater(first['id'], last, 'numbers never come again')

    def test_a_reader_that_does_not_read_loses_the_oldest_is_told_how_many_and_goes_on(self):
        with self.api.events() as events:
            self.cause_refusals(BACKLOG + 20_000)
            newest = self.past()[-1]['id']
            told = []
            while not told or told[-1]['id'] != newest:
                told.append(next(events))
            self.flap(1)
            self.cause_refusals(1)
            after = next(events)
        losses = [index for index, event in enumerate(told) if event['kind'] == 'lost']
        self.assertEqual(len(losses), 1, 'told once')
        at = losses[0]
        self.assertGreater(at, 0, 'what was under way to the reader came')
        before, lost, oldest = told[at - 1]['id'], told[at]['data'], told[at + 1]['id']
        print(f'    {at} events before the loss, {lost["lost"]} lost, {len(told) - at - 1} behind it', flush=True)
        self.assertEqual((lost['next'], lost['lost']), (oldest, oldest - before - 1))
        for piece in (told[:at], told[at + 1:]):
            ids = [event['id'] for event in piece]
            self.assertEqual(ids, list(range(ids[0], ids[0] + len(ids))))
        self.assertLessEqual(len(told) - at - 1, BACKLOG)
        self.assertGreater(len(told) - at - 1, BACKLOG - 100, 'all that is remembered')
        self.assertGreater(after['id'], newest)

    def test_a_reader_that_never_reads_does_not_hold_the_daemon_up(self):
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(self.api.events())
            self.cause_refusals(5000)
            self.assertEqual(self.api.get('/v1/status')['nics'], 3)


def ask_at(path, own, rate, ready, refused):
    """A process of its own: sends so many a second, of either kind, until it is killed."""
    import nics
    processes.die_with_parent()
    nic = nics.DgramNic(path, CAROL, own)
    ready.set()
    last = time.monotonic()
    while True:
        time.sleep(0.005)
        now = time.monotonic()
        for _ in range(int(min(now - last, 0.05) * rate)):  # what it missed while it was stopped does not come later
            nic.send(REFUSED if refused.value else OFFERED)
        last = now
        nic.drain()


class Rate(harness.Case):
    EVENTS = 10_000
    PIECE = 0.5

    def frames_a_second(self, alice, bob):
        """Closed loop: 16 on their way at a time, each of them awaited."""
        frame = frames.ethernet(BOB, ALICE, ETHERTYPE_EXPERIMENT, bytes(100))
        begun, count = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < self.PIECE:
            for _ in range(16):
                alice.send(frame)
            for _ in range(16):
                self.assertIsNotNone(bob.receive(5), 'a frame was lost')
            count += 16
        return count / passed

    def test_ten_thousand_events_a_second_do_not_slow_frames(self):
        daemon = self.vnetd(config=CONFIG)
        api = control.Control(daemon.control)
        alice, bob = self.dgram_nic(daemon, ALICE, connect=True), self.dgram_nic(daemon, BOB, connect=True)
        for nic in (alice, bob):
            self.assertTrue(nic.arp(DEFAULT_GATEWAY))
        ready, refused = multiprocessing.Event(), multiprocessing.Value('b', 0)
        parts = daemon.dgram, self.folder / 'carol', self.EVENTS, ready, refused
        storm = multiprocessing.Process(target=ask_at, args=parts)
        storm.start()
        self.addCleanup(storm.join)
        self.addCleanup(storm.kill)
        self.assertTrue(ready.wait(10))
        quiet, without, busy, happened = [], [], [], []
        with api.events(kind='nic.'):  # somebody follows, too
            for _ in range(5):
                os.kill(storm.pid, signal.SIGSTOP)
                quiet.append(self.frames_a_second(alice, bob))
                os.kill(storm.pid, signal.SIGCONT)
                without.append(self.frames_a_second(alice, bob))
                refused.value = 1
                before, begun = self.newest(api), time.monotonic()
                busy.append(self.frames_a_second(alice, bob))
                happened.append((self.newest(api) - before) / (time.monotonic() - begun))
                refused.value = 0
        ratio = statistics.median(busy) / statistics.median(without)
        print(f'    {statistics.median(quiet):.0f} frames/s; {statistics.median(without):.0f} beside others that are no'
              f' events, {statistics.median(busy):.0f} beside {statistics.median(happened):.0f} that are one each: '
              f'{ratio:.2f}', flush=True)
        self.assertGreater(statistics.median(happened), self.EVENTS * 0.5)
        self.assertGreater(ratio, 0.7)

    def newest(self, api):
        """The number of the newest event, by one that is made for the purpose."""
        with api.events(kind='nic.link') as events:
            state = api.get('/v1/nics/bob')['link']
            api.patch('/v1/nics/bob', {'link': 'down' if state == 'up' else 'up'})
            api.patch('/v1/nics/bob', {'link': 'up'})
            return next(events)['id']

    def read_all(self, pipe):
        said = b''
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(pipe, 65536):
                said += piece
        return said

    def said_how_many_were_lost(self, api, pipe):
        """With events that are few enough to be logged all."""
        for link in ('down', 'up'):
            api.patch('/v1/nics/alice', {'link': link})
        return re.search(rb'\d+ lines were lost', self.read_all(pipe))

    def test_a_standard_error_that_nobody_reads_does_not_stop_the_switch(self):
        """A log that is piped into something that hangs: its lines are lost, frames and the API are not."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096 * 2)
        sockets = [self.folder / f'{kind}.sock' for kind in ('dgram', 'stream', 'control')]
        command = [str(harness.vnetd_program())]
        for flag, path in zip(('--dgram', '--stream', '--control'), sockets):
            command += [flag, str(path)]
        with subprocess.Popen(command, stderr=writer, stdin=subprocess.DEVNULL,
                              preexec_fn=processes.die_with_parent) as daemon:
            os.close(writer)
            try:
                harness.eventually(sockets[2].exists, harness.START_SECONDS, 'the control socket')
                api = control.Control(sockets[2], timeout=10)
                api.post('/v1/nics', {'name': 'alice', 'mac': ALICE})
                for _ in range(150):  # 300 lines at the least, of which 8 KiB of pipe hold a third
                    for link in ('down', 'up'):
                        api.patch('/v1/nics/alice', {'link': link, 'cause': 'x' * 60})
                self.assertTrue(self.dgram_nic(None, ALICE, path=sockets[0]).arp(DEFAULT_GATEWAY))
                os.set_blocking(reader, False)
                self.assertIn(b'vnetd ready', self.read_all(reader))
                harness.eventually(lambda: self.said_how_many_were_lost(api, reader), what='a word about lost lines')
                for _ in range(150):
                    for link in ('up', 'down'):
                        api.patch('/v1/nics/alice', {'link': link, 'cause': 'x' * 60})
                daemon.terminate()
                self.assertEqual(daemon.wait(10), 0, 'nor does it keep the daemon from ending')
            finally:
                daemon.kill()


if __name__ == '__main__':
    unittest.main()
