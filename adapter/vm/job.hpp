// Jobs: what takes a while with a VM, each a small machine that goes on by one step whenever something has happened.
//
// A job asks QMP and the NICs' states, and looks at every turn of the loop whether what it waits for is there. So there
// are no callbacks of callbacks, a job's steps stand below one another, and a time limit is a comparison. It reports
// what it does, and at last one result or one failure; whoever started it reads the report as it grows.
#pragma once

#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "adapter/json.hpp"
#include "adapter/vm/qmp.hpp"
#include "adapter/vm/vm.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

/// A job's report: `{"step": TEXT}` lines and those of the job's own, then one `{"done": DOCUMENT}` or
/// `{"failed": TEXT}`.
class Report {
 public:
  void step(const std::string& text) { line({{"step", text}}); }
  void line(const Json& document) { lines_.push_back(compact(document)); }
  void done(Json result) { end(compact({{"done", std::move(result)}})); }
  void failed(const std::string& text) {
    if (!over_) failure_ = text;
    end(compact({{"failed", text}}));
  }
  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] bool has_failed() const noexcept { return failure_.has_value(); }
  /// Why it has failed, if it has.
  [[nodiscard]] const std::optional<std::string>& failure() const noexcept { return failure_; }
  /// The next line that has not been taken.
  [[nodiscard]] std::optional<std::string> take();
  [[nodiscard]] bool has_lines() const noexcept { return !lines_.empty(); }
  /// Lines that wait to be taken are as many as there should be.
  [[nodiscard]] bool is_full() const noexcept { return lines_.size() >= kMaxWaitingLines; }
  /// Whoever read it has gone.
  void abandon() noexcept { abandoned_ = true; }
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_; }

 private:
  void end(std::string line) {
    if (over_) return;
    lines_.push_back(std::move(line));
    over_ = true;
  }

  static constexpr std::size_t kMaxWaitingLines = 64;

  std::deque<std::string> lines_;
  bool over_ = false;
  bool abandoned_ = false;
  std::optional<std::string> failure_;
};

/// A question to QMP that a job waits for.
class Asked {
 public:
  void ask(QmpClient& qmp, const std::string& command, Json arguments = {}, Duration limit = kQmpTimeout);
  /// Nothing has been asked, or the answer is still out.
  [[nodiscard]] bool waiting() const { return answer_ == nullptr || !*answer_; }
  [[nodiscard]] bool asked() const { return answer_ != nullptr; }
  [[nodiscard]] const QmpAnswer& answer() const { return **answer_; }
  void give(QmpClient& qmp, dgram::Fd fd, const std::string& name);

 private:
  std::shared_ptr<std::optional<QmpAnswer>> answer_;  ///< shared with the question, which may outlive the job
};

/// For `migrate-set-capabilities`.
[[nodiscard]] Json migration_capabilities(std::initializer_list<std::pair<const char*, bool>> wanted);

class Job {
 public:
  Job(Vm& vm, std::shared_ptr<Report> report, Instant deadline)
      : vm_(vm), report_(std::move(report)), deadline_(deadline) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  /// Goes on as far as it can. The report is over when the job is.
  void turn(Instant now);
  /// QEMU has ended.
  virtual void vm_ended(const std::string& how) { report_->failed("QEMU " + how); }
  [[nodiscard]] virtual Instant next_deadline() const noexcept { return deadline_; }
  [[nodiscard]] bool over() const noexcept { return report_->over(); }
  [[nodiscard]] const Report& report() const noexcept { return *report_; }
  /// One that cannot go on beside another of its kind: starting, saving, stopping.
  [[nodiscard]] virtual bool exclusive() const { return true; }
  [[nodiscard]] virtual const char* name() const = 0;

 protected:
  virtual void go(Instant now) = 0;
  virtual void late(Instant now);

  Vm& vm_;
  std::shared_ptr<Report> report_;
  Instant deadline_;
};

/// From QEMU's start to a running guest: loads the saved state if there is one, sets every link down whatever QEMU
/// believes, plugs in what is to be plugged in, and lets the guest run. A guest that is to have other MAC addresses
/// than it was saved with runs first, and gets a carrier when its agent has set them.
class StartJob : public Job {
 public:
  StartJob(Vm& vm, std::shared_ptr<Report> report, Instant now);
  [[nodiscard]] const char* name() const override { return "starting"; }

 protected:
  void go(Instant now) override;

 private:
  enum class Stage { version, events, give, load, loaded, lower, wake, connect, cont };
  /// The last question has been, and well; a bad answer ends the job.
  [[nodiscard]] bool answered();
  void connect(Instant now);
  /// Tells the agent that its machine was restored; whether there is anything to wait for.
  [[nodiscard]] bool wake(Instant now);

  Stage stage_ = Stage::version;
  Asked asked_;
  std::shared_ptr<std::optional<AgentLine>> awake_;  ///< the agent's word; shared with the command, as an answer is
};

/// Attaches, moves or detaches a NIC, and waits until that is so.
class NicJob final : public Job {
 public:
  NicJob(Vm& vm, std::shared_ptr<Report> report, NicPort& nic, std::optional<std::string> network, Instant now);
  [[nodiscard]] bool exclusive() const override { return false; }
  [[nodiscard]] const char* name() const override { return "a NIC is being changed"; }

 protected:
  void go(Instant now) override;

 private:
  NicPort& nic_;
  bool attach_;
};

/// Asks the guest to shut down; when it has not within `patience`, QEMU is ended.
class StopJob final : public Job {
 public:
  StopJob(Vm& vm, std::shared_ptr<Report> report, Duration patience, Instant now);
  void vm_ended(const std::string& how) override;
  [[nodiscard]] const char* name() const override { return "stopping"; }

 protected:
  void go(Instant now) override;
  void late(Instant now) override;

 private:
  Asked asked_;
  bool quitting_ = false;
};

}  // namespace vnet::adapter
