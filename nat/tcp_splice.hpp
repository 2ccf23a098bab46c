// TcpSplice: one TCP connection, ended toward the guest and carried on by a socket of the host.
//
//      guest                         splice                        host
//        |  SYN ------------------>  connecting  --- connect --->   |
//        |  <------------- SYN/ACK   syn_received <-- writable ---   |
//        |  ACK ------------------>  open                            |
//        |  data -> TcpInbound  ->   send               peek  ->  TcpOutbound -> data
//        |  FIN ------------------>  shut_down                       |
//        |  <----------------- FIN                 <---- ended       |
//
// or, for a forward, the other way round: the host's connection is there, and our SYN opens one to the guest. Both
// directions end apart (half-close); a reset on one side becomes one on the other. There is no TCP stack here: the
// guest's segments are checked against the window (RFC 9293, 3.10.7.4; RFC 5961) and their bytes go into the socket,
// the socket's bytes go into segments. What is kept of either direction is in TcpInbound and TcpOutbound.
//
// Rules: an acknowledgment is sent for every batch of segments, not for every segment; data in the window is never
// dropped; nothing is acknowledged that is neither in the host's socket nor in the ring. Urgent data is ordinary data,
// timestamps are not offered and so not used. Every state ends: see `TcpTimes`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "nat/guest_wire.hpp"
#include "nat/host_socket.hpp"
#include "nat/tcp_inbound.hpp"
#include "nat/tcp_outbound.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::nat {

struct TcpTimes {
  /// The host's connect, or the guest's answer to a forward: as long as a person waits.
  Duration opening = std::chrono::seconds{30};
  /// Nothing has moved in either direction (RFC 5382, REQ-5: not less than 2 h 4 min). The guest is asked first,
  /// several times in `stalled`, and its answer keeps the connection (RFC 9293, 3.8.4).
  Duration idle = std::chrono::seconds{7440};
  /// The same with one direction ended (RFC 5382, REQ-5: 4 minutes).
  Duration half_closed = std::chrono::seconds{240};
  /// The guest does not acknowledge what it was sent, or answers no probe of its closed window (R2 of RFC 9293, 3.8.3).
  Duration stalled = std::chrono::seconds{100};
  /// In place of 2 MSL: no segment lives for long on a virtual link, and a late FIN is then answered with a reset.
  Duration time_wait = std::chrono::seconds{2};
};

enum class TcpPhase : std::uint8_t {
  connecting,    ///< the host's socket is being connected for the guest
  syn_received,  ///< the guest was answered
  syn_sent,      ///< the guest was asked, for a forward
  open,          ///< from here on, each direction ends by itself
  time_wait,     ///< all is done; a FIN that comes again is acknowledged again
  closed,        ///< to be removed
};

[[nodiscard]] constexpr std::string_view to_string(TcpPhase phase) noexcept {
  switch (phase) {
    case TcpPhase::connecting: return "connecting";
    case TcpPhase::syn_received: return "syn-received";
    case TcpPhase::syn_sent: return "syn-sent";
    case TcpPhase::open: return "open";
    case TcpPhase::time_wait: return "time-wait";
    case TcpPhase::closed: return "closed";
  }
  return "unknown";
}

class TcpSplice {
 public:
  /// Segments that are made in one turn of one connection, so that others have theirs.
  static constexpr std::size_t kSegmentsPerTurn = 64;

  struct Setup {
    FlowId id{};
    TcpFlow flow;  ///< local: what the guest talks to
    MacAddress guest;
    std::size_t mtu = 1500;
    std::uint32_t initial_sequence = 0;
  };

  /// The references outlive this; `host` is a connection in the making (`accept` follows) or one that is made (`call`).
  TcpSplice(const Setup& setup, std::unique_ptr<TcpSocket> host, const TcpTimes& times, GuestWire& wire,
            WindowBudget& budget);
  TcpSplice(const TcpSplice&) = delete;
  TcpSplice& operator=(const TcpSplice&) = delete;

  /// The guest has opened the connection.
  void accept(const TcpSegment& syn, Instant now);
  /// The host has: the guest is asked.
  void call(Instant now);

  /// A segment of this flow, its checksum checked. `pieces` collects payloads and must be given to `settle` before the
  /// frames go.
  void handle(const TcpSegment& segment, std::vector<ByteView>& pieces, Instant now);
  /// After the segments of a batch: bytes to the host.
  void settle(std::vector<ByteView>& pieces, Instant now);
  /// `more`: there is more to do in another turn; `port_full`: when the guest's port has room again.
  enum class Progress : std::uint8_t { done, more, port_full };
  /// Bytes and acknowledgments to the guest, as many as may go in this turn.
  [[nodiscard]] Progress transmit(Instant now);
  void on_host(HostEvents events, Instant now);

