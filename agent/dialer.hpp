// Dialer: the connection to the test driver, which is to be there whenever it can be.
//
// It is dialled anew when it breaks, and at once when the caller says why: the link is up again, the machine was
// restored, the address is another. What was half open or open then is cancelled with a reset, for its other end may
// not know any more.
//
// Events wait until there is a connection, and while the link is down; see `hold`.
#pragma once

#include <deque>
#include <string>

#include "agent/assignment.hpp"
#include "agent/protocol.hpp"

namespace vnet::agent {

class Dialer {
 public:
  /// No address: nothing is ever dialled.
  Dialer(const Address& address, std::uint16_t port) : address_(address), port_(port) {}
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;
  ~Dialer() { drop(); }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool wants_to_write() const noexcept {
    return fd_ >= 0 && (!connected_ || !out_.empty() || (!held_ && !events_.empty()));
  }
  [[nodiscard]] Millis deadline() const noexcept { return next_; }

  /// What `hello` says about us, as members of an object.
  void introduce(std::string members) { members_ = std::move(members); }
  void dial(const char* reason, Millis now);
  /// The link is down: events wait from now on. Dialling again ends that.
  void hold() noexcept { held_ = true; }
  void report(std::string event);

  void on_ready(bool readable, bool writable, Millis now);
  void tend(Millis now);

 private:
  void connect(Millis now);
  void drop();
  void lost(Millis now);
  void greet();
  void flush(Millis now);

  Address address_;
  std::uint16_t port_;
  int fd_ = -1;
  bool connected_ = false;
  bool held_ = false;
  std::string reason_;
  std::string members_;
  std::string out_;
  std::deque<std::string> events_;
  std::int64_t dials_ = 0;
  Millis next_ = kNoTime;  ///< when it is given up, or tried anew
};

}  // namespace vnet::agent
