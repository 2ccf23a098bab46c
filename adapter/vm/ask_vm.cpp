#include "adapter/vm/ask_vm.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/vm/folders.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

/// The supervisor answers from memory; jobs have limits of their own.
constexpr Duration kAnswerTime = std::chrono::seconds{10};

Read<http::Client> connect_vm(const std::string& name, Duration timeout) {
  const VmFolder folder = vm_folder(name);
  if (auto client = http::Client::connect(folder.control(), timeout)) return std::move(*client);
  std::vector<std::string> running = vm_names();
  std::erase_if(running, [](const std::string& one) { return !vm_runs(vm_folder(one)); });
  if (vm_runs(folder)) return fail("the VM " + name + " does not answer; is it only just starting, or ending?");
  return fail("the VM " + name + " does not run" + did_you_mean(name, running));
}

}  // namespace

Read<std::string> get_from_vm(const std::string& name, const std::string& target, Duration timeout) {
  auto client = connect_vm(name, timeout);
  if (!client) return fail(client.error());
  auto reply = client->exchange("GET", target);
  if (!reply) return fail("the VM " + name + ": " + reply.error());
  if (reply->status >= 400) return fail(problem_text(reply->status, reply->body));
  return std::move(reply->body);
}

Read<Json> view_vm(const std::string& name) {
  const auto body = get_from_vm(name, "/v1/vm", kAnswerTime);
  if (!body) return fail(body.error());
  return parse_json(*body).value_or(Json{});
}

Read<Json> ask_vm(const std::string& name, const std::string& verb, const Json& body, const OnLine& on_line) {
  auto client = connect_vm(name, http::kForever);
  if (!client) return fail(client.error());
  const auto head = client->begin("POST", "/v1/" + verb, {}, compact(body));
  if (!head) return fail("the VM " + name + ": " + head.error());
  std::string text;
  std::array<std::uint8_t, 4096> piece{};
  while (true) {
    const auto size = client->read_body(piece, http::kForever);
    if (!size) return fail("the VM " + name + " has ended before it answered");
    if (*size == 0) break;
    text.append(reinterpret_cast<const char*>(piece.data()), *size);
    if (head->status >= 400) continue;
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      const Json line = parse_json(text.substr(0, end)).value_or(Json{});
      if (const std::string step = text_at(line, "step"); !step.empty()) {
        std::fprintf(stderr, "%s\n", printable(step).c_str());
      }
      if (line.contains("done")) return member(line, "done");
      if (line.contains("failed")) return fail(text_at(line, "failed"));
      if (on_line && !line.contains("step")) on_line(line);
    }
  }
  if (head->status >= 400) return fail(problem_text(head->status, text));
  return fail("the VM " + name + " has ended before it answered");
}

}  // namespace vnet::adapter
