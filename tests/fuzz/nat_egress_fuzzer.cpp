// Fuzzes egress with lists of operations: what guests send, near and far from what their connections expect, what the
// host's network does, time, full ports and other configurations. What must hold in every run:
//
// * whatever is emitted is a well-formed packet with right checksums, no longer than the MTU, or a fragment of one;
// * every byte stands for its position, so delivery out of order, twice or with a hole is seen at once on both sides,
//   also in what is sent again;
// * the host's sockets are used as their contract says (tests/nat/fake_host.hpp);
// * time goes on: no deadline stays due, and in the end nothing is left, neither flow nor socket.
#include <array>
#include <cstdlib>
#include <map>

#include "nat/egress.hpp"
#include "nat/fragment.hpp"
#include "tests/fuzz/any_packet.hpp"
#include "tests/nat/fake_host.hpp"

namespace {

using namespace vnet;
using namespace vnet::nat;
using namespace std::chrono_literals;
using nat::test::FakeHost;
using nat::test::TcpRemote;

constexpr std::size_t kMtu = 1500;
const MacAddress kGuest = MacAddress::from_u64(0x52cccccc0001U);
const MacAddress kGateway = MacAddress::from_u64(0x52eeeeeeee01U);
const Ipv4Address kGuest4{192, 168, 127, 2};
const Ipv4Address kWorld4{203, 0, 113, 7};

void require(bool condition) {
  if (!condition) std::abort();
}

/// The byte at a position in either stream.
std::uint8_t pattern(std::uint32_t position) { return static_cast<std::uint8_t>(position * 167U >> 3U); }

EgressConfig config(bool denied) {
  EgressConfig result;
  result.mac = kGateway;
  result.mtu = kMtu;
  result.ipv4 = Ipv4Address{192, 168, 127, 1};
  result.ipv6 = *Ipv6Address::parse("fd00:1::1");
  result.inside = {*Ipv4Prefix::parse("192.168.127.1/24"), *Ipv6Prefix::parse("fd00:1::1/64")};
  result.host_alias = Ipv4Address{192, 168, 127, 254};
  if (denied) result.rules.deny.push_back({*Ipv4Prefix::parse("203.0.113.0/24"), {}, {}});
  return result;
}

/// What the fuzzer, as the guest, knows of a flow.
struct Peer {
  TcpFlow flow;              ///< seen from the guest
  std::uint32_t isn = 0;     ///< ours, in the last handshake begun
  std::uint32_t theirs = 0;  ///< of the last SYN that came
  std::uint32_t come = 0;    ///< one past the last segment that came
  std::uint32_t acked = 0;   ///< the last acknowledgment that came
};

class World final : public GuestPorts {
 public:
  World() : egress_(config(false), 1, shared_with(host_, shared_), random_, *this) {
    const auto guest6 = *Ipv6Address::parse("fd00:1::2");
    const auto world6 = *Ipv6Address::parse("2001:db8::7");
    peers_[0].flow = {kGuest4, kWorld4, 1000, 80};
    peers_[1].flow = {kGuest4, Ipv4Address{198, 51, 100, 1}, 1001, 80};
    peers_[2].flow = {guest6, world6, 1002, 80};
    peers_[3].flow = {kGuest4, kWorld4, 1003, 81};  // a forward's
    host_.now = now_;
    // To the port that the guest's datagrams come from.
    egress_.calls().open(forward_, {kGuest4, 4000}, host_.open_udp(forward_, kGuest4).value());
  }
  std::size_t frames(const MacAddress&, std::size_t) const override { return port_room_; }
  std::optional<MacAddress> locate(const IpAddress&) const override { return kGuest; }

  void run(ByteReader in) {
    while (in.remaining() > 0) {
      const std::uint8_t op = in.u8();
      Peer& peer = peers_[op / 16 % peers_.size()];
      switch (op % 16) {
        case 0: handshake(peer, in.u8()); break;
        case 1: answer(peer, in.u8()); break;
        case 2: pass(std::chrono::milliseconds{in.be16()}); break;
        case 3: host_acts(in); break;
        case 4: plan(in); break;
        case 5: datagram(op, in); break;
        case 6: host_datagram(in); break;
        case 7: give(fuzz::any_packet(in)); break;
        case 8: reconfigure(in.u8()); break;
        case 9: port_room_ = in.u8() % 20; break;
        case 10: holding_ = !holding_; break;
        case 11: call(peer); break;
        default: segment(peer, in); break;
      }
      if (!holding_) end_batch();
      turn();
    }
    holding_ = false;
    port_room_ = 100;
    end_batch();
    pass(4h);
    require(egress_.tcp().size() == 0 && egress_.datagrams().size() == 0 && egress_.calls().size() == 0);
    egress_.calls().close(forward_);
    require(host_.open_sockets() == 0);
    require(egress_.next_deadline() == kNever);
    require(shared_.windows.left() == EgressShared::kWindowBytes);
  }

