// Fuzzes the gateway's TCP and DNS framing with lists of operations: segments near and far from what the connection
// expects, time, and what a service does. What must hold in every run:
//
// * whatever is emitted is a well-formed packet with a right checksum, no longer than the MTU;
// * every byte stands for its sequence number, so delivery out of order, twice or with a hole is seen at once,
//   toward the service and toward the guest, also in what is sent again;
// * the limits hold, every connection that was opened is closed once, and in the end nothing is left.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>

#include "network/dns_tcp.hpp"
#include "network/tcp_endpoint.hpp"
#include "packet/ip.hpp"

namespace {

using namespace vnet;
using namespace vnet::network;
using namespace std::chrono_literals;

constexpr std::uint16_t kPatternPort = 7;
constexpr std::uint16_t kDnsPort = 53;

void require(bool condition) {
  if (!condition) std::abort();
}

/// The byte for a sequence number of the guest, or a position in the server's stream.
std::uint8_t pattern(std::uint32_t position) { return static_cast<std::uint8_t>(position * 167U >> 3U); }

TcpServerConfig config() {
  TcpServerConfig result;
  result.limits = {.connections = 6, .per_guest = 4, .half_open = 3, .time_wait = 2};
  return result;
}

/// What the fuzzer, as the guest, knows of a flow.
struct Peer {
  TcpFlow flow;
  std::uint32_t isn = 0;         ///< ours, in the last handshake begun
  std::uint32_t first = 0;       ///< ours, of the first byte in the connection that the server answered last
  std::uint32_t server_isn = 0;  ///< of the last SYN/ACK
  std::uint32_t expected = 0;    ///< the server's last acknowledgment number
  std::uint32_t highest = 0;     ///< one past the server's last segment
};

std::array<Peer, 6> make_peers() {
  const Ipv4Address gateway{10, 0, 0, 1};
  const auto gateway6 = *Ipv6Address::parse("fd00::1");
  std::array<Peer, 6> peers;
  peers[0].flow = {gateway, Ipv4Address{10, 0, 0, 2}, kPatternPort, 1000};
  peers[1].flow = {gateway, Ipv4Address{10, 0, 0, 2}, kDnsPort, 1000};
  peers[2].flow = {gateway, Ipv4Address{10, 0, 0, 2}, kPatternPort, 1001};
  peers[3].flow = {gateway, Ipv4Address{10, 0, 0, 3}, kPatternPort, 1000};
  peers[4].flow = {gateway6, *Ipv6Address::parse("fd00::2"), kPatternPort, 1000};
  peers[5].flow = {gateway, Ipv4Address{10, 0, 0, 2}, 9, 1000};
  return peers;
}

class World final : public TcpOutput, public TcpHandler {
 public:
  World() {
    server_.listen(kPatternPort, *this);
    server_.listen(kDnsPort, dns_);
  }

  void run(ByteReader in) {
    while (in.remaining() > 0) {
      const std::uint8_t op = in.u8();
      switch (op % 8) {
        case 5: pass(std::chrono::milliseconds{in.be16()}); break;
        case 6: serve(in); break;
        case 7: handshake(peers_[in.u8() % peers_.size()]); break;
        default: segment(peers_[op / 8 % peers_.size()], in); break;
      }
      if (server_.next_deadline() <= now_) server_.expire(now_);
      require(server_.connection_count() <= 6 + 2);
    }
    pass(1h);
    require(server_.connection_count() == 0);
    require(server_.next_deadline() == kNever);
    require(streams_.empty() && dns_.stream_count() == 0);
  }

 private:
  struct Stream {
    std::uint32_t received = 0;  ///< the sequence number of the next byte
    std::uint32_t sent = 0;
    bool ended = false;
  };

  // --- The guest ---

  void deliver(Peer& peer, const TcpHeader& header, std::size_t size) {
    std::array<std::uint8_t, 2048> payload;
    for (std::size_t i = 0; i < size; ++i) payload[i] = pattern(header.sequence + static_cast<std::uint32_t>(i));
    std::array<std::uint8_t, 4096> storage;
    FrameBuilder frame{storage};
    const TcpFlow reversed{peer.flow.remote, peer.flow.local, peer.flow.remote_port, peer.flow.local_port};
    build_tcp(frame, reversed, header, ByteView{payload}.first(size));
    (void)server_.handle(peer.flow, parse(frame.bytes()), now_);
  }

  void segment(Peer& peer, ByteReader& in) {
    const std::uint8_t shape = in.u8();
    const std::uint8_t flags = in.u8();
    TcpHeader header;
    header.flags = flags & 0x3f;
    const auto offset = static_cast<std::uint32_t>(static_cast<std::int16_t>(in.be16()));
    header.sequence = (shape & 1U) != 0 ? peer.expected + offset : peer.expected;
    header.acknowledgment = (shape & 2U) != 0 ? peer.server_isn + in.be16() : peer.highest;
    header.window = (shape & 4U) != 0 ? in.be16() : 65'535;
    if ((shape & 8U) != 0) header.mss = in.be16();
    const std::size_t size = (shape & 16U) != 0 ? in.be16() % 2000 : 0;
    deliver(peer, header, size);
  }

