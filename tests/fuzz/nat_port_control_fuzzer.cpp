// Any datagrams at port 5351, from several guests of both families, with time passing between them: answers are of
// their protocol's shape, the table keeps its limits, and a port that stands for somebody is pinned for just that one.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <tuple>

#include "nat/port_control.hpp"

using namespace vnet;
using namespace vnet::nat;

namespace {

constexpr std::size_t kInAll = 12;

void require(bool holds) {
  if (!holds) std::abort();
}

class Pins : public PortPins {
 public:
  bool pin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) override {
    require(port != 0 && inside.port != 0);
    if (!is_free(protocol, port, inside, now)) return false;
    pinned_[key(protocol, port, inside)] = inside;
    return true;
  }
  void unpin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant /*now*/) override {
    require(pinned_.erase(key(protocol, port, inside)) == 1);
  }
  bool is_free(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant /*now*/) const override {
    const auto found = pinned_.find(key(protocol, port, inside));
    return port % 7 != 0 && (found == pinned_.end() || found->second == inside);
  }
  std::optional<IpAddress> outside_of(const IpAddress& inside) const override {
    if (std::holds_alternative<Ipv6Address>(inside)) return inside;
    return Ipv4Address{203, 0, 113, 7};
  }
  void check(const PortMapping& mapping) const {
    require(pinned_.at(key(mapping.protocol, mapping.outside_port, mapping.inside)) == mapping.inside);
  }
  std::size_t size() const { return pinned_.size(); }

 private:
  using Key = std::tuple<NatProtocol, std::uint16_t, IpAddress>;
  static Key key(NatProtocol protocol, std::uint16_t port, const Endpoint& inside) {
    const bool own = std::holds_alternative<Ipv6Address>(inside.address);
    return {protocol, port, own ? inside.address : IpAddress{}};
  }
  std::map<Key, Endpoint> pinned_;
};

PortMappingsConfig network() {
  PortMappingsConfig config;
  config.inside4 = Ipv4Prefix{Ipv4Address{192, 168, 1, 1}, 24};
  config.inside6 = Ipv6Prefix::parse("fd00:1::1/64");
  config.limits = {.in_all = kInAll, .per_guest = 5, .filters = 3};
  return config;
}

IpAddress guest(unsigned number) {
  if (number % 4 == 3) return *Ipv6Address::parse("fd00:1::a");
  return Ipv4Address{192, 168, 1, static_cast<std::uint8_t>(10 + number % 4)};
}

void check_answer(ByteView request, ByteView answer) {
  if (answer.empty()) return;
  require(answer.size() >= 8 && answer.size() <= Pcp::kMaxMessage);
  require(answer[1] == (request[1] | 0x80));
  if (answer[0] == Pcp::kVersion) {
    require(answer.size() >= Pcp::kHeaderSize && answer.size() % 4 == 0 && answer[3] <= 13);
  } else {
    require(answer[0] == NatPmp::kVersion && answer.size() <= NatPmp::kMaxAnswer && answer[2] == 0 && answer[3] <= 5);
  }
}

}  // namespace

// Each message: a byte for the guest and the protocols, one for the seconds that pass, two for the length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Pins pins;
  Instant now{};
  PortMappings mappings{network(), pins, {}, now};
  PortControl control{{.third_party = size % 2 == 0}, mappings};
  ByteReader reader{{data, size}};
  while (reader.remaining() > 4) {
    const unsigned who = reader.u8();
    now += std::chrono::seconds{reader.u8()};
    const std::size_t length = reader.be16();
    const ByteView request = reader.bytes(std::min(length, reader.remaining()));
    check_answer(request, control.handle({guest(who), 40'000}, request, now));
    if (who == 255) mappings.restart(now);
    mappings.expire(now);
    control.expire(now, [](const Endpoint&, ByteView payload) { require(!payload.empty()); });
    require(mappings.size() <= kInAll && pins.size() <= mappings.size());
    mappings.each([&](const PortMapping& mapping) { pins.check(mapping); });
  }
  mappings.restart(now);
  require(mappings.size() == 0 && pins.size() == 0);
  return 0;
}
