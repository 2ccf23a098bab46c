// The families of commands: each adds its own to the tree. What they have in common is here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapter/command_tree.hpp"
#include "adapter/json.hpp"

namespace vnet::adapter {

void add_list_commands(CommandTree& tree);     ///< status, nics, networks, services, flows, mappings, leases, ...
void add_nic_commands(CommandTree& tree);      ///< nic, assign
void add_network_command(CommandTree& tree);   ///< network
void add_service_command(CommandTree& tree);   ///< service
void add_dns_commands(CommandTree& tree);      ///< dns
void add_capture_commands(CommandTree& tree);  ///< capture
void add_forward_commands(CommandTree& tree);  ///< forwards, forward
void add_watch_commands(CommandTree& tree);    ///< events, top
void add_daemon_commands(CommandTree& tree);   ///< snapshot, restore, reload, metrics, api, completion
void add_tap_command(CommandTree& tree);       ///< tap
void add_grid_command(CommandTree& tree);      ///< grid
void add_vm_commands(CommandTree& tree);       ///< vm
void add_commands(CommandTree& tree);          ///< all of them, in the order of --help

using Query = std::vector<std::pair<std::string, std::string>>;
/// `/v1/` and the segments, percent-encoded, with the query behind them.
[[nodiscard]] std::string api_target(const std::vector<std::string>& segments, const Query& query = {});

/// The message for a word that has to be there: `COMMAND: found no NAME`.
[[nodiscard]] Exit missing(const std::string& command, const std::string& word, const std::string& expected);
/// The message for a word out of few that is none of them.
[[nodiscard]] Exit no_such_word(const std::string& where, const std::string& found,
                                const std::vector<std::string>& words);
/// `path`, absolute, for the daemon, whose current folder is another.
[[nodiscard]] std::string absolute(const std::string& folder, const std::string& path);
/// An option that may be given several times, one value each.
CLI::Option* repeated(CLI::Option* option);

/// A request's document made of the arguments that were given, which remembers where each went.
class RequestBody {
 public:
  /// Empty texts count as given: the daemon says what is wrong with them.
  void set(const std::string& name, Json value, const std::string& argument);
  /// As set(), when there is a value.
  template <typename T>
  void set_if(const std::string& name, const std::optional<T>& value, const std::string& argument) {
    if (value) set(name, *value, argument);
  }
  /// Moves document and places into `call`.
  void into(Call& call);

 private:
  Json document_ = Json::object();
  std::vector<std::pair<std::string, std::string>> arguments_;
};

/// The completion script of a shell, `bash` or `zsh`.
[[nodiscard]] std::string_view completion_script(std::string_view shell);

}  // namespace vnet::adapter
