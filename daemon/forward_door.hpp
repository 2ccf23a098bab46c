// ForwardDoor: one forward at work: a socket of the host, and what waits at it for the guest.
//
// Of TCP the door accepts, holds the connections of a guest that is not there yet, and gives each to the network's
// egress. Of UDP it gives egress the socket itself, whose datagrams wait in the kernel. A door whose network is built
// anew finds the new egress by itself.
#pragma once

#include <memory>
#include <string>

#include "daemon/forwards.hpp"

namespace vnet::daemon {

/// The bound socket of a forward; of TCP it listens.
struct ForwardSocket {
  dgram::Fd fd;
  dgram::SocketFile file;

  [[nodiscard]] static dgram::SystemResult<ForwardSocket> open(const Forward& forward);
};

class ForwardDoor {
 public:
  /// `parts` outlives the door.
  [[nodiscard]] static std::unique_ptr<ForwardDoor> make(Forwards::Parts& parts, Forwards::Running running,
                                                         ForwardSocket socket);
  virtual ~ForwardDoor() = default;
  ForwardDoor(const ForwardDoor&) = delete;
  ForwardDoor& operator=(const ForwardDoor&) = delete;

  [[nodiscard]] const Forwards::Running& running() const noexcept { return running_; }
  /// The same, with what has to be counted.
  [[nodiscard]] virtual Forwards::Running look() const = 0;
  [[nodiscard]] const ForwardSocket& socket() const noexcept { return socket_; }
  void disown() noexcept { socket_.file.disown(); }

  /// The guest may have appeared. True: there may be frames for it.
  virtual bool retry(Instant now) = 0;
  [[nodiscard]] virtual Instant next_deadline() const = 0;
  virtual void expire(Instant now) = 0;

 protected:
  ForwardDoor(Forwards::Parts& parts, Forwards::Running running, ForwardSocket socket)
      : parts_(parts), running_(std::move(running)), socket_(std::move(socket)) {}

  [[nodiscard]] nat::Egress* egress() const;
  [[nodiscard]] nat::Endpoint guest() const noexcept { return {running_.forward.to.address, running_.forward.to.port}; }
  [[nodiscard]] std::optional<MacAddress> locate() const;
  /// Has the network asked for the guest, not more often than Forwards::kAskInterval.
  void ask(Instant now);
  [[nodiscard]] Instant next_question() const noexcept { return next_question_; }

  Forwards::Parts& parts_;
  Forwards::Running running_;
  ForwardSocket socket_;

 private:
  Instant next_question_{};
};

}  // namespace vnet::daemon
