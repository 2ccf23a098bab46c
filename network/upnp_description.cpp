#include "network/upnp_description.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "network/upnp_xml.hpp"

namespace vnet::network {
namespace {

constexpr UpnpArgument in(std::string_view name, std::string_view variable) { return {name, false, variable}; }
constexpr UpnpArgument out(std::string_view name, std::string_view variable) { return {name, true, variable}; }

// --- Layer3Forwarding:1

constexpr std::array kGetDefaultConnectionService = {
    out("NewDefaultConnectionService", "DefaultConnectionService"),
};
constexpr std::array kLayer3Actions = {
    UpnpAction{"GetDefaultConnectionService", kGetDefaultConnectionService},
};

// --- WANCommonInterfaceConfig:1

constexpr std::array kGetCommonLinkProperties = {
    out("NewWANAccessType", "WANAccessType"),
    out("NewLayer1UpstreamMaxBitRate", "Layer1UpstreamMaxBitRate"),
    out("NewLayer1DownstreamMaxBitRate", "Layer1DownstreamMaxBitRate"),
    out("NewPhysicalLinkStatus", "PhysicalLinkStatus"),
};
constexpr std::array kGetTotalBytesSent = {out("NewTotalBytesSent", "TotalBytesSent")};
constexpr std::array kGetTotalBytesReceived = {out("NewTotalBytesReceived", "TotalBytesReceived")};
constexpr std::array kGetTotalPacketsSent = {out("NewTotalPacketsSent", "TotalPacketsSent")};
constexpr std::array kGetTotalPacketsReceived = {out("NewTotalPacketsReceived", "TotalPacketsReceived")};
constexpr std::array kCommonActions = {
    UpnpAction{"GetCommonLinkProperties", kGetCommonLinkProperties},
    UpnpAction{"GetTotalBytesSent", kGetTotalBytesSent},
    UpnpAction{"GetTotalBytesReceived", kGetTotalBytesReceived},
    UpnpAction{"GetTotalPacketsSent", kGetTotalPacketsSent},
    UpnpAction{"GetTotalPacketsReceived", kGetTotalPacketsReceived},
};

// --- WANIPConnection:1

constexpr std::array kGetConnectionTypeInfo = {
    out("NewConnectionType", "ConnectionType"),
    out("NewPossibleConnectionTypes", "PossibleConnectionTypes"),
};
constexpr std::array kGetStatusInfo = {
    out("NewConnectionStatus", "ConnectionStatus"),
    out("NewLastConnectionError", "LastConnectionError"),
    out("NewUptime", "Uptime"),
};
constexpr std::array kGetNatRsipStatus = {out("NewRSIPAvailable", "RSIPAvailable"), out("NewNATEnabled", "NATEnabled")};
constexpr std::array kGetExternalIpAddress = {out("NewExternalIPAddress", "ExternalIPAddress")};
constexpr std::array kGetGenericPortMappingEntry = {
    in("NewPortMappingIndex", "PortMappingNumberOfEntries"),
    out("NewRemoteHost", "RemoteHost"),
    out("NewExternalPort", "ExternalPort"),
    out("NewProtocol", "PortMappingProtocol"),
    out("NewInternalPort", "InternalPort"),
    out("NewInternalClient", "InternalClient"),
    out("NewEnabled", "PortMappingEnabled"),
    out("NewPortMappingDescription", "PortMappingDescription"),
    out("NewLeaseDuration", "PortMappingLeaseDuration"),
};
constexpr std::array kGetSpecificPortMappingEntry = {
    in("NewRemoteHost", "RemoteHost"),
    in("NewExternalPort", "ExternalPort"),
    in("NewProtocol", "PortMappingProtocol"),
    out("NewInternalPort", "InternalPort"),
    out("NewInternalClient", "InternalClient"),
    out("NewEnabled", "PortMappingEnabled"),
    out("NewPortMappingDescription", "PortMappingDescription"),
    out("NewLeaseDuration", "PortMappingLeaseDuration"),
};
constexpr std::array kAddPortMapping = {
    in("NewRemoteHost", "RemoteHost"),
    in("NewExternalPort", "ExternalPort"),
    in("NewProtocol", "PortMappingProtocol"),
    in("NewInternalPort", "InternalPort"),
    in("NewInternalClient", "InternalClient"),
    in("NewEnabled", "PortMappingEnabled"),
    in("NewPortMappingDescription", "PortMappingDescription"),
    in("NewLeaseDuration", "PortMappingLeaseDuration"),
};
constexpr std::array kDeletePortMapping = {
    in("NewRemoteHost", "RemoteHost"),
    in("NewExternalPort", "ExternalPort"),
    in("NewProtocol", "PortMappingProtocol"),
};
constexpr std::array kConnectionActions = {
    UpnpAction{"GetConnectionTypeInfo", kGetConnectionTypeInfo},
    UpnpAction{"GetStatusInfo", kGetStatusInfo},
    UpnpAction{"GetNATRSIPStatus", kGetNatRsipStatus},
    UpnpAction{"GetExternalIPAddress", kGetExternalIpAddress},
    UpnpAction{"GetGenericPortMappingEntry", kGetGenericPortMappingEntry},
    UpnpAction{"GetSpecificPortMappingEntry", kGetSpecificPortMappingEntry},
    UpnpAction{"AddPortMapping", kAddPortMapping},
    UpnpAction{"DeletePortMapping", kDeletePortMapping},
};

constexpr std::array kServices = {
    UpnpServiceInfo{UpnpService::layer3_forwarding, UpnpDevice::gateway,
                    "urn:schemas-upnp-org:service:Layer3Forwarding:1", "urn:upnp-org:serviceId:L3Forwarding1",
                    "/L3F.xml", "/ctl/L3F", kLayer3Actions},
    UpnpServiceInfo{UpnpService::common_interface, UpnpDevice::wan,
                    "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1", "urn:upnp-org:serviceId:WANCommonIFC1",
                    "/WANCfg.xml", "/ctl/CmnIfCfg", kCommonActions},
    UpnpServiceInfo{UpnpService::ip_connection, UpnpDevice::connection,
                    "urn:schemas-upnp-org:service:WANIPConnection:1", "urn:upnp-org:serviceId:WANIPConn1",
                    "/WANIPCn.xml", "/ctl/IPConn", kConnectionActions},
};

/// What is no string.
std::string_view data_type(std::string_view variable) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kTypes = {{
      {"Layer1UpstreamMaxBitRate", "ui4"},
      {"Layer1DownstreamMaxBitRate", "ui4"},
      {"TotalBytesSent", "ui4"},
      {"TotalBytesReceived", "ui4"},
      {"TotalPacketsSent", "ui4"},
      {"TotalPacketsReceived", "ui4"},
      {"Uptime", "ui4"},
      {"RSIPAvailable", "boolean"},
      {"NATEnabled", "boolean"},
      {"PortMappingNumberOfEntries", "ui2"},
      {"ExternalPort", "ui2"},
      {"InternalPort", "ui2"},
      {"PortMappingEnabled", "boolean"},
      {"PortMappingLeaseDuration", "ui4"},
  }};
  const auto found = std::ranges::find(kTypes, variable, [](const auto& of) { return of.first; });
  return found == kTypes.end() ? "string" : found->second;
}

std::span<const std::string_view> allowed_values(std::string_view variable) {
  static constexpr std::array<std::string_view, 2> kProtocols = {"TCP", "UDP"};
  static constexpr std::array<std::string_view, 5> kAccess = {"DSL", "POTS", "Cable", "Ethernet", "Other"};
  static constexpr std::array<std::string_view, 2> kLink = {"Up", "Down"};
  static constexpr std::array<std::string_view, 2> kStatus = {"Connected", "Disconnected"};
  static constexpr std::array<std::string_view, 1> kError = {"ERROR_NONE"};
  static constexpr std::array<std::string_view, 1> kType = {"IP_Routed"};
  if (variable == "PortMappingProtocol") return kProtocols;
  if (variable == "WANAccessType") return kAccess;
  if (variable == "PhysicalLinkStatus") return kLink;
  if (variable == "ConnectionStatus") return kStatus;
  if (variable == "LastConnectionError") return kError;
  if (variable == "PossibleConnectionTypes") return kType;
  return {};
}

std::string element(std::string_view name, std::string_view content) {
  std::string text = "<";
  text += name;
  text += '>';
  text += content;
  text += "</";
  text += name;
  return text += '>';
}

std::string service_list(UpnpDevice device) {
  std::string list;
  for (const UpnpServiceInfo& service : kServices) {
    if (service.device != device) continue;
    list += element("service", element("serviceType", service.type) + element("serviceId", service.id) +
                                   element("SCPDURL", service.description) + element("controlURL", service.control) +
                                   element("eventSubURL", ""));
  }
  return element("serviceList", list);
}

std::string device(const UpnpConfig& config, UpnpDevice which, std::string_view inner) {
  std::string text = element("deviceType", type_of(which));
  text += element("friendlyName", xml_escape(config.name));
  text += element("manufacturer", "vnet") + element("modelDescription", "userspace virtual network switch");
  text += element("modelName", "vnet") + element("modelNumber", "1") + element("UDN", name_of(which, config.mac));
  text += service_list(which);
  if (!inner.empty()) text += element("deviceList", inner);
  if (which == UpnpDevice::gateway) text += element("presentationURL", "");
  return element("device", text);
}

constexpr std::string_view kDeclaration = "<?xml version=\"1.0\"?>\r\n";
constexpr std::string_view kVersion = "<specVersion><major>1</major><minor>0</minor></specVersion>";

}  // namespace

