// A list of frames, with time between them, into a fabric with everything switched on: two networks, one of them with
// port security, DHCP, advertisements, DNS with an upstream that answers with the input.
//
// What must hold in every run:
// * whatever the gateway sends is sound: lengths, checksums, addresses, no longer than the MTU;
// * no frame comes back to the NIC that sent it, and none leaves its network;
// * every frame is counted once: taken or dropped at its sender, and handed over or dropped at each receiver;
// * no deadline stays due.
//
// Input: records of a header byte and a frame behind a 16-bit length. Header: bits 0 and 1 the sender, bit 2 a tick of
// time before the frame, bit 3 ten minutes, bit 4 its NIC's link changes, bit 5 it is detached and attached again,
// bit 6 the frame is an upstream's answer, bit 7 the destination becomes the gateway's MAC address.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "network/fabric.hpp"
#include "tests/network/frame_judge.hpp"

namespace {

using namespace vnet;
using namespace vnet::network;
using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::size_t kNics = 4;

MacAddress gateway_mac(std::size_t network) { return MacAddress::from_u64(0x52eeeeeeee01U + network); }
MacAddress nic_mac(std::size_t nic) { return MacAddress::from_u64(0x52cccccccc01U + nic); }

NetworkConfig make_network(std::size_t number) {
  NetworkConfig config;
  config.name = "net" + std::to_string(number);
  config.mac = gateway_mac(number);
  config.ipv4 = Ipv4Prefix::parse("192.168.127.1/24");
  config.ipv6 = Ipv6Prefix::parse("fd00:1::1/64");
  config.dns_ipv4 = Ipv4Address::parse("192.168.127.53");
  config.dns_ipv6 = Ipv6Address::parse("fd00:1::53");
  config.port_security = number == 1;
  config.search = {"example.test"};
  dhcp::ServerConfig dhcp;
  dhcp.gateway = *config.ipv4;
  dhcp.range_first = *Ipv4Address::parse("192.168.127.100");
  dhcp.range_last = *Ipv4Address::parse("192.168.127.105");
  dhcp.router = config.ipv4->address;
  dhcp.reservations = {{nic_mac(number), *Ipv4Address::parse("192.168.127.50"), "reserved"}};
  config.dhcp = dhcp;
  dns::Record record;
  record.name = dns::Name::parse("a.test").value();
  record.a = {*Ipv4Address::parse("1.2.3.4")};
  config.records = {record};
  return config;
}

class Judge final : public FrameObserver {
 public:
  void on_frame(l2::PortId port, std::size_t, Direction direction, ByteView frame, std::optional<DropReason>,
                Instant) override {
    if (port == l2::kGatewayPort && direction == Direction::in) require(!test::find_flaw(frame));
  }
  void on_event(l2::PortId, const Event&) override {}
};

class World {
 public:
  World() : fabric_({make_network(0), make_network(1)}, {}, 1) {
    fabric_.set_observer(&judge_);
    for (std::size_t i = 0; i < kNics; ++i) {
      ports_[i] = fabric_.admit(nic_mac(i), i % 2, now_).value();
      fabric_.attach(ports_[i], AttachmentKind::simulated, "fuzz", now_);
      fabric_.gateway(i % 2).dns().set_upstreams({{*Ipv4Address::parse("192.0.2.53"), 53}});
    }
  }

  void step(std::uint8_t header, Bytes frame) {
    const std::size_t nic = header & 3U;
    if ((header & 4U) != 0) pass(100ms);
    if ((header & 8U) != 0) pass(10min);
    if ((header & 16U) != 0) fabric_.set_link(ports_[nic], !fabric_.nic(ports_[nic]).config.link_up, "fuzz", now_);
    if ((header & 32U) != 0) {
      fabric_.detach(ports_[nic], "fuzz", now_);
      fabric_.attach(ports_[nic], AttachmentKind::simulated, "fuzz", now_);
    }
    if ((header & 64U) != 0) return answer_upstream(nic % 2, frame);
    if ((header & 128U) != 0 && frame.size() >= 6) std::ranges::copy(gateway_mac(nic % 2).octets(), frame.begin());
    send(nic, frame);
  }
  void finish() { pass(1h); }

 private:
  void send(std::size_t nic, const Bytes& frame) {
    const NicCounters before = fabric_.nic(ports_[nic]).counters;
    const std::vector<ByteView> batch{frame};
    fabric_.receive(ports_[nic], batch, now_);
    const NicCounters& after = fabric_.nic(ports_[nic]).counters;
    require(after.frames_in + after.drops_in.total() == before.frames_in + before.drops_in.total() + 1);
    sender_ = ports_[nic];
    flush(&frame);
  }
  void answer_upstream(std::size_t network, const Bytes& bytes) {
    for (const auto& query : fabric_.gateway(network).dns().take_upstream_queries()) {
      Bytes answer = bytes;
      if (answer.size() >= 2) std::copy_n(query.bytes.begin(), 2, answer.begin());  // the id is right
      fabric_.on_upstream(network, query.handle, answer, now_);
      flush(nullptr);
    }
  }
  /// `sent` is the frame that this batch began with: it must not return to where it came from.
  void flush(const Bytes* sent) {
    for (const l2::PortId port : fabric_.transmit().touched()) {
      require(fabric_.nic(port).is_live());
      for (const ByteView frame : fabric_.transmit().frames(port)) {
        const bool same = sent != nullptr && frame.data() == sent->data();
        require(!same || port != sender_);
        require(!same || fabric_.nic(port).config.network == fabric_.nic(sender_).config.network);
        const NicCounters before = fabric_.nic(port).counters;
        fabric_.sent(port, frame, std::nullopt, now_);
        require(fabric_.nic(port).counters.frames_out == before.frames_out + 1);
      }
    }
    fabric_.end_batch();
    (void)fabric_.events().take();
    for (std::size_t i = 0; i < fabric_.network_count(); ++i) (void)fabric_.gateway(i).addresses()->take_changes();
  }
  void pass(Duration time) {
    const Instant until = now_ + time;
    for (int turn = 0; fabric_.next_deadline() <= until; ++turn) {
      require(turn < 10'000);
      now_ = std::max(now_, fabric_.next_deadline());
      fabric_.expire(now_);
      flush(nullptr);
    }
    now_ = until;
  }

  Instant now_{1000s};
  Judge judge_;
  Fabric fabric_;
  std::array<l2::PortId, kNics> ports_{};
  l2::PortId sender_ = l2::kNoPort;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  ByteReader input{{data, size}};
  for (int steps = 0; input.remaining() > 2 && steps < 64; ++steps) {
    const std::uint8_t header = input.u8();
    const std::size_t length = std::min<std::size_t>(input.be16(), input.remaining());
    const ByteView frame = input.bytes(length);
    world.step(header, {frame.begin(), frame.end()});
  }
  world.finish();
  return 0;
}
