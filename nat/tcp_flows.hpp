// TcpFlows: all TCP connections of one network's guests with the world, by flow.
//
// Segments of a batch are handled one by one and settled together: `handle` for each, then `end_batch`, which gives
// each connection's bytes to its socket in one call and sends what the guests are owed. Connections that still have
// something to send take turns, so that one fast download does not hold up the others: those for which the outbox had
// no room go on at the next turn, those whose guest's port is full when it has room again.
//
// Limits and what happens at each: see `TcpLimits`. A connection that is refused for one of them gets a reset, which
// says so at once; nothing that is open is ever closed to make room, but for what waits in TIME-WAIT.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "nat/flow_timers.hpp"
#include "nat/guest_wire.hpp"
#include "nat/host_socket.hpp"
#include "nat/tcp_splice.hpp"
#include "packet/siphash.hpp"
#include "packet/tcp.hpp"

namespace vnet::nat {

struct TcpLimits {
  std::size_t flows = 16'384;      ///< in one network
  std::size_t per_guest = 12'288;  ///< with one guest address
  std::size_t half_open = 2048;    ///< being connected, or not yet confirmed by the guest
  std::size_t half_open_per_guest = 1024;
  std::size_t time_wait = 1024;  ///< the oldest goes
};

struct TcpFlowCounters {
  std::uint64_t opened = 0;         ///< by guests: asked for, and not refused by a limit
  std::uint64_t called = 0;         ///< by forwards
  std::uint64_t refused = 0;        ///< the host's network would not connect
  std::uint64_t limited = 0;        ///< beyond a limit
  std::uint64_t stray = 0;          ///< segments of no connection, answered with a reset
  std::uint64_t retransmitted = 0;  ///< segments sent to guests again, of connections that are over
};

class TcpFlows {
 public:
  /// A connection that the host would not make; its guest is to be told. Called from within `on_host` and `expire`.
  using OnRefused = std::function<void(const TcpSplice&, HostError)>;

  struct Setup {
    std::size_t mtu = 1500;
    SipHashKey key;  ///< secret
    TcpLimits limits{};
    TcpTimes times{};
  };

  /// The references outlive this.
  TcpFlows(const Setup& setup, GuestWire& wire, WindowBudget& budget, OnRefused on_refused);

  /// Whether the segment is of a connection that there is, one whose TIME-WAIT it does not end.
  [[nodiscard]] bool has(const TcpFlow& flow, const TcpSegment& segment) const;
  /// Whether there is a connection with these ends, in whatever state.
  [[nodiscard]] bool contains(const TcpFlow& flow) const { return look_up(flow) != nullptr; }
  /// A segment of such a connection. Its bytes must stay until `end_batch`.
  void handle(const TcpFlow& flow, const TcpSegment& segment, Instant now);

  /// Whether there is room for a connection with `guest`; else it is counted.
  [[nodiscard]] bool admit(const IpAddress& guest);
  /// The guest's SYN begins a connection over `host`, which is being connected under `id`.
  void open(FlowId id, const TcpFlow& flow, const MacAddress& guest, const TcpSegment& syn,
            std::unique_ptr<TcpSocket> host, Instant now);
  /// A connection of the host's is carried on to the guest. False: the flow is in use.
  bool call(FlowId id, const TcpFlow& flow, const MacAddress& guest, std::unique_ptr<TcpSocket> host, Instant now);
  /// Answers a segment of no connection (RFC 9293, 3.10.7.1).
  void refuse(const TcpFlow& flow, const MacAddress& guest, const TcpSegment& segment);

  void on_host(FlowId id, HostEvents events, Instant now);
  /// After a batch of segments or of events.
  void end_batch(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

  /// Resets every connection that `over` says so of, on both sides.
  void abort_if(const std::function<bool(const TcpSplice&)>& over);
  /// The same without a word to the guest.
  void vanish_if(const std::function<bool(const TcpSplice&)>& over);
  void reconfigure(std::size_t mtu, const TcpTimes& times) noexcept {
    setup_.mtu = mtu;
    setup_.times = times;
  }

  [[nodiscard]] std::size_t size() const noexcept { return by_id_.size(); }
  [[nodiscard]] const TcpLimits& limits() const noexcept { return setup_.limits; }
  [[nodiscard]] const TcpFlowCounters& counters() const noexcept { return counters_; }
  /// Segments sent to guests again, of connections that there are and of those that are over. It walks them.
  [[nodiscard]] std::uint64_t retransmitted() const noexcept;
  /// Null: there is none. Valid until the next call that is not const.
  [[nodiscard]] const TcpSplice* find(FlowId id) const noexcept;
  void for_each(const std::function<void(const TcpSplice&)>& see) const;

 private:
  struct Entry {
    std::unique_ptr<TcpSplice> splice;
    FlowTimers::Armed armed;
    std::size_t pieces = kNone;  ///< which of `pieces_` collects its payloads in this batch
    bool ready = false;          ///< in `ready_`
    bool parked = false;         ///< in `parked_`
    bool half_open = false;      ///< counted as such
    bool waits = false;          ///< in TIME-WAIT, counted as such
  };
  using Known = std::pair<const FlowId, Entry>;  ///< an element of by_id_, which stays where it is
  struct FlowHash {
    SipHashKey key;
    std::size_t operator()(const TcpFlow& flow) const noexcept { return hash_flow(flow, key); }
  };
  struct Share {
    std::size_t flows = 0;
    std::size_t half_open = 0;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  /// Null: there is none. Segments come in trains, so whoever was asked for last is asked for again.
  [[nodiscard]] Known* look_up(const TcpFlow& flow) const;
  Entry& insert(FlowId id, const TcpFlow& flow, const MacAddress& guest, std::uint32_t initial_sequence,
                std::unique_ptr<TcpSocket> host);
  void end_if(const std::function<bool(const TcpSplice&)>& over, void (TcpSplice::*end)());
  void touch(FlowId id, Entry& entry);
  void queue(FlowId id, Entry& entry);
  void serve_ready(Instant now);
  void unpark();
  /// After anything that may have changed the connection; it may be gone afterwards.
  void review(FlowId id, Entry& entry, Instant now);
  void remove(FlowId id, Entry& entry);
  void count_half_open(Entry& entry, bool half_open);

  Setup setup_;
  GuestWire& wire_;
  WindowBudget& budget_;
  OnRefused on_refused_;
  std::unordered_map<FlowId, Entry> by_id_;
  std::unordered_map<TcpFlow, Known*, FlowHash> by_flow_;
  mutable Known* last_ = nullptr;                ///< what look_up has found
  std::unordered_map<IpAddress, Share> shares_;  ///< as many as guests with connections
  std::size_t half_open_ = 0;
  std::deque<FlowId> time_wait_;  ///< the oldest first; some may be gone
  std::size_t waiting_ = 0;
  std::vector<FlowId> touched_;  ///< in this batch
  std::vector<std::vector<ByteView>> pieces_;
  std::size_t pieces_used_ = 0;
  std::deque<FlowId> ready_;
  std::unordered_map<MacAddress, std::deque<FlowId>> parked_;  ///< until the guest's port has room
  FlowTimers timers_;
  TcpFlowCounters counters_;
};

}  // namespace vnet::nat
