// StaleConnections: TCP connections that a restored guest believes in and that nobody here knows, and when it is asked
// about them.
//
// A VM that is restored from a snapshot goes on with the connections that it had when it was saved, and they are long
// gone. Whatever it sends on them is answered with RST (RFC 9293, 3.10.7.1); but a guest that only waits for data sends
// nothing, and would wait for ever. So it is asked, as a keep-alive asks (RFC 9293, 3.8.4): with the octet before the
// next one that it was known to expect. It has seen that one, so it must acknowledge where it really is, and nobody
// here knowing the connection, what answers this is a RST with exactly the number that it has said to expect, the only
// one by which a connection ends without a further question (RFC 5961, 3.2). Numbers from when the VM was saved will
// do, although the guest may be ahead of them.
//
// When the guest can hear is not known: its NIC is attached before it runs, and it has carrier and address later still.
// So it is asked when its NIC becomes live, and again at doubling intervals, until as many segments of no connection
// have come from it in one round as were asked for, or there were kRounds. The octet is there because systems seldom
// answer a segment without data (Linux once in half a second), and the answer to the first may not have left.
//
// Not known here: connections between guests, which the switch carries and does not follow.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/time.hpp"

namespace vnet::network {

/// A guest's TCP connection that ends at the gateway, at a service or in a socket of the host.
struct GuestConnection {
  nat::Endpoint guest;
  nat::Endpoint remote;              ///< as the guest sees it
  std::uint32_t sequence = 0;        ///< the oldest number that the guest has not acknowledged
  std::uint32_t acknowledgment = 0;  ///< the next one that it is to send

  bool operator==(const GuestConnection&) const = default;
};

/// Those of one NIC's guest.
class StaleConnections {
 public:
  static constexpr std::size_t kMaxConnections = 4096;
  static constexpr unsigned kRounds = 12;
  /// After the first round; each further interval is twice the one before it.
  static constexpr Duration kFirstInterval = std::chrono::milliseconds{20};
  /// Between two parts of a round for which the NIC had no room.
  static constexpr Duration kTurn = std::chrono::milliseconds{5};

  /// At most kMaxConnections.
  explicit StaleConnections(std::vector<GuestConnection> connections) : connections_(std::move(connections)) {}

  /// The NIC is live: the rounds begin, at once.
  void begin() noexcept;
  /// It is not any more.
  void pause() noexcept { due_ = kNever; }
  [[nodiscard]] Instant due() const noexcept { return due_; }
  /// Whom to ask about now: at most `room`, and valid for as long as this. `answers` counts the segments of no
  /// connection that have come from the NIC so far.
  [[nodiscard]] std::span<const GuestConnection> take(Instant now, std::size_t room, std::uint64_t answers) noexcept;
  /// There is nothing more to ask.
  [[nodiscard]] bool over() const noexcept { return connections_.empty() || round_ == kRounds; }
  [[nodiscard]] std::size_t size() const noexcept { return connections_.size(); }

 private:
  std::vector<GuestConnection> connections_;
  std::size_t asked_ = 0;  ///< in this round
  unsigned round_ = 0;
  std::uint64_t answers_ = 0;  ///< when the last round began
  Instant due_ = kNever;
};

}  // namespace vnet::network
