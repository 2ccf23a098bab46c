// A network with a way out, on virtual time: a guest with connections of its own TCP, a link that queues, loses,
// repeats, reorders and stalls, the fabric with its egress, and the model of the host.
//
// What the fabric sends is counted as sent only when the link takes it, so the fabric sees a queue that fills. Frames
// that reach it at the same moment come as one batch, as from a socket.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/nat/fake_host.hpp"
#include "tests/nat/tcp_peer.hpp"
#include "tests/network/sim.hpp"

namespace vnet::sim {

using namespace std::chrono_literals;
using nat::test::FakeHost;
using nat::test::PeerPlan;
using nat::test::TcpPeer;
using nat::test::TcpPlan;
using nat::test::TcpRemote;
using network::test::Bytes;

struct LinkPlan {
  double loss = 0;
  double duplicate = 0;
  Duration latency = 50us;
  Duration jitter = 0us;        ///< more than the spacing of frames reorders them
  Duration spacing = 5us;       ///< between two frames that the guest is given
  double stall = 0;             ///< for each frame, that nothing moves toward the guest for a while ...
  Duration stall_time = 300ms;  ///< ... at most that long
  Duration batch = 100us;       ///< frames of the guest within such a time come together
};

/// One connection: what the guest's side does, what the host's does.
struct Talk {
  PeerPlan guest;
  TcpPlan host;
  std::string_view down;       ///< what the host's side sends
  std::size_t piece = 20'000;  ///< ... so many bytes at a time
  Duration pause = 1ms;        ///< ... and so long after one another
  bool host_ends_last = false;
  bool ipv6 = false;
  Duration breaks_after{};  ///< the host's side resets it then; zero: never
};

class EgressWorld {
 public:
  EgressWorld(const LinkPlan& link, std::uint16_t mtu, std::uint64_t seed)
      : link_(link), random_(seed), mtu_(mtu), fabric_({network(mtu)}, {}, seed) {
    host.now = now;
    fabric_.open_egress(host);
    const auto port = fabric_.admit(kMac, std::nullopt, now);
    port_ = *port;
    fabric_.attach(port_, network::AttachmentKind::simulated, "test", now);
  }
  EgressWorld(const EgressWorld&) = delete;
  EgressWorld& operator=(const EgressWorld&) = delete;

  static network::NetworkConfig network(std::uint16_t mtu) {
    network::NetworkConfig config = network::test::lan();
    config.mtu = mtu;
    config.egress = nat::EgressRules{};
    return config;
  }

