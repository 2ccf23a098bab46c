"""The screen of a VM over HTTP and by `vnet vm screenshot`, and what comes of a QEMU that gives no picture."""

import concurrent.futures
import pathlib
import struct
import sys
import unittest
import zlib

import control
import harness
import needs
import processes
import vnet_vm

SIGNATURE = b'\x89PNG\r\n\x1a\n'
HIDE_CURSOR, CLEAR, WHITE_ROW = '\\033[?25l', '\\033[2J\\033[H', '\\033[7m' + ' ' * 80 + '\\033[0m'


class Png:
    """An RGB picture: `width`, `height`, and `pixels`, all its bytes. Each chunk's checksum is looked at."""

    def __init__(self, data):
        assert data.startswith(SIGNATURE), data[:20]
        self.data, chunks, at = data, [], len(SIGNATURE)
        while at < len(data):
            size, kind = struct.unpack_from('>I4s', data, at)
            content = data[at + 8:at + 8 + size]
            assert struct.unpack_from('>I', data, at + 8 + size)[0] == zlib.crc32(kind + content), kind
            chunks.append((kind, content))
            at += 12 + size
        assert (chunks[0][0], chunks[-1]) == (b'IHDR', (b'IEND', b'')), [kind for kind, _ in chunks]
        self.width, self.height, *form = struct.unpack('>IIBBBBB', chunks[0][1])
        assert form == [8, 2, 0, 0, 0], form  # 8 bits, RGB, not interlaced
        self.pixels = self._unfilter(zlib.decompress(b''.join(content for kind, content in chunks if kind == b'IDAT')))

    def _unfilter(self, data):
        """PNG's third edition, section 9: each row is told as the difference to its neighbours."""
        stride = 3 * self.width
        assert len(data) == self.height * (1 + stride), len(data)
        out, above = bytearray(), bytearray(stride)
        for begin in range(0, len(data), 1 + stride):
            row, kind = bytearray(data[begin + 1:begin + 1 + stride]), data[begin]
            for i in range(stride):
                a, b, c = row[i - 3] if i >= 3 else 0, above[i], above[i - 3] if i >= 3 else 0
                row[i] = (row[i] + (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255
            out += row
            above = row
        return bytes(out)

    @property
    def size(self):
        return self.width, self.height

    def row(self, y):
        return self.pixels[3 * self.width * y:3 * self.width * (y + 1)]


def paeth(a, b, c):
    p = a + b - c
    return min((a, b, c), key=lambda one: abs(p - one))


class ScreenCase(harness.Case):
    def socket(self, name='alice'):
        return self.vms.runtime / 'vnet/vm' / name / 'control.sock'

    def ask(self, query='', method='GET'):
        return control.Control(self.socket()).request(method, f'/v1/screenshot{query}')

    def picture(self, query=''):
        reply = self.ask(query)
        self.assertEqual((reply.status, reply.type), (200, 'image/png'), reply.body[:300])
        return Png(reply.body)

    def refused(self, query, status, *expected, method='GET'):
        reply = self.ask(query, method)
        self.assertEqual((reply.status, reply.type), (status, 'application/problem+json'), query)
        for text in expected:
            self.assertIn(text, reply.json()['detail'], query)

    def assert_no_file_left(self):
        left = list(self.socket().parent.glob('screen-*'))
        self.assertEqual(left, [])


class Screens(ScreenCase):
    """A guest in text mode, without a cursor that blinks: white rows at the top, on black."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        daemon = harness.Case.vnetd(cls)
        cls.vms = vnet_vm.Vms(cls, daemon.control)
        cls.alice = cls.vms.start('alice', '--disconnected')
        cls.alice.guest.check(f"printf '{HIDE_CURSOR}{CLEAR}{WHITE_ROW}' >/dev/tty1")

    def test_curl_gets_the_whole_screen_as_it_is(self):
        needs.tools(curl='curl')
        file = self.folder / 'full.png'
        said = processes.run(['curl', '-q', '-sS', '--fail', '--unix-socket', self.socket(), '-D', '-', '-o', file,
                              'http://vm/v1/screenshot?full=1']).stdout.lower()
        picture = Png(file.read_bytes())
        self.assertEqual(picture.size, (720, 400), 'the text mode of a PC')
        self.assertEqual(set(picture.row(8)), {0xa8}, 'a grey row, as a VGA has it')
        self.assertEqual(set(picture.row(200)), {0}, 'on black')
        self.assertLess({'content-type: image/png', 'cache-control: no-store', f'content-length: {len(picture.data)}'},
                        set(said.splitlines()))
        self.assert_no_file_left()

    def test_a_thumbnail_is_within_its_bounds_and_keeps_the_proportions(self):
        for query, size in (('', (320, 178)), ('?size=320x240', (320, 178)), ('?size=100x4096', (100, 56)),
                            ('?size=4096x100', (180, 100)), ('?size=4096x4096', (720, 400)), ('?size=1x1', (1, 1))):
            with self.subTest(query=query):
                self.assertEqual(self.picture(query).size, size)
        small = self.picture()
        self.assertGreater(min(small.row(2)), 0x80, 'the white row')
        self.assertEqual(set(small.row(100)), {0})

    def test_the_command_writes_the_same_picture(self):
        file = self.folder / 'alice.png'
        for flags, query in (((), '?full=1'), (('--size', '160x120'), '?size=160x120')):
            self.alice.vnet('screenshot', file, *flags)
            self.assertEqual(Png(file.read_bytes()).pixels, self.picture(query).pixels)
        self.assert_no_file_left()

    def test_what_the_guest_does_is_seen(self):
        before = self.picture('?full=1').pixels
        self.alice.guest.check("printf 'a line that was not there' >/dev/tty1")
        self.assertNotEqual(self.picture('?full=1').pixels, before)
        self.alice.guest.check(f"printf '{CLEAR}{WHITE_ROW}' >/dev/tty1")
        self.assertEqual(self.picture('?full=1').pixels, before)

    def test_wrong_parameters_are_refused_and_it_is_said_why(self):
        bounds = 'expected WIDTHxHEIGHT, each from 1 to 4096'
        for query, *expected in (('?size=0x240', 'found "0x240"', bounds), ('?size=4097x1', bounds), ('?size=big', bounds),
                                 ('?size=', bounds), ('?full=0', 'found "0"; expected 1'), ('?full', 'found ""'),
                                 ('?siez=1x1', 'did you mean "size"?'), ('?full=1&size=1x1', 'one of full and size')):
            with self.subTest(query=query):
                self.refused(query, 400, *expected)
        self.refused('', 405, 'GET only', method='POST')
        done = self.alice.vnet('screenshot', self.folder / 'no.png', '--size', '9999x1', check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(bounds, done.stdout)
        self.assertFalse((self.folder / 'no.png').exists())

    def test_several_at_once_are_each_answered(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pictures = list(pool.map(self.picture, ['?full=1', ''] * 4))
        self.assertEqual(len({picture.data for picture in pictures}), 2)
        self.assert_no_file_left()

    def test_a_file_that_cannot_be_written_is_named(self):
        done = self.alice.vnet('screenshot', '/no/such/folder/alice.png', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('cannot write /no/such/folder/alice.png: No such file', done.stdout)


class TakenOver(ScreenCase):
    """A stand-in for a QEMU that its guest has taken over."""

    def setUp(self):
        super().setUp()
        daemon = self.vnetd()
        self.vms = vnet_vm.Vms(self, daemon.control)
        program = self.folder / 'qemu'
        stand_in = pathlib.Path(__file__).resolve().parent / 'qemu_stand_in.py'
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in} {self.folder} "$@"\n')
        program.chmod(0o755)
        self.vms.machine('alice')  # to be stopped at the end
        self.vms.vnet('vm', 'start', '--name', 'alice', '--kernel', '/dev/null', '--accel', 'tcg', '--qemu', program,
                      '--disconnected')

    def act(self, what, picture=b''):
        (self.folder / 'picture').write_bytes(picture)
        (self.folder / 'act').write_text(what)

    def test_what_is_no_picture_is_refused_and_the_next_one_is_a_picture(self):
        for written, expected in ((b'', 'a PPM file'), (b'P6\n2 1\n255\nabc', 'found 3 bytes of pixels; expected 6'),
                                  (b'P6\n16385 1\n255\n', '1 to 16384 on each side'), (bytes(64 << 20) + b'x', 'at most 67108864')):
            with self.subTest(expected=expected):
                self.act('write', written)
                self.refused('', 502, 'the picture that QEMU gave', expected)
        self.act('error')
        self.refused('?full=1', 502, 'there is no screen')
        self.act('write', b'P6\n2 1\n255\nabcdef')
        self.assertEqual(self.picture('?full=1').pixels, b'abcdef')
        self.assertEqual(self.picture('?size=1x1').pixels, bytes((99, 100, 101)))
        self.assert_no_file_left()

    def test_nothing_that_it_puts_in_the_files_place_is_read(self):
        for act in ('link', 'pipe'):
            with self.subTest(act):
                self.act(act, b'P6\n1 1\n255\nkey')
                self.refused('?full=1', 502, 'a PPM file')
        self.assert_no_file_left()
        self.assertEqual((self.folder / 'picture').read_bytes(), b'P6\n1 1\n255\nkey')

    def test_the_command_says_it_and_writes_nothing(self):
        self.act('write', b'nonsense')
        done = self.vms.vnet('vm', 'screenshot', 'alice', self.folder / 'alice.png', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('the picture that QEMU gave: found no picture', done.stdout)
        self.assertFalse((self.folder / 'alice.png').exists())

    def test_as_many_as_wait_are_limited_and_all_are_told_when_it_ends(self):
        self.act('silent')
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            waiting = [pool.submit(self.ask) for _ in range(16)]
            harness.eventually(lambda: len(list(self.socket().parent.glob('screen-*'))) == 16, what='16 that wait')
            self.refused('', 503, 'too many things at once')
            view = control.Control(self.socket()).get('/v1/vm')
            self.assertEqual(view['state'], 'running', 'the others are answered meanwhile')
            self.assertIn('alice: ended', self.vms.vnet('vm', 'stop', 'alice', '--timeout', '0').stdout)
            replies = [one.result() for one in waiting]
        self.assertEqual({reply.status for reply in replies}, {502})
        for reply in replies:
            self.assertRegex(reply.json()['detail'], 'QEMU.* ended', 'by the end of its QMP, or its own')
        self.assert_no_file_left()


if __name__ == '__main__':
    unittest.main()
