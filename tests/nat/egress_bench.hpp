// A workbench for egress: one network's Egress over the model of the host, a guest whose segments are written as a
// timetable, and everything that comes back read strictly.
//
// Numbers are relative, as Wireshark shows them: the guest's sequence numbers count from its SYN, the other side's from
// its SYN. The guest's frames are made byte by byte (tests/network/frames.hpp), not by the code under test.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fake_host.hpp"
#include "nat/egress.hpp"
#include "tests/network/frames.hpp"

namespace vnet::nat::test {

namespace wire = network::test;
using wire::Bytes;
using wire::ip4;
using wire::ip6;

inline constexpr std::uint8_t kFin = TcpSegment::kFin;
inline constexpr std::uint8_t kSyn = TcpSegment::kSyn;
inline constexpr std::uint8_t kRst = TcpSegment::kRst;
inline constexpr std::uint8_t kPsh = TcpSegment::kPsh;
inline constexpr std::uint8_t kAck = TcpSegment::kAck;
inline constexpr std::uint8_t kUrg = 0x20;

/// What the guest sends on a TCP flow, or what it gets.
struct Line {
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = kAck;
  std::uint16_t window = 65'535;
  std::string data = {};
  Bytes options = {};  ///< as on the wire
  std::uint16_t port = 40'000;
};

inline Bytes mss_option(std::uint16_t mss) { return {2, 4, static_cast<std::uint8_t>(mss >> 8U), std::uint8_t(mss)}; }
inline Bytes scale_option(std::uint8_t shift) { return {1, 3, 3, shift}; }
inline Bytes sack_permitted() { return {1, 1, 4, 2}; }
inline Bytes timestamps() { return {1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0}; }
inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
/// What a Linux guest offers.
inline Bytes usual_options(std::uint16_t mss = 1460) {
  return mss_option(mss) + sack_permitted() + timestamps() + scale_option(7);
}
/// Text that shows where it was cut.
inline std::string text(std::size_t size, std::size_t from = 0) {
  std::string result(size, ' ');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>((from + i) * 167U >> 3U);
  return result;
}

class Bench : public GuestPorts {
 public:
  static constexpr std::uint32_t kGuestIsn = 0xffff'ff00;  // wraps soon

  /// A configuration to begin with.
  static EgressConfig lan() {
    EgressConfig config;
    config.mac = MacAddress::from_u64(0x52eeeeeeee01U);
    config.ipv4 = ip4("192.168.127.1");
    config.ipv6 = ip6("fd00:1::1");
    config.inside = {*Ipv4Prefix::parse("192.168.127.1/24"), *Ipv6Prefix::parse("fd00:1::1/64")};
    config.host_alias = ip4("192.168.127.254");
    return config;
  }

