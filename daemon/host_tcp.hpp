// HostTcp: one connection to the host's world, for nat::TcpSocket.
//
// Events are narrowed to what is news, because the kernel tells all that is so whenever anything changes: "writable"
// comes once for a connection in the making and once after a send that fell short, "readable" once for each time that
// the flow was told that there is no more.
//
// An error is taken from the kernel when it shows, whoever sees it first, and kept: what had come before it can still
// be peeked at, and behind that each call answers with it. `take_error` gives it once.
//
// Nagle's algorithm is off, because the guest's system has made that decision already. Keepalive is on: the guest's own
// probes end at us.
//
// A preamble goes before all that the flow sends, as soon as the connection is made: who waits for it need not wait for
// the guest. Until the system has taken it whole, nothing else is sent, and our half does not end.
//
// A UNIX stream is as good as TCP, but that `reset` closes it like an orderly end, which is all that such a
// socket can do.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/edge_poll.hpp"
#include "daemon/stream_peek.hpp"
#include "dgram/socket.hpp"
#include "nat/host_socket.hpp"

namespace vnet::daemon {

class HostTcp final : public nat::TcpSocket, public EdgeSocket {
 public:
  /// Probes begin after this silence, before the five minutes after which common translators forget a connection.
  static constexpr int kKeepaliveIdleSeconds = 240;
  static constexpr int kKeepaliveIntervalSeconds = 30;
  static constexpr int kKeepaliveProbes = 4;

  enum class State : bool { connecting, connected };

  /// `fd` has been told to connect, or is connected. `poll` must outlive the object.
  HostTcp(EdgePoll& poll, nat::FlowId flow, dgram::Fd fd, State state, StreamPeek::Keep keep, ByteView prefix = {});
  HostTcp(const HostTcp&) = delete;
  HostTcp& operator=(const HostTcp&) = delete;
  ~HostTcp() override;

  /// What goes before all else, of a connection in the making; before `start`.
  void set_preamble(ByteView preamble) { preamble_.assign(preamble.begin(), preamble.end()); }
  /// Begins to hear of events. False: no memory for it.
  [[nodiscard]] bool start() { return poll_.add(flow_, fd_.get(), *this); }

  [[nodiscard]] Result<std::size_t, nat::HostError> send(std::span<const ByteView> pieces) override;
  [[nodiscard]] Result<Peeked, nat::HostError> peek(std::size_t offset, std::span<const ByteSpan> rooms) override;
  void consume(std::size_t count) override { peek_.consume(count); }
  void shut_down() override;
  void reset() override;
  [[nodiscard]] std::optional<nat::HostError> take_error() override;

  [[nodiscard]] nat::HostEvents on_edges(const Edges& edges) override;

  /// What every TCP socket of ours is set to.
  static void configure(int fd) noexcept;

 private:
  void note_error(int code);
  void send_preamble();

  EdgePoll& poll_;
  nat::FlowId flow_;
  dgram::Fd fd_;
  StreamPeek peek_;
  std::optional<nat::HostError> failure_;
  bool failure_taken_ = false;
  std::vector<std::uint8_t> preamble_;  ///< what is left of it
  bool connecting_;
  bool shut_later_ = false;  ///< when it is connected, and the preamble has gone
  bool awaits_data_ = true;  ///< the flow is to be told "readable"
  bool awaits_room_;         ///< the flow is to be told "writable"
};

}  // namespace vnet::daemon