  void handshake(Peer& peer) {
    peer.isn += 100'000;
    deliver(peer, {peer.isn, 0, TcpSegment::kSyn, 4000, 1000}, 0);
    deliver(peer, {peer.isn + 1, peer.highest, TcpSegment::kAck, 4000, 0}, 0);
  }

  // --- The service ---

  void serve(ByteReader& in) {
    const std::uint8_t what = in.u8();
    const std::size_t size = in.be16() * std::size_t{what % 4U};
    appetite_ = (what & 64U) != 0 ? in.be16() : SIZE_MAX;
    if (streams_.empty()) return;
    auto at = streams_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(what / 8 % streams_.size()));
    const ConnectionId id = at->first;
    switch (what % 8) {
      case 5: server_.close(id, now_); break;
      case 6: server_.abort(id); break;
      case 7: server_.resume(id, now_); break;
      default: send(id, at->second, size); break;
    }
  }

  void send(ConnectionId id, Stream& stream, std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = pattern(stream.sent + static_cast<std::uint32_t>(i));
    const bool fits = size <= server_.send_room(id);
    const bool sent = server_.send(id, {bytes}, now_);
    require(sent == fits || size == 0);
    if (sent) stream.sent += static_cast<std::uint32_t>(size);
  }

  void on_open(ConnectionId id, const TcpFlow& flow, Instant) override {
    const auto known = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& peer) { return peer.flow == flow; });
    require(known != peers_.end() && streams_.try_emplace(id, Stream{.received = known->first}).second);
  }
  std::size_t on_data(ConnectionId id, ByteView bytes, Instant) override {
    Stream& stream = streams_.at(id);
    require(!bytes.empty() && !stream.ended);
    const std::size_t count = std::min(appetite_, bytes.size());
    for (const std::uint8_t byte : bytes.first(count)) require(byte == pattern(stream.received++));
    return count;
  }
  void on_sent(ConnectionId id, Instant) override { require(streams_.contains(id)); }
  void on_end(ConnectionId id, Instant) override { require(!std::exchange(streams_.at(id).ended, true)); }
  void on_closed(ConnectionId id, Instant) override { require(streams_.erase(id) == 1); }

  // --- The wire ---

  static TcpSegment parse(ByteView packet) {
    const auto segment = [](const auto& ip) {
      require(ip && upper_checksum_ok(*ip, ip_protocol::kTcp, ip->payload()));
      const auto parsed = TcpSegment::parse(ip->payload());
      require(parsed.has_value());
      return *parsed;
    };
    return packet[0] >> 4U == 4 ? segment(Ipv4Packet::parse(packet)) : segment(Ipv6Packet::parse(packet));
  }

  void emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) override {
    std::array<std::uint8_t, FrameBuilder::kHeadroom + 1500> storage;
    FrameBuilder frame{storage};
    build_tcp(frame, flow, header, payload);
    require(frame.ok() && frame.size() <= 1500);
    (void)parse(frame.bytes());
    for (Peer& peer : peers_) {
      if (!(peer.flow == flow) || (header.flags & TcpSegment::kRst) != 0) continue;
      if ((header.flags & TcpSegment::kSyn) != 0) {
        peer.server_isn = header.sequence;
        peer.highest = header.sequence + 1;
        peer.first = header.acknowledgment;
      }
      peer.expected = header.acknowledgment;
      const std::uint32_t position = header.sequence - peer.server_isn - 1;
      if (flow.local_port == kPatternPort) {
        for (std::size_t i = 0; i < payload.size(); ++i) {
          require(payload[i] == pattern(position + static_cast<std::uint32_t>(i)));
        }
      }
      const std::uint32_t end = header.sequence + static_cast<std::uint32_t>(payload.size()) +
                                ((header.flags & TcpSegment::kFin) != 0 ? 1 : 0);
      if (sequence_before(peer.highest, end)) peer.highest = end;
    }
  }

  void pass(Duration duration) {
    const Instant until = now_ + duration;
    while (server_.next_deadline() <= until) {
      now_ = std::max(now_, server_.next_deadline());
      server_.expire(now_);
    }
    now_ = until;
  }

  std::array<Peer, 6> peers_ = make_peers();
  Instant now_{1h};
  std::size_t appetite_ = SIZE_MAX;
  std::map<ConnectionId, Stream> streams_;
  Random random_{1};
  TcpServer server_{config(), random_, *this};
  // Every other query is answered at once with itself; the rest never is.
  DnsTcp dns_{server_, [this](ConnectionId id, const TcpFlow&, ByteView query, Instant now) {
                require(query.size() >= DnsTcp::kMinMessageSize);
                if (query[0] % 2 == 0) (void)dns_.answer(id, query, now);
              }};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 4096) World{}.run(ByteReader{{data, size}});
  return 0;
}
