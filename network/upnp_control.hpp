// The actions of the gateway's UPnP services, on the network's table of mappings: a SOAP call in, the answer's document
// out.
//
// UPnP has no idea of who may do what. Here a guest maps to itself alone: another InternalClient is refused with 606.
// Of real routers, the older let anybody open ports toward anybody; miniupnpd in its secure mode refuses with 718,
// which says that the port is taken, so that clients go on and try all others.
//
// A mapping of RemoteHost other than "anybody" is refused (726), as the standard allows; a lease of 0 has no end. Where
// hosts do not share ports, the outside port must be the inside one (724). All mappings of the network can be seen,
// also those by NAT-PMP, PCP and the config; changed are a guest's own by UPnP.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "nat/port_mappings.hpp"
#include "network/upnp_description.hpp"
#include "network/upnp_xml.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::network {

/// What has gone over the line to the outside.
struct UpnpTraffic {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_received = 0;
};

/// UPnP Device Architecture 1.0, 3.2.2, and WANIPConnection:1, 2.4.
enum class UpnpError : std::uint16_t {
  invalid_action = 401,
  invalid_args = 402,
  action_failed = 501,
  not_authorized = 606,
  no_such_index = 713,
  no_such_entry = 714,
  wildcard_in_external_port = 716,
  conflict = 718,
  same_port_required = 724,
  only_any_remote_host = 726,
};

[[nodiscard]] std::string_view to_string(UpnpError error) noexcept;

class UpnpControl {
 public:
  using Traffic = std::function<UpnpTraffic()>;

  /// The reference outlives this. Without `traffic`, nothing is said to have gone.
  UpnpControl(const UpnpConfig& config, nat::PortMappings& mappings, Traffic traffic)
      : config_(config), mappings_(mappings), traffic_(std::move(traffic)) {}

  /// The envelope of the answer; of the error, `fault`.
  [[nodiscard]] Result<std::string, UpnpError> call(UpnpService service, const SoapCall& call, Ipv4Address guest,
                                                    Instant now);
  /// The envelope of a refusal.
  [[nodiscard]] static std::string fault(UpnpError error);

 private:
  /// The values of an action's out arguments, in their order.
  using Values = Result<std::vector<std::string>, UpnpError>;

  [[nodiscard]] Values run(std::string_view action, const SoapCall& call, Ipv4Address guest, Instant now);
  [[nodiscard]] Values get_traffic(std::string_view action) const;
  [[nodiscard]] Values get_status(Ipv4Address guest, Instant now) const;
  [[nodiscard]] Values get_address(Ipv4Address guest) const;
  [[nodiscard]] Values get_generic_entry(const SoapCall& call, Instant now) const;
  [[nodiscard]] Values get_specific_entry(const SoapCall& call, Ipv4Address guest, Instant now) const;
  [[nodiscard]] Values add(const SoapCall& call, Ipv4Address guest, Instant now);
  [[nodiscard]] Values remove(const SoapCall& call, Ipv4Address guest, Instant now);
  [[nodiscard]] std::optional<UpnpError> make_way(const nat::MappingRequest& request, Instant now);

  UpnpConfig config_;
  nat::PortMappings& mappings_;
  Traffic traffic_;
};

}  // namespace vnet::network
