// A network's table of mappings on virtual time, over pins that only remember, for the tests of everything that asks
// for mappings.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "nat/port_mappings.hpp"
#include "tests/nat/egress_testing.hpp"

namespace vnet::nat::test {

using namespace std::chrono_literals;

inline Endpoint at(std::string_view address, std::uint16_t port) { return {ip(address), port}; }

inline const IpAddress kWanAddress = Ipv4Address{203, 0, 113, 7};
inline constexpr Instant kStart{1000s};

/// Endpoints as text, so that what a test prints can be read.
inline std::string text(const Endpoint& of) { return to_string(of.address) + ' ' + std::to_string(of.port); }

class FakePins : public PortPins {
 public:
  bool pin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) override {
    if (!is_free(protocol, port, inside, now)) return false;
    pinned[{protocol, port, own_ports ? inside.address : IpAddress{}}] = inside;
    return true;
  }
  void unpin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant /*now*/) override {
    EXPECT_EQ(pinned.erase({protocol, port, own_ports ? inside.address : IpAddress{}}), 1U) << "it was not pinned";
  }
  bool is_free(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant /*now*/) const override {
    if (in_use.contains({protocol, port}) || (only && inside.address != *only)) return false;
    const auto found = pinned.find({protocol, port, own_ports ? inside.address : IpAddress{}});
    return found == pinned.end() || found->second == inside;
  }
  std::optional<std::uint16_t> current_port(NatProtocol /*protocol*/, const Endpoint& inside,
                                            Instant /*now*/) const override {
    const auto found = current.find(text(inside));
    return found == current.end() ? std::nullopt : std::optional{found->second};
  }
  std::optional<IpAddress> outside_of(const IpAddress& inside) const override {
    return own_ports || std::holds_alternative<Ipv6Address>(inside) ? std::optional{inside} : outside;
  }

  std::map<std::tuple<NatProtocol, std::uint16_t, IpAddress>, Endpoint> pinned;
  std::set<std::pair<NatProtocol, std::uint16_t>> in_use;  ///< by flows that nobody asked for
  std::map<std::string, std::uint16_t> current;            ///< by inside endpoint
  std::optional<IpAddress> only;                           ///< the one host that may have ports
  std::optional<IpAddress> outside = kWanAddress;
  bool own_ports = false;  ///< each host has an address to itself
};

/// 192.168.1.0/24 and fd00:1::/64 behind 203.0.113.7.
struct MappingBench {
  static PortMappingsConfig home() {
    PortMappingsConfig config;
    config.inside4 = Ipv4Prefix::parse("192.168.1.1/24");
    config.inside6 = Ipv6Prefix::parse("fd00:1::1/64");
    return config;
  }
  explicit MappingBench(const PortMappingsConfig& config = home(), std::uint32_t epoch = 0)
      : mappings(
            config, pins, [this](const MappingChange& change) { write_down(change); }, kStart, epoch) {}

  void write_down(const MappingChange& change) {
    EXPECT_EQ(change.at, now);
    const PortMapping& mapping = change.mapping;
    std::string line{to_string(change.kind)};
    line += ' ' + std::string{to_string(mapping.origin)} + ' ' + std::to_string(mapping.outside_port) + ' ' +
            text(mapping.inside);
    if (!change.cause.empty()) line += ": " + std::string{change.cause};
    changes.push_back(line);
  }
  std::vector<std::string> take_changes() { return std::exchange(changes, {}); }
  /// Time passes; every deadline on the way is met.
  void wait(Duration duration) {
    const Instant until = now + duration;
    while (mappings.next_deadline() <= until) {
      now = std::max(now, mappings.next_deadline());
      mappings.expire(now);
    }
    now = until;
  }
  PortMappings::Granted ask(MappingOrigin origin, const Endpoint& inside, std::uint16_t suggested = 0,
                            Duration lifetime = 1h) {
    return mappings.grant({.claim = {origin, {}},
                           .protocol = NatProtocol::udp,
                           .inside = inside,
                           .suggested = suggested,
                           .expires = now + lifetime},
                          now);
  }
  /// The outside port that it gives; 0: none.
  std::uint16_t port(MappingOrigin origin, const Endpoint& inside, std::uint16_t suggested = 0,
                     Duration lifetime = 1h) {
    const auto granted = ask(origin, inside, suggested, lifetime);
    return granted ? (*granted)->outside_port : std::uint16_t{0};
  }

  FakePins pins;
  Instant now = kStart;
  std::vector<std::string> changes;
  PortMappings mappings;
};

}  // namespace vnet::nat::test
