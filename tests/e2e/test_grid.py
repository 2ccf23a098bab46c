"""`vnet grid`: which NATs meet, as a table, a page and JSON, without a daemon; the same seed says the same."""

import html.parser
import json
import os
import subprocess

import harness

PRESETS = ['none', 'one2one', 'fullcone', 'easyaf', 'easy', 'hardaf', 'hard', 'cgnat']
# What anybody who has worked with NATs would bet on.
KNOWN = {('easy', 'easy'): 'direct', ('easy', 'hard'): 'relayed', ('hard', 'hard'): 'relayed', ('hard', 'fullcone'): 'direct',
         ('cgnat', 'cgnat'): 'direct', ('cgnat', 'hard'): 'relayed', ('easyaf', 'hard'): 'direct', ('none', 'hard'): 'direct'}


class Page(html.parser.HTMLParser):
    """The classes of all cells, and every attribute that would fetch something."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.fetched = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == 'td' and 'class' in attributes:
            self.cells.append(attributes['class'])
        self.fetched += [(tag, name) for name in attributes if name in ('src', 'href')]


class Grid(harness.Case):
    def grid(self, *words, code=0):
        # Where there is no daemon, to see that none is asked.
        environment = {**os.environ, 'VNET_CONTROL': str(self.folder / 'nobody.sock')}
        done = subprocess.run([harness.build_tree() / 'adapter/vnet', 'grid', *words], env=environment, cwd=self.folder,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def test_the_table_the_page_and_json_say_the_same(self):
        table = self.grid('--html', 'grid.html')
        rows = [line.split('  ') for line in table.splitlines()]
        self.assertEqual([row[0].strip() for row in rows[1:9]], PRESETS)
        self.assertIn('all as theory has it (seed 1)', table)
        said = json.loads(self.grid('--json'))
        self.assertEqual(said['contradictions'], 0)
        self.assertEqual([nat['name'] for nat in said['nats']], PRESETS)
        results = {(cell['a'], cell['b']): cell['result'] for cell in said['cells']}
        self.assertEqual(len(results), 64)
        for pair, result in KNOWN.items():
            self.assertEqual(results[pair], result, pair)
        self.assertEqual(table.partition('64 pairs')[0].count(' relay'), list(results.values()).count('relayed'))
        page = Page((self.folder / 'grid.html').read_text(encoding='utf-8'))
        self.assertEqual(page.cells, [cell['result'] for cell in said['cells']])
        self.assertEqual(page.fetched, [])

    def test_a_seed_decides_everything(self):
        first = self.grid('--combinations', '--json', '--seed', '5')
        self.assertEqual(self.grid('--combinations', '--json', '--seed', '5'), first)
        other = json.loads(self.grid('--combinations', '--json', '--seed', '6'))
        self.assertEqual((len(other['cells']), other['contradictions']), (81, 0))
        self.assertNotEqual(other['cells'], json.loads(first)['cells'])

    def test_a_page_that_cannot_be_written_is_said(self):
        self.assertIn('cannot write no/such/folder/grid.html', self.grid('--html', 'no/such/folder/grid.html', code=1))
        self.assertIn('--seed', self.grid('--seed', 'x', code=2))

    def test_a_shell_completes_it(self):
        said = subprocess.run([harness.build_tree() / 'adapter/vnet', 'complete', 'grid', '--'], check=True, timeout=30,
                              capture_output=True, text=True).stdout
        self.assertLessEqual({'--seed', '--html', '--combinations', '--json'},
                             {line.split('\t')[0] for line in said.splitlines()})
