// The command line of `vnet`.
//
// Arguments go in, a decision comes out: the options of the command that was asked for, or a text to print and the code
// to exit with. Nothing is printed or done here. Most commands are one exchange with the control API, and are decided
// as that exchange: what to ask, how to show the answer, and which argument each part of the question came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "adapter/vm/options.hpp"
#include "packet/mac_address.hpp"

namespace vnet::adapter {

/// 0 done, 1 failed while running, 2 bad command line.
enum class ExitCode : int { ok = 0, failed = 1, usage = 2 };

enum class Color { automatic, always, never };

/// What every command but `tap` and `grid` takes.
struct Common {
  std::optional<std::string> control;  ///< else VNET_CONTROL, else vnetd's default
  Color color = Color::automatic;

  bool operator==(const Common&) const = default;
};

/// How the answer of a call is shown to a person.
enum class Show {
  nothing,   ///< that it was done is all there is to say
  text,      ///< as it is: /metrics
  document,  ///< JSON, as it is
  raw,       ///< like document, but an error's document is shown too
  status,
  nics,
  nic,       ///< one in full
  nic_line,  ///< one in a line, after a change
  networks,
  network,  ///< one in full
  services,
  service,  ///< one in full
  flows,
  mappings,
  leases,
  dns,
  captures,
  capture_line,  ///< the one that was begun
  forwards,
  forward_line,  ///< the one that was added
  reload,
  restored,
};

/// One exchange with the control API.
struct Call {
  std::string method = "GET";
  std::string target = {};
  std::string body = {};                    ///< JSON, or empty
  std::optional<std::string> body_of = {};  ///< a file whose text is the body; "-" is stdin
  Show show = Show::nothing;
  bool json = false;  ///< the answer's JSON instead
  /// JSON pointers into the body, and the arguments that are there: {"/mac", "--mac"}.
  std::vector<std::pair<std::string, std::string>> arguments = {};

  bool operator==(const Call&) const = default;
};

/// `vnet capture`: a live one.
struct LiveCapture {
  std::string target;
  std::string file;  ///< "-": stdout

  bool operator==(const LiveCapture&) const = default;
};

/// `vnet events`
struct EventsOptions {
  bool follow = false;
  std::vector<std::pair<std::string, std::string>> filter;  ///< query parameters: nic, network, kind
  std::optional<std::uint64_t> since;                       ///< the number of the last event that is known
  bool json = false;

  bool operator==(const EventsOptions&) const = default;
};

/// `vnet top`
struct TopOptions {
  double interval_s = 1;
  std::uint32_t count = 0;  ///< tables to print; 0: until asked to stop

  bool operator==(const TopOptions&) const = default;
};

/// `vnet grid`
struct GridOptions {
  std::uint64_t seed = 1;
  std::optional<std::string> html;  ///< a file
  bool combinations = false;        ///< of mapping and filtering, instead of the presets
  bool json = false;
  std::string version;

  bool operator==(const GridOptions&) const = default;
};

/// `vnet complete WORD...`, for the shells' completion: what may stand in the place of the last word.
struct CompleteOptions {
  std::vector<std::string> words;

  bool operator==(const CompleteOptions&) const = default;
};

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

using Command = std::variant<Call, LiveCapture, EventsOptions, TopOptions, GridOptions, CompleteOptions, TapOptions,
                             VmOptions, Exit>;

struct CommandLine {
  Common common;
  Command command;
};

/// What the decision depends on besides the arguments.
struct Surroundings {
  std::string version;  ///< what --version prints behind "vnet "
  std::string folder;   ///< the current one, which paths for the daemon are relative to
};

/// `arguments` without the program's name.
[[nodiscard]] CommandLine parse_options(const std::vector<std::string>& arguments, const Surroundings& surroundings);

}  // namespace vnet::adapter
