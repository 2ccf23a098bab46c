#include "adapter/vm/job.hpp"

#include <utility>

#include "adapter/poll_loop.hpp"
#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

/// For what should take well under a second; emulation on a loaded machine may take its time.
constexpr Duration kPatience = std::chrono::seconds{60};
/// For an agent that ran when the machine was saved.
constexpr Duration kWakeTime = std::chrono::seconds{10};
/// Between asking QEMU to end and killing it.
constexpr Duration kQuitTime = std::chrono::seconds{3};

}  // namespace

std::optional<std::string> Report::take() {
  if (lines_.empty()) return std::nullopt;
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

void Asked::ask(QmpClient& qmp, const std::string& command, Json arguments, Duration limit) {
  answer_ = std::make_shared<std::optional<QmpAnswer>>();
  qmp.ask(
      command, std::move(arguments), [answer = answer_](const QmpAnswer& given) { answer->emplace(given); }, limit);
}

void Asked::give(QmpClient& qmp, dgram::Fd fd, const std::string& name) {
  answer_ = std::make_shared<std::optional<QmpAnswer>>();
  qmp.give(std::move(fd), name, [answer = answer_](const QmpAnswer& given) { answer->emplace(given); });
}

Json migration_capabilities(std::initializer_list<std::pair<const char*, bool>> wanted) {
  Json all = Json::array();
  for (const auto& [name, state] : wanted) all.push_back({{"capability", name}, {"state", state}});
  return {{"capabilities", std::move(all)}};
}

void Job::turn(Instant now) {
  if (!over()) go(now);
  if (!over() && now >= deadline_) late(now);
}

void Job::late(Instant /*now*/) {
  deadline_ = kNever;
  report_->failed(std::string{name()} + " took too long");
}

StartJob::StartJob(Vm& vm, std::shared_ptr<Report> report, Instant now) : Job(vm, std::move(report), now + kPatience) {
  asked_.ask(vm_.qmp(), "query-version");
}

bool StartJob::answered() {
  if (asked_.waiting()) return false;
  if (!asked_.answer()) report_->failed(asked_.answer().error());
  return asked_.answer().has_value();
}

void StartJob::go(Instant now) {
  if (stage_ == Stage::version && answered()) {
    vm_.note_version(*asked_.answer());
    // What is loaded was saved without the memory, where that is a file of its own.
    asked_.ask(vm_.qmp(), "migrate-set-capabilities",
               migration_capabilities({{"events", true}, {"x-ignore-shared", static_cast<bool>(vm_.how().memory)}}));
    stage_ = Stage::events;
  }
  if (stage_ == Stage::events && answered()) {
    stage_ = vm_.loading() ? Stage::give : Stage::loaded;
    if (vm_.loading()) asked_.give(vm_.qmp(), vm_.take_state(), "state");
  }
  if (stage_ == Stage::give && answered()) {
    asked_.ask(vm_.qmp(), "migrate-incoming", {{"uri", "fd:state"}});
    stage_ = Stage::load;
  }
  if (stage_ == Stage::load && answered()) {
    if (vm_.migration() == "failed") report_->failed("QEMU cannot load the state; see " + vm_.how().folder.log());
    if (vm_.migration() == "completed") {
      vm_.restore_switch_memory();
      stage_ = Stage::loaded;
    }
  }
  if (stage_ >= Stage::loaded) connect(now);
}

void StartJob::connect(Instant now) {
  if (stage_ == Stage::loaded) {
    vm_.hold_all(now);  // they are held; this has them lower their carriers
    stage_ = Stage::lower;
  }
  if (stage_ == Stage::lower && vm_.disconnected()) {
    stage_ = wake(now) ? Stage::wake : Stage::connect;
    if (stage_ == Stage::connect) vm_.release_all(now);
  }
  if (stage_ == Stage::wake && *awake_ && answered()) {
    const AgentLine& line = **awake_;
    if (line.kind == AgentLine::Kind::error) return report_->failed("the guest does not wake up: " + line.text);
    deadline_ = now + kPatience;
    vm_.release_all(now);
    stage_ = Stage::connect;
  }
  if (stage_ == Stage::connect && vm_.settled()) {
    asked_.ask(vm_.qmp(), "cont");
    stage_ = Stage::cont;
  }
  if (stage_ == Stage::cont && answered()) {
    for (const auto& nic : vm_.nics()) {
      if (!nic->state().problem().empty()) report_->step(nic->nic().name + ": " + nic->state().problem());
    }
    report_->done({{"name", vm_.spec().name}, {"pid", vm_.pid()}});
  }
}

bool StartJob::wake(Instant now) {
  if (!vm_.how().saved.agent) return false;
  awake_ = std::make_shared<std::optional<AgentLine>>();
  const auto hear = [&vm = vm_, awake = awake_](const AgentLine& line) {
    awake->emplace(line);
    if (line.kind == AgentLine::Kind::error) vm.say("the agent: " + printable(line.text));
  };
  if (const auto asked = vm_.agent().ask({{"restored", vm_.awakening()}}, hear); !asked) {
    hear({AgentLine::Kind::error, 0, asked.error()});
  }
  if (!vm_.is_renamed()) return false;
  asked_.ask(vm_.qmp(), "cont");
  deadline_ = now + kWakeTime;
  return true;
}

NicJob::NicJob(Vm& vm, std::shared_ptr<Report> report, NicPort& nic, std::optional<std::string> network, Instant now)
    : Job(vm, std::move(report), now + kPatience), nic_(nic), attach_(network.has_value()) {
  if (network) {
    nic_.state().attach(*network, now);
  } else {
    nic_.state().detach(now);
  }
}

void NicJob::go(Instant /*now*/) {
  const NicState& state = nic_.state();
  if (!state.settled()) return;
  if (!state.problem().empty()) return report_->failed(nic_.nic().name + ": " + state.problem());
  if (attach_ && !state.switch_here()) report_->step("vnetd is not there; attached as soon as it is");
  if (attach_ && state.attached() && !state.link_up()) report_->step("attached, but its link is down at the switch");
  report_->done(nic_.view());
}

StopJob::StopJob(Vm& vm, std::shared_ptr<Report> report, Duration patience, Instant now)
    : Job(vm, std::move(report), now + patience) {
  asked_.ask(vm_.qmp(), "system_powerdown");
  report_->step("asked the guest to shut down");
}

void StopJob::go(Instant /*now*/) {}

void StopJob::late(Instant now) {
  if (std::exchange(quitting_, true)) {
    vm_.kill();
    return report_->done({{"name", vm_.spec().name}, {"how", "killed"}});
  }
  report_->step("the guest did not shut down in time: QEMU is ended");
  asked_.ask(vm_.qmp(), "quit");
  deadline_ = now + kQuitTime;
}

void StopJob::vm_ended(const std::string& /*how*/) {
  report_->done({{"name", vm_.spec().name}, {"how", quitting_ ? "ended" : "shut down"}});
}

}  // namespace vnet::adapter
