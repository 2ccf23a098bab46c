// PortMappings: the mappings that somebody has asked for, of one network: by NAT-PMP, PCP, UPnP IGD or the config.
//
// The protocols differ in how they ask; who may have what is decided here, once. A mapping is an outside port that
// stands for an endpoint inside. Who asks again for what it has keeps its port. A port that is taken is replaced by a
// free one of the same parity in the dynamic range, or refused where the request wants that port or none.
//
// Claims: each protocol renews and deletes what was made by it, PCP only with the mapping's nonce (RFC 6887, 11.3), and
// the config's mappings are no guest's to change. So a program that asks by several protocols at once, as many do, has
// one port with a mapping by each, which is pinned until the last of them ends.
//
// Whether ports are shared depends on the network, see PortSharing. Where every host has an outside address to itself,
// a mapping is a pinhole in a firewall: the outside port is the inside one.
//
// PCP's PEER makes mappings for one remote endpoint, and FILTER narrows one to some; both let in less than a pinned
// port does. Who passes packets in asks `admits`.
//
// The table drives `PortPins`, which the translator implements by an adapter, and tells of what happens through
// `OnChange`. Wiring: `expire` at `next_deadline`; `restart` when the network's outside address changes or its router
// is to look rebooted; `forget_guest` when a guest is gone for good.
//
// Limits: MappingLimits; at each of them a further mapping is refused. Descriptions are cut at kMaxDescription.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "nat/host_socket.hpp"
#include "nat/translator.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

enum class MappingOrigin : std::uint8_t { nat_pmp, pcp, upnp, config };

[[nodiscard]] constexpr std::string_view to_string(MappingOrigin origin) noexcept {
  switch (origin) {
    case MappingOrigin::nat_pmp: return "nat-pmp";
    case MappingOrigin::pcp: return "pcp";
    case MappingOrigin::upnp: return "upnp";
    case MappingOrigin::config: return "config";
  }
  return "unknown";
}

/// RFC 6887, 11.1: 96 bits that whoever changes a mapping must know.
using PcpNonce = std::array<std::uint8_t, 12>;

/// Who is let in through a mapping (RFC 6887, 13.3).
struct MappingFilter {
  IpPrefix from;
  std::uint16_t port = 0;  ///< 0: any

  bool operator==(const MappingFilter&) const noexcept = default;
  [[nodiscard]] bool admits(const Endpoint& remote) const noexcept;
};

struct PortMapping {
  MappingOrigin origin{};
  NatProtocol protocol{};
  Endpoint inside;
  std::uint16_t outside_port = 0;
  std::optional<Endpoint> peer;  ///< of PCP's PEER: the only one whom it lets in
  Instant expires = kNever;
  PcpNonce nonce{};
  std::vector<MappingFilter> filters;  ///< none: everybody is let in
  std::string description;

  bool operator==(const PortMapping&) const noexcept = default;
  /// Whole seconds, rounded up; 0 for what never ends.
  [[nodiscard]] std::uint32_t seconds_left(Instant now) const noexcept;
};

struct MappingChange {
  enum class Kind : std::uint8_t { created, renewed, deleted, expired };
  Kind kind{};
  const PortMapping& mapping;  ///< valid during the call
  Instant at{};
  std::string_view cause = {};  ///< for people, where the kind does not say it all; a literal
};

[[nodiscard]] constexpr std::string_view to_string(MappingChange::Kind kind) noexcept {
  switch (kind) {
    case MappingChange::Kind::created: return "created";
    case MappingChange::Kind::renewed: return "renewed";
    case MappingChange::Kind::deleted: return "deleted";
    case MappingChange::Kind::expired: return "expired";
  }
  return "unknown";
}

/// What mappings are made of. `inside` tells hosts apart where they do not share ports.
class PortPins {
 public:
  virtual ~PortPins() = default;
  /// False: the port is in use by another endpoint, or cannot stand for this one.
  [[nodiscard]] virtual bool pin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) = 0;
  virtual void unpin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) = 0;
  [[nodiscard]] virtual bool is_free(NatProtocol protocol, std::uint16_t port, const Endpoint& inside,
                                     Instant now) const = 0;
  /// The port that already stands for the endpoint, unpinned, whatever it talks to.
  [[nodiscard]] virtual std::optional<std::uint16_t> current_port(NatProtocol /*protocol*/, const Endpoint& /*inside*/,
                                                                  Instant /*now*/) const {
    return std::nullopt;
  }
  /// The address by which the outside knows a host: that of the router, also behind a carrier's NAT, or the host's own
  /// where it is not translated. Nothing: the network has none now.
  [[nodiscard]] virtual std::optional<IpAddress> outside_of(const IpAddress& inside) const = 0;
};

