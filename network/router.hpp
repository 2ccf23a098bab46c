// Router: the way out of one realm of addresses into the next.
//
// A home's router joins its network to the internet; a carrier's joins the homes behind it. Each has outside addresses
// in the realm beyond, a translator between both sides, and a table of who is inside besides the guests: the routers
// that stand behind it. What a router knows of the network itself, where its guests are, it asks a `Lan`.
//
// A packet for a guest whose MAC address nobody knows is held while the gateway asks for it (RFC 1122, 2.3.2.2).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "nat/egress.hpp"
#include "nat/reassembly.hpp"
#include "nat/translator.hpp"
#include "network/config.hpp"
#include "network/port_mapper.hpp"
#include "network/route_table.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::network {

/// The network inside a router.
class Lan {
 public:
  virtual ~Lan() = default;
  [[nodiscard]] virtual const NetworkConfig& settings() const = 0;
  /// Nothing: nobody knows where that address is, or its NIC is down.
  [[nodiscard]] virtual std::optional<MacAddress> station(const IpAddress& guest) const = 0;
  /// Has the gateway ask for the guest.
  virtual void ask_for(const IpAddress& guest) = 0;
  /// By which guests ask for port mappings; null: they cannot.
  virtual void set_mapper(PortMapper* mapper) = 0;
  /// Sends a datagram from the gateway's own address: to a group, or to a guest that it has heard.
  virtual void send_udp(std::uint16_t from_port, const nat::Endpoint& to, ByteView payload) = 0;
  /// Null: the network has no way to the host.
  [[nodiscard]] virtual nat::Egress* way_out() = 0;
};

/// A packet for a guest that is asked for.
struct HeldPacket {
  std::vector<std::uint8_t> packet;
  IpAddress to;
  Instant ask_again{};
  Instant until{};
  bool cut = false;  ///< it came in fragments, so it may leave in fragments
};

struct Router {
  static constexpr std::size_t kMaxHeld = 64;
  static constexpr Duration kAskEvery = std::chrono::seconds{1};
  static constexpr Duration kHold = std::chrono::seconds{3};

  Router(const nat::TranslatorConfig& config, Random& random)
      : translator(config, random), reassembler(SipHashKey{random.next(), random.next()}) {}

  [[nodiscard]] const std::optional<Ipv4Address>& outside4() const noexcept { return translator.config().outside4; }
  [[nodiscard]] const std::optional<Ipv6Address>& outside6() const noexcept { return translator.config().outside6; }
  /// Its own address in the realm beyond, of the family of `like`.
  [[nodiscard]] std::optional<IpAddress> outside(const IpAddress& like) const {
    if (is_v4(like)) {
      if (outside4()) return *outside4();
    } else if (outside6()) {
      return *outside6();
    }
    return std::nullopt;
  }

  nat::Translator translator;
  Router* beyond = nullptr;  ///< the router that it stands behind; null: the internet
  Lan* lan = nullptr;        ///< null: a carrier's
  std::size_t network = 0;   ///< the network's index, where there is a `lan`
  RouteTable<Router*> inside;
  std::unique_ptr<Router> carrier;     ///< of a network that has one to itself
  std::unique_ptr<PortMapper> mapper;  ///< null: guests cannot ask for mappings
  nat::Reassembler reassembler;
  std::vector<IpPrefix> blackhole;
  std::deque<HeldPacket> held;
  std::vector<ByteView> frames;  ///< for the network, until they are taken
  bool touched = false;          ///< the network has something to do: frames, or a guest to ask for
  DropCounters drops;            ///< what came from outside and went no further
};

}  // namespace vnet::network
