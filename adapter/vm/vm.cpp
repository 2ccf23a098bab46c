#include "adapter/vm/vm.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "adapter/base64.hpp"
#include "adapter/commands.hpp"
#include "adapter/printable.hpp"
#include "adapter/vm/qemu_command.hpp"

namespace vnet::adapter {
namespace {

/// A stream pair: ours first. QEMU sets what it gets to the mode that it wants.
dgram::SystemResult<std::pair<dgram::Fd, dgram::Fd>> stream_pair() { return dgram::make_pair(SOCK_STREAM); }

constexpr std::size_t kSeedBytes = 32;

/// Seconds since 1970, with room for a thousand commands in each.
std::int64_t first_agent_id() { return static_cast<std::int64_t>(std::time(nullptr)) * 1000; }

}  // namespace

dgram::SystemResult<std::unique_ptr<Vm>> Vm::start(VmStart how, PollLoop& loop, Say say,
                                                   std::function<void()> on_escape) {
  auto console = stream_pair();
  auto qmp = stream_pair();
  auto agent = stream_pair();
  for (const auto* made : {&console, &qmp, &agent}) {
    if (!*made) return fail(made->error());
  }
  std::vector<std::pair<dgram::Fd, dgram::Fd>> pairs;
  std::vector<int> inherited = {console->second.get(), qmp->second.get(), agent->second.get()};
  QemuParts parts{.accel = how.accel,
                  .console_fd = console->second.get(),
                  .qmp_fd = qmp->second.get(),
                  .agent_fd = agent->second.get(),
                  .disk_files = how.disk_files,
                  .incoming = static_cast<bool>(how.state),
                  .memory_fd = how.memory ? how.memory.get() : -1};
  if (how.memory) inherited.push_back(how.memory.get());
  for (std::size_t i = 0; i < how.spec.nics.size(); ++i) {
    auto pair = dgram::make_pair(SOCK_DGRAM);
    if (!pair) return fail(pair.error());
    for (const dgram::Fd* end : {&pair->first, &pair->second}) {
      (void)dgram::enlarge_buffers(*end, dgram::kBufferBytes);
    }
    parts.nic_fds.push_back(pair->second.get());
    inherited.push_back(pair->second.get());
    pairs.push_back(std::move(*pair));
  }
  const dgram::Fd log{::open(how.folder.log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (!log) return fail(dgram::SystemError{"write " + how.folder.log(), errno});
  const std::vector<std::string> command = qemu_command(how.spec, parts);
  auto process = Process::start(command, inherited, log.get());
  if (!process) return fail(process.error());

  std::unique_ptr<Vm> vm{new Vm{std::move(how), loop, std::move(say)}};
  vm->process_.emplace(std::move(*process));
  vm->qmp_ = std::make_unique<QmpClient>(std::move(qmp->first), loop, &PollLoop::now, *vm);
  vm->console_ = std::make_unique<Console>(std::move(console->first), vm->how_.folder.console(), vm->how_.foreground,
                                           loop, std::move(on_escape));
  vm->agent_ = std::make_unique<AgentPort>(std::move(agent->first), loop, first_agent_id());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    vm->nics_.push_back(std::make_unique<NicPort>(
        i, vm->how_.spec.nics[i], std::move(pairs[i].first), vm->line_, *vm->qmp_, vm->say_,
        [file = vm->how_.folder.added()](const std::string& name) { remember_line(file, name); },
        [owner = vm.get()] { owner->assign(); }));
  }
  return vm;
}

NicPort* Vm::find_nic(const std::string& name_or_mac) {
  const auto found = std::ranges::find_if(nics_, [&](const auto& nic) { return nic->is(name_or_mac); });
  return found == nics_.end() ? nullptr : found->get();
}

void Vm::hold_all(Instant now) {
  for (const auto& nic : nics_) nic->state().hold(now);
}

void Vm::release_all(Instant now) {
  for (const auto& nic : nics_) nic->state().release(now);
}

bool Vm::settled() const {
  return std::ranges::all_of(nics_, [](const auto& nic) { return nic->state().settled(); });
}

bool Vm::disconnected() const {
  return std::ranges::all_of(nics_, [](const auto& nic) {
    return nic->state().carrier() == NicState::Carrier::down && !nic->state().attached() && nic->state().settled();
  });
}

void Vm::note_version(const Json& answer) {
  const Json& version = member(answer, "qemu");
  for (const char* part : {"major", "minor", "micro"}) {
    qemu_version_ += (qemu_version_.empty() ? "" : ".") + std::to_string(count_at(version, part));
  }
  qemu_version_ += text_at(answer, "package");
}

Json Vm::switch_memory() {
  Json all = {{"version", 1}, {"nics", Json::array()}};
  for (const auto& nic : nics_) {
    // One that has never been plugged in is not known there.
    const auto memory = line_.ask("POST", "/v1/snapshot", {{"nics", Json::array({nic->nic().name})}});
    if (!memory && memory.error().status == 0) return {};
    if (memory) {
      for (const Json& one : member(*memory, "nics")) all["nics"].push_back(one);
    }
  }
  limit_connections(all["nics"]);
  return all;
}

bool Vm::is_renamed() const {
  for (std::size_t i = 0; i < how_.saved.macs.size() && i < how_.spec.nics.size(); ++i) {
    if (how_.saved.macs[i] != how_.spec.nics[i].mac) return true;
  }
  return false;
}

Json Vm::awakening() const {
  std::array<char, kSeedBytes> seed{};
  if (::getentropy(seed.data(), seed.size()) != 0) say_("no random numbers for the guest");
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  Json macs = Json::array();
  for (std::size_t i = 0; i < how_.saved.macs.size() && i < how_.spec.nics.size(); ++i) {
    const MacAddress mac = how_.spec.nics[i].mac.value_or(how_.saved.macs[i]);
    if (mac != how_.saved.macs[i]) macs.push_back({how_.saved.macs[i].to_string(), mac.to_string()});
  }
  return {{"seed", to_base64({seed.data(), seed.size()})},
          {"unix_ms", std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000},
          {"macs", std::move(macs)}};
}

void Vm::restore_switch_memory() {
  if (!how_.saved.switch_memory.is_object()) return;
  // Names may be others than when it was saved; the MAC addresses are not.
  for (Json& one : how_.saved.switch_memory["nics"]) {
    if (const NicPort* nic = find_nic(text_at(one, "mac"))) one["name"] = nic->nic().name;
    make_way_for_lease(one);
  }
  const auto restored = line_.ask("POST", "/v1/restore", how_.saved.switch_memory);
  if (!restored) return say_("the switch does not take back what it knew: " + printable(restored.error().text));
  for (const Json& one : member(*restored, "nics")) {
    if (const std::string lease = text_at(one, "lease"); lease != "restored" && lease != "none") {
      say_(printable(text_at(one, "name") + ": the lease of " + lease));
    }
  }
}

void Vm::make_way_for_lease(Json& memory) {
  const std::string saved = text_at(member(memory, "lease"), "ip");
  if (saved.empty()) return;
  const auto leases = line_.ask("GET", api_target({"leases"}, {{"network", text_at(memory, "network")}}));
  if (!leases) return;
  for (const Json& lease : *leases) {
    if (text_at(lease, "mac") != text_at(memory, "mac")) continue;
    const std::string held = text_at(lease, "ip");
    if (held == saved) {
      memory.erase("lease");  // it is as it was
      return;
    }
    (void)line_.ask("DELETE", api_target({"leases", held}, {{"network", text_at(memory, "network")}}));
  }
}

void Vm::unplug() {
  for (const auto& nic : nics_) {
    if (nic->state().attached()) nic->unplug();
  }
}

const std::string& Vm::ended() {
  if (const auto how = process_->ended()) ended_ = *how;
  return ended_;
}

void Vm::kill() {
  if (process_->running()) ended_ = "was killed";
  process_->kill();
}

Instant Vm::next_deadline() const {
  Instant least = std::min(line_.next_deadline(), qmp_->next_deadline());
  for (const auto& nic : nics_) least = std::min(least, nic->state().next_deadline());
  return least;
}

void Vm::expire(Instant now) {
  line_.expire(now);
  qmp_->expire(now);
  for (const auto& nic : nics_) {
    if (nic->state().next_deadline() <= now) nic->state().expire(now);
  }
}

void Vm::on_qmp_event(const std::string& name, const Json& data) {
  if (name == "RESUME") running_ = true;
  if (name == "STOP" || name == "SHUTDOWN") running_ = false;
  if (name == "MIGRATION") migration_ = text_at(data, "status");
  if (name == "RESET") agent_->lost("the guest has begun anew");
  if (name == "VSERPORT_CHANGE" && text_at(data, "id") == kAgentPortId) {
    if (flag_at(data, "open")) {
      agent_->ping();
    } else {
      agent_->lost("the agent has gone");
    }
  }
  if (name == "SHUTDOWN") say_("the guest has shut down (" + printable(text_at(data, "reason")) + ")");
}

void Vm::on_qmp_gone(const std::string& cause) {
  if (process_ && process_->running()) say_("QEMU: " + cause);
}

void Vm::on_switch_here() {
  say_("vnetd is at " + line_.path());
  for (const auto& nic : nics_) nic->state().switch_back(PollLoop::now());
}

void Vm::on_switch_gone(const std::string& cause) {
  say_("without vnetd: " + printable(cause) + "; waiting for it");
  for (const auto& nic : nics_) nic->state().switch_gone(PollLoop::now());
}

void Vm::on_nic_event(const Json& event) {
  NicPort* nic = find_nic(text_at(event, "nic"));
  if (nic == nullptr) nic = find_nic(text_at(event, "mac"));
  if (nic == nullptr) return;
  nic->look(PollLoop::now());
  assign();
}

void Vm::assign() {
  for (const auto& nic : nics_) {
    if (!nic->passed()) continue;
    const auto answer = line_.ask("POST", api_target({"nics", nic->nic().name, "assignment"}));
    if (!answer || member(*answer, "assignment").is_null()) continue;
    return agent_->assign(compact(member(*answer, "assignment")));
  }
}

}  // namespace vnet::adapter
