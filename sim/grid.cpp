#include "sim/grid.hpp"

#include <algorithm>

namespace vnet::sim {
namespace {

/// A NAT as the world outside sees it, with the carrier's behind it.
struct Strictness {
  Dependence mapping = Dependence::endpoint_independent;
  Dependence filtering = Dependence::endpoint_independent;
};

Strictness strictness_of(const NatBehavior& nat) noexcept {
  Strictness own;
  if (nat.translates) {
    if (!nat.one_to_one) own.mapping = nat.mapping;
    own.filtering = nat.filtering;
  }
  if (!nat.behind_carrier) return own;
  const NatBehavior carrier;
  return {std::max(own.mapping, carrier.mapping), std::max(own.filtering, carrier.filtering)};
}

}  // namespace

bool can_meet(const NatBehavior& a, const NatBehavior& b) noexcept {
  constexpr auto kNever = Dependence::endpoint_independent;
  constexpr auto kByPort = Dependence::address_and_port_dependent;
  const Strictness x = strictness_of(a);
  const Strictness y = strictness_of(b);
  if (x.mapping == kNever && y.mapping == kNever) return true;
  if (x.mapping == kNever) return x.filtering != kByPort;
  if (y.mapping == kNever) return y.filtering != kByPort;
  if (x.mapping == kByPort && y.mapping == kByPort) return false;
  const bool one_is_open = x.filtering == kNever || y.filtering == kNever;
  return one_is_open && x.filtering != kByPort && y.filtering != kByPort;
}

std::size_t Grid::contradictions() const {
  return static_cast<std::size_t>(std::ranges::count_if(cells, [](const GridCell& cell) { return !cell.agrees(); }));
}

std::vector<NamedNat> preset_nats() {
  std::vector<NamedNat> nats;
  for (const nat::NatPresetInfo& info : nat::kNatPresets) {
    nats.push_back({std::string{info.name}, std::string{info.meaning}, nat::behavior_of(info.preset)});
  }
  return nats;
}

std::vector<NamedNat> all_combinations(PortChoice ports) {
  constexpr std::array kDegrees = {Dependence::endpoint_independent, Dependence::address_dependent,
                                   Dependence::address_and_port_dependent};
  constexpr std::array<std::string_view, 3> kShort = {"ei", "ad", "apd"};
  std::vector<NamedNat> nats;
  for (std::size_t mapping = 0; mapping < kDegrees.size(); ++mapping) {
    for (std::size_t filtering = 0; filtering < kDegrees.size(); ++filtering) {
      NatBehavior behavior;
      behavior.mapping = kDegrees[mapping];
      behavior.filtering = kDegrees[filtering];
      behavior.ports = ports;
      nats.push_back({std::string{kShort[mapping]} + "/" + std::string{kShort[filtering]},
                      std::string{nat::to_string(behavior.mapping)} + " mapping, " +
                          std::string{nat::to_string(behavior.filtering)} + " filtering",
                      behavior});
    }
  }
  return nats;
}

Grid compute_grid(const std::vector<NamedNat>& nats, std::uint64_t seed, const PunchOptions& options) {
  Grid grid{seed, nats, {}};
  for (std::size_t a = 0; a < nats.size(); ++a) {
    for (std::size_t b = 0; b < nats.size(); ++b) {
      World world{mix64(grid.cells.size(), seed)};
      // By IPv6, which nothing translates, everybody meets everybody.
      const auto home_of = [&](std::size_t nat) { return HomeOptions{.nat = nats[nat].behavior, .has_ipv6 = false}; };
      Host& alice = world.add_home("home-a", home_of(a)).add_host("alice");
      Host& bob = world.add_home("home-b", home_of(b)).add_host("bob");
      RendezvousServer server{world.add_server("server")};
      GridCell cell{a, b, punch_hole(world, alice, bob, server, options), can_meet(nats[a].behavior, nats[b].behavior)};
      cell.digest = world.digest();
      grid.cells.push_back(cell);
    }
  }
  return grid;
}

}  // namespace vnet::sim
