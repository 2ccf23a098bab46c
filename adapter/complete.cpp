#include "adapter/complete.hpp"

#include <algorithm>
#include <cstdio>

#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/json.hpp"
#include "adapter/vm/folders.hpp"

namespace vnet::adapter {
namespace {

struct Source {
  std::string target;
  const char* member;
  const char* description;  ///< a member too
};

Source source_of(Ask ask) {
  switch (ask) {
    case Ask::nics: return {api_target({"nics"}), "name", "network"};
    case Ask::networks: return {api_target({"networks"}), "name", "ipv4"};
    case Ask::services: return {api_target({"services"}), "name", "kind"};
    case Ask::leases: return {api_target({"leases"}), "ip", "mac"};
    case Ask::captures: return {api_target({"captures"}), "id", "started"};
    case Ask::forwards: return {api_target({"forwards"}), "id", "listen"};
    case Ask::dns_names: return {api_target({"dns", "records"}), "name", "cname"};
    case Ask::vms:
    case Ask::nothing:
    case Ask::files: break;
  }
  return {};
}

bool is_plain(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' ||
           c == ':' || c == '_' || c == '/';
  });
}

}  // namespace

std::string complete(const std::vector<std::string>& words,
                     const std::function<std::string(const std::string&)>& fetch) {
  CommandTree tree{{}};
  add_commands(tree);
  Candidates candidates = tree.candidates(words);
  if (const Source source = source_of(candidates.ask); !source.target.empty()) {
    const Json things = parse_json(fetch(source.target)).value_or(Json{});
    for (const Json& thing : things) {
      const std::string name = text_at(thing, source.member);
      const std::string description = text_at(thing, source.description);
      if (is_plain(name)) candidates.words.emplace_back(name, is_plain(description) ? description : "");
    }
  }
  if (candidates.ask == Ask::vms) {
    for (const std::string& name : vm_names()) candidates.words.emplace_back(name, "");
  }
  const std::string last = words.empty() ? "" : words.back();
  std::string lines;
  for (const auto& [word, description] : candidates.words) {
    if (word.starts_with(last)) lines += word + (description.empty() ? "" : "\t" + description) + "\n";
  }
  return candidates.ask == Ask::files ? lines + ":files\n" : lines;
}

ExitCode run_complete(const CompleteOptions& options) {
  Common common;
  const auto control = std::ranges::find(options.words, "--control");
  if (options.words.end() - control > 1) common.control = *(control + 1);
  const std::string lines = complete(options.words, [&](const std::string& target) -> std::string {
    auto client = connect_control(control_path(common), kCompleteTimeout);
    if (!client) return {};
    const auto reply = client->exchange("GET", target);
    return reply && reply->status == 200 ? reply->body : "";
  });
  (void)std::fputs(lines.c_str(), stdout);
  return ExitCode::ok;
}

}  // namespace vnet::adapter