 private:
  using Bytes = std::vector<std::uint8_t>;

  static EgressShared& shared_with(FakeHost& host, EgressShared& shared) {
    shared.sockets = &host;
    return shared;
  }

  // --- The guest ---

  void give(const ByteView ip) {
    // The frame must stay until the batch ends.
    const Bytes& kept = frames_.emplace_back(ip.begin(), ip.end());
    if (kept.empty()) return;
    if (kept[0] >> 4U == 4) {
      if (const auto packet = Ipv4Packet::parse(kept)) (void)egress_.handle(kGuest, *packet, now_);
    } else if (const auto packet = Ipv6Packet::parse(kept)) {
      (void)egress_.handle(kGuest, *packet, now_);
    }
    note_connections();
  }
  void deliver(const Peer& peer, TcpHeader header, std::size_t size, std::uint8_t more_flags = 0) {
    Bytes storage(FrameBuilder::kHeadroom + size);
    FrameBuilder frame{storage};
    const ByteSpan room = frame.payload_room();
    for (std::size_t i = 0; i < size; ++i) room[i] = pattern(header.sequence + static_cast<std::uint32_t>(i));
    frame.commit_payload(size);
    header.flags = static_cast<std::uint8_t>(header.flags | more_flags);
    prepend_tcp(frame, peer.flow, header);
    give(frame.bytes());
  }

