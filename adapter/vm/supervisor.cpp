#include "adapter/vm/supervisor.hpp"

#include <algorithm>
#include <utility>

#include "adapter/control.hpp"

namespace vnet::adapter {

Supervisor::~Supervisor() {
  leash_.reset();
  server_.reset();
  jobs_.clear();
  vm_.reset();
  if (lock_) loop_.forget(signals_.fd());
}

Supervisor::Leash::Leash(dgram::Fd fd, PollLoop& loop, std::function<void()> slipped)
    : fd_(std::move(fd)), loop_(loop), slipped_(std::move(slipped)) {
  loop_.watch(fd_.get(), true, false, *this);
}

Supervisor::Leash::~Leash() {
  if (fd_) loop_.forget(fd_.get());
}

void Supervisor::Leash::on_ready(bool /*readable*/, bool /*writable*/) {
  loop_.forget(fd_.get());
  fd_ = {};
  slipped_();
}

Read<void> Supervisor::start(VmStart how, dgram::Fd lock) {
  lock_ = std::move(lock);
  loop_.watch(signals_.fd(), true, false, *this);
  const std::string path = how.folder.control();
  auto server =
      http::Server::listen(path, {}, loop_, &PollLoop::now, [this](http::Request& one) { return handle(one); });
  if (!server) return fail("cannot " + server.error().to_string());
  dgram::Fd leash = std::move(how.leash);
  auto vm = Vm::start(std::move(how), loop_, say_, [this] { stop(kStopPatience); });
  if (!vm) return fail("cannot " + vm.error().to_string());
  server_ = std::move(*server);
  vm_ = std::move(*vm);
  if (leash) {
    leash_ = std::make_unique<Leash>(std::move(leash), loop_, [this] {
      say_("whoever started it has gone");
      stopping_ = true;
      vm_->kill();
    });
  }
  starting_ = std::make_shared<Report>();
  jobs_.push_back(std::make_unique<StartJob>(*vm_, starting_, PollLoop::now()));
  return {};
}

bool Supervisor::run(const std::function<void(const std::string&)>& on_ready) {
  while (vm_->ended().empty()) {
    turn();
    if (starting_ == nullptr) continue;
    std::string problem;
    while (const auto line = starting_->take()) {
      const Json said = parse_json(*line).value_or(Json{});
      if (const std::string step = text_at(said, "step"); !step.empty()) say_(step);
      problem = text_at(said, "failed");
    }
    if (!starting_->over()) continue;
    failed_ = !problem.empty();
    starting_.reset();
    on_ready(problem);
    if (failed_) vm_->kill();
  }
  const std::string how = vm_->ended();
  say_("QEMU " + how);
  vm_->unplug();
  for (const auto& job : jobs_) job->vm_ended(how);
  if (starting_ != nullptr) on_ready("QEMU " + how + "; see " + vm_->how().folder.log());
  const bool well = starting_ == nullptr && !failed_ && (stopping_ || how == "ended with code 0");
  jobs_.clear();
  const Instant until = PollLoop::now() + kLinger;
  while (server_->connection_count() > 0 && PollLoop::now() < until) {
    server_->wake();
    if (!loop_.turn(std::min(until, server_->next_deadline()))) break;
    server_->expire(PollLoop::now());
  }
  return well;
}

void Supervisor::turn() {
  Instant deadline = std::min(vm_->next_deadline(), server_->next_deadline());
  for (const auto& job : jobs_) deadline = std::min(deadline, job->next_deadline());
  if (const auto turned = loop_.turn(deadline); !turned) {
    say_("cannot " + turned.error().to_string());
    return vm_->kill();
  }
  const Instant now = PollLoop::now();
  vm_->expire(now);
  settle_jobs(now);
  server_->expire(now);
}

void Supervisor::settle_jobs(Instant now) {
  for (const auto& job : jobs_) job->turn(now);
  const bool news = std::ranges::any_of(jobs_, [](const auto& job) { return job->report().has_lines(); });
  vm_->agent().read_on(std::ranges::none_of(jobs_, [](const auto& job) { return job->report().is_full(); }));
  std::erase_if(jobs_, [](const auto& job) { return job->over(); });
  if (news) server_->wake();
}

void Supervisor::stop(Duration patience) {
  if (std::exchange(stopping_, true)) return vm_->kill();
  const auto report = std::make_shared<Report>();
  jobs_.push_back(std::make_unique<StopJob>(*vm_, report, patience, PollLoop::now()));
}

void Supervisor::on_ready(bool /*readable*/, bool /*writable*/) {
  while (const auto number = signals_.take()) {
    if (*number == SIGCHLD) continue;  // run() looks after every turn
    say_("asked to stop by a signal");
    if (vm_) stop(kStopPatience);
  }
}

}  // namespace vnet::adapter
