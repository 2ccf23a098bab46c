// The actions of WANIPConnection:1 and its neighbours (UPnP Forum, 2001), and the documents that describe them.
#include "network/upnp_control.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/network/upnp_testing.hpp"

namespace vnet::network::test {
namespace {

using nat::MappingOrigin;
using nat::NatProtocol;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(UpnpControl, AddPortMappingMapsToWhoAsks_WanIpConnection_2_4_16) {
  UpnpBench bench;
  const UpnpResponse response = bench.post(UpnpService::ip_connection, "AddPortMapping", add_arguments());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
            "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:AddPortMappingResponse "
            "xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\"></u:AddPortMappingResponse></s:Body>"
            "</s:Envelope>\r\n");
  EXPECT_THAT(bench.take_changes(), ElementsAre("created upnp 9001 192.168.1.10 9000"));
  bench.wait(600s);
  EXPECT_THAT(bench.take_changes(), ElementsAre("expired upnp 9001 192.168.1.10 9000"));
}

TEST(UpnpControl, ALeaseOfZeroHasNoEnd_WanIpConnection_2_2_20) {
  UpnpBench bench;
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewLeaseDuration", "0"}})), 0);
  bench.wait(24h * 365);
  EXPECT_EQ(bench.mappings.size(), 1U);
}

TEST(UpnpControl, NobodyMapsToSomebodyElse) {
  UpnpBench bench;
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewInternalClient", "192.168.1.11"}})), 606);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewInternalClient", "127.0.0.1"}})), 606);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewInternalClient", ""}})), 0) << "who asks";
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("9001"), kBob), 606);
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("9001")), 0);
}

TEST(UpnpControl, APortOfSomebodyElseIsAConflict_WanIpConnection_2_4_16) {
  UpnpBench bench;
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments()), 0);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewInternalClient", "192.168.1.11"}}), kBob), 718);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewProtocol", "udp"}})), 0) << "another protocol";
  bench.pins.in_use.insert({NatProtocol::tcp, 9002});
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewExternalPort", "9002"}})), 718) << "a flow has it";
}

TEST(UpnpControl, WhoMapsAPortAgainMeansTheNewMapping_WanIpConnection_2_4_16) {
  UpnpBench bench;
  bench.error("AddPortMapping", add_arguments());
  bench.take_changes();
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewPortMappingDescription", "chat"}})), 0);
  EXPECT_THAT(bench.take_changes(), ElementsAre("renewed upnp 9001 192.168.1.10 9000"));
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewInternalPort", "9100"}})), 0);
  EXPECT_THAT(bench.take_changes(),
              ElementsAre("deleted upnp 9001 192.168.1.10 9000", "created upnp 9001 192.168.1.10 9100"));
}

TEST(UpnpControl, ArgumentsAreHeldToTheirTypes_DeviceArchitecture_3_2_2) {
  UpnpBench bench;
  for (const auto& wrong : SoapArguments{{"NewExternalPort", "65536"},
                                         {"NewExternalPort", "-1"},
                                         {"NewExternalPort", ""},
                                         {"NewExternalPort", "80 "},
                                         {"NewInternalPort", "0"},
                                         {"NewProtocol", "SCTP"},
                                         {"NewInternalClient", "alice"},
                                         {"NewInternalClient", "fd00:1::a"},
                                         {"NewEnabled", "perhaps"},
                                         {"NewLeaseDuration", "4294967296"}}) {
    EXPECT_EQ(bench.error("AddPortMapping", add_arguments({wrong})), 402) << wrong.first << '=' << wrong.second;
  }
  EXPECT_EQ(bench.error("AddPortMapping", {}), 402);
  EXPECT_EQ(bench.error("DeletePortMapping", {}), 402);
  EXPECT_EQ(bench.error("GetSpecificPortMappingEntry", {}), 402);
  EXPECT_EQ(bench.error("GetGenericPortMappingEntry", {}), 402);
  EXPECT_EQ(bench.mappings.size(), 0U);
}

TEST(UpnpControl, WhatIsNotSupportedIsSaid_WanIpConnection_2_4_16) {
  UpnpBench bench;
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewRemoteHost", "198.51.100.9"}})), 726);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewExternalPort", "0"}})), 716);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewEnabled", "0"}})), 501);
  EXPECT_EQ(bench.error("AddAnyPortMapping", add_arguments()), 401) << "of version 2";
  EXPECT_EQ(bench.error("SetConnectionType", {}), 401);
}