  void segment(Peer& peer, ByteReader& in) {
    const std::uint8_t shape = in.u8();
    TcpHeader header;
    header.flags = in.u8() & 0x3f;
    const auto offset = static_cast<std::uint32_t>(static_cast<std::int16_t>(in.be16()));
    header.sequence = (shape & 1U) != 0 ? peer.acked + offset : peer.acked;
    header.acknowledgment = (shape & 2U) != 0 ? peer.theirs + in.be16() : peer.come;
    header.window = (shape & 4U) != 0 ? in.be16() : 65'535;
    std::array<SequenceRange, 3> blocks;
    if ((shape & 8U) != 0) {
      for (SequenceRange& block : blocks) {
        block.begin = peer.theirs + in.be16();
        block.end = block.begin + in.u8() * 16U;
      }
      header.sack = blocks;
    }
    deliver(peer, header, (shape & 16U) != 0 ? in.be16() % 3000 : 0);
  }
  /// What a well-behaved guest would say now, with some data.
  void answer(Peer& peer, std::uint8_t what) {
    TcpHeader header{peer.acked, peer.come, TcpSegment::kAck, 65'535};
    deliver(peer, header, (what & 0x3fU) * 50U, (what & 0x80U) != 0 ? TcpSegment::kFin : std::uint8_t{0});
  }
  void handshake(Peer& peer, std::uint8_t what) {
    peer.isn += 1'000'000;
    TcpHeader syn{peer.isn, 0, TcpSegment::kSyn, 65'535, static_cast<std::uint16_t>((what & 7U) * 250U)};
    if ((what & 8U) != 0) syn.window_scale = static_cast<std::uint8_t>(what >> 4U);
    syn.sack_permitted = (what & 4U) != 0;
    deliver(peer, syn, 0);
    if ((what & 16U) != 0) return;
    end_batch();
    for (const auto& remote : host_.tcp) {
      if (!remote->is_made() && !remote->closed()) remote->make();
    }
    turn();
    deliver(peer, {peer.isn + 1, peer.come, TcpSegment::kAck, 65'535}, 0);
  }
  void datagram(std::uint8_t op, ByteReader& in) {
    const std::uint16_t size = in.be16() % 4000;
    const std::uint16_t port = in.u8();
    Bytes storage(FrameBuilder::kHeadroom + size, op);
    FrameBuilder frame{storage};
    frame.commit_payload(size);
    const Ipv4Address to = (op & 16U) != 0 ? kWorld4 : Ipv4Address{192, 168, 127, 254};
    if ((op & 32U) != 0) {
      frame.prepend_udp(kGuest4, to, 4000, port);
      frame.prepend_ipv4(kGuest4, to, ip_protocol::kUdp);
    } else {
      std::uint8_t* const header = frame.prepend(8);
      std::fill_n(header, 8, std::uint8_t{0});
      header[0] = icmp_type::kEchoRequest;
      header[5] = static_cast<std::uint8_t>(port);
      frame.fill_icmp_checksum();
      frame.prepend_ipv4(kGuest4, to, ip_protocol::kIcmp);
    }
    give_cut(frame.bytes());
  }
  /// As the guest's system sends it: in fragments where it is too large.
  void give_cut(ByteView packet) {
    ++identification_;
    std::size_t offset = 0;
    do {
      Bytes storage(FrameBuilder::kHeadroom + kMtu);
      FrameBuilder frame{storage};
      offset = put_fragment(frame, packet, offset, kMtu, identification_);
      give(frame.bytes());
    } while (offset != 0);
  }

  // --- The host ---

  [[nodiscard]] std::shared_ptr<TcpRemote> some_remote(std::uint8_t which) {
    return host_.tcp.empty() ? nullptr : host_.tcp[host_.tcp.size() - 1 - which % host_.tcp.size()];
  }
  void host_acts(ByteReader& in) {
    const std::uint8_t what = in.u8();
    const std::uint16_t size = in.be16();
    const auto remote = some_remote(what / 8);
    if (!remote || remote->closed()) return;
    if (!remote->is_made()) return what % 2 == 0 ? remote->make() : remote->fail_with(HostError::refused);
    switch (what % 8) {
      case 0: remote->finish(); break;
      case 1: remote->fail_with(HostError::reset); break;
      case 2: remote->spurious(); break;
      case 3: remote->read(size); break;
      case 4: remote->read(); break;
      default: write(*remote, size); break;
    }
  }
  static void write(TcpRemote& remote, std::size_t size) {
    if (remote.sent > 4'000'000) return;
    std::string bytes(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<char>(pattern(static_cast<std::uint32_t>(remote.sent + i)));
    }
    remote.write(bytes);
  }
  void plan(ByteReader& in) {
    const std::uint8_t what = in.u8();
    host_.plan = {};
    if ((what & 1U) != 0) host_.plan.delay = std::chrono::milliseconds{what};
    if ((what & 2U) != 0) host_.plan.read_every.reset();
    if ((what & 4U) != 0) host_.plan.send_buffer = 1 + in.be16();
    if ((what & 8U) != 0) host_.plan.receive_buffer = 1 + in.be16();
    if ((what & 0x30U) == 0x30U) host_.plan.later = HostError::host_unreachable;
    if ((what & 0xc0U) == 0xc0U) host_.plan.at_once = HostError::no_resources;
    host_.plan.frugal = (what & 16U) != 0;
    host_.udp_error = (what & 0x50U) == 0x50U ? std::optional{HostError::net_unreachable} : std::nullopt;
  }
  void host_datagram(ByteReader& in) {
    const std::uint8_t what = in.u8();
    if (host_.datagrams.empty()) return;
    auto& remote = *host_.datagrams[host_.datagrams.size() - 1 - what / 8 % host_.datagrams.size()];
    const Endpoint from{(what & 1U) != 0 ? kWorld4 : Ipv4Address{127, 0, 0, 1}, 50};
    if ((what & 6U) == 6U) {
      DatagramError error;
      error.error = static_cast<HostError>(in.u8() % 9U);
      error.to = from;
      if ((what & 8U) != 0) error.offender = Ipv4Address{in.be32()};
      error.icmp_type = in.u8();
      error.icmp_code = in.u8();
      remote.report(error, std::string(in.be16() % 3000U, 'e'));
    } else if ((what & 6U) == 4U) {
      remote.refuses = static_cast<HostError>(in.u8() % 9U);
    } else {
      remote.deliver(from, std::string(in.be16() % 6000U, 'd'));
    }
  }
  void call(const Peer& peer) {
    const FlowId id = egress_.new_id();
    (void)egress_.call(id, {peer.flow.remote, peer.flow.remote_port}, {peer.flow.local, peer.flow.local_port}, kGuest,
                       host_.accept(id, {peer.flow.remote, peer.flow.remote_port}), now_);
  }
  void reconfigure(std::uint8_t what) {
    if ((what & 2U) != 0) return egress_.forget(kGuest);
    egress_.reconfigure(config((what & 1U) != 0), *this);
  }

  // --- Time ---

  void end_batch() {
    egress_.end_batch(now_);
    frames_.clear();
    collect();
  }
  void turn() {
    for (int turns = 0;; ++turns) {
      require(turns < 10'000);
      host_.expire(now_);
      const auto said = host_.take_events();
      for (const auto& [id, events] : said) egress_.on_host(id, events, now_);
      const bool due = egress_.next_deadline() <= now_;
      if (due) egress_.expire(now_);
      if (!said.empty() || due) end_batch();
      if (said.empty() && !due && host_.next_deadline() > now_) break;
    }
    require(host_.violation.empty());
  }
  void pass(Duration duration) {
    const Instant until = now_ + duration;
    for (Instant next = now_; next <= until; next = std::min(egress_.next_deadline(), host_.next_deadline())) {
      now_ = std::max(now_, next);
      turn();
    }
    host_.now = now_ = until;
  }

  // --- What is checked ---

  /// Which sequence number of the guest's each connection began with, so that the host's side knows what it must read.
  void note_connections() {
    egress_.tcp().for_each([&](const TcpSplice& splice) {
      if (splice.phase() == TcpPhase::syn_sent) return;
      const std::uint32_t first = splice.guest_sequence() + 1;
      for (const auto& remote : host_.tcp) {
        if (remote->id != splice.id() || remote->on_read) continue;
        remote->on_read = [first, checked = std::size_t{0}](TcpRemote& r) mutable {
          for (; checked < r.received.size(); ++checked) {
            require(static_cast<std::uint8_t>(r.received[checked]) ==
                    pattern(first + static_cast<std::uint32_t>(checked)));
          }
        };
      }
    });
  }
  void collect() {
    for (const ByteView bytes : egress_.outbox().frames()) {
      const auto frame = EthernetFrame::parse(bytes);
      require(frame && frame->destination() == kGuest && frame->source() == kGateway);
      if (frame->type() == ethertype::kIpv4) {
        const auto packet = Ipv4Packet::parse(frame->payload());
        require(packet && packet->bytes().size() == frame->payload().size());
        read(*packet);
      } else {
        const auto packet = Ipv6Packet::parse(frame->payload());
        require(frame->type() == ethertype::kIpv6 && packet.has_value());
        read(*packet);
      }
    }
    egress_.outbox().clear();
  }
  template <typename Packet>
  void read(const Packet& packet) {
    require(packet.bytes().size() <= kMtu);
    if (packet.is_fragment()) {
      const auto whole = guest_.handle(kGuest, packet, now_);
      require(whole.has_value());
      if (*whole) judge(**whole);
      return guest_.end_batch();
    }
    judge(packet);
  }
  template <typename Packet>
  void judge(const Packet& packet) {
    if (packet.protocol() == ip_protocol::kIcmp) return require(checksum(packet.payload()) == 0);
    require(upper_checksum_ok(packet, packet.protocol(), packet.payload()));
    if (packet.protocol() != ip_protocol::kTcp) return;
    const auto segment = TcpSegment::parse(packet.payload());
    require(segment.has_value());
    for (Peer& peer : peers_) {
      if (peer.flow.local_port == segment->destination_port() && peer.flow.remote_port == segment->source_port()) {
        take(peer, *segment);
      }
    }
  }
  static void take(Peer& peer, const TcpSegment& segment) {
    if (segment.has(TcpSegment::kRst)) return;
    if (segment.has(TcpSegment::kSyn)) {
      peer.theirs = segment.sequence();
      peer.come = peer.theirs + 1;
    }
    if (segment.has(TcpSegment::kAck)) peer.acked = segment.acknowledgment();
    const std::uint32_t position = segment.sequence() - peer.theirs - 1;
    const ByteView payload = segment.payload();
    for (std::size_t i = 0; i < payload.size(); ++i) {
      require(payload[i] == pattern(position + static_cast<std::uint32_t>(i)));
    }
    const std::uint32_t end =
        segment.sequence() + static_cast<std::uint32_t>(payload.size()) + (segment.has(TcpSegment::kFin) ? 1U : 0U);
    peer.come = sequence_max(peer.come, end);
  }

  Instant now_{1h};
  FakeHost host_;
  EgressShared shared_;
  Random random_{1};
  std::array<Peer, 4> peers_;
  std::size_t port_room_ = 100;
  bool holding_ = false;
  std::uint16_t identification_ = 0;
  std::deque<Bytes> frames_;
  Reassembler guest_{SipHashKey{3, 4}};  ///< the guest's own
  Egress egress_;
  FlowId forward_ = egress_.new_id();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 2048) World{}.run(ByteReader{{data, size}});
  return 0;
}