enum class PortSharing : std::uint8_t {
  shared,    ///< all hosts have one outside address: NAT44, NAT66
  own,       ///< each host has one to itself: routed networks with or without a firewall, NPTv6
  one_host,  ///< one host has the network's outside address with all of its ports, the others have none (one2one)
};

struct MappingLimits {
  std::size_t in_all = 1024;
  std::size_t per_guest = 128;  ///< those of the config do not count
  std::size_t filters = 16;     ///< of one mapping

  bool operator==(const MappingLimits&) const noexcept = default;
};

struct PortMappingsConfig {
  PortSharing ipv4 = PortSharing::shared;
  PortSharing ipv6 = PortSharing::own;
  std::optional<Ipv4Address> one_to_one_host;  ///< none: whom PortPins lets have a port
  std::optional<Ipv4Prefix> inside4;           ///< the gateway's address with the length of the network's prefix
  std::optional<Ipv6Prefix> inside6;
  MappingLimits limits{};

  bool operator==(const PortMappingsConfig&) const noexcept = default;
};

/// What a translator's behaviour means for mappings. Its inside prefixes must be those of the gateway's addresses.
[[nodiscard]] constexpr PortMappingsConfig mappings_behind(const TranslatorConfig& translator) noexcept {
  PortMappingsConfig config;
  if (!translator.behavior.translates || !translator.outside4) {
    config.ipv4 = PortSharing::own;
  } else if (translator.behavior.one_to_one) {
    config.ipv4 = PortSharing::one_host;
    config.one_to_one_host = translator.one_to_one_host;
  }
  if (translator.behavior.ipv6 == Ipv6Way::nat66) config.ipv6 = PortSharing::shared;
  config.inside4 = translator.inside4;
  config.inside6 = translator.inside6;
  return config;
}

/// Why there is no mapping.
enum class MappingError : std::uint8_t {
  not_authorized,    ///< not this guest's to have or to change
  port_taken,        ///< the one port that would do
  guest_full,        ///< the guest has as many as it may
  full,              ///< there is no room, or no port left
  too_many_filters,  ///< see MappingLimits
  no_address,        ///< the network has no outside address
};

/// Who asks: in whose name a mapping may be changed.
struct MappingClaim {
  MappingOrigin origin{};
  PcpNonce nonce{};
};

struct MappingRequest {
  MappingClaim claim;
  NatProtocol protocol{};  ///< tcp or udp
  Endpoint inside;
  std::optional<Endpoint> peer{};
  std::uint16_t suggested = 0;  ///< 0: no wish
  bool exact = false;           ///< that port or none
  bool by_port = false;         ///< the outside port is what names the mapping (UPnP), not the endpoint inside
  Instant expires = kNever;
  bool clear_filters = false;
  std::vector<MappingFilter> filters{};  ///< added to those that the mapping has
  std::string_view description{};
};

class PortMappings {
 public:
  /// Where ports are taken from that nobody asked for: the dynamic ones of RFC 6335.
  static constexpr std::uint16_t kFirstDynamicPort = 49'152;
  static constexpr std::size_t kMaxDescription = 128;

  /// Must not call back into the table.
  using OnChange = std::function<void(const MappingChange&)>;
  using Granted = Result<const PortMapping*, MappingError>;

  /// `pins` outlives this. `epoch`: seconds since the table last lost its state, where it has lived before.
  PortMappings(const PortMappingsConfig& config, PortPins& pins, OnChange on_change, Instant now,
               std::uint32_t epoch = 0);

  /// Makes or renews. The mapping is valid until the next call that is not const.
  [[nodiscard]] Granted grant(const MappingRequest& request, Instant now);
  /// The error: the mapping is not the claimant's. `mapping` is one of this table's.
  Result<void, MappingError> remove(const PortMapping& mapping, const MappingClaim& claim, Instant now);
  /// All of a guest's of that origin, and of that nonce where it is PCP's. Without a protocol: of both.
  void remove_all(const IpAddress& guest, const MappingClaim& claim, std::optional<NatProtocol> protocol, Instant now);
  /// The guest is gone; so are its mappings but those of the config.
  void forget_guest(const IpAddress& guest, Instant now);
  /// As after a reboot: mappings but those of the config are gone, and the epoch begins again.
  void restart(Instant now);
  /// Another configuration; where it changes what ports mean, it is a restart.
  void reconfigure(const PortMappingsConfig& config, Instant now);
  /// Takes a mapping from before a restart of the process; makes no event. False: it does not fit.
  bool restore(const PortMapping& mapping, Instant now);