  [[nodiscard]] Instant next_deadline() const noexcept;
  void expire(Instant now);
  /// Both sides see a reset.
  void abort();
  /// The host sees a reset, the guest nothing: whom it talks to has lost its power.
  void vanish();

  [[nodiscard]] FlowId id() const noexcept { return id_; }
  [[nodiscard]] const TcpFlow& flow() const noexcept { return flow_; }
  [[nodiscard]] const MacAddress& guest() const noexcept { return guest_; }
  [[nodiscard]] TcpPhase phase() const noexcept { return phase_; }
  /// It is a forward's: the guest did not ask for it.
  [[nodiscard]] bool called() const noexcept { return called_; }
  /// Why the host would not connect, once; the guest is to be told.
  [[nodiscard]] std::optional<HostError> take_refusal() noexcept { return std::exchange(refusal_, std::nullopt); }
  /// Of the guest's SYN, for an error that quotes it.
  [[nodiscard]] std::uint32_t guest_sequence() const noexcept { return guest_isn_; }
  /// Whether this SYN begins a new connection in place of one that is over (RFC 9293, 3.10.7.4, MAY-2).
  [[nodiscard]] bool may_be_replaced_by(const TcpSegment& segment) const noexcept;
  /// In TIME-WAIT: a successor's numbers must begin behind it.
  [[nodiscard]] std::uint32_t max_sequence() const noexcept { return out_.next(); }

  /// The oldest number that the guest has not acknowledged, and the next one that it is to send.
  [[nodiscard]] std::uint32_t unacknowledged() const noexcept { return out_.una(); }
  [[nodiscard]] std::uint32_t expected() const noexcept { return in_.next(); }

  [[nodiscard]] std::uint64_t bytes_to_host() const noexcept { return bytes_to_host_; }
  [[nodiscard]] std::uint64_t bytes_to_guest() const noexcept { return bytes_to_guest_; }
  [[nodiscard]] std::uint64_t retransmitted() const noexcept { return out_.retransmitted(); }
  [[nodiscard]] std::size_t kept_bytes() const noexcept { return in_.capacity(); }
  [[nodiscard]] Instant began() const noexcept { return began_; }

 private:
  void take_options(const TcpSegment& syn, std::size_t window) noexcept;
  void handle_answer(const TcpSegment& segment, Instant now);
  void handle_reset(const TcpSegment& segment, Instant now);
  void challenge(Instant now) noexcept;
  void take(const TcpSegment& segment, std::vector<ByteView>& pieces, Instant now);
  void consume_acknowledged();
  [[nodiscard]] Progress send_data(Instant now);
  /// From here on it matters how long the guest is silent.
  void note_sending(Instant now) noexcept {
    if (out_.idle()) progress_at_ = now;
  }
  void acknowledge();
  void finish_if_done(Instant now);
  void enter(TcpPhase phase, Instant now) noexcept;
  void lose_host(HostError error, Instant now);
  void fail_with(HostError error, Instant now);
  [[nodiscard]] Duration patience() const noexcept;

  void send_syn(Instant now);
  bool send_bare(std::uint32_t sequence, std::uint8_t flags);
  [[nodiscard]] TcpHeader header(std::uint32_t sequence, std::uint8_t flags) noexcept;

  FlowId id_;
  TcpFlow flow_;
  MacAddress guest_;
  std::unique_ptr<TcpSocket> host_;
  const TcpTimes& times_;
  GuestWire& wire_;
  TcpInbound in_;
  TcpOutbound out_;
  std::uint16_t own_mss_;
  std::uint32_t isn_;
  std::uint32_t guest_isn_ = 0;
  std::uint32_t consumed_;  ///< the number of the first byte in the host's receive buffer
  TcpPhase phase_ = TcpPhase::connecting;
  bool called_ = false;  ///< we have opened it
  bool selective_ = false;
  bool scaled_ = false;
  bool readable_ = false;          ///< the host's socket may have more than we have peeked at
  bool shut_ = false;              ///< our half toward the host has ended
  bool acknowledge_ = false;       ///< the guest is owed an acknowledgment
  bool ended_last_ = false;        ///< our FIN acknowledges the guest's
  std::uint8_t asked_ = 0;         ///< how often the idle guest was asked whether it is there
  std::uint8_t duplicates_ = 0;    ///< acknowledgments owed for segments out of order, to a guest without SACK
  std::optional<HostError> lost_;  ///< the host's connection is, but for what is left to read
  std::optional<HostError> refusal_;
  Instant began_{};
  Instant progress_at_{};
  Instant challenge_after_ = Instant::min();
  std::uint64_t bytes_to_host_ = 0;
  std::uint64_t bytes_to_guest_ = 0;
};

}  // namespace vnet::nat
