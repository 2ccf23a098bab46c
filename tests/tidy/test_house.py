"""The house rules: who may include whom, what the rooms without I/O may not touch, and how long a file may be.

The table below is the architecture. A room includes itself and what stands behind its name; adding to the table is a
decision, to be argued in the commit that does it.
"""

import re
import unittest

import sources
from sources import ROOMS, code, files, lines, room_of

MAY_INCLUDE = {
    'packet': (),
    'switch': ('packet',),
    'dhcp': ('packet',),
    'dns': ('packet',),
    'nat': ('packet',),
    'network': ('packet', 'switch', 'dhcp', 'dns', 'nat'),
    # What people link to test their own software in: the whole virtual network, and toys to put into it.
    'sim': ('packet', 'switch', 'dhcp', 'dns', 'nat', 'network'),
    'dgram': ('packet',),
    'pcap': ('packet',),
    'http': ('packet', 'dgram'),
    'adapter': ('packet', 'dgram', 'http', 'sim'),  # `vnet grid` runs a simulation and asks no daemon
    'agent': (),  # a program for another machine: static, small, and nothing of ours is to make it larger
    'daemon': ('packet', 'switch', 'dhcp', 'dns', 'nat', 'network', 'dgram', 'pcap', 'http'),
}
PURE = ('packet', 'switch', 'dhcp', 'dns', 'nat', 'network', 'sim')  # no socket, no clock, no thread, no log
EDGE = ('adapter', 'daemon')  # the only ones with an event loop, a log and JSON
CASTS_POINTERS = ('dgram', 'pcap', 'http', 'adapter', 'daemon', 'agent')  # system calls want sockaddr* and the like

SOURCE_LINES = 400
TEST_LINES = 600


def in_rooms(rooms, kinds=('cpp', 'hpp')):
    return [path for room in rooms for path in files(*(f'{room}/*.{kind}' for kind in kinds))]


def cpp_files():
    return files('*.cpp', '*.hpp')


class Architecture(sources.RuleTest):
    def test_a_room_includes_only_what_the_table_allows(self):
        broken = []
        for path in in_rooms(ROOMS):
            for number, text in lines(path):
                included = re.match(r'\s*#\s*include\s+["<]([a-z]+)/', text)
                room = room_of(path)
                if included and included[1] in ROOMS and included[1] not in (room, *MAY_INCLUDE[room]):
                    broken.append((path, number, f'{room}/ may not include {included[1]}/'))
        self.assert_none(broken)

    def test_our_headers_are_included_from_the_root_and_they_exist(self):
        broken = []
        for path in cpp_files():
            for number, text in lines(path):
                included = re.match(r'\s*#\s*include\s+"([^"]+)"', text)
                if not included or (sources.ROOT / included[1]).exists():
                    continue
                if path.parts[0] in ('tests', 'bench') and (sources.ROOT / path.parent / included[1]).exists():
                    continue  # a helper of theirs, beside them
                broken.append((path, number, f'"{included[1]}" is not a path from the root'))
        self.assert_none(broken)

    def test_no_header_of_ours_shadows_a_library(self):
        self.assert_none([(path, 1, 'this name shadows libpcap\'s') for path in files('pcap/pcap.h', 'pcap/*.h')])

    def test_the_event_loop_the_log_and_json_stay_at_the_edge(self):
        broken = []
        for path in cpp_files():
            if room_of(path) in EDGE or path.parts[:2] in (('tests', 'daemon'), ('tests', 'adapter')):
                continue
            for number, text in lines(path):
                if included := re.match(r'\s*#\s*include\s+<(uv\.h|spdlog/[^>]*|nlohmann/[^>]*|CLI/[^>]*)>', text):
                    broken.append((path, number, f'<{included[1]}> belongs to daemon/ and adapter/'))
        self.assert_none(broken)


