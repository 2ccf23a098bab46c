// SwitchLine: a supervisor's line to vnetd, which may go away and come back at any time.
//
// Its event stream is what tells that the daemon lives: while it is open the switch is here, when it ends the switch is
// gone, and then the control socket is tried again, at first after kFirstRetry, then at doubling intervals up to
// kLongestRetry. Requests are exchanges of their own, blocking, with a limit of kSwitchTimeout: the daemon answers from
// memory, and a daemon that does not is as good as gone.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "adapter/json.hpp"
#include "dgram/client.hpp"
#include "http/client.hpp"
#include "http/event_stream.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

inline constexpr Duration kSwitchTimeout = std::chrono::seconds{3};

/// The switch's answer to a request: a document, or why not.
struct SwitchFault {
  int status = 0;  ///< of HTTP; 0: the switch did not answer
  std::string text;
};
using SwitchReply = Result<Json, SwitchFault>;

class SwitchLine final : public dgram::Watched {
 public:
  static constexpr Duration kFirstRetry = std::chrono::milliseconds{10};
  static constexpr Duration kLongestRetry = std::chrono::milliseconds{200};

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_switch_here() = 0;
    /// `cause` is a sentence; told once at the start, too, when there is none.
    virtual void on_switch_gone(const std::string& cause) = 0;
    /// Something has happened to a NIC.
    virtual void on_nic_event(const Json& event) = 0;
  };

  SwitchLine(std::string control_path, dgram::Poller& poller, Owner& owner);
  ~SwitchLine() override;

  [[nodiscard]] SwitchReply ask(const std::string& method, const std::string& target, const Json& body = {},
                                std::span<const int> fds = {}) const;

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const noexcept { return events_ ? kNever : retry_at_; }
  /// Connects when it is time to.
  void expire(Instant now);

  [[nodiscard]] bool here() const noexcept { return events_.has_value(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  void lose(const std::string& cause);

  std::string path_;
  dgram::Poller& poller_;
  Owner& owner_;
  std::optional<http::Client> events_;
  http::EventStreamDecoder decoder_;
  bool told_ = false;  ///< that it is gone
  Duration retry_ = kFirstRetry;
  Instant retry_at_ = kAtOnce;
};

}  // namespace vnet::adapter
