#include "adapter/vm/agent_port.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

namespace vnet::adapter {
namespace {

std::optional<std::int64_t> whole_number(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_number_integer() ? std::optional{value.get<std::int64_t>()} : std::nullopt;
}

std::optional<AgentLine> read_agent_line(std::string_view text) {
  using Kind = AgentLine::Kind;
  const auto object = parse_json(text);
  if (!object || !object->is_object()) return std::nullopt;
  const auto id = whole_number(*object, "id");
  if (!id) return object->contains("stay") ? std::optional{AgentLine{}} : std::nullopt;
  constexpr std::pair<const char*, Kind> kTexts[] = {{"out", Kind::out}, {"err", Kind::err}, {"error", Kind::error}};
  for (const auto& [name, kind] : kTexts) {
    if (member(*object, name).is_string()) return AgentLine{kind, *id, text_at(*object, name)};
  }
  constexpr std::pair<const char*, Kind> kNumbers[] = {{"exit", Kind::exit}, {"signal", Kind::signal}};
  for (const auto& [name, kind] : kNumbers) {
    if (const auto value = whole_number(*object, name)) return AgentLine{kind, *id, {}, *value};
  }
  return std::nullopt;
}

}  // namespace

std::vector<AgentLine> AgentReader::feed(std::string_view bytes) {
  std::vector<AgentLine> lines;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > kMaxAgentLine) skipping_ = true;
    if (skipping_) {
      line_.clear();
    } else {
      line_ += piece;
    }
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (std::exchange(skipping_, false)) continue;
    if (auto read = read_agent_line(line)) lines.push_back(std::move(*read));
  }
  return lines;
}

AgentPort::AgentPort(dgram::Fd connected, dgram::Poller& poller, std::int64_t first_id)
    : fd_(std::move(connected)), poller_(poller), next_id_(first_id), unsent_("\n") {
  (void)dgram::adopt(fd_);
  watch();
  ping();
}

AgentPort::~AgentPort() {
  if (fd_) poller_.forget(fd_.get());
}

void AgentPort::ping() {
  if (unsent_.size() > kMaxAgentUnsent) return;
  unsent_ += compact({{"id", next_id_++}, {"ping", true}}) + "\n";
  flush();
}

void AgentPort::assign(std::string line) {
  if (line == assignment_) return;
  assignment_ = std::move(line);
  to_tell_ = true;
  flush();
}

Result<std::int64_t, std::string> AgentPort::ask(Json command, Hear hear) {
  if (commands_.size() >= kMaxAgentCommands) return fail(std::string{"the agent has too much to do at once"});
  if (!fd_ || unsent_.size() > kMaxAgentUnsent) return fail(std::string{"the agent does not take what it is sent"});
  const std::int64_t id = next_id_++;
  command["id"] = id;
  commands_.emplace(id, std::move(hear));
  unsent_ += compact(command) + "\n";
  flush();
  return id;
}

void AgentPort::drop(std::int64_t id) {
  constexpr int kTerminate = 15;  // SIGTERM on every Linux
  if (commands_.erase(id) == 0) return;
  unsent_ += compact({{"id", id}, {"kill", kTerminate}}) + "\n";
  flush();
}

void AgentPort::lost(const std::string& why) {
  heard_ = false;
  for (const auto& [id, hear] : std::exchange(commands_, {})) hear({AgentLine::Kind::error, id, why});
}

void AgentPort::read_on(bool reads) {
  if (std::exchange(reads_, reads) != reads) watch();
}

void AgentPort::on_ready(bool readable, bool writable) {
  if (writable) flush();
  if (!readable || !reads_ || !fd_) return;
  std::array<char, 65536> bytes;
  const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (size > 0) {
    for (const AgentLine& line : reader_.feed({bytes.data(), static_cast<std::size_t>(size)})) take(line);
    return;
  }
  poller_.forget(fd_.get());
  fd_ = {};
  lost("QEMU has closed the agent's port");
}

void AgentPort::take(const AgentLine& line) {
  heard_ = true;
  if (line.kind == AgentLine::Kind::asks) {
    if (assignment_.empty()) assignment_ = "wait";
    to_tell_ = true;
    return flush();
  }
  const auto found = commands_.find(line.id);
  if (found == commands_.end()) return;
  const Hear hear = found->second;  // it may ask for more, or drop this
  if (line.last()) commands_.erase(found);
  hear(line);
}

void AgentPort::flush() {
  while (fd_) {
    if (unsent_.empty() && std::exchange(to_tell_, false)) unsent_ = assignment_ + "\n";
    if (unsent_.empty()) break;
    const ssize_t size = ::send(fd_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    unsent_.erase(0, static_cast<std::size_t>(size));
  }
  watch();
}

void AgentPort::watch() {
  if (fd_) poller_.watch(fd_.get(), reads_, !unsent_.empty(), *this);
}

}  // namespace vnet::adapter
