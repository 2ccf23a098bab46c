// What the gateway says of itself as a UPnP Internet Gateway Device, version 1: its names, and the documents in which a
// control point reads what it has and what it can.
//
//   InternetGatewayDevice            Layer3Forwarding            which connection is the default one
//     WANDevice                      WANCommonInterfaceConfig    the line: its kind, what has gone over it
//       WANConnectionDevice          WANIPConnection             the outside address and the mappings
//
// The service descriptions list what is served and nothing more. Nothing is evented: the event URLs are empty, so that
// nobody subscribes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::network {

struct UpnpConfig {
  Ipv4Prefix gateway;         ///< its address, with the length of the network's prefix
  std::uint16_t port = 5000;  ///< TCP, for descriptions and control
  MacAddress mac;             ///< of the gateway; makes the device's name unique, and the same after a restart
  std::string name = "vnet";  ///< for people
};

inline constexpr std::string_view kUpnpServer = "Linux UPnP/1.0 vnet/0.1";
inline constexpr std::string_view kRootDescription = "/rootDesc.xml";

enum class UpnpDevice : std::uint8_t { gateway, wan, connection };
enum class UpnpService : std::uint8_t { layer3_forwarding, common_interface, ip_connection };

inline constexpr std::array kUpnpDevices = {UpnpDevice::gateway, UpnpDevice::wan, UpnpDevice::connection};

struct UpnpArgument {
  std::string_view name;
  bool out = false;
  std::string_view variable;  ///< the state variable whose type it has
};
struct UpnpAction {
  std::string_view name;
  std::span<const UpnpArgument> arguments;
};
struct UpnpServiceInfo {
  UpnpService service{};
  UpnpDevice device{};    ///< that has it
  std::string_view type;  ///< urn:schemas-upnp-org:service:...
  std::string_view id;
  std::string_view description;  ///< path of its description
  std::string_view control;      ///< path of its control
  std::span<const UpnpAction> actions;
};

[[nodiscard]] std::span<const UpnpServiceInfo> upnp_services() noexcept;
[[nodiscard]] const UpnpServiceInfo& info(UpnpService service) noexcept;

[[nodiscard]] std::string_view type_of(UpnpDevice device) noexcept;
/// `uuid:` and the rest.
[[nodiscard]] std::string name_of(UpnpDevice device, const MacAddress& mac);
/// Where the root description is.
[[nodiscard]] std::string location_of(const UpnpConfig& config);

[[nodiscard]] std::string root_description(const UpnpConfig& config);
[[nodiscard]] std::string service_description(const UpnpServiceInfo& service);

}  // namespace vnet::network
