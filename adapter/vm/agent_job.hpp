// AgentJob: one command to vnet-agent in the guest, from the wait for the agent to the command's end.
//
// Its report carries the agent's `out` and `err` lines as they come; the result is {"exit": CODE} or {"signal":
// NUMBER}. Whoever asked and goes away ends the command.
#pragma once

#include <memory>
#include <optional>

#include "adapter/vm/job.hpp"

namespace vnet::adapter {

class AgentJob final : public Job {
 public:
  /// `patience`: for the agent to be there; the command itself may take as long as it likes.
  AgentJob(Vm& vm, std::shared_ptr<Report> report, Json command, Duration patience, Instant now);
  ~AgentJob() override;
  [[nodiscard]] bool exclusive() const override { return false; }
  [[nodiscard]] const char* name() const override { return "the agent is at work"; }

 protected:
  void go(Instant now) override;
  void late(Instant now) override;

 private:
  Json command_;
  std::optional<std::int64_t> id_;  ///< while the agent is at it
};

}  // namespace vnet::adapter
