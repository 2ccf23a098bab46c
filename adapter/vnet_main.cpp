// `vnet`: what a person does to the switch, one command each.
#include <cstdio>
#include <cstdlib>

#include "adapter/options.hpp"
#if defined(__linux__)
#include "adapter/tap.hpp"
#endif

namespace {

using namespace vnet::adapter;

ExitCode run(const Exit& exit) {
  std::fputs(exit.text.c_str(), exit.code == ExitCode::ok ? stdout : stderr);
  return exit.code;
}

ExitCode run(const TapOptions& options) {
#if defined(__linux__)
  return run_tap(options);
#else
  (void)options;
  std::fputs("vnet tap: TAP interfaces and network namespaces are Linux's\n", stderr);
  return ExitCode::failed;
#endif
}

}  // namespace

int main(int argc, char** argv) {
  const Command command = parse_options({argv + 1, argv + argc}, VNET_VERSION);
  return static_cast<int>(std::visit([](const auto& options) { return run(options); }, command));
}
