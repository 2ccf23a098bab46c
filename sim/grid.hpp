// The grid: which NATs meet which. Every kind against every kind, each pair in a world of its own, by hole punching;
// and beside each result what theory says.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nat/behavior.hpp"
#include "sim/hole_punch.hpp"

namespace vnet::sim {

/// Whether two clients behind NATs of their own meet by UDP without a relay, by mapping and filtering alone.
///
/// Let S be the server that both have asked who they are, and m(X) the outside endpoint by which m's client is seen
/// from X. What the clients are told is a(S) and b(S). A pair is good when a sends to b(a's endpoint) from a(b's
/// endpoint) and the other way round, each endpoint being the one that the other sees: so both must come to know both.
///
/// * Both map independently of the destination: a(S) and b(S) are the pair. Each client's first packet opens its own
///   NAT for the other's, whatever it filters by. They meet.
/// * One does, a say; b does not. b's packets come to a(S), which is right, from b(a), which nobody has told a. a has
///   sent to b(S), the same address with another port: a's filter lets them in unless it depends on the port as well.
///   Then a answers to where they came from, and that is the pair. Else it will never know: b's own filter is of no
///   help, because whatever a sends to b(S) tells b nothing new.
/// * Neither does. The first packet to get in has to do so at a(S) or b(S), mappings that were made for the server and
///   have only ever sent to it: that one's filter must be independent. The answer comes to the other from a third
///   endpoint, of the right address and another port, so the other's filter must not depend on the port. From then on
///   each answers to where the last packet came from. Where one of them maps by address only, its endpoint stays the
///   same, and that and the other's towards it are the pair. Where both map by port, every answer comes from yet
///   another port, and no two packets are of one pair.
///
/// A NAT behind a carrier's is as strict as the stricter of both. NATs without translation, or for one host, map
/// independently. Not in it: predicting ports, hairpinning (both behind one NAT), IPv6.
[[nodiscard]] bool can_meet(const nat::NatBehavior& a, const nat::NatBehavior& b) noexcept;

struct NamedNat {
  std::string name;
  std::string meaning;
  nat::NatBehavior behavior;
};

struct GridCell {
  std::size_t a = 0;  ///< index into the grid's NATs
  std::size_t b = 0;
  PunchResult result;
  bool expected_direct = false;
  std::uint64_t digest = 0;  ///< of the cell's world

  [[nodiscard]] Path expected() const noexcept { return expected_direct ? Path::direct : Path::relayed; }
  [[nodiscard]] bool agrees() const noexcept { return result.path == expected(); }
};

struct Grid {
  std::uint64_t seed = 0;
  std::vector<NamedNat> nats;
  std::vector<GridCell> cells;  ///< row after row: a is the row

  [[nodiscard]] const GridCell& at(std::size_t a, std::size_t b) const { return cells[a * nats.size() + b]; }
  /// How many cells contradict theory.
  [[nodiscard]] std::size_t contradictions() const;
};

/// The presets, in their order.
[[nodiscard]] std::vector<NamedNat> preset_nats();
/// The nine combinations of mapping and filtering, with ports chosen by `ports`.
[[nodiscard]] std::vector<NamedNat> all_combinations(nat::PortChoice ports = nat::PortChoice::random);

[[nodiscard]] Grid compute_grid(const std::vector<NamedNat>& nats, std::uint64_t seed,
                                const PunchOptions& options = {});

}  // namespace vnet::sim
