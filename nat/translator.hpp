// Translator: a NAT and firewall for packets on their way out and in, for both families (RFC 4787, 5382, 5508, 7857).
//
// What goes out makes state, what comes in never does, except that it may wait (see HeldSyns): nobody outside can fill
// a table here. A packet that goes out finds the *mapping* of its inside endpoint, or makes one, and in it the
// *session* of its remote endpoint. A packet that comes in finds the mapping of its outside port, and is let in when
// the sessions say so: one with just this endpoint, or with this address, or none at all (Dependence). A mapping that
// is pinned lets everybody in. Errors of ICMP find the session that they are about by what they quote, change nothing
// in it, and come to nobody without one.
//
// A family goes one of four ways:
//   * untouched: routed, without a firewall;
//   * stateless: another address, ports as they are: one-to-one, and NPTv6 (RFC 6296) without a firewall;
//   * tracked: the same or no other address, and what comes in is filtered: the firewall of IPv6 (RFC 6092), and
//     one-to-one with a filter. A mapping here is an inside endpoint that has sent, for endpoint-independent filtering.
//     Protocols without ports are tracked by address and protocol. An echo request from outside is no exception;
//   * ports: NAPT, for IPv4 and NAT66. Only TCP, UDP and queries of ICMP have a port to be told apart by: echo, and of
//     IPv4 timestamp (RFC 5508, REQ-1).
//
// Nothing compares an inside address with an outside one: the direction of a packet is the caller's, so both realms may
// use the same addresses (RFC 4787, REQ-7). For a guest that sends to the outside address (hairpin, REQ-9) the caller
// takes what `outbound` made and gives it to `inbound`: it comes from the outside address and port, as from afar.
//
// A pinned mapping serves all that its endpoint sends, whatever the mapping depends on otherwise; only where a mapping
// for that destination is in use already, that stays. An endpoint with several pinned ports answers from the one that
// its peer came in through.
//
// Limits, so that a guest cannot take everything: mappings and sessions in all and of a host, and sessions of a
// mapping, where of UDP and queries the one least recently used makes room. Beyond, packets are dropped, as
// `nat_exhausted`.
//
// Not supported: more than one outside address.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "nat/behavior.hpp"
#include "nat/held_syns.hpp"
#include "nat/host_socket.hpp"
#include "nat/prefix_translation.hpp"
#include "nat/translation_table.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ip_address.hpp"
#include "packet/packet_editor.hpp"
#include "packet/random.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

struct TranslatorConfig {
  NatBehavior behavior;
  std::optional<Ipv4Address> outside4;  ///< none: IPv4 is not translated, whatever the behaviour says
  std::optional<Ipv6Address> outside6;  ///< of nat66; of nptv6 any address of the outside prefix, as long as the inside
  std::optional<Ipv4Prefix> inside4;
  std::optional<Ipv6Prefix> inside6;
  /// Of one2one. None: the first guest that sends something.
  std::optional<Ipv4Address> one_to_one_host;
};

/// What people see of a mapping.
struct MappingView {
  NatProtocol protocol{};
  Endpoint inside;
  Endpoint outside;
  std::optional<Endpoint> toward;  ///< what the mapping is for, as far as it depends on it; a port of 0: any
  bool pinned = false;             ///< asked for by a port-mapping protocol, or configured
  Instant expires = kNever;
  std::uint64_t bytes_out = 0;
  std::uint64_t bytes_in = 0;
  std::size_t sessions = 0;
};

struct TranslatorCounters {
  std::uint64_t created = 0;  ///< mappings
  std::uint64_t expired = 0;
  std::uint64_t filtered = 0;   ///< packets that came in for a mapping and were not let through
  std::uint64_t unmapped = 0;   ///< packets that came in for nobody
  std::uint64_t exhausted = 0;  ///< packets for which there was no mapping or port left
};

class Translator {
 public:
  static constexpr std::size_t kMaxMappings = 16'384;
  static constexpr std::size_t kMaxSessions = 65'536;
  static constexpr std::size_t kMaxMappingsPerHost = 8'192;  ///< RFC 6888, REQ-4

  static constexpr std::size_t kMaxSessionsPerHost = 32'768;
  static constexpr std::size_t kMaxSessionsPerMapping = 1'024;
  static constexpr std::size_t kMaxPinsPerEndpoint = 8;

  Translator(const TranslatorConfig& config, Random& random);

  /// Rewrites a packet on its way out or in; a reason: it goes no further. What is refused for want of room has
  /// `DropReason::nat_exhausted`, and its sender may be told (RFC 5508, REQ-8).
  [[nodiscard]] std::optional<DropReason> outbound(PacketEditor& packet, Instant now);
  [[nodiscard]] std::optional<DropReason> inbound(PacketEditor& packet, Instant now);

  /// SYNs from outside that nobody has asked for, and whose time to wait for a simultaneous open is over (RFC 5382,
  /// REQ-4): `tell` gets the beginning of each packet, as it came in.
  void expire(Instant now, const std::function<void(ByteView packet)>& tell);
  [[nodiscard]] Instant next_deadline() const noexcept;

  // Mappings that somebody asked for. They let everybody in, and stay until they are taken back.