TEST(UpnpControl, WhereHostsDoNotSharePortsBothAreTheSame_WanIpConnection_2_4_16) {
  nat::PortMappingsConfig config = MappingBench::home();
  config.ipv4 = nat::PortSharing::one_host;
  config.one_to_one_host = kAlice;
  UpnpBench bench{config};
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments()), 724);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewExternalPort", "9000"}})), 0);
  const SoapArguments for_bob = add_arguments({{"NewExternalPort", "9000"}, {"NewInternalClient", "192.168.1.11"}});
  EXPECT_EQ(bench.error("AddPortMapping", for_bob, kBob), 606);
}

TEST(UpnpControl, LimitsFail) {
  nat::PortMappingsConfig config = MappingBench::home();
  config.limits.per_guest = 1;
  UpnpBench bench{config};
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments()), 0);
  EXPECT_EQ(bench.error("AddPortMapping", add_arguments({{"NewExternalPort", "9002"}})), 501);
}

TEST(UpnpControl, DeletesOnce_WanIpConnection_2_4_17) {
  UpnpBench bench;
  bench.error("AddPortMapping", add_arguments());
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("9001", "UDP")), 714);
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("9001")), 0);
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("9001")), 714);
}

TEST(UpnpControl, WhatOthersHaveMadeIsSeenAndStays) {
  UpnpBench bench;
  bench.port(MappingOrigin::pcp, {kAlice, 80}, 8080);
  EXPECT_EQ(bench.error("GetSpecificPortMappingEntry", entry_arguments("8080", "UDP")), 0);
  EXPECT_EQ(bench.error("DeletePortMapping", entry_arguments("8080", "UDP")), 606);
}

TEST(UpnpControl, TellsAnEntryByItsPort_WanIpConnection_2_4_15) {
  UpnpBench bench;
  bench.error("AddPortMapping", add_arguments({{"NewPortMappingDescription", "<a> & \x01"}}));
  bench.now += 100s;
  const std::string body =
      bench.post(UpnpService::ip_connection, "GetSpecificPortMappingEntry", entry_arguments("9001"), kBob).body;
  EXPECT_EQ(element_of(body, "NewInternalPort"), "9000");
  EXPECT_EQ(element_of(body, "NewInternalClient"), "192.168.1.10");
  EXPECT_EQ(element_of(body, "NewEnabled"), "1");
  EXPECT_EQ(element_of(body, "NewPortMappingDescription"), "&lt;a&gt; &amp; ?");
  EXPECT_EQ(element_of(body, "NewLeaseDuration"), "500");
  EXPECT_EQ(bench.error("GetSpecificPortMappingEntry", entry_arguments("9002")), 714);
}

TEST(UpnpControl, ListsEntriesByIndex_WanIpConnection_2_4_14) {
  UpnpBench bench;
  bench.error("AddPortMapping", add_arguments({{"NewProtocol", "UDP"}}));
  bench.port(MappingOrigin::nat_pmp, {kAlice, 9000}) /* the same port, by another protocol */;
  bench.port(MappingOrigin::config, {kBob, 53});
  const auto entry = [&](const std::string& index) {
    const std::string body =
        bench.post(UpnpService::ip_connection, "GetGenericPortMappingEntry", {{"NewPortMappingIndex", index}}).body;
    return element_of(body, "NewRemoteHost") + ' ' + element_of(body, "NewExternalPort") + ' ' +
           element_of(body, "NewProtocol") + ' ' + element_of(body, "NewInternalPort") + ' ' +
           element_of(body, "NewInternalClient") + ' ' + element_of(body, "NewPortMappingDescription") + ' ' +
           element_of(body, "NewLeaseDuration");
  };
  EXPECT_EQ(entry("0"), " 9001 UDP 9000 192.168.1.10 game 600");
  EXPECT_EQ(entry("1"), " 53 UDP 53 192.168.1.11 config 3600");
  EXPECT_EQ(bench.error("GetGenericPortMappingEntry", {{"NewPortMappingIndex", "2"}}), 713);
}

TEST(UpnpControl, TellsTheOutsideAddress_WanIpConnection_2_4_18) {
  UpnpBench bench;
  const auto body = bench.post(UpnpService::ip_connection, "GetExternalIPAddress", {}).body;
  EXPECT_EQ(element_of(body, "NewExternalIPAddress"), "203.0.113.7");
  bench.pins.outside = std::nullopt;
  EXPECT_EQ(bench.error("GetExternalIPAddress", {}), 501);
  const auto status = bench.post(UpnpService::ip_connection, "GetStatusInfo", {}).body;
  EXPECT_EQ(element_of(status, "NewConnectionStatus"), "Disconnected");
}

