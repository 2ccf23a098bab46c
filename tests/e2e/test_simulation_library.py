"""The library as a stranger uses it: installed, found by CMake, and the example project built against it and run."""

import os
import pathlib
import re
import shutil
import subprocess

import harness
import needs

EXAMPLE = harness.ROOT / 'configs/simulation'


class SimulationLibrary(harness.Case):
    def run_in_folder(self, *command, timeout=120, **more):
        """What a stranger has in the environment, and nothing of ours."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith('VNET_')}
        done = subprocess.run([str(word) for word in command], cwd=self.folder, capture_output=True, text=True,
                              timeout=timeout, env={**environment, **more})
        self.assertEqual(done.returncode, 0, f'{command}: {done.stdout[-5000:]}{done.stderr[-5000:]}')
        return done.stdout

    def test_the_example_is_built_and_its_tests_pass(self):
        needs.tools(cmake='cmake', ninja='ninja-build')
        prefix, project, build = (self.folder / name for name in ('prefix', 'project', 'build'))
        self.run_in_folder('cmake', '--install', harness.build_tree(), '--component', 'library', '--prefix', prefix)
        self.check_what_is_installed(prefix)
        shutil.copytree(EXAMPLE, project)
        # Unoptimized, which compiles in half the time; the library is as the build tree has it, sanitizers and all.
        launcher = ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] if shutil.which('ccache') else []
        self.run_in_folder('cmake', '-S', project, '-B', build, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Debug',
                           f'-DCMAKE_PREFIX_PATH={prefix}', '-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror', *launcher)
        self.run_in_folder('cmake', '--build', build)
        self.run_in_folder('ctest', '--test-dir', build, '--output-on-failure')
        said = self.run_in_folder(build / 'hole_punch_test', VNET_SEED='12')
        self.assertRegex(said, r'PASSED +\] 6 tests')

    def check_what_is_installed(self, prefix):
        package = next(prefix.glob('lib*/**/cmake/vnet'))
        self.assertLessEqual({'vnetConfig.cmake', 'vnetConfigVersion.cmake', 'vnet-targets.cmake'},
                             {path.name for path in package.iterdir()})
        for text in (path.read_text(encoding='utf-8') for path in package.glob('*.cmake')):
            self.assertNotIn(str(harness.ROOT), text, 'it must not lead back to where it was built')
        headers = prefix / 'include/vnet'
        for header in headers.rglob('*.hpp'):
            for included in re.findall(r'#include "([^"]+)"', header.read_text(encoding='utf-8')):
                self.assertTrue((headers / included).exists(), f'{header} includes {included}')

    def test_the_first_test_of_its_page_compiles_against_the_headers(self):
        """The page's snippets are in no file of the example, so that only this keeps them true."""
        page = (EXAMPLE / 'README.md').read_text(encoding='utf-8')
        first, changes, capture = re.findall(r'```cpp\n(.*?)```', page, re.S)
        source = pathlib.Path(self.folder) / 'snippets.cpp'
        source.write_text(f'#include <gtest/gtest.h>\n#include <sim/capture.hpp>\n#include <fstream>\n{first}\n'
                          'void change(Home& home, Home& cafe, Host& alice, vnet::Ipv4Address other_address) {\n'
                          f'{changes}}}\nvoid capture_all(World& world) {{\n{capture}}}\n', encoding='utf-8')
        compiler = os.environ.get('CXX', 'c++')
        needs.tools(**{compiler: 'g++'})
        self.run_in_folder(compiler, '-std=c++20', '-fsyntax-only', '-Wall', '-Wextra', '-Werror', f'-I{harness.ROOT}', source)
