#include "network/upnp_control.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace vnet::network {
namespace {

using nat::MappingError;
using nat::MappingOrigin;
using nat::NatProtocol;
using nat::PortMapping;

constexpr std::string_view kEnvelopeBegins =
    "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
    "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>";
constexpr std::string_view kEnvelopeEnds = "</s:Body></s:Envelope>\r\n";

template <typename Number>
std::optional<Number> number(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  Number value{};
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

/// Older control points write the names of protocols as they like.
std::optional<NatProtocol> protocol(const std::string* text) {
  if (text == nullptr || text->size() != 3) return std::nullopt;
  std::string upper = *text;
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (upper == "TCP") return NatProtocol::tcp;
  if (upper == "UDP") return NatProtocol::udp;
  return std::nullopt;
}

/// WANIPConnection:1, 2.2.10: an empty string is anybody; some control points write it otherwise.
bool is_anybody(const std::string* remote_host) {
  return remote_host == nullptr || remote_host->empty() || *remote_host == "0.0.0.0" || *remote_host == "*";
}

/// UPnP Device Architecture 1.0, 2.3: false, 0, no; true, 1, yes.
std::optional<bool> boolean(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  if (*text == "1" || *text == "true" || *text == "yes") return true;
  if (*text == "0" || *text == "false" || *text == "no") return false;
  return std::nullopt;
}

UpnpError error_of(MappingError error) {
  switch (error) {
    case MappingError::not_authorized: return UpnpError::not_authorized;
    case MappingError::port_taken: return UpnpError::conflict;
    default: return UpnpError::action_failed;
  }
}

/// As counters of four bytes are read: they wrap.
std::string counter(std::uint64_t value) { return std::to_string(static_cast<std::uint32_t>(value)); }

/// The end of both answers about an entry.
void append_entry(std::vector<std::string>& values, const PortMapping& mapping, Instant now) {
  values.push_back(std::to_string(mapping.inside.port));
  values.push_back(to_string(mapping.inside.address));
  values.emplace_back("1");
  const bool named = !mapping.description.empty();
  values.emplace_back(named ? std::string_view{mapping.description} : to_string(mapping.origin));
  values.push_back(std::to_string(mapping.seconds_left(now)));
}

}  // namespace

std::string_view to_string(UpnpError error) noexcept {
  switch (error) {
    case UpnpError::invalid_action: return "Invalid Action";
    case UpnpError::invalid_args: return "Invalid Args";
    case UpnpError::action_failed: return "Action Failed";
    case UpnpError::not_authorized: return "Action not authorized";
    case UpnpError::no_such_index: return "SpecifiedArrayIndexInvalid";
    case UpnpError::no_such_entry: return "NoSuchEntryInArray";
    case UpnpError::wildcard_in_external_port: return "WildCardNotPermittedInExtPort";
    case UpnpError::conflict: return "ConflictInMappingEntry";
    case UpnpError::same_port_required: return "SamePortValuesRequired";
    case UpnpError::only_any_remote_host: return "RemoteHostOnlySupportsWildcard";
  }
  return "Action Failed";
}

std::string UpnpControl::fault(UpnpError error) {
  std::string text{kEnvelopeBegins};
  text +=
      "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
      "<UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>";
  text += std::to_string(static_cast<unsigned>(error)) + "</errorCode><errorDescription>";
  text += to_string(error);
  text += "</errorDescription></UPnPError></detail></s:Fault>";
  return text += kEnvelopeEnds;
}

Result<std::string, UpnpError> UpnpControl::call(UpnpService service, const SoapCall& call, Ipv4Address guest,
                                                 Instant now) {
  const UpnpServiceInfo& served = info(service);
  const auto action = std::ranges::find(served.actions, call.action, &UpnpAction::name);
  if (action == served.actions.end()) return fail(UpnpError::invalid_action);
  const auto values = run(action->name, call, guest, now);
  if (!values) return fail(values.error());
  std::string text{kEnvelopeBegins};
  const std::string response = std::string{action->name} + "Response";
  text += "<u:" + response + " xmlns:u=\"" + std::string{served.type} + "\">";
  auto value = values->begin();
  for (const UpnpArgument& argument : action->arguments) {
    if (!argument.out || value == values->end()) continue;
    text += '<';
    text += argument.name;
    text += '>' + xml_escape(*value++) + "</";
    text += argument.name;
    text += '>';
  }
  text += "</u:" + response + '>';
  return text += kEnvelopeEnds;
}

UpnpControl::Values UpnpControl::run(std::string_view action, const SoapCall& call, Ipv4Address guest, Instant now) {
  if (action == "AddPortMapping") return add(call, guest, now);
  if (action == "DeletePortMapping") return remove(call, guest, now);
  if (action == "GetGenericPortMappingEntry") return get_generic_entry(call, now);
  if (action == "GetSpecificPortMappingEntry") return get_specific_entry(call, guest, now);
  if (action == "GetExternalIPAddress") return get_address(guest);
  if (action == "GetStatusInfo") return get_status(guest, now);
  if (action == "GetConnectionTypeInfo") return std::vector<std::string>{"IP_Routed", "IP_Routed"};
  if (action == "GetNATRSIPStatus") {
    return std::vector<std::string>{"0", mappings_.config().ipv4 == nat::PortSharing::own ? "0" : "1"};
  }
  if (action == "GetDefaultConnectionService") {
    const UpnpServiceInfo& connection = info(UpnpService::ip_connection);
    std::string name = name_of(connection.device, config_.mac) + ":WANConnectionDevice:1,";
    name += connection.id;
    return std::vector<std::string>{std::move(name)};
  }
  // A virtual line has no speed of its own; a control point wants to see one.
  if (action == "GetCommonLinkProperties")
    return std::vector<std::string>{"Ethernet", "1000000000", "1000000000", "Up"};
  return get_traffic(action);
}

UpnpControl::Values UpnpControl::get_traffic(std::string_view action) const {
  const UpnpTraffic traffic = traffic_ ? traffic_() : UpnpTraffic{};
  if (action == "GetTotalBytesSent") return std::vector{counter(traffic.bytes_sent)};
  if (action == "GetTotalBytesReceived") return std::vector{counter(traffic.bytes_received)};
  if (action == "GetTotalPacketsSent") return std::vector{counter(traffic.packets_sent)};
  if (action == "GetTotalPacketsReceived") return std::vector{counter(traffic.packets_received)};
  return fail(UpnpError::invalid_action);
}

UpnpControl::Values UpnpControl::get_status(Ipv4Address guest, Instant now) const {
  const bool connected = mappings_.outside_of(guest).has_value();
  return std::vector<std::string>{connected ? "Connected" : "Disconnected", "ERROR_NONE",
                                  std::to_string(mappings_.epoch(now))};
}

UpnpControl::Values UpnpControl::get_address(Ipv4Address guest) const {
  const auto outside = mappings_.outside_of(guest);
  if (!outside) return fail(UpnpError::action_failed);
  return std::vector{to_string(*outside)};
}

/// What one endpoint has by several protocols under one port is one entry.
UpnpControl::Values UpnpControl::get_generic_entry(const SoapCall& call, Instant now) const {
  const auto index = number<std::uint16_t>(call.find("NewPortMappingIndex"));
  if (!index) return fail(UpnpError::invalid_args);
  std::size_t count = 0;
  const PortMapping* previous = nullptr;
  const PortMapping* found = nullptr;
  mappings_.each([&](const PortMapping& mapping) {
    if (!is_v4(mapping.inside.address) || mapping.peer) return;
    const bool same = previous != nullptr && previous->inside == mapping.inside &&
                      previous->protocol == mapping.protocol && previous->outside_port == mapping.outside_port;
    if (!same && count++ == *index) found = &mapping;
    previous = &mapping;
  });
  if (found == nullptr) return fail(UpnpError::no_such_index);
  const PortMapping* const best = mappings_.find_outside(found->protocol, found->outside_port, found->inside.address);
  if (best != nullptr) found = best;
  std::vector<std::string> values{"", std::to_string(found->outside_port),
                                  found->protocol == NatProtocol::tcp ? "TCP" : "UDP"};
  append_entry(values, *found, now);
  return values;
}

UpnpControl::Values UpnpControl::get_specific_entry(const SoapCall& call, Ipv4Address guest, Instant now) const {
  const auto port = number<std::uint16_t>(call.find("NewExternalPort"));
  const auto which = protocol(call.find("NewProtocol"));
  if (!port || !which) return fail(UpnpError::invalid_args);
  const PortMapping* const found = mappings_.find_outside(*which, *port, guest);
  if (found == nullptr || !is_anybody(call.find("NewRemoteHost"))) return fail(UpnpError::no_such_entry);
  std::vector<std::string> values;
  append_entry(values, *found, now);
  return values;
}

UpnpControl::Values UpnpControl::add(const SoapCall& call, Ipv4Address guest, Instant now) {
  const auto outside = number<std::uint16_t>(call.find("NewExternalPort"));
  const auto inside = number<std::uint16_t>(call.find("NewInternalPort"));
  const auto which = protocol(call.find("NewProtocol"));
  const auto enabled = boolean(call.find("NewEnabled"));
  const std::string* const client = call.find("NewInternalClient");
  const std::string* const description = call.find("NewPortMappingDescription");
  // Version 1 of the service has had control points that do not know of leases.
  const std::string* const lease_text = call.find("NewLeaseDuration");
  const auto lease = lease_text == nullptr ? std::optional<std::uint32_t>{0} : number<std::uint32_t>(lease_text);
  if (!outside || !inside || *inside == 0 || !which || !enabled || client == nullptr || !lease) {
    return fail(UpnpError::invalid_args);
  }
  // Version 2 has it that nobody's name is that of who asks.
  const auto address = client->empty() ? std::optional{guest} : Ipv4Address::parse(*client);
  if (!address) return fail(UpnpError::invalid_args);
  if (*address != guest) return fail(UpnpError::not_authorized);
  if (!is_anybody(call.find("NewRemoteHost"))) return fail(UpnpError::only_any_remote_host);
  if (*outside == 0) return fail(UpnpError::wildcard_in_external_port);
  if (!*enabled) return fail(UpnpError::action_failed);
  if (mappings_.config().ipv4 != nat::PortSharing::shared && *outside != *inside) {
    return fail(UpnpError::same_port_required);
  }
  const nat::MappingRequest request{
      .claim = {MappingOrigin::upnp, {}},
      .protocol = *which,
      .inside = {guest, *inside},
      .suggested = *outside,
      .exact = true,
      .by_port = true,
      .expires = *lease == 0 ? kNever : now + std::chrono::seconds{*lease},
      .description = description != nullptr ? std::string_view{*description} : std::string_view{}};
  if (const auto error = make_way(request, now)) return fail(*error);
  const auto granted = mappings_.grant(request, now);
  if (!granted) return fail(error_of(granted.error()));
  return std::vector<std::string>{};
}

/// WANIPConnection:1, 2.4.16: who maps a port again, to another port of its own, means the new one.
std::optional<UpnpError> UpnpControl::make_way(const nat::MappingRequest& request, Instant now) {
  const PortMapping* const taken = mappings_.find_outside(request.protocol, request.suggested, request.inside.address);
  if (taken == nullptr || taken->inside == request.inside) return std::nullopt;
  const bool own = taken->inside.address == request.inside.address && taken->origin == MappingOrigin::upnp;
  if (!own || !mappings_.remove(*taken, request.claim, now)) return UpnpError::conflict;
  return std::nullopt;
}

UpnpControl::Values UpnpControl::remove(const SoapCall& call, Ipv4Address guest, Instant now) {
  const auto port = number<std::uint16_t>(call.find("NewExternalPort"));
  const auto which = protocol(call.find("NewProtocol"));
  if (!port || !which) return fail(UpnpError::invalid_args);
  const PortMapping* const found = mappings_.find_outside(*which, *port, guest);
  if (found == nullptr || !is_anybody(call.find("NewRemoteHost"))) return fail(UpnpError::no_such_entry);
  if (found->inside.address != IpAddress{guest}) return fail(UpnpError::not_authorized);
  if (!mappings_.remove(*found, {MappingOrigin::upnp, {}}, now)) return fail(UpnpError::not_authorized);
  return std::vector<std::string>{};
}

}  // namespace vnet::network
