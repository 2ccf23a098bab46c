// A workbench for the TCP tests: one server, one guest's flow, and segments written as a timetable.
//
// Numbers are relative, as Wireshark shows them: the guest's sequence numbers count from its SYN, the server's from
// its SYN/ACK. Every segment that the server emits is built into a packet over poisoned storage and read back with
// its checksum checked, so the wire format is under test in each of them.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "network/tcp_endpoint.hpp"
#include "packet/ip.hpp"

namespace vnet::network::test {

using namespace std::chrono_literals;

inline constexpr std::uint8_t kFin = TcpSegment::kFin;
inline constexpr std::uint8_t kSyn = TcpSegment::kSyn;
inline constexpr std::uint8_t kRst = TcpSegment::kRst;
inline constexpr std::uint8_t kPsh = TcpSegment::kPsh;
inline constexpr std::uint8_t kAck = TcpSegment::kAck;

/// The IP packet of a segment, built over 0xa5.
inline std::vector<std::uint8_t> build_packet(const TcpFlow& flow, const TcpHeader& header, ByteView payload) {
  std::vector<std::uint8_t> storage(FrameBuilder::kHeadroom + payload.size() + 64, 0xa5);
  FrameBuilder frame{storage};
  build_tcp(frame, flow, header, payload);
  EXPECT_TRUE(frame.ok());
  const ByteView bytes = frame.bytes();
  return {bytes.begin(), bytes.end()};
}

/// The segment inside of a packet of either family, its checksum checked.
inline TcpSegment read_packet(ByteView packet) {
  const auto checked = [](const auto& ip) {
    EXPECT_EQ(ip.protocol(), ip_protocol::kTcp);
    EXPECT_TRUE(upper_checksum_ok(ip, ip_protocol::kTcp, ip.payload()));
    return TcpSegment::parse(ip.payload()).value();
  };
  return packet[0] >> 4U == 4 ? checked(Ipv4Packet::parse(packet).value()) : checked(Ipv6Packet::parse(packet).value());
}

inline TcpFlow reversed(const TcpFlow& flow) { return {flow.remote, flow.local, flow.remote_port, flow.local_port}; }

inline TcpFlow ipv4_flow(std::uint8_t host = 2, std::uint16_t port = 40'000) {
  return {Ipv4Address{192, 168, 127, 1}, Ipv4Address{192, 168, 127, host}, 53, port};
}
inline TcpFlow ipv6_flow(std::uint16_t port = 40'000) {
  return {*Ipv6Address::parse("fd00::1"), *Ipv6Address::parse("fd00::2"), 53, port};
}

/// What the guest sends, or what the server answered.
struct Line {
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint8_t flags = kAck;
  std::uint16_t window = 65'535;
  std::uint16_t mss = 0;
  std::string data = {};
};

/// Writes down what it is told; takes all that it is given, or what `appetite` says.
class Recorder : public TcpHandler {
 public:
  void on_open(ConnectionId id, const TcpFlow&, Instant) override {
    ids.push_back(id);
    ++opened;
  }
  std::size_t on_data(ConnectionId, ByteView bytes, Instant) override {
    const std::size_t count = std::min(appetite, bytes.size());
    appetite -= count;
    received += as_text(bytes.first(count));
    return count;
  }
  void on_sent(ConnectionId, Instant) override { ++sent; }
  void on_end(ConnectionId, Instant) override { ++ended; }
  void on_closed(ConnectionId, Instant) override { ++closed; }

  std::vector<ConnectionId> ids;
  std::string received;
  std::size_t appetite = SIZE_MAX;
  int opened = 0;
  int sent = 0;
  int ended = 0;
  int closed = 0;
};

class Bench : public TcpOutput {
 public:
  static constexpr std::uint32_t kGuestIsn = 0xffff'ff00;  // wraps soon

  explicit Bench(const TcpServerConfig& config = {}, const TcpFlow& its_flow = ipv4_flow())
      : flow(its_flow), server(config, random_, *this) {
    server.listen(53, handler);
  }

  void emit(const TcpFlow& to, const TcpHeader& header, ByteView payload) override {
    const std::vector<std::uint8_t> packet = build_packet(to, header, payload);
    const TcpSegment segment = read_packet(packet);
    EXPECT_EQ(segment.source_port(), to.local_port);
    EXPECT_EQ(segment.destination_port(), to.remote_port);
    if (segment.has(kSyn)) isns_[to] = segment.sequence();
    const bool has_ack = segment.has(kAck);
    out.push_back({segment.sequence() - isns_[to], has_ack ? segment.acknowledgment() - kGuestIsn : 0, segment.flags(),
                   segment.window(), find_mss(segment.options()).value_or(0), std::string{as_text(segment.payload())}});
    last_flow = to;
  }

  /// The guest sends a line on its flow.
  TcpVerdict in(const Line& line) { return in(flow, line); }
  TcpVerdict in(const TcpFlow& from, const Line& line) {
    const std::uint32_t ack = (line.flags & kAck) != 0 ? isns_[from] + line.ack : 0;
    const TcpHeader header{kGuestIsn + line.seq, ack, line.flags, line.window, line.mss};
    const std::vector<std::uint8_t> packet = build_packet(reversed(from), header, as_bytes(line.data));
    return server.handle(from, read_packet(packet), now);
  }
  /// The next line that the server sent; a line of all ones when there is none.
  Line take() {
    if (out.empty()) return {~0U, ~0U, 0xff, 0xffff, 0xffff, "nothing"};
    Line line = out.front();
    out.pop_front();
    return line;
  }
  void expect(std::uint32_t seq, std::uint32_t ack, std::uint8_t flags, std::string_view data = {}) {
    const Line line = take();
    EXPECT_EQ(line.seq, seq);
    EXPECT_EQ(line.ack, ack);
    EXPECT_EQ(int{line.flags}, int{flags});
    EXPECT_EQ(line.data, data);
  }
  void expect_silence() {
    EXPECT_TRUE(out.empty()) << out.size() << " segments, the first with flags " << int{out.front().flags};
    out.clear();
  }
  /// Time passes; every deadline on the way is met.
  void wait(Duration duration) {
    const Instant until = now + duration;
    while (server.next_deadline() <= until) {
      now = std::max(now, server.next_deadline());
      server.expire(now);
    }
    now = until;
  }
  /// The three-way handshake.
  ConnectionId connect(std::uint16_t window = 65'535, std::uint16_t mss = 1460) {
    in({.seq = 0, .flags = kSyn, .window = window, .mss = mss});
    expect(0, 1, kSyn | kAck);
    in({.seq = 1, .ack = 1, .window = window});
    expect_silence();
    return handler.ids.empty() ? ConnectionId{} : handler.ids.back();
  }
  /// The absolute initial sequence number of the server's latest connection on the bench's flow.
  std::uint32_t server_isn() { return isns_[flow]; }
  bool say(std::string_view text) { return server.send(handler.ids.back(), {as_bytes(text)}, now); }

  TcpFlow flow;
  Instant now{1h};
  std::deque<Line> out;
  TcpFlow last_flow;
  Recorder handler;

 private:
  struct FlowHash {
    std::size_t operator()(const TcpFlow& key) const noexcept { return hash_flow(key, {}); }
  };
  std::unordered_map<TcpFlow, std::uint32_t, FlowHash> isns_;
  Random random_{7};

 public:
  TcpServer server;
};

}  // namespace vnet::network::test
