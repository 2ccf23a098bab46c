// One TCP connection of the gateway, from the guest's SYN on: the state machine of RFC 9293, 3.10.7.4.
//
//     SYN-RECEIVED -> ESTABLISHED -> FIN-WAIT-1 -> FIN-WAIT-2 -> TIME-WAIT      we close first
//                          |             '-> CLOSING ------------^              both at once
//                          '-> CLOSE-WAIT -> LAST-ACK                           the guest closes first
//
// Bytes and timing live in `TcpSender` and `TcpReceiver`; here is what a segment means. RST, SYN and acknowledgments
// out of place are met with the challenge acknowledgments of RFC 5961. Urgent data is delivered as ordinary data.
//
// Every state has an end: the time since the last progress is limited, by how much depends on the state.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>

#include "network/tcp_receiver.hpp"
#include "network/tcp_sender.hpp"
#include "packet/tcp.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::network {

/// Names a connection for as long as its server lives; never used twice.
enum class ConnectionId : std::uint64_t {};

/// Where segments go: the network room makes frames of them (see `build_tcp`).
class TcpOutput {
 public:
  virtual ~TcpOutput() = default;
  /// Must not call back into the server; the payload is valid during the call only.
  virtual void emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) = 0;
};

/// A service on a port. For each connection: `on_open`, then the others, then `on_closed` once. All may call `send`,
/// `close`, `abort` and `resume` of the server, and nothing else of it.
class TcpHandler {
 public:
  virtual ~TcpHandler() = default;
  virtual void on_open(ConnectionId id, const TcpFlow& flow, Instant now) = 0;
  /// Bytes in order. Returns how many it takes; to take fewer is to promise a `resume`, until which the rest is kept
  /// and the guest's window shrinks.
  [[nodiscard]] virtual std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) = 0;
  /// The guest has acknowledged data, so `send_room` has grown.
  virtual void on_sent(ConnectionId id, Instant now) = 0;
  /// The guest sends no more and all that it sent has been taken; it may still read. The handler owes a `close`.
  virtual void on_end(ConnectionId id, Instant now) = 0;
  /// The id means nothing any more.
  virtual void on_closed(ConnectionId id, Instant now) = 0;
};

struct TcpTimeouts {
  /// From SYN to the end of the handshake: room for three repetitions of the SYN/ACK.
  Duration half_open = std::chrono::seconds{15};
  /// Nothing sent, received or owed. RFC 7766, 6.2.3 asks for "a few seconds".
  Duration idle = std::chrono::seconds{10};
  /// Something is lost and not repeated: data or a FIN of ours without an acknowledgment (R2 of RFC 9293, 3.8.3), or
  /// a hole in the guest's data. After a few losses a guest's own repetitions can be further apart than `idle`.
  Duration stalled = std::chrono::seconds{100};
  /// In place of 2 MSL: no segment lives for long on a virtual link, and a late FIN is then answered with RST.
  Duration time_wait = std::chrono::seconds{5};
};

enum class TcpState : std::uint8_t {
  syn_received,
  established,
  fin_wait_1,
  fin_wait_2,
  close_wait,
  closing,
  last_ack,
  time_wait,
  closed,  ///< to be removed by its server
};

class TcpConnection {
 public:
  /// The least payload that a guest's MSS option can make us use: below, an answer would cost more headers than data.
  static constexpr std::uint16_t kMinMss = 88;
  /// Time between two challenge acknowledgments of a connection (RFC 5961, 7).
  static constexpr Duration kChallengeInterval = std::chrono::milliseconds{500};

  /// Answers `syn`. The references outlive the connection.
  TcpConnection(ConnectionId id, const TcpFlow& flow, std::uint32_t initial_sequence, const TcpSegment& syn,
                std::size_t mtu, const TcpTimeouts& timeouts, TcpHandler& handler, TcpOutput& output, Instant now);
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  void handle(const TcpSegment& segment, Instant now);
  [[nodiscard]] Instant next_deadline() const noexcept;
  void expire(Instant now);

  /// All of `pieces` or nothing, one after the other.
  [[nodiscard]] bool send(std::initializer_list<ByteView> pieces, Instant now);
  [[nodiscard]] std::size_t send_room() const noexcept;
  void resume(Instant now);
  void close(Instant now);
  void abort();
  /// The same without a word to the guest, which is gone.
  void vanish() noexcept { state_ = TcpState::closed; }
  /// Tells the handler, once, when the connection is over for it. Called by the server, outside of other callbacks.
  void notify_closed(Instant now);

  [[nodiscard]] TcpState state() const noexcept { return state_; }
  [[nodiscard]] const TcpFlow& flow() const noexcept { return flow_; }
  /// One past the last number that we sent: a successor on the same flow must begin behind it.
  [[nodiscard]] std::uint32_t max_sequence() const noexcept { return sender_.max_sequence(); }
  /// The oldest number that the guest has not acknowledged, and the next one that it is to send.
  [[nodiscard]] std::uint32_t unacknowledged() const noexcept { return sender_.unacknowledged(); }
  [[nodiscard]] std::uint32_t expected() const noexcept { return receiver_.next(); }
  /// In TIME-WAIT: whether this SYN begins a new connection on the same flow (RFC 9293, 3.10.7.4, MAY-2).
  [[nodiscard]] bool may_be_replaced_by(const TcpSegment& segment) const noexcept;

 private:
  void handle_syn(const TcpSegment& segment, Instant now);
  void handle_reset(const TcpSegment& segment, Instant now);
  void handle_unacceptable(const TcpSegment& segment, Instant now);
  [[nodiscard]] bool complete_handshake(const TcpSegment& segment, Instant now);
  void handle_ack(const TcpSegment& segment, Instant now);
  void handle_payload(const TcpSegment& segment, Instant now);
  void handle_fin(Instant now);

  void deliver(ByteView fresh, Instant now);
  void offer_kept(Instant now);
  void discard_kept() noexcept { receiver_.consume_kept(receiver_.kept().size()); }
  void tell_end(Instant now);
  [[nodiscard]] bool reading() const noexcept;
  void enter(TcpState state, Instant now) noexcept;
  [[nodiscard]] Duration patience() const noexcept;
  void give_up(Instant now);

  void pump(Instant now);
  void emit(const TcpSender::Chunk& chunk);
  void acknowledge();
  void challenge(Instant now);

  ConnectionId id_;
  TcpFlow flow_;
  TcpTimeouts timeouts_;
  TcpHandler& handler_;
  TcpOutput& output_;
  std::uint16_t mss_;  ///< ours, as announced
  TcpSender sender_;
  TcpReceiver receiver_;
  TcpState state_ = TcpState::syn_received;
  Instant progress_at_;
  Instant challenge_after_ = Instant::min();
  bool acknowledge_ = false;  ///< the guest is owed an acknowledgment
  bool delivering_ = false;   ///< the handler is in `on_data`
  bool opened_ = false;       ///< the handler has been told of the beginning, and not yet of the end
  bool end_told_ = false;
};

}  // namespace vnet::network