class RoomsWithoutIo(sources.RuleTest):
    def test_no_clock_is_read(self):
        self.assert_unused(r'::now\(|\bclock_gettime\b|\bgettimeofday\b|(?<![\w.:>])time\(|std::time\(', in_rooms(PURE),
                           '`{}`: time is an argument here')

    def test_no_randomness_of_their_own(self):
        self.assert_unused(r'std::random_device|\bgetrandom\(|\bs?rand\(|std::mt19937', in_rooms(PURE),
                           '`{}`: randomness is an argument here')

    def test_no_threads_sockets_or_files(self):
        headers = r'thread|mutex|atomic|condition_variable|future|fstream|iostream|filesystem'
        system = r'sys/\w+\.h|netinet/[\w.]+|arpa/inet\.h|unistd\.h|poll\.h|fcntl\.h|pthread\.h|pcap[/.][\w./]*'
        self.assert_unused(rf'#\s*include\s+<({headers}|{system})>', in_rooms(PURE), '`{}`: nothing here does I/O')


class Files(sources.RuleTest):
    def test_none_is_too_long_to_read(self):
        broken = []
        for path in cpp_files():
            limit = TEST_LINES if path.parts[0] in ('tests', 'bench') else SOURCE_LINES
            count = sum(1 for _ in lines(path))
            if count > limit:
                broken.append((path, count, f'{count} lines; {limit} is the limit'))
        self.assert_none(broken)

    def test_each_idea_opens_with_its_theory(self):
        """In the header; a .cpp beside its header needs no second one."""
        ideas = [path for path in in_rooms(ROOMS)
                 if path.suffix == '.hpp' or not (sources.ROOT / path.with_suffix('.hpp')).exists()]
        self.assert_none([(path, 1, 'opens without a comment that says what it is') for path in ideas
                          if not next((text for _, text in lines(path)), '').startswith(('//', '/*'))])

    def test_headers_have_pragma_once(self):
        self.assert_none([(path, 1, 'no #pragma once') for path in files('*.hpp')
                          if not any(text.strip() == '#pragma once' for _, text in code(path))])

    def test_nothing_is_left_for_later(self):
        # The words are put together here so that this file does not find itself.
        words = '|'.join(('TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'))
        self.assert_none([(path, number, f'{found[0]}: do it, or write an issue') for path in
                          files('*.cpp', '*.hpp', '*.py', '*.sh', '*.txt', '*.cmake', 'dev', '.ci/*')
                          for number, text in lines(path) if (found := re.search(rf'\b({words})\b', text))])


class Unity(sources.RuleTest):
    """CI compiles the files of a program many at a time (VNET_UNITY), where anonymous namespaces become one."""

    ALONE = ('daemon/config_print.cpp',)  # not part of that; its CMakeLists.txt says why

    def test_what_two_files_of_a_folder_define_in_private_has_two_names(self):
        defined = re.compile(r'(?:struct|class|enum|enum class) (?P<type>\w+)\b(?!.*;$)|.*?\b(?P<constant>k[A-Z]\w*)\b *[{=]|'
                             r'(?P<function>[\w:<>,&* ]+ \*?&?\w+\(.*\)[ \w]*) {')
        broken, known = [], {}
        for path in files('*.cpp'):
            if str(path) in self.ALONE or path.parts[:2] == ('tests', 'fuzz') or path.parts[0] == 'bench':
                continue
            target = room_of(path) or path.parent
            private = False
            for number, text in code(path):
                private = text == 'namespace {' or private and not text.startswith('}  ')  # the comment is blank here
                if not private or text.startswith(' ') or not (found := defined.match(text)):
                    continue
                name = found['type'] or found['constant'] or found['function']
                other = known.setdefault((target, name), path)
                if other != path:
                    broken.append((path, number, f'`{name}` is in {other} too: share it in a header, or rename it'))
        self.assert_none(broken)


class Casts(sources.RuleTest):
    def test_pointers_are_cast_in_one_header_and_at_system_calls_only(self):
        paths = [path for path in in_rooms(ROOMS)
                 if room_of(path) not in CASTS_POINTERS and str(path) != 'packet/bytes.hpp']
        self.assert_unused(r'reinterpret_cast', paths, '`{}`: read through ByteReader, see packet/bytes.hpp')


if __name__ == '__main__':
    unittest.main()