  void add(const Talk& talk) {
    auto& c = *connections_.emplace_back(std::make_unique<Connection>());
    c.talk = talk;
    c.flow = {network::test::ip4("192.168.127.5"), network::test::ip4("203.0.113.9"),
              static_cast<std::uint16_t>(30'000 + connections_.size()), 80};
    if (talk.ipv6) {
      c.flow.local = network::test::ip6("fd00:1::5");
      c.flow.remote = network::test::ip6("2001:db8::9");
    }
    c.peer = std::make_unique<TcpPeer>(
        talk.guest, [this, &c](const TcpHeader& header, ByteView payload) { from_guest(c.flow, header, payload); });
  }

  /// Runs until every connection is over, or `limit` has passed.
  void run(Duration limit) {
    const Instant end = now + limit;
    for (const auto& c : connections_) {
      host.plan = c->talk.host;
      c->peer->start(now);
      last_change_ = now;
      if (c->talk.guest.listens) call(*c);
      if (c->talk.breaks_after != Duration::zero()) c->break_at = now + c->talk.breaks_after;
      // The SYN of each meets its own plan.
      while (!c->remote && step(end) && !all_over()) adopt(*c);
    }
    while (!all_over() && step(end)) {
    }
  }
  /// What is left over is forgotten in this time.
  void settle(Duration time) {
    const Instant end = now + time;
    while (step(end)) {
    }
    now = end;
  }

  /// The guest stands still for a while: nothing goes to it or comes from it.
  void pause_guest(Instant from, Duration time) {
    paused_from_ = from;
    paused_until_ = from + time;
  }

  [[nodiscard]] TcpPeer& peer(std::size_t n) { return *connections_[n]->peer; }
  /// Null: it was never connected.
  [[nodiscard]] TcpRemote* remote(std::size_t n) { return connections_[n]->remote.get(); }
  [[nodiscard]] std::size_t size() const { return connections_.size(); }
  [[nodiscard]] nat::Egress& egress() { return *fabric_.egress(0); }
  [[nodiscard]] std::uint64_t retransmitted() {
    std::uint64_t sum = egress().tcp().counters().retransmitted;
    egress().tcp().for_each([&](const nat::TcpSplice& splice) { sum += splice.retransmitted(); });
    return sum;
  }
  [[nodiscard]] const network::NicCounters& counters() const { return fabric_.nic(port_).counters; }

  Instant now{1h};
  FakeHost host;
  Duration longest_stall{};       ///< in which no byte has moved
  std::size_t lost = 0;           ///< frames for the guest
  std::size_t batches = 0;        ///< of the guest's frames
  std::size_t deepest_queue = 0;  ///< frames that waited for the link
  std::string flaw;               ///< of a frame that the fabric sent, the first

 private:
  static constexpr MacAddress kMac = MacAddress::from_u64(0x52cccccc0001U);

  struct Connection {
    Talk talk;
    TcpFlow flow;
    std::unique_ptr<TcpPeer> peer;
    std::shared_ptr<TcpRemote> remote;
    std::size_t written = 0;
    Instant write_at = kNever;
    Instant break_at = kNever;
    bool finished = false;
  };

  [[nodiscard]] bool all_over() const {
    return std::ranges::all_of(connections_, [](const auto& c) {
      if (c->peer->reset || !c->remote) return c->peer->reset;
      return c->remote->closed() && (c->remote->was_reset() || (c->remote->ended() && c->peer->done()));
    });
  }

  /// A connection of the host's for the guest.
  void call(Connection& c) {
    const nat::FlowId id = egress().new_id();
    (void)egress().call(id, {c.flow.remote, c.flow.remote_port}, {c.flow.local, c.flow.local_port}, kMac,
                        host.accept(id, {c.flow.remote, c.flow.remote_port}), now);
    fabric_.end_host_events(now);
    flush();
    adopt(c);
  }

  /// Finds the host's end of a connection as soon as it is there.
  void adopt(Connection& c) {
    if (c.remote) return;
    egress().tcp().for_each([&](const nat::TcpSplice& splice) {
      if (splice.flow().remote_port != c.flow.local_port) return;
      const auto is_its = [&](const auto& remote) { return remote->id == splice.id(); };
      c.remote = *std::ranges::find_if(host.tcp, is_its);
      c.write_at = now;
    });
  }

  /// When the guest does what it would do at `when`.
  [[nodiscard]] Instant awake(Instant when) const {
    return when >= paused_from_ && when < paused_until_ ? paused_until_ : when;
  }
  /// False: nothing is due before `end`.
  bool step(Instant end) {
    Instant guests = to_guest_.empty() ? kNever : to_guest_.begin()->first;
    Instant next = std::min(fabric_.next_deadline(), host.next_deadline());
    if (!to_fabric_.empty()) next = std::min(next, to_fabric_.begin()->first);
    if (!queue_.empty()) guests = std::min(guests, std::max(link_free_, now));
    for (const auto& c : connections_) {
      guests = std::min(guests, c->peer->next_deadline());
      next = std::min({next, c->write_at, c->break_at});
    }
    next = std::min(next, awake(guests));
    if (host.has_events()) next = now;
    if (next > end) return false;
    now = std::max(now, next);
    arrive_at_fabric();
    tell_host_events();
    if (fabric_.next_deadline() <= now) fabric_.expire(now);
    flush();
    if (awake(now) == now) {
      serve_queue();
      arrive_at_guest();
      for (const auto& c : connections_) {
        if (c->peer->next_deadline() <= now) c->peer->expire(now);
      }
    }
    for (const auto& c : connections_) {
      if (c->write_at <= now) write(*c);
      if (c->break_at <= now) {
        c->break_at = c->write_at = kNever;
        if (c->remote && !c->remote->closed()) c->remote->fail_with(nat::HostError::reset);
      }
    }
    watch();
    return true;
  }

  void write(Connection& c) {
    c.write_at = kNever;
    TcpRemote& remote = *c.remote;
    if (remote.closed()) return;
    if (!remote.is_made()) {
      c.write_at = now + 1ms;
      return;
    }
    const std::string_view piece = c.talk.down.substr(c.written, c.talk.piece);
    if (!piece.empty()) remote.write(piece);
    c.written += piece.size();
    if (c.written < c.talk.down.size()) {
      c.write_at = now + c.talk.pause;
    } else if (c.talk.host_ends_last && !remote.ended()) {
      c.write_at = now + 10ms;
    } else if (!std::exchange(c.finished, true)) {
      remote.finish();
    }
  }

  void tell_host_events() {
    host.expire(now);
    const auto said = host.take_events();
    for (const auto& [id, events] : said) fabric_.on_host(id, events, now);
    if (!said.empty()) fabric_.end_host_events(now);
  }

  void from_guest(const TcpFlow& flow, const TcpHeader& header, ByteView payload) {
    Bytes storage(FrameBuilder::kHeadroom + payload.size());
    FrameBuilder frame{storage};
    build_tcp(frame, flow, header, payload);
    const bool ipv4 = std::holds_alternative<Ipv4Address>(flow.local);
    frame.prepend_ethernet(fabric_.network_config(0).mac, kMac, ipv4 ? ethertype::kIpv4 : ethertype::kIpv6);
    const int copies = random_.chance(link_.loss) ? 0 : random_.chance(link_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const Instant at = now + delay();
      const auto late = at.time_since_epoch() % link_.batch;
      to_fabric_.emplace(at - late + link_.batch, Bytes(frame.bytes().begin(), frame.bytes().end()));
    }
  }
  Duration delay() {
    return link_.latency + Duration{random_.below(static_cast<std::uint32_t>(link_.jitter.count() + 1))};
  }

  void arrive_at_fabric() {
    std::vector<Bytes> frames;
    while (!to_fabric_.empty() && to_fabric_.begin()->first <= now && frames.size() < 64) {
      frames.push_back(std::move(to_fabric_.begin()->second));
      to_fabric_.erase(to_fabric_.begin());
    }
    if (frames.empty()) return;
    ++batches;
    const std::vector<ByteView> views(frames.begin(), frames.end());
    fabric_.receive(port_, views, now);
    flush();
  }

  void flush() {
    for (const l2::PortId port : fabric_.transmit().touched()) {
      for (const ByteView frame : fabric_.transmit().frames(port)) {
        queue_.emplace_back(frame.begin(), frame.end());
        if (const auto found = network::test::find_flaw(frame, mtu_); found && flaw.empty()) flaw = *found;
      }
    }
    deepest_queue = std::max(deepest_queue, queue_.size());
    fabric_.end_batch();
  }

  /// The link takes a frame from the fabric's queue.
  void serve_queue() {
    if (queue_.empty() || link_free_ > now) return;
    link_free_ = now + link_.spacing;
    if (random_.chance(link_.stall)) {
      link_free_ += Duration{random_.below(static_cast<std::uint32_t>(link_.stall_time.count()))};
    }
    fabric_.sent(port_, queue_.front(), std::nullopt, now);
    const int copies = random_.chance(link_.loss) ? 0 : random_.chance(link_.duplicate) ? 2 : 1;
    if (copies == 0) ++lost;
    for (int i = 0; i < copies; ++i) to_guest_.emplace(now + delay(), queue_.front());
    queue_.pop_front();
  }

  void arrive_at_guest() {
    while (!to_guest_.empty() && to_guest_.begin()->first <= now) {
      const Bytes bytes = std::move(to_guest_.begin()->second);
      to_guest_.erase(to_guest_.begin());
      const auto frame = EthernetFrame::parse(bytes);
      if (frame->type() == ethertype::kIpv4) give(Ipv4Packet::parse(frame->payload()).value());
      if (frame->type() == ethertype::kIpv6) give(Ipv6Packet::parse(frame->payload()).value());
    }
  }
  template <typename Packet>
  void give(const Packet& packet) {
    if (packet.protocol() != ip_protocol::kTcp) return;
    const auto segment = TcpSegment::parse(packet.payload()).value();
    if (!upper_checksum_ok(packet, ip_protocol::kTcp, segment.bytes())) return;
    for (const auto& c : connections_) {
      if (c->flow.local_port == segment.destination_port()) c->peer->receive(segment, now);
    }
  }

  /// How long nothing has moved although something should.
  void watch() {
    std::uint64_t moved = 0;
    for (const auto& c : connections_) {
      moved += c->peer->received.size() + c->peer->acked() + (c->peer->ended ? 1U : 0U) + c->written;
      if (c->remote) moved += c->remote->received.size() + (c->remote->ended() ? 1U : 0U);
    }
    if (moved == moved_) return;
    longest_stall = std::max(longest_stall, now - last_change_);
    moved_ = moved;
    last_change_ = now;
  }

  LinkPlan link_;
  Random random_;
  std::uint16_t mtu_;
  network::Fabric fabric_;
  l2::PortId port_ = l2::kNoPort;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::multimap<Instant, Bytes> to_fabric_;
  std::multimap<Instant, Bytes> to_guest_;
  std::deque<Bytes> queue_;
  Instant link_free_{};
  Instant paused_from_ = kNever;
  Instant paused_until_ = kNever;
  std::uint64_t moved_ = 0;
  Instant last_change_{};
};

}  // namespace vnet::sim