std::span<const UpnpServiceInfo> upnp_services() noexcept { return kServices; }

const UpnpServiceInfo& info(UpnpService service) noexcept { return kServices[static_cast<std::size_t>(service)]; }

std::string_view type_of(UpnpDevice device) noexcept {
  switch (device) {
    case UpnpDevice::gateway: return "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    case UpnpDevice::wan: return "urn:schemas-upnp-org:device:WANDevice:1";
    case UpnpDevice::connection: return "urn:schemas-upnp-org:device:WANConnectionDevice:1";
  }
  return {};
}

std::string name_of(UpnpDevice device, const MacAddress& mac) {
  // As RFC 4122's version 1 has it: the node is the MAC address. "vnet", and one for each device, in place of the time.
  std::string node = mac.to_string();
  std::erase(node, ':');
  return "uuid:766e6574-000" + std::to_string(static_cast<unsigned>(device)) + "-1000-8000-" + node;
}

std::string location_of(const UpnpConfig& config) {
  std::string text = "http://" + config.gateway.address.to_string() + ':' + std::to_string(config.port);
  return text += kRootDescription;
}

std::string root_description(const UpnpConfig& config) {
  const std::string connection = device(config, UpnpDevice::connection, {});
  const std::string wan = device(config, UpnpDevice::wan, connection);
  std::string text{kDeclaration};
  text += "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">";
  text += kVersion;
  text += device(config, UpnpDevice::gateway, wan);
  return text += "</root>\r\n";
}

std::string service_description(const UpnpServiceInfo& service) {
  std::string actions;
  std::vector<std::string_view> variables;
  for (const UpnpAction& action : service.actions) {
    std::string arguments;
    for (const UpnpArgument& argument : action.arguments) {
      arguments +=
          element("argument", element("name", argument.name) + element("direction", argument.out ? "out" : "in") +
                                  element("relatedStateVariable", argument.variable));
      if (std::ranges::find(variables, argument.variable) == variables.end()) variables.push_back(argument.variable);
    }
    actions += element("action", element("name", action.name) + element("argumentList", arguments));
  }
  std::string table;
  for (const std::string_view variable : variables) {
    std::string text = element("name", variable) + element("dataType", data_type(variable));
    std::string values;
    for (const std::string_view value : allowed_values(variable)) values += element("allowedValue", value);
    if (!values.empty()) text += element("allowedValueList", values);
    table += "<stateVariable sendEvents=\"no\">" + text + "</stateVariable>";
  }
  std::string text{kDeclaration};
  text += "<scpd xmlns=\"urn:schemas-upnp-org:service-1-0\">";
  text += kVersion;
  text += element("actionList", actions) + element("serviceStateTable", table);
  return text += "</scpd>\r\n";
}

}  // namespace vnet::network
