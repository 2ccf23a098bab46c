// What a NAT costs per packet, out and in, among one, a thousand and ten thousand mappings: parsing, finding,
// filtering, refreshing and rewriting. `open` is a packet for which mapping and session are made, and others are over.
#include <benchmark/benchmark.h>

#include <vector>

#include "nat/translator.hpp"
#include "packet/frame_builder.hpp"

namespace {

using namespace vnet;
using namespace vnet::nat;
using namespace std::chrono_literals;
using Packet = std::vector<std::uint8_t>;

constexpr Ipv4Address kOutside{198, 51, 100, 1};
constexpr Ipv4Address kServer{203, 0, 113, 7};

Ipv4Address guest(std::size_t number) { return Ipv4Address{static_cast<std::uint32_t>(0x0a000001U + number / 1000)}; }
std::uint16_t port(std::size_t number) { return static_cast<std::uint16_t>(2000 + number % 1000); }

/// 100 bytes of UDP.
Packet packet_between(Ipv4Address from, std::uint16_t from_port, Ipv4Address to, std::uint16_t to_port) {
  Packet storage(FrameBuilder::kHeadroom + 100);
  FrameBuilder frame{storage};
  std::uint8_t* const datagram = frame.payload_room().data();
  store_be(datagram, from_port);
  store_be(datagram + 2, to_port);
  store_be(datagram + 4, std::uint16_t{100});
  store_be(datagram + 6, std::uint16_t{1});
  frame.commit_payload(100);
  frame.prepend_ipv4(from, to, ip_protocol::kUdp, 64, 0);
  return {frame.bytes().begin(), frame.bytes().end()};
}

struct World {
  explicit World(std::size_t mappings)
      : step(Duration{300s} / static_cast<std::int64_t>(mappings + 1)), translator(config(), random) {
    std::vector<std::size_t> order(mappings);
    for (std::size_t i = 0; i < mappings; ++i) order[i] = i;
    for (std::size_t i = mappings; i > 1; --i) {
      std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
    }
    // Packets lie one behind the other; what they ask for is all over the table, and of all ages.
    for (std::size_t i = 0; i < mappings; ++i) out.push_back(packet_between(guest(i), port(i), kServer, 80));
    std::vector<std::uint16_t> outside(mappings);
    for (const std::size_t i : order) {
      Packet packet = out[i];
      auto editor = PacketEditor::parse(packet);
      if (translator.outbound(*editor, now += step)) std::abort();
      outside[i] = editor->source_port();
    }
    for (const std::uint16_t each : outside) in.push_back(packet_between(kServer, 80, kOutside, each));
  }
  static TranslatorConfig config() {
    TranslatorConfig config;
    config.outside4 = kOutside;
    return config;
  }

  Duration step;  ///< from one new mapping to the next, so that there are always as many
  Instant now{1h};
  Random random{1};
  Translator translator;
  std::vector<Packet> out;
  std::vector<Packet> in;
};

template <typename Translate>
void each(benchmark::State& state, const std::vector<Packet>& packets, const Translate& translate) {
  Packet packet(packets[0].size());
  std::size_t next = 0;
  for (auto _ : state) {
    // As a driver would write it.
    std::copy(packets[next].begin(), packets[next].end(), packet.begin());
    if (++next == packets.size()) next = 0;
    auto editor = PacketEditor::parse(packet);
    if (translate(*editor)) state.SkipWithError("dropped");
    benchmark::DoNotOptimize(packet.data());
  }
}

void translate_out(benchmark::State& state) {
  World world{static_cast<std::size_t>(state.range(0))};
  each(state, world.out, [&](PacketEditor& packet) { return world.translator.outbound(packet, world.now += 1us); });
  state.counters["bytes/mapping"] =
      static_cast<double>(world.translator.memory()) / static_cast<double>(world.translator.size());
}
BENCHMARK(translate_out)->Arg(1)->Arg(1000)->Arg(10'000);

void translate_in(benchmark::State& state) {
  World world{static_cast<std::size_t>(state.range(0))};
  each(state, world.in, [&](PacketEditor& packet) { return world.translator.inbound(packet, world.now); });
}
BENCHMARK(translate_in)->Arg(1)->Arg(1000)->Arg(10'000);

void open(benchmark::State& state) {
  const auto mappings = static_cast<std::size_t>(state.range(0));
  World world{mappings};
  Packet packet = packet_between(guest(0), 1, kServer, 80);
  std::size_t number = mappings;
  for (auto _ : state) {
    auto editor = PacketEditor::parse(packet);
    editor->set_source(guest(number), port(number));
    editor->set_destination(kServer, 80);
    ++number;
    if (world.translator.outbound(*editor, world.now += world.step)) state.SkipWithError("dropped");
  }
}
BENCHMARK(open)->Arg(1)->Arg(1000)->Arg(10'000);

}  // namespace
