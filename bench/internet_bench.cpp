// What a datagram costs from a guest in one home to a guest in another, through both NATs and the switch, with few and
// with many homes, guests and mappings. Beside it the same datagram between two guests of one network, which is
// switched and not translated.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "network/fabric.hpp"
#include "packet/arp.hpp"
#include "packet/frame_builder.hpp"

namespace {

using namespace vnet;
using namespace vnet::network;
using namespace std::chrono_literals;
using Frame = std::vector<std::uint8_t>;

constexpr std::size_t kPayload = 1400;

Ipv4Address outside(std::size_t home) { return Ipv4Address{static_cast<std::uint32_t>(0xcb007101U + home)}; }
Ipv4Address inside(std::size_t guest) { return Ipv4Address{static_cast<std::uint32_t>(0xc0a80165U + guest)}; }
MacAddress gateway_of(std::size_t home) { return MacAddress::from_u64(0x52eeeeee0000U + home); }
MacAddress mac_of(std::size_t home, std::size_t guest) {
  return MacAddress::from_u64(0x52cccc000000U + home * 256 + guest);
}

Frame datagram(const MacAddress& to_mac, const MacAddress& from_mac, Ipv4Address from, std::uint16_t from_port,
               Ipv4Address to, std::uint16_t to_port) {
  Frame storage(FrameBuilder::kHeadroom + kPayload);
  FrameBuilder frame{storage};
  frame.commit_payload(kPayload);
  frame.prepend_udp(from, to, from_port, to_port);
  frame.prepend_ipv4(from, to, ip_protocol::kUdp);
  frame.prepend_ethernet(to_mac, from_mac, ethertype::kIpv4);
  return {frame.bytes().begin(), frame.bytes().end()};
}

/// `homes` networks with `guests` each, behind full cones, so that the first datagram of either side gets through.
struct Town {
  Town(std::size_t homes, std::size_t guests) : fabric(configs(homes), {}, 1) {
    for (std::size_t home = 0; home < homes; ++home) {
      for (std::size_t guest = 0; guest < guests; ++guest) {
        const MacAddress mac = mac_of(home, guest);
        const auto port = fabric.admit(mac, home, now);
        fabric.attach(*port, AttachmentKind::simulated, "bench", now);
        ports.push_back(*port);
        send(*port, announcement(mac, inside(guest)));
      }
    }
  }
  static std::vector<NetworkConfig> configs(std::size_t homes) {
    std::vector<NetworkConfig> configs;
    for (std::size_t home = 0; home < homes; ++home) {
      NetworkConfig config;
      config.name = "home" + std::to_string(home);
      config.mac = gateway_of(home);
      config.ipv4 = Ipv4Prefix{Ipv4Address{192, 168, 1, 1}, 24};
      config.wan = Wan{outside(home), std::nullopt};
      config.nat = nat::behavior_of(nat::NatPreset::fullcone);
      configs.push_back(std::move(config));
    }
    return configs;
  }
  static Frame announcement(const MacAddress& mac, Ipv4Address address) {
    Frame frame(kEthernetHeaderSize + ArpPacket::kSize);
    ByteWriter out{frame};
    out.bytes(MacAddress::broadcast().bytes());
    out.bytes(mac.bytes());
    out.be16(ethertype::kArp);
    ArpPacket{ArpPacket::kRequest, mac, address, MacAddress{}, address}.emit(out);
    return frame;
  }
  std::size_t send(l2::PortId port, const Frame& frame) {
    const ByteView view{frame};
    fabric.receive(port, {&view, 1}, now);
    std::size_t delivered = 0;
    for (const l2::PortId to : fabric.transmit().touched()) {
      for (const ByteView out : fabric.transmit().frames(to)) {
        fabric.sent(to, out, std::nullopt, now);
        ++delivered;
      }
    }
    fabric.end_batch();
    return delivered;
  }

  Instant now{1000s};
  Fabric fabric;
  std::vector<l2::PortId> ports;
};

void within_one_network(benchmark::State& state) {
  Town town{2, 2};
  const Frame frame = datagram(mac_of(0, 1), mac_of(0, 0), inside(0), 5000, inside(1), 6000);
  for (auto _ : state) {
    if (town.send(town.ports[0], frame) != 1) return state.SkipWithError("not delivered");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(within_one_network);

/// Arguments: homes, guests in each, mappings of the first home beside the one that is used.
void between_homes(benchmark::State& state) {
  const auto homes = static_cast<std::size_t>(state.range(0));
  Town town{homes, static_cast<std::size_t>(state.range(1))};
  const std::size_t last = town.ports.size() / homes * (homes - 1);
  (void)town.send(town.ports[last],
                  datagram(gateway_of(homes - 1), mac_of(homes - 1, 0), inside(0), 6000, outside(0), 1));
  for (std::int64_t i = 0; i < state.range(2); ++i) {
    const auto port = static_cast<std::uint16_t>(10'000 + i);
    (void)town.send(town.ports[0], datagram(gateway_of(0), mac_of(0, 0), inside(0), port, outside(homes - 1), 6000));
  }
  const Frame frame = datagram(gateway_of(0), mac_of(0, 0), inside(0), 5000, outside(homes - 1), 6000);
  for (auto _ : state) {
    if (town.send(town.ports[0], frame) != 1) return state.SkipWithError("not delivered");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(between_homes)->Args({2, 2, 0})->Args({2, 2, 8'000})->Args({100, 5, 0})->Args({100, 5, 8'000});

}  // namespace
