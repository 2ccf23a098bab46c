// The command line of `vnet`.
//
// Arguments go in, a decision comes out: the options of the command that was asked for, or a text to print and the code
// to exit with. Nothing is printed or done here.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "packet/mac_address.hpp"

namespace vnet::adapter {

/// 0 asked to stop, 1 failed while running, 2 bad command line.
enum class ExitCode : int { ok = 0, failed = 1, usage = 2 };

/// `vnet tap`
struct TapOptions {
  std::string name = "tap0";
  std::optional<MacAddress> mac;      ///< else derived
  std::optional<std::string> netns;   ///< else the one that we are in
  std::optional<std::string> socket;  ///< else the default path
  int mtu = 1500;                     ///< bytes
  int queue = 0;                      ///< frames; 0: what the system gives
  bool dhcp = false;

  bool operator==(const TapOptions&) const = default;
};

/// Nothing to run: print `text` (to stdout when the code is ok, else to stderr) and exit.
struct Exit {
  ExitCode code = ExitCode::ok;
  std::string text;
};

using Command = std::variant<TapOptions, Exit>;

/// `arguments` without the program's name. `version` is what --version prints behind "vnet ".
[[nodiscard]] Command parse_options(const std::vector<std::string>& arguments, const std::string& version);

}  // namespace vnet::adapter