TEST(UpnpControl, TellsOfTheConnection_WanIpConnection_2_4) {
  UpnpBench bench;
  bench.now += 61s;
  const auto status = bench.post(UpnpService::ip_connection, "GetStatusInfo", {}).body;
  EXPECT_EQ(element_of(status, "NewConnectionStatus"), "Connected");
  EXPECT_EQ(element_of(status, "NewLastConnectionError"), "ERROR_NONE");
  EXPECT_EQ(element_of(status, "NewUptime"), "61");
  const auto type = bench.post(UpnpService::ip_connection, "GetConnectionTypeInfo", {}).body;
  EXPECT_EQ(element_of(type, "NewConnectionType"), "IP_Routed");
  const auto nat = bench.post(UpnpService::ip_connection, "GetNATRSIPStatus", {}).body;
  EXPECT_EQ(element_of(nat, "NewRSIPAvailable") + element_of(nat, "NewNATEnabled"), "01");
  const auto service = bench.post(UpnpService::layer3_forwarding, "GetDefaultConnectionService", {}).body;
  EXPECT_EQ(element_of(service, "NewDefaultConnectionService"),
            "uuid:766e6574-0002-1000-8000-5a94efe40cdd:WANConnectionDevice:1,urn:upnp-org:serviceId:WANIPConn1");
}

TEST(UpnpControl, CountersOfTheLineWrap_WanCommonInterfaceConfig_2_4) {
  UpnpBench bench;
  bench.traffic = {(std::uint64_t{1} << 32U) + 5, 6, 7, 8};
  const auto get = [&](const std::string& what) {
    const auto body = bench.post(UpnpService::common_interface, "GetTotal" + what, {}).body;
    return element_of(body, "NewTotal" + what);
  };
  EXPECT_EQ(get("BytesSent"), "5");
  EXPECT_EQ(get("BytesReceived"), "6");
  EXPECT_EQ(get("PacketsSent"), "7");
  EXPECT_EQ(get("PacketsReceived"), "8");
  const auto link = bench.post(UpnpService::common_interface, "GetCommonLinkProperties", {}).body;
  EXPECT_EQ(element_of(link, "NewPhysicalLinkStatus"), "Up");
}

// --- Descriptions

/// Every element is closed in its order; a document of ours has no other markup.
void expect_well_formed(std::string_view text) {
  std::vector<std::string> open;
  std::size_t at = text.find("?>") + 2;
  while ((at = text.find('<', at)) != std::string_view::npos) {
    const std::size_t end = text.find('>', at);
    ASSERT_NE(end, std::string_view::npos);
    const std::string tag{text.substr(at + 1, end - at - 1)};
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(tag.substr(1), open.back());
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  EXPECT_TRUE(open.empty());
}

TEST(UpnpDescription, HasTheGatewaysDevicesAndServices_DeviceArchitecture_2_1) {
  UpnpBench bench;
  const UpnpResponse response = bench.get("/rootDesc.xml");
  EXPECT_EQ(response.status, 200);
  expect_well_formed(response.body);
  for (const UpnpDevice device : kUpnpDevices) {
    EXPECT_THAT(response.body, HasSubstr("<deviceType>" + std::string{type_of(device)} + "</deviceType>"));
    EXPECT_THAT(response.body, HasSubstr("<UDN>" + name_of(device, upnp_home().mac) + "</UDN>"));
  }
  for (const UpnpServiceInfo& service : upnp_services()) {
    EXPECT_THAT(response.body, HasSubstr("<controlURL>" + std::string{service.control} + "</controlURL>"));
    const UpnpResponse described = bench.get(std::string{service.description});
    EXPECT_EQ(described.status, 200);
    expect_well_formed(described.body);
    for (const UpnpAction& action : service.actions) {
      EXPECT_THAT(described.body, HasSubstr("<name>" + std::string{action.name} + "</name>"));
    }
  }
}

TEST(UpnpDescription, EveryActionThatIsDescribedIsServedInFull_DeviceArchitecture_2_3) {
  UpnpBench bench;
  bench.error("AddPortMapping", add_arguments());
  for (const UpnpServiceInfo& service : upnp_services()) {
    for (const UpnpAction& action : service.actions) {
      SoapArguments arguments = add_arguments();
      arguments.emplace_back("NewPortMappingIndex", "0");
      const UpnpResponse response = bench.post(service.service, action.name, arguments);
      EXPECT_EQ(response.status, 200) << action.name;
      for (const UpnpArgument& argument : action.arguments) {
        if (!argument.out) continue;
        EXPECT_NE(element_of(response.body, argument.name), "(none)") << argument.name;
      }
    }
  }
}

TEST(UpnpDescription, TheNameForPeopleIsEscaped) {
  UpnpConfig config = upnp_home();
  config.name = "<home>";
  EXPECT_EQ(element_of(root_description(config), "friendlyName"), "&lt;home&gt;");
}

}  // namespace
}  // namespace vnet::network::test
