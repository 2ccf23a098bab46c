// `vnet`: what a person does to the switch, one command each.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "adapter/call.hpp"
#include "adapter/complete.hpp"
#include "adapter/events.hpp"
#include "adapter/grid.hpp"
#include "adapter/live_capture.hpp"
#include "adapter/options.hpp"
#include "adapter/top.hpp"
#include "adapter/vm/run_vm.hpp"
#if defined(__linux__)
#include "adapter/tap.hpp"
#endif

namespace {

using namespace vnet::adapter;

ExitCode run(const Common& common, const Call& call) { return run_call(common, call); }
ExitCode run(const Common& common, const LiveCapture& capture) { return run_live_capture(common, capture); }
ExitCode run(const Common& common, const EventsOptions& options) { return run_events(common, options); }
ExitCode run(const Common& common, const TopOptions& options) { return run_top(common, options); }
ExitCode run(const Common& common, const GridOptions& options) { return run_grid(common, options); }
ExitCode run(const Common& common, const VmOptions& options) { return run_vm(common, options); }
ExitCode run(const Common& /*common*/, const CompleteOptions& options) { return run_complete(options); }

ExitCode run(const Common& /*common*/, const TapOptions& options) {
#if defined(__linux__)
  return run_tap(options);
#else
  (void)options;
  std::fputs("vnet tap: TAP interfaces and network namespaces are Linux's\n", stderr);
  return ExitCode::failed;
#endif
}

ExitCode run(const Common& /*common*/, const Exit& exit) {
  std::fputs(exit.text.c_str(), exit.code == ExitCode::ok ? stdout : stderr);
  return exit.code;
}

}  // namespace

int main(int argc, char** argv) {
  std::error_code no_folder;
  const std::string folder = std::filesystem::current_path(no_folder);
  const CommandLine line = parse_options({argv + 1, argv + argc}, {VNET_VERSION, folder});
  return static_cast<int>(std::visit([&](const auto& command) { return run(line.common, command); }, line.command));
}