  /// May be earlier than necessary, never later.
  [[nodiscard]] Instant next_deadline() const noexcept { return deadline_; }
  void expire(Instant now);

  /// That origin's of an endpoint inside, whatever its outside port; with `peer`, that of PEER.
  [[nodiscard]] const PortMapping* find(MappingOrigin origin, NatProtocol protocol, const Endpoint& inside,
                                        const std::optional<Endpoint>& peer = std::nullopt) const;
  /// Whom an outside port stands for, by UPnP rather than by others. Where ports are not shared: of `guest`, who asks.
  [[nodiscard]] const PortMapping* find_outside(NatProtocol protocol, std::uint16_t port, const IpAddress& guest) const;
  /// Whether a packet from outside may use the pinned port; true where there is no mapping to ask.
  [[nodiscard]] bool admits(NatProtocol protocol, std::uint16_t outside_port, const Endpoint& inside,
                            const Endpoint& remote) const;

  [[nodiscard]] std::uint32_t epoch(Instant now) const noexcept;
  /// How often the state was lost, with the beginning where that is one: whoever announces it compares.
  [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
  /// Whether the address may be a guest's here.
  [[nodiscard]] bool is_inside(const IpAddress& address) const noexcept;
  [[nodiscard]] std::optional<IpAddress> outside_of(const IpAddress& inside) const { return pins_.outside_of(inside); }
  [[nodiscard]] const PortMappingsConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
  /// By inside address, protocol, inside port.
  void each(const std::function<void(const PortMapping&)>& see) const;

 private:
  /// Ordered so that what belongs to a guest, and to an endpoint of it, stands together.
  struct Key {
    IpAddress guest;
    NatProtocol protocol{};
    std::uint16_t port = 0;
    std::uint16_t outside_port = 0;
    MappingOrigin origin{};
    bool has_peer = false;
    IpAddress peer{};
    std::uint16_t peer_port = 0;
    auto operator<=>(const Key&) const noexcept = default;
  };
  using Rows = std::map<Key, PortMapping>;
  /// IPv6 or not, protocol, outside port.
  using OutsideKey = std::tuple<bool, NatProtocol, std::uint16_t>;

  [[nodiscard]] static Key key_of(const PortMapping& mapping);
  [[nodiscard]] PortSharing sharing_of(const IpAddress& inside) const noexcept;
  [[nodiscard]] Result<void, MappingError> check_guest(const MappingRequest& request) const;
  [[nodiscard]] bool may_change(const PortMapping& mapping, const MappingClaim& claim) const noexcept;
  [[nodiscard]] Rows::iterator existing_for(const MappingRequest& request);
  /// Where an endpoint's mappings begin, from that outside port on, and whether `at` is still one of them.
  [[nodiscard]] Rows::const_iterator first_of(NatProtocol protocol, const Endpoint& inside,
                                              std::uint16_t outside_port = 0) const;
  [[nodiscard]] bool is_of(Rows::const_iterator at, NatProtocol protocol, const Endpoint& inside) const;
  [[nodiscard]] Granted renew(PortMapping& mapping, const MappingRequest& request, Instant now);
  [[nodiscard]] Granted create(const MappingRequest& request, Instant now);
  [[nodiscard]] Result<std::uint16_t, MappingError> take_port(const MappingRequest& request, Instant now);
  [[nodiscard]] bool try_port(const MappingRequest& request, std::uint16_t port, Instant now);
  [[nodiscard]] bool is_reserved(const MappingRequest& request, std::uint16_t port) const;
  [[nodiscard]] bool has_pin(NatProtocol protocol, const Endpoint& inside, std::uint16_t port) const;
  [[nodiscard]] std::size_t count_of(const IpAddress& guest) const;
  [[nodiscard]] bool add_filters(PortMapping& mapping, const MappingRequest& request) const;
  Rows::iterator erase(Rows::iterator at, MappingChange::Kind kind, std::string_view cause, Instant now);
  void erase_if(const std::function<bool(const PortMapping&)>& over, MappingChange::Kind kind, std::string_view cause,
                Instant now);
  void tell(MappingChange::Kind kind, const PortMapping& mapping, Instant now, std::string_view cause = {}) const;

  PortMappingsConfig config_;
  PortPins& pins_;
  OnChange on_change_;
  Rows rows_;
  std::map<OutsideKey, Endpoint> outside_;  ///< whom ports that are shared stand for
  Instant deadline_ = kNever;
  Instant began_;  ///< of the epoch, less `carried_`
  std::uint32_t carried_ = 0;
  std::uint64_t restarts_;
};

}  // namespace vnet::nat