  /// `port` is one of the outside address; where ports are not translated, that of `inside`. False: it is in use by
  /// another inside endpoint or rests after that (see TranslationTable), or a limit is reached.
  [[nodiscard]] bool pin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now);
  /// The mapping lives on as long as it is used. Of IPv4, or where that has none such, of NAT66.
  void unpin(NatProtocol protocol, std::uint16_t port, Instant now);
  /// The same for that of `inside`, of either family, with firewall or NAT. `at_once`: what uses it ends, and the port
  /// does not rest: for the administrator, who gives it to somebody else.
  void unpin(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now, bool at_once = false);
  /// Whether `port` could be pinned for `inside`.
  [[nodiscard]] bool is_free(NatProtocol protocol, std::uint16_t port, const Endpoint& inside, Instant now) const;

  /// Another configuration: what it would map or number otherwise is forgotten, pinned mappings stay where the outside
  /// address does.
  void reconfigure(const TranslatorConfig& config, Instant now);
  /// As after a loss of power: all mappings are gone.
  void clear();

  [[nodiscard]] const TranslatorConfig& config() const noexcept { return config_; }
  [[nodiscard]] const TranslatorCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }  ///< mappings
  [[nodiscard]] std::size_t sessions() const noexcept { return table_.session_count(); }
  /// What the table has allocated, in bytes.
  [[nodiscard]] std::size_t memory() const noexcept { return table_.memory(); }
  /// In no particular order.
  void each(const std::function<void(const MappingView&)>& see) const;
  /// Who inside has the session of the outside endpoint `outside` with `remote`, for whom a packet from there would be.
  /// Nothing: nobody has.
  [[nodiscard]] std::optional<Endpoint> inside_of(NatProtocol protocol, const Endpoint& outside,
                                                  const Endpoint& remote) const;

 private:
  enum class Way : std::uint8_t { untouched, stateless, tracked, ports };
  using Peer = TranslationTable::Peer;
  using Key = TranslationTable::Key;
  /// Whose a packet is, in the terms of the inside.
  struct Flow {
    NatProtocol protocol{};
    bool v6 = false;
    std::uint16_t port = 0;  ///< of an echo the identifier
    PackedAddress inside;
    Peer remote;
  };
  struct Found {
    Id mapping = kNone;
    Id session = kNone;
  };

  void settle();
  void sweep(Instant now);
  [[nodiscard]] Way way(bool v6) const noexcept { return v6 ? way6_ : way4_; }
  [[nodiscard]] IpAddress outside_address(bool v6) const noexcept;
  [[nodiscard]] bool is_outside(const IpAddress& address) const noexcept;
  /// The counterpart of an address where ports are not translated; none: it has none.
  [[nodiscard]] std::optional<IpAddress> outward(const IpAddress& inside) const noexcept;
  [[nodiscard]] std::optional<IpAddress> inward(const IpAddress& outside) const noexcept;
  void learn_host(const IpAddress& source) noexcept;

  [[nodiscard]] static Flow flow_out(const PacketEditor& packet) noexcept;
  [[nodiscard]] static Flow flow_in(const PacketEditor& packet) noexcept;
  [[nodiscard]] Key key_of(const Flow& flow, Dependence scope) const noexcept;
  [[nodiscard]] Dependence scope(bool v6) const noexcept;
  [[nodiscard]] Found find(const Flow& flow) const noexcept;
  [[nodiscard]] Found find_among(Id first, const Peer& remote) const noexcept;
  [[nodiscard]] Id find_living(Id first) const noexcept;
  [[nodiscard]] Id find_inbound(const Flow& flow) const noexcept;
  [[nodiscard]] bool lets_in(Id mapping, const Peer& remote) const noexcept;
  [[nodiscard]] Found open(const Flow& flow, Found found, Instant now);
  [[nodiscard]] Id open_mapping(const Flow& flow, Instant now);
  [[nodiscard]] std::optional<std::uint16_t> choose_port(const Flow& flow, Instant now);
  [[nodiscard]] std::optional<DropReason> track_outbound(PacketEditor& packet, const IpAddress& outside, Instant now);
  [[nodiscard]] std::optional<DropReason> track_inbound(PacketEditor& packet, Flow flow, Instant now);
  void refresh_inbound(const PacketEditor& packet, Id mapping, Id session, const Peer& remote, Instant now);
  void see_tcp(Id session, std::uint8_t flags, bool outbound, Instant now);
  [[nodiscard]] DropReason refuse(const PacketEditor& packet, DropReason reason, Instant now);

  [[nodiscard]] std::optional<DropReason> outbound_error(PacketEditor& packet);
  [[nodiscard]] std::optional<DropReason> inbound_error(PacketEditor& packet);

  [[nodiscard]] Id find_pinned(NatProtocol protocol, std::uint16_t port, const Endpoint& inside) const noexcept;
  [[nodiscard]] bool has_place_for_pin(const Key& key, std::uint16_t port) const noexcept;
  [[nodiscard]] Endpoint outside_of(const TranslationTable::Mapping& mapping) const noexcept;
  void forget(bool v6, bool pins_stay, bool rests, Instant now);

  TranslatorConfig config_;
  Random* random_;
  TranslationTable table_;
  HeldSyns held_;
  Way way4_ = Way::untouched;
  Way way6_ = Way::untouched;
  std::optional<PrefixTranslation> prefix_;  ///< of NPTv6
  std::optional<Ipv4Address> host_;          ///< of one-to-one
  bool pins_ = false;                        ///< there may be pinned mappings, or some that were
  TranslatorCounters counters_;
};

}  // namespace vnet::nat
