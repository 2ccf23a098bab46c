#include "adapter/commands.hpp"

#include <filesystem>

#include "http/url.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {

void add_commands(CommandTree& tree) {
  add_list_commands(tree);
  add_nic_commands(tree);
  add_network_command(tree);
  add_service_command(tree);
  add_dns_commands(tree);
  add_forward_commands(tree);
  add_capture_commands(tree);
  add_watch_commands(tree);
  add_daemon_commands(tree);
  add_tap_command(tree);
  add_grid_command(tree);
  add_vm_commands(tree);
}

std::string api_target(const std::vector<std::string>& segments, const Query& query) {
  std::string target = "/v1";
  for (const std::string& segment : segments) target += "/" + http::encode(segment);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator + http::encode(name) + "=" + http::encode(value);
    separator = '&';
  }
  return target;
}

Exit missing(const std::string& command, const std::string& word, const std::string& expected) {
  return usage(command + ": " + found_expected("no " + word, expected));
}

Exit no_such_word(const std::string& where, const std::string& found, const std::vector<std::string>& words) {
  return usage(where + ": " + found_expected(in_quotes(found), "one of " + join(words)) + did_you_mean(found, words));
}

std::string absolute(const std::string& folder, const std::string& path) {
  return (std::filesystem::path{folder} / path).lexically_normal();
}

CLI::Option* repeated(CLI::Option* option) { return option->allow_extra_args(false); }

void RequestBody::set(const std::string& name, Json value, const std::string& argument) {
  document_[name] = std::move(value);
  arguments_.emplace_back("/" + name, argument);
}

void RequestBody::into(Call& call) {
  call.body = compact(document_);
  call.arguments = std::move(arguments_);
}

}  // namespace vnet::adapter
