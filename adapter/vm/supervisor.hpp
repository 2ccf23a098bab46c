// Supervisor: one process, one VM. It holds QEMU, the lock that says so, and the control socket by which `vnet vm`
// asks.
//
// The control socket speaks HTTP like vnetd's, for us alone (0600, same user):
//
//   GET  /v1/vm                                       what the VM is and how it is
//   POST /v1/attach      {"nic"?, "network"?}         a job
//   POST /v1/detach      {"nic"?}                     a job
//   POST /v1/stop        {"timeout_s"?}               a job
//   POST /v1/save        {"snapshot"} or {"cache"}    a job
//   POST /v1/agent       {"command", "timeout_s"?}    a job: the agent's command, of agent/protocol.hpp, without its id
//   GET  /v1/screenshot                               the screen as a PNG, at most 320x240
//                        ?size=WIDTHxHEIGHT           ... at most so large; proportions are kept, nothing is enlarged
//                        ?full=1                      ... as it is
//
// A job's answer is its report (job.hpp), a line of JSON each, as it comes; the last one has `done` or `failed`.
// Without `nic` the only NIC is meant. Exclusive jobs wait for nobody: a second one is refused with 409.
// A picture is the whole answer, and comes when it is there; 502: QEMU gave none.
//
// The first SIGINT or SIGTERM shuts the guest down, the second kills it. The supervisor ends when QEMU has, however
// that came.
// Limits: those of http::ServerOptions; kMaxJobs, and one that stops the VM.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapter/poll_loop.hpp"
#include "adapter/signal_pipe.hpp"
#include "adapter/vm/job.hpp"
#include "adapter/vm/vm.hpp"
#include "http/server.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxJobs = 16;
inline constexpr Duration kStopPatience = std::chrono::seconds{10};
/// For clients that are still reading when the VM has ended.
inline constexpr Duration kLinger = std::chrono::seconds{2};

class Supervisor final : private dgram::Watched {
 public:
  using Say = std::function<void(const std::string&)>;

  explicit Supervisor(Say say) : say_(std::move(say)), signals_{SIGINT, SIGTERM, SIGHUP, SIGCHLD} {}
  ~Supervisor() override;

  /// Starts QEMU and listens. The lock on `how.folder` is the supervisor's from now on.
  [[nodiscard]] Read<void> start(VmStart how, dgram::Fd lock);
  /// Until the VM has ended. `on_ready` is called once, when the guest runs (empty) or cannot (why).
  /// False: the VM did not run, or did not end well.
  [[nodiscard]] bool run(const std::function<void(const std::string& problem)>& on_ready);

 private:
  void on_ready(bool readable, bool writable) override;
  void turn();
  void settle_jobs(Instant now);
  void stop(Duration patience);

  http::Response handle(http::Request& request);
  http::Response post(const std::string& verb, const Json& body);
  [[nodiscard]] Json view();
  http::Response screenshot(const http::Request& request);
  /// What an exclusive job is doing; empty: none is there.
  [[nodiscard]] std::string busy() const;
  /// The report of a job that has been begun; null: there are too many.
  template <typename JobOf, typename... Arguments>
  std::shared_ptr<Report> begin(Arguments&&... arguments);
  template <typename JobOf, typename... Arguments>
  http::Response begin_reported(Arguments&&... arguments);

  /// Whoever started us has closed the other end of a pipe: by going, or by ending in whatever way.
  class Leash final : public dgram::Watched {
   public:
    Leash(dgram::Fd fd, PollLoop& loop, std::function<void()> slipped);
    Leash(const Leash&) = delete;
    Leash& operator=(const Leash&) = delete;
    ~Leash() override;
    void on_ready(bool readable, bool writable) override;

   private:
    dgram::Fd fd_;
    PollLoop& loop_;
    std::function<void()> slipped_;
  };

  Say say_;
  SignalPipe signals_;
  PollLoop loop_;
  std::unique_ptr<Leash> leash_;
  dgram::Fd lock_;
  std::unique_ptr<Vm> vm_;
  std::vector<std::unique_ptr<Job>> jobs_;
  std::shared_ptr<Report> starting_;
  std::unique_ptr<http::Server> server_;
  bool stopping_ = false;
  bool failed_ = false;
};

}  // namespace vnet::adapter
