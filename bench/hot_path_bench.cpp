// The hot path without sockets: what parsing, looking up, forwarding, flooding and summing cost per frame.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "network/fabric.hpp"
#include "packet/checksum.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "switch/mac_table.hpp"

namespace {

using namespace vnet;

constexpr std::size_t kBatch = 64;

MacAddress mac_of(std::size_t nic) { return MacAddress::from_u64(0x520000000000U + nic); }

std::vector<std::uint8_t> frame_between(std::size_t from, const MacAddress& to, std::size_t bytes) {
  std::vector<std::uint8_t> frame(bytes);
  std::ranges::copy(to.bytes(), frame.begin());
  std::ranges::copy(mac_of(from).bytes(), frame.begin() + 6);
  store_be(frame.data() + 12, std::uint16_t{0x88b5});
  return frame;
}

/// A fabric with `nics` NICs, all attached and learned.
std::unique_ptr<network::Fabric> make_fabric(std::size_t nics) {
  network::NetworkConfig config;
  config.name = "lan";
  config.mac = MacAddress::from_u64(0x5a94efe40cdd);
  config.ipv4 = Ipv4Prefix::parse("192.168.0.1/16");
  auto fabric = std::make_unique<network::Fabric>(std::vector{config}, std::vector<network::NicConfig>{}, 1);
  for (std::size_t i = 0; i < nics; ++i) {
    const auto port = fabric->admit(mac_of(i), std::nullopt, Instant{});
    fabric->attach(*port, network::AttachmentKind::simulated, "", Instant{});
    const auto frame = frame_between(i, mac_of(i), 60);
    const ByteView view = frame;
    fabric->receive(*port, {&view, 1}, Instant{});
    fabric->end_batch();
  }
  return fabric;
}

void parse(benchmark::State& state) {
  std::vector<std::uint8_t> frame(60);
  frame[12] = 8;
  frame[14] = 0x45;
  store_be(frame.data() + 16, std::uint16_t{46});
  store_be(frame.data() + 24, checksum(ByteView{frame}.subspan(14, 20)));
  for (auto _ : state) {
    const auto ethernet = EthernetFrame::parse(frame);
    auto packet = Ipv4Packet::parse(ethernet->payload());
    benchmark::DoNotOptimize(packet);
  }
}
BENCHMARK(parse);

void lookup(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  l2::MacTable table{{}, 1};
  for (std::size_t i = 0; i < count; ++i) table.learn(mac_of(i), l2::PortId{static_cast<std::uint32_t>(i)}, Instant{});
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.lookup(mac_of(i), Instant{}));
    i = (i + 7) % count;
  }
}
BENCHMARK(lookup)->Arg(2)->Arg(64)->Arg(1000)->Arg(30000);

/// One batch of 64 frames from one NIC to another, per frame.
void forward(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto fabric = make_fabric(count);
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::size_t i = 0; i < count; ++i) frames.push_back(frame_between(i, mac_of(i ^ 1U), 1514));
  std::size_t from = 0;
  std::vector<ByteView> batch(kBatch);
  for (auto _ : state) {
    std::ranges::fill(batch, ByteView{frames[from]});
    fabric->receive(l2::PortId{static_cast<std::uint32_t>(from)}, batch, Instant{});
    benchmark::DoNotOptimize(fabric->transmit().touched().size());
    fabric->end_batch();
    from = (from + 1) % count;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
}
BENCHMARK(forward)->Arg(2)->Arg(64)->Arg(1000);

/// One broadcast to all others, per copy.
void flood(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto fabric = make_fabric(count);
  const auto frame = frame_between(0, MacAddress::broadcast(), 1514);
  const ByteView view = frame;
  for (auto _ : state) {
    fabric->receive(l2::PortId{0}, {&view, 1}, Instant{});
    benchmark::DoNotOptimize(fabric->transmit().touched().size());
    fabric->end_batch();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count - 1));
}
BENCHMARK(flood)->Arg(2)->Arg(64)->Arg(1000);

void sum(benchmark::State& state) {
  const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(state.range(0)), 0x5a);
  for (auto _ : state) benchmark::DoNotOptimize(checksum(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sum)->Arg(20)->Arg(64)->Arg(1514)->Arg(65000);

}  // namespace