  explicit Bench(const EgressConfig& config = lan())
      : guest(wire::mac(1)),
        source(ip4("192.168.127.2")),
        destination(ip4("203.0.113.7")),
        egress(config, 3, with_sockets(), random_, *this) {
    host.plan.delay = Duration::zero();
    host.now = now;
  }
  ~Bench() override { EXPECT_EQ(host.violation, ""); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  std::size_t frames(const MacAddress&, std::size_t) const override { return port_room; }
  std::optional<MacAddress> locate(const IpAddress&) const override {
    return guest_is_known ? std::optional{guest} : std::nullopt;
  }

  // --- The guest ---

  /// Sends one segment; what it leads to at once has happened when this returns.
  std::optional<EgressRefusal> in(const Line& line) { return in_batch({line}); }
  /// Several in one batch. Returns what became of the last.
  std::optional<EgressRefusal> in_batch(const std::vector<Line>& lines) {
    std::vector<Bytes> frames;
    for (const Line& line : lines) frames.push_back(frame_of(line));
    return in_frames(frames);
  }
  std::optional<EgressRefusal> in_frames(const std::vector<Bytes>& frames) {
    std::optional<EgressRefusal> verdict;
    for (const Bytes& frame : frames) verdict = give(frame);
    egress.end_batch(now);
    collect();
    turn();
    return verdict;
  }
  [[nodiscard]] Bytes frame_of(const Line& line) const {
    Bytes segment;
    wire::put16(segment, line.port);
    wire::put16(segment, kPort);
    wire::put32(segment, kGuestIsn + line.seq);
    const auto isn = isns_.find(line.port);
    wire::put32(segment, (line.flags & kAck) == 0 ? 0 : (isn == isns_.end() ? 0 : isn->second) + line.ack);
    wire::put8(segment, static_cast<std::uint8_t>((20 + line.options.size()) / 4 << 4U));
    wire::put8(segment, line.flags);
    wire::put16(segment, line.window);
    wire::put32(segment, (line.flags & kUrg) != 0 ? 1 : 0);
    wire::put(segment, line.options);
    wire::put(segment, as_bytes(line.data));
    const auto build = [&](const auto& from, const auto& to) {
      const wire::Way<std::decay_t<decltype(from)>> way{guest, egress.config().mac, from, to};
      const Bytes whole = wire::with_checksum(way, 6, segment, 16);
      if constexpr (std::is_same_v<std::decay_t<decltype(from)>, Ipv4Address>)
        return wire::ipv4(way, 6, whole);
      else
        return wire::ipv6(way, 6, whole);
    };
    if (const auto* v4 = std::get_if<Ipv4Address>(&source)) return build(*v4, std::get<Ipv4Address>(destination));
    return build(std::get<Ipv6Address>(source), std::get<Ipv6Address>(destination));
  }
  void use_ipv6() {
    source = ip6("fd00:1::2");
    destination = ip6("2001:db8::7");
  }

  // --- What comes back ---

  /// The next segment for the guest; a line of all ones when there is none.
  Line take() {
    if (out.empty()) return {~0U, ~0U, 0xff, 0xffff, "nothing", {}, 0};
    Line line = out.front();
    out.pop_front();
    return line;
  }
  void expect(std::uint32_t seq, std::uint32_t ack, int flags, std::string_view data = {}) {
    const Line line = take();
    EXPECT_EQ(line.seq, seq);
    EXPECT_EQ(line.ack, ack);
    EXPECT_EQ(int{line.flags}, flags);
    EXPECT_TRUE(line.data == data) << line.data.size() << " bytes, not " << data.size();
  }
  void expect_silence() {
    EXPECT_TRUE(out.empty()) << out.size() << " segments, the first with flags " << int{out.front().flags} << " seq "
                             << out.front().seq << " and " << out.front().data.size() << " bytes";
    EXPECT_TRUE(others.empty()) << others.size() << " packets that are not TCP";
    out.clear();
    others.clear();
  }
  /// Everything that has come, put together by sequence number from `from` on; stops at a hole.
  std::string take_stream(std::uint32_t from) {
    std::string stream;
    for (Line line = take(); line.data != "nothing"; line = take()) {
      const std::uint32_t at = line.seq - from;
      if (at > stream.size()) return stream + "<hole>";
      if (at + line.data.size() > stream.size()) stream += line.data.substr(stream.size() - at);
    }
    return stream;
  }

  /// The three-way handshake; the host's connection is made at once.
  TcpRemote& connect(const Bytes& options = mss_option(1460), std::uint16_t window = 65'535,
                     std::uint16_t port = 40'000) {
    in({.seq = 0, .flags = kSyn, .window = window, .options = options, .port = port});
    expect(0, 1, kSyn | kAck);
    in({.seq = 1, .ack = 1, .window = window, .port = port});
    expect_silence();
    return *host.tcp.back();
  }
  TcpRemote& remote() { return *host.tcp.back(); }
  /// The other side's initial sequence number, for options.
  [[nodiscard]] std::uint32_t isn(std::uint16_t port = 40'000) const { return isns_.at(port); }
  [[nodiscard]] std::size_t flows() const { return egress.tcp().size(); }

  // --- Time ---

  /// What the host has to say, and what is due.
  void turn() {
    for (int turns = 0;; ++turns) {
      ASSERT_LT(turns, 1000) << "it never comes to rest";
      host.expire(now);
      const auto said = host.take_events();
      for (const auto& [id, events] : said) egress.on_host(id, events, now);
      if (!said.empty()) egress.end_batch(now);
      collect();
      const bool due = egress.next_deadline() <= now;
      if (due) egress.expire(now);
      collect();
      if (said.empty() && !due && host.next_deadline() > now) return;
    }
  }
  /// Time passes; every deadline on the way is met.
  void wait(Duration duration) {
    const Instant until = now + duration;
    turn();
    for (;;) {
      const Instant next = std::min(egress.next_deadline(), host.next_deadline());
      if (next > until) break;
      now = std::max(now, next);
      turn();
      if (testing::Test::HasFatalFailure()) return;
    }
    host.now = now = until;
    turn();
  }

  Instant now{1h};
  FakeHost host;
  EgressShared shared;
  MacAddress guest;
  IpAddress source;
  IpAddress destination;
  std::size_t port_room = 1000;  ///< frames
  bool guest_is_known = true;
  std::deque<Line> out;
  std::deque<Bytes> others;  ///< IP packets that are not TCP
  static constexpr std::uint16_t kPort = 80;

 private:
  EgressShared& with_sockets() {
    shared.sockets = &host;
    return shared;
  }
  std::optional<EgressRefusal> give(const Bytes& frame) {
    const ByteView packet = ByteView{frame}.subspan(kEthernetHeaderSize);
    if (packet[0] >> 4U == 4) return egress.handle(guest, Ipv4Packet::parse(packet).value(), now);
    return egress.handle(guest, Ipv6Packet::parse(packet).value(), now);
  }
  void collect() {
    for (const ByteView bytes : egress.outbox().frames()) {
      const auto frame = EthernetFrame::parse(bytes);
      EXPECT_EQ(frame->destination(), guest);
      EXPECT_EQ(frame->source(), egress.config().mac);
      if (frame->type() == ethertype::kIpv4) {
        read(Ipv4Packet::parse(frame->payload()).value());
      } else {
        EXPECT_EQ(frame->type(), ethertype::kIpv6);
        read(Ipv6Packet::parse(frame->payload()).value());
      }
    }
    egress.outbox().clear();
  }
  template <typename Packet>
  void read(const Packet& packet) {
    if (packet.protocol() != ip_protocol::kTcp)
      return others.emplace_back(packet.bytes().begin(), packet.bytes().end()), void();
    EXPECT_LE(packet.bytes().size(), egress.config().mtu);
    EXPECT_TRUE(IpAddress{packet.source()} == destination && IpAddress{packet.destination()} == source);
    const TcpSegment segment = TcpSegment::parse(packet.payload()).value();
    EXPECT_TRUE(upper_checksum_ok(packet, ip_protocol::kTcp, segment.bytes()));
    const std::uint16_t port = segment.destination_port();
    if (segment.has(kSyn)) isns_[port] = segment.sequence();
    const bool has_ack = segment.has(kAck);
    out.push_back({segment.sequence() - isns_[port], has_ack ? segment.acknowledgment() - kGuestIsn : 0,
                   segment.flags(), segment.window(), std::string{as_text(segment.payload())},
                   Bytes(segment.options().begin(), segment.options().end()), port});
  }

  std::map<std::uint16_t, std::uint32_t> isns_;
  Random random_{7};

 public:
  Egress egress;
};

}  // namespace vnet::nat::test
