#include "adapter/vm/agent_job.hpp"

#include <utility>

namespace vnet::adapter {

AgentJob::AgentJob(Vm& vm, std::shared_ptr<Report> report, Json command, Duration patience, Instant now)
    : Job(vm, std::move(report), now + patience), command_(std::move(command)) {}

AgentJob::~AgentJob() {
  if (id_) vm_.agent().drop(*id_);
}

void AgentJob::go(Instant /*now*/) {
  if (report_->abandoned()) return report_->failed("nobody waits for it any more");
  if (id_ || !vm_.agent().heard()) return;
  deadline_ = kNever;
  const auto hear = [this](const AgentLine& line) {
    switch (line.kind) {
      case AgentLine::Kind::asks: return;
      case AgentLine::Kind::out: return report_->line({{"out", line.text}});
      case AgentLine::Kind::err: return report_->line({{"err", line.text}});
      default: break;
    }
    id_.reset();
    if (line.kind == AgentLine::Kind::error) return report_->failed(line.text);
    report_->done({{line.kind == AgentLine::Kind::exit ? "exit" : "signal", line.value}});
  };
  const auto asked = vm_.agent().ask(std::move(command_), hear);
  if (!asked) return report_->failed(asked.error());
  id_ = *asked;
}

void AgentJob::late(Instant /*now*/) {
  deadline_ = kNever;
  report_->failed("no agent answers in the guest; does vnet-agent --serial " + std::string{kAgentPortName} +
                  " run there?");
}

}  // namespace vnet::adapter
