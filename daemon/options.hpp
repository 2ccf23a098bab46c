// The command line of vnetd.
//
// Arguments go in, a decision comes out: either options to run with, or a text to print and the code to exit
// with. Nothing is printed or exited here, so main() stays in charge and the tests need no process.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/config.hpp"

namespace vnet::daemon {

/// 0 asked to stop, 1 failed while running, 2 bad command line or config.
enum class ExitCode : int { ok = 0, failed = 1, usage = 2 };

enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };

struct Options {
  std::optional<std::string> config;
  std::vector<std::string> dgram;   ///< when not empty, these instead of the config's
  std::vector<std::string> stream;  ///< likewise
  std::optional<std::string> control;
  std::optional<std::string> control_tcp;  ///< as written; apply_options reads it
  std::optional<std::string> control_token_file;
  std::optional<std::string> pcap;
  std::optional<std::string> state;
  LogLevel log_level = LogLevel::info;
  bool log_json = false;
  bool take_over = false;
  bool check = false;
  bool print_config = false;

  bool operator==(const Options&) const = default;
};

/// Nothing to run: print `text` (to stdout when the code is ok, else to stderr) and exit.
struct Exit {
  ExitCode code = ExitCode::ok;
  std::string text;
};

/// `arguments` without the program's name. `version` is what --version prints behind "vnetd ".
[[nodiscard]] std::variant<Options, Exit> parse_options(const std::vector<std::string>& arguments,
                                                        const std::string& version);

/// Puts the flags' values in the place of the config's. Paths are relative to `current_folder`, as the shell means
/// them. The sockets are checked again; what comes from a flag is at the flag's name.
[[nodiscard]] Problems apply_options(const Options& options, const std::string& current_folder, Config& config);

/// The folder of the default sockets: `vnet` in `xdg_runtime_dir` when that is an absolute path, as the XDG Base
/// Directory Specification demands, else `/tmp/vnet-UID`. Null: the variable is not set.
[[nodiscard]] std::string runtime_folder(const char* xdg_runtime_dir, unsigned uid);

}  // namespace vnet::daemon
