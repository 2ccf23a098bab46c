// vnetd: a virtual network switch in user space. This file is its table of contents.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <system_error>
#include <utility>

#include "daemon/config.hpp"
#include "daemon/config_source.hpp"
#include "daemon/log.hpp"
#include "daemon/socket_activation.hpp"
#include "daemon/startup.hpp"
#include "daemon/take_over.hpp"
#include "daemon/vnetd.hpp"

namespace {

using namespace vnet::daemon;

int exit_with(ExitCode code, const std::string& text) {
  (code == ExitCode::ok ? std::cout : std::cerr) << text;
  return static_cast<int>(code);
}

/// Every NIC costs a descriptor or two; the default soft limit is there for programs that use select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Serves until somebody asks us to stop. What cannot be opened is thrown as a sentence.
void serve(ConfigSource source, Config config, bool take_over) {
  InheritedSockets inherited = InheritedSockets::take();
  std::optional<Predecessor> predecessor;
  if (take_over) predecessor = find_predecessor(config.listen.control);
  Vnetd vnetd{prepare(std::move(source), std::move(config), std::move(inherited), std::move(predecessor))};
  vnetd.run();
}

}  // namespace

int main(int argc, char** argv) {
  // 1. What is asked for: flags, then the config file, then flags over the file.
  const auto parsed = parse_options({argv + 1, argv + argc}, VNET_VERSION);
  if (const auto* done = std::get_if<Exit>(&parsed)) return exit_with(done->code, done->text);
  const Options& options = std::get<Options>(parsed);
  std::error_code no_folder;  // a folder that is gone matters only to relative paths, which then are found missing
  const ConfigSource source{options, std::filesystem::current_path(no_folder).string(),
                            runtime_folder(std::getenv("XDG_RUNTIME_DIR"), ::getuid())};
  auto loaded = source.load();
  if (!loaded) return exit_with(ExitCode::usage, to_string(loaded.error().problems, loaded.error().source));

  // 2. Only looking?
  for (const std::string& pointer : loaded->not_in_effect) {
    std::cerr << source.name() << ": " << pointer << ": accepted, not in effect in this version\n";
  }
  if (options.print_config) return exit_with(ExitCode::ok, print_config(loaded->config));
  if (options.check) return exit_with(ExitCode::ok, source.name() + ": ok\n");

  // 3. Run, until somebody asks us to stop.
  start_log(options.log_level, options.log_json);
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  try {
    serve(source, std::move(loaded->config), options.take_over);
  } catch (const std::exception& error) {
    return exit_with(ExitCode::failed, std::string{"vnetd: "} + error.what() + "\n");
  }
  return static_cast<int>(ExitCode::ok);
}
