// PortControl: what listens at UDP port 5351 of a gateway. NAT-PMP and PCP share it, and the first byte says which is
// meant: version 0 is NAT-PMP, and everything else is PCP's to answer, if only by "my version is 2" (RFC 6887, 9 and
// appendix A). Where one of them is switched off, the other says so in its own words.
//
// Only hosts inside are answered: a request from elsewhere is dropped without a word (RFC 6886, 3.1).
//
// When the table has lost its state, clients are told by multicast, ten times at growing distances (RFC 6886, 3.2.1;
// RFC 6887, 14.1.2), so that they ask for their mappings again; also when the table begins without a past.
//
// Wiring: UDP datagrams for port 5351 of the gateway's own addresses go to `handle`, and the answer goes back to where
// the datagram came from; `expire` at `next_deadline`, and what it sends goes out from port 5351 of the gateway's
// address of the same family.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>

#include "nat/host_socket.hpp"
#include "nat/nat_pmp.hpp"
#include "nat/pcp.hpp"
#include "nat/port_mappings.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

struct PortControlConfig {
  bool nat_pmp = true;
  bool pcp = true;
  bool third_party = false;  ///< PCP's THIRD_PARTY: guests may map for others
};

class PortControl {
 public:
  static constexpr std::uint16_t kServerPort = 5351;
  static constexpr std::uint16_t kClientPort = 5350;
  static constexpr int kAnnouncements = 10;
  static constexpr Duration kFirstInterval = std::chrono::milliseconds{250};  ///< the next one is twice as long

  using Send = std::function<void(const Endpoint& to, ByteView payload)>;

  /// The reference outlives this.
  PortControl(const PortControlConfig& config, PortMappings& mappings)
      : config_(config), mappings_(mappings), nat_pmp_(mappings), pcp_(mappings, config.third_party) {}

  /// The answer, valid until the next call; empty: there is none.
  [[nodiscard]] ByteView handle(const Endpoint& from, ByteView request, Instant now);

  /// `third_party` stays as it was.
  void reconfigure(const PortControlConfig& config) noexcept { config_ = config; }

  [[nodiscard]] Instant next_deadline() const noexcept;
  void expire(Instant now, const Send& send);

 private:
  void announce(Instant now, const Send& send);

  PortControlConfig config_;
  PortMappings& mappings_;
  NatPmp nat_pmp_;
  Pcp pcp_;
  std::array<std::uint8_t, Pcp::kMaxMessage> answer_{};
  std::uint64_t announced_restarts_ = 0;  ///< of the table, see `PortMappings::restarts`
  int announcements_left_ = 0;
  Duration interval_{};
  Instant next_announcement_ = kNever;
};

}  // namespace vnet::nat
