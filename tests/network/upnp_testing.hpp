// A gateway's UPnP device over a table of mappings, for tests.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "network/upnp_server.hpp"
#include "tests/nat/port_mappings_testing.hpp"

namespace vnet::network::test {

using nat::test::MappingBench;
using namespace std::chrono_literals;

inline const Ipv4Address kAlice{192, 168, 1, 10};
inline const Ipv4Address kBob{192, 168, 1, 11};

inline UpnpConfig upnp_home() {
  UpnpConfig config;
  config.gateway = Ipv4Prefix::parse("192.168.1.1/24").value();
  config.mac = MacAddress::parse("5a:94:ef:e4:0c:dd").value();
  return config;
}

/// What stands between <name> and </name>, as it is there; "(none)" where that element is not.
inline std::string element_of(std::string_view document, std::string_view name) {
  const std::string open = '<' + std::string{name} + '>';
  const std::size_t begin = document.find(open);
  const std::size_t end = document.find("</" + std::string{name} + '>');
  if (begin == std::string_view::npos || end == std::string_view::npos) return "(none)";
  return std::string{document.substr(begin + open.size(), end - begin - open.size())};
}

using SoapArguments = std::vector<std::pair<std::string, std::string>>;

inline std::string soap(std::string_view type, std::string_view action, const SoapArguments& arguments) {
  std::string text =
      "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:";
  text += std::string{action} + " xmlns:u=\"" + std::string{type} + "\">";
  for (const auto& [name, value] : arguments) text += '<' + name + '>' + xml_escape(value) + "</" + name + '>';
  return text += "</u:" + std::string{action} + "></s:Body></s:Envelope>\r\n";
}

/// Takes what the TCP server sends nowhere: requests here are answered without a connection.
class NoWire : public TcpOutput {
 public:
  void emit(const TcpFlow& /*flow*/, const TcpHeader& /*header*/, ByteView /*payload*/) override {}
};

struct UpnpBench : MappingBench {
  explicit UpnpBench(const nat::PortMappingsConfig& network = home()) : MappingBench(network) {}

  UpnpResponse get(const std::string& target) {
    return device.answer({.method = "GET", .target = target, .fields = {}, .body = {}}, kAlice, now);
  }
  UpnpResponse post(UpnpService service, std::string_view action, const SoapArguments& arguments,
                    Ipv4Address guest = kAlice) {
    const UpnpServiceInfo& served = info(service);
    const std::string field = '"' + std::string{served.type} + '#' + std::string{action} + '"';
    return device.answer({.method = "POST",
                          .target = std::string{served.control},
                          .fields = {{"host", "192.168.1.1:5000"}, {"soapaction", field}},
                          .body = soap(served.type, action, arguments)},
                         guest, now);
  }
  /// The error code of an action; 0: it has succeeded.
  int error(std::string_view action, const SoapArguments& arguments, Ipv4Address guest = kAlice) {
    const UpnpResponse response = post(UpnpService::ip_connection, action, arguments, guest);
    if (response.status == 200) return 0;
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(element_of(response.body, "faultstring"), "UPnPError");
    return std::stoi(element_of(response.body, "errorCode"));
  }

  NoWire wire;
  Random random{1};
  TcpServer tcp{{}, random, wire};
  UpnpTraffic traffic;
  UpnpServer device{upnp_home(), tcp, mappings, [this] { return traffic; }};
};

/// What AddPortMapping takes, with `change` in the place of its values.
inline SoapArguments add_arguments(const SoapArguments& change = {}) {
  SoapArguments arguments{{"NewRemoteHost", ""},
                          {"NewExternalPort", "9001"},
                          {"NewProtocol", "TCP"},
                          {"NewInternalPort", "9000"},
                          {"NewInternalClient", "192.168.1.10"},
                          {"NewEnabled", "1"},
                          {"NewPortMappingDescription", "game"},
                          {"NewLeaseDuration", "600"}};
  for (const auto& [name, value] : change) {
    for (auto& [known, old] : arguments) {
      if (known == name) old = value;
    }
  }
  return arguments;
}
inline SoapArguments entry_arguments(const std::string& port, const std::string& protocol = "TCP") {
  return {{"NewRemoteHost", ""}, {"NewExternalPort", port}, {"NewProtocol", protocol}};
}

}  // namespace vnet::network::test
