// Texts that are not JSON, values that do not go together, files that cannot be read.
#include "daemon/config_check.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "config_testing.hpp"

namespace vnet::daemon {
namespace {

struct Complaint {
  std::string_view text;
  std::string_view lines;  ///< without "run.json" in front
};

void expect_complaints(const std::vector<Complaint>& cases) {
  for (const Complaint& one : cases) EXPECT_EQ(complaints(one.text), "run.json" + std::string{one.lines}) << one.text;
}

TEST(ConfigText, SyntaxErrorsHaveLineAndColumn) {
  expect_complaints({
      {"", ":1:1: found end of input; expected '[', '{', or a literal\n"},
      {"{\n  \"seed\": 1,\n}", ":3:1: found '}'; expected string literal\n"},
      {"{\"seed\": 1", ":1:11: found end of input; expected '}'\n"},
      {"{\"seed\" 1}", ":1:9: found number literal; expected ':'\n"},
      {"{\"seed\": 1} x", ":1:13: found no JSON: invalid literal; last read: '1} x'; expected end of input\n"},
      {"{\"seed\": 1 /* }",
       ":1:16: found no JSON: invalid comment; missing closing '*/'; last read: '1 /* }'; expected '}'\n"},
      {"{\"state\": \"\xff\"}", ":1:12: found no JSON: invalid string: ill-formed UTF-8 byte; last read: '\"\xff'\n"},
      {"{\"seed\": 1e999}", ": found a number that is too large; expected numbers of at most 1.8e308\n"},
  });
}

TEST(ConfigText, CommentsOfBothKindsAreSpace) { EXPECT_EQ(loaded("/* a */ { // b\n \"seed\": /* c */ 7 }").seed, 7U); }

TEST(ConfigText, MembersGivenTwiceAreRefused) {
  expect_complaints({
      {R"({"networks": [{"mtu": 1500}, {"nat": "easy", "mtu": 1400, "nat": "none"}]})",
       ": /networks/1/nat: found the member \"nat\" a second time; expected it once\n"},
      {R"({"seed": {"seed": 1}, "seed": 2})", ": /seed: found the member \"seed\" a second time; expected it once\n"},
  });
}

TEST(ConfigText, DepthAndMembersAreLimited) {
  EXPECT_TRUE(complaints(std::string(100'000, '[') + std::string(100'000, ']'))
                  .starts_with("run.json: /0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: "
                               "found too many levels; expected at most 32\n"));
  std::string many = "{";
  for (int i = 0; i < 5000; ++i) many += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":0";
  EXPECT_EQ(complaints(many + "}"), "run.json: /m4096: found too many members; expected at most 4096\n");
  EXPECT_EQ(complaints(std::string(kMaxConfigBytes + 1, ' ')),
            "run.json: found a larger file; expected at most 4194304 bytes\n");
}

TEST(ConfigCheck, GatewayIsAHostOfItsPrefix) {
  expect_complaints({
      {R"({"networks": [{"ipv4": "192.168.1.0/24"}]})",
       ": /networks/0/ipv4: found 192.168.1.0, the address of the network itself; expected the gateway's, such as "
       "192.168.1.1/24\n"},
      {R"({"networks": [{"ipv4": "192.168.1.255/24"}]})",
       ": /networks/0/ipv4: found 192.168.1.255, the broadcast address of the network; expected the gateway's\n"},
      {R"({"networks": [{"ipv4": "127.0.0.1/8"}]})",
       ": /networks/0/ipv4: found 127.0.0.1; expected a unicast address, not in 0/8 or 127/8\n"},
      {R"({"networks": [{"ipv4": "224.0.0.1/8"}]})",
       ": /networks/0/ipv4: found 224.0.0.1; expected a unicast address, not in 0/8 or 127/8\n"},
      {R"({"networks": [{"ipv6": "2052::1/48"}]})",
       ": /networks/0/ipv6: found a prefix length of 48; expected 64, as SLAAC needs\n"},
      {R"({"networks": [{"ipv6": "fe80::1/64"}]})",
       ": /networks/0/ipv6: found fe80::1; expected a global or unique local unicast address\n"},
      {R"({"networks": [{"ipv6": "2052::/64"}]})",
       ": /networks/0/ipv6: found 2052::, the anycast address of the prefix's routers (RFC 4291, 2.6.1); expected the "
       "gateway's, such as 2052::1/64\n"},
  });
  EXPECT_NE(complaints(R"({"networks": [{"ipv4": "10.0.0.1"}]})").find("found a prefix length of 32; expected 8 to 30"),
            std::string::npos);
  EXPECT_NE(complaints(R"({"networks": [{"ipv4": "10.0.0.1/7"}]})").find("found a prefix length of 7"),
            std::string::npos);
}

TEST(ConfigCheck, OnlyTheFirstNetworkHasADefaultPrefix) {
  expect_complaints({{R"({"networks": [{"name": "a"}, {"name": "b"}]})",
                      ": /networks/1: found neither ipv4 nor ipv6; expected one of them; only the first network has a "
                      "default\n"}});
}

TEST(Rfc8200, MtuOfAnIpv6NetworkIsAtLeast1280) {
  expect_complaints({{R"({"networks": [{"ipv6": "2052::1/64", "mtu": 1279}]})",
                      ": /networks/0/mtu: found 1279; expected at least 1280 on a network with ipv6 (RFC 8200, 5)\n"}});
  EXPECT_EQ(complaints(R"({"networks": [{"ipv6": "2052::1/64", "mtu": 1280}]})"), "");
  EXPECT_EQ(complaints(R"({"networks": [{"ipv4": "10.0.0.1/24", "mtu": 576}]})"), "");
}

TEST(ConfigCheck, DhcpRangeIsInsideThePrefixAndInOrder) {
  expect_complaints({
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "dhcp": {"range": ["10.0.0.200", "10.0.0.100"]}}]})",
       ": /networks/0/dhcp/range: found 10.0.0.200 before 10.0.0.100; expected the lower address first\n"},
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "dhcp": {"range": ["10.0.0.100", "10.0.1.200"]}}]})",
       ": /networks/0/dhcp/range/1: found 10.0.1.200; expected a host address of 10.0.0.0/24\n"},
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "dhcp": {"range": ["10.0.0.0", "10.0.0.255"]}}]})",
       ": /networks/0/dhcp/range/0: found 10.0.0.0; expected a host address of 10.0.0.0/24\n"
       "run.json: /networks/0/dhcp/range/1: found 10.0.0.255; expected a host address of 10.0.0.0/24\n"},
      {R"({"networks": [{"ipv6": "2052::1/64", "dhcp": {"enabled": true, "range": ["10.0.0.1", "10.0.0.2"]}}]})",
       ": /networks/0/dhcp/enabled: found true on a network without ipv4; expected false\n"
       "run.json: /networks/0/dhcp/range: found a range on a network without ipv4; expected none\n"},
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "dhcp": {"routes": [{"to": "10.9.0.0/16", "via": "10.1.0.1"}]}}]})",
       ": /networks/0/dhcp/routes/0/via: found 10.1.0.1; expected a host address of 10.0.0.0/24\n"},
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "dhcp": {"options": {"53": [1]}}}]})",
       ": /networks/0/dhcp/options/53: found an option that the server writes itself; expected any but 50 to 59, 61 "
       "and 82\n"},
  });
}

TEST(ConfigCheck, HostAliasIsAFreeHostAddressOfTheNetwork) {
  expect_complaints({
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "host_alias": "10.0.1.254"}]})",
       ": /networks/0/host_alias: found 10.0.1.254; expected a host address of 10.0.0.0/24 other than the gateway's\n"},
      {R"({"networks": [{"ipv4": "10.0.0.1/24", "host_alias": "10.0.0.1"}]})",
       ": /networks/0/host_alias: found 10.0.0.1; expected a host address of 10.0.0.0/24 other than the gateway's\n"},
      {R"({"networks": [{"ipv6": "2052::1/64", "host_alias": "10.0.0.1"}]})",
       ": /networks/0/host_alias: found 10.0.0.1; expected an address of the network's ipv6\n"},
      {R"({"networks": [{"ipv6": "2052::1/64", "host_alias": "2053::9"}]})",
       ": /networks/0/host_alias: found 2053::9; expected a host address of 2052::1/64 other than the gateway's\n"},
  });
  EXPECT_EQ(complaints(R"({"networks": [{"ipv6": "2052::1/64", "host_alias": "2052::9"}]})"), "");
}

TEST(ConfigCheck, NicsAreUniqueAndFitTheirNetwork) {
  const auto nics = [](std::string_view list) {
    return complaints(R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24", "host_alias": "10.0.0.9"}, )"
                      R"({"name": "office", "ipv6": "2052::1/64", "mac": "52:ee:ee:ee:ee:02"}], "nics": [)" +
                      std::string{list} + "]}");
  };
  EXPECT_EQ(nics(R"({"name": "a", "mac": "52:00:00:00:00:01"}, {"name": "A", "mac": "52-00-00-00-00-01"})"),
            "run.json: /nics/1/name: found \"a\" a second time (the first is at /nics/0/name); expected it once\n"
            "run.json: /nics/1/mac: found \"52:00:00:00:00:01\" a second time (the first is at /nics/0/mac); expected "
            "it once\n");
  EXPECT_EQ(nics(R"({"mac": "52:00:00:00:00:01", "network": "hoem"})"),
            "run.json: /nics/0/network: found no network named \"hoem\"; expected one of home, office; did you mean "
            "\"home\"?\n");
  EXPECT_EQ(nics(R"({"mac": "52:ee:ee:ee:ee:02", "network": "office"})"),
            "run.json: /nics/0/mac: found the MAC address of the network's gateway; expected another\n");
  EXPECT_EQ(nics(R"({"mac": "52:00:00:00:00:01", "ip": "10.0.0.5"}, {"mac": "52:00:00:00:00:02", "ip": "10.0.0.5"})"),
            "run.json: /nics/1/ip: found \"10.0.0.5 in network home\" a second time (the first is at /nics/0/ip); "
            "expected it once\n");
  const auto ip = [&](const std::string& address) {
    return nics(R"({"mac": "52:00:00:00:00:01", "ip": ")" + address + "\"}");
  };
  EXPECT_EQ(ip("10.0.1.5"), "run.json: /nics/0/ip: found 10.0.1.5; expected a host address of 10.0.0.0/24\n");
  EXPECT_EQ(ip("10.0.0.255"), "run.json: /nics/0/ip: found 10.0.0.255; expected a host address of 10.0.0.0/24\n");
  EXPECT_EQ(ip("10.0.0.1"),
            "run.json: /nics/0/ip: found 10.0.0.1, the gateway's address; expected an address that is free\n");
  EXPECT_EQ(ip("10.0.0.9"), "run.json: /nics/0/ip: found 10.0.0.9, the host alias; expected an address that is free\n");
  EXPECT_EQ(nics(R"({"mac": "52:00:00:00:00:01", "ip": "10.0.0.5", "network": "office"})"),
            "run.json: /nics/0/ip: found an IPv4 address in a network without ipv4; expected none\n");
}

TEST(ConfigCheck, SameAddressInTwoNetworksIsNoConflict) {
  EXPECT_EQ(complaints(R"({"networks": [{"name": "a", "ipv4": "10.0.0.1/24"}, {"name": "b", "ipv4": "10.0.0.1/24"}],
    "nics": [{"mac": "52:00:00:00:00:01", "ip": "10.0.0.5"},
             {"mac": "52:00:00:00:00:02", "ip": "10.0.0.5", "network": "b"}]})"),
            "");
}

TEST(ConfigCheck, SocketPathsAreUniqueAndFitTheSystem) {
  EXPECT_EQ(complaints(R"({"listen": {"dgram": ["a.sock", {"path": "./a.sock", "network": "lna"}]}})"),
            "run.json: /listen/dgram/1/network: found no network named \"lna\"; expected one of lan; did you mean "
            "\"lan\"?\n"
            "run.json: /listen/dgram/1: found \"/etc/vnet/a.sock\" a second time (the first is at /listen/dgram/0); "
            "expected it once\n");
  EXPECT_EQ(complaints(R"({"nics": [{"mac": "52:00:00:00:00:01", "dgram": "/run/user/1000/vnet/control.sock"}]})"),
            "run.json: /nics/0/dgram: found \"/run/user/1000/vnet/control.sock\" a second time (the first is at "
            "/listen/control); expected it once\n");
  const std::string prefix = R"({"listen": {"control": "/)";
  EXPECT_EQ(complaints(prefix + std::string(102, 'x') + R"("}})"), "");
  EXPECT_NE(complaints(prefix + std::string(107, 'x') + R"("}})").find("found a socket path of 108 bytes"),
            std::string::npos);
}

TEST(ConfigCheck, TheControlApiOnTcpHasAnAddressAndATokenFile) {
  const auto control_tcp = [](const std::string& value) {
    return complaints(R"({"listen": {"control_tcp": )" + value + "}}");
  };
  EXPECT_EQ(control_tcp(R"({"address": "127.0.0.1:7070", "token_file": "t"})"), "");
  EXPECT_NE(control_tcp(R"({"address": "127.0.0.1:7070"})").find("token_file"), std::string::npos);
  EXPECT_NE(control_tcp(R"({"token_file": "t"})").find("address"), std::string::npos);
  EXPECT_NE(control_tcp(R"({"address": "localhost:80", "token_file": "t"})").find("/listen/control_tcp/address: found"),
            std::string::npos);
  EXPECT_NE(
      control_tcp(R"({"address": "127.0.0.1:80", "token_file": ""})").find("/listen/control_tcp/token_file: found"),
      std::string::npos);
  EXPECT_NE(control_tcp(R"("127.0.0.1:7070")").find("/listen/control_tcp: found"), std::string::npos);
}

TEST(ConfigCheck, ForwardsLeadFromAFreeEndpointIntoTheNetwork) {
  const auto forwards = [](std::string_view list) {
    return complaints(R"({"networks": [{"ipv4": "10.0.0.1/24", "forwards": [)" + std::string{list} + "]}]}");
  };
  EXPECT_EQ(forwards(R"({"listen": "127.0.0.1:22", "to": "10.0.0.5:22"},
                        {"proto": "udp", "listen": "127.0.0.1:22", "to": "10.0.0.5:22"})"),
            "");
  EXPECT_EQ(forwards(R"({"listen": "127.0.0.1:22", "to": "10.0.0.5:22"},
                        {"listen": "127.0.0.1:22", "to": "10.0.0.6:22"})"),
            "run.json: /networks/0/forwards/1/listen: found \"tcp 127.0.0.1:22\" a second time (the first is at "
            "/networks/0/forwards/0/listen); expected it once\n");
  EXPECT_EQ(forwards(R"({"proto": "udp", "listen": "unix:a.sock", "to": "[2052::5]:22"})"),
            "run.json: /networks/0/forwards/0/listen: found a UNIX socket for udp; expected an address and a port\n"
            "run.json: /networks/0/forwards/0/to: found 2052::5; expected an address of a host inside the network\n");
}

TEST(ConfigCheck, EgressRulesCanTakeEffect) {
  const auto egress = [](std::string_view members) {
    return complaints(R"({"networks": [{"egress": {)" + std::string{members} + "}}]}");
  };
  EXPECT_EQ(egress(R"("allow": ["0.0.0.0/0", "::/0"], "deny": ["127.0.0.0/8", {"to": "fe80::/10", "ports": "1"}])"),
            "");
  EXPECT_EQ(egress(R"("allow": [{"to": "10.0.0.0/8", "proto": "icmp", "ports": "1"}],
                      "deny": [{"to": "10.0.0.0/8", "proto": "icmp", "ports": "1"}])"),
            "run.json: /networks/0/egress/allow/0/ports: found ports of icmp; expected them for tcp and udp only\n"
            "run.json: /networks/0/egress/deny/0/ports: found ports of icmp; expected them for tcp and udp only\n");
  EXPECT_EQ(egress(R"("allow": ["1.1.1.1", "127.0.0.0/8", {"to": "ff02::/16", "proto": "udp"}])"),
            "run.json: /networks/0/egress/allow/1: found 127.0.0.0/8 (loopback); expected a prefix that guests may "
            "reach; host_alias leads to the host's loopback\n"
            "run.json: /networks/0/egress/allow/2: found ff02::/16 (multicast); expected a prefix that guests may "
            "reach\n");
  expect_complaints({{R"({"timeline": [{"at_s": 1, "network": "lan", "egress": {"allow": ["0.0.0.0"]}}]})",
                      ": /timeline/0/egress/allow/0: found 0.0.0.0/32 (unspecified); expected a prefix that guests "
                      "may reach\n"}});
}

TEST(ConfigCheck, ServicesHaveAddressesOfTheirOwn) {
  expect_complaints({
      {R"({"services": [{"name": "a.test"}]})",
       ": /services/0: found a service without an address; expected ipv4, ipv6 or both\n"},
      {R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4"}, {"name": "A.test", "ipv4": "1.2.3.4"}]})",
       ": /services/1/name: found \"a.test\" a second time (the first is at /services/0/name); expected it once\n"
       "run.json: /services/1/ipv4: found \"1.2.3.4\" a second time (the first is at /services/0/ipv4); expected it "
       "once\n"},
      {R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", "kind": "files"}]})",
       ": /services/0: found no member \"root\"; expected the folder that this kind of service serves\n"},
      {R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", "kind": "echo", "root": "x"}]})",
       ": /services/0/root: found a folder; expected one for the kinds files and cloud-init only\n"},
      {R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", "records": [{"name": "b.test", "txt": ["x"]}]}]})",
       ": /services/0/records: found records; expected them for the kind dns only\n"},
  });
}

TEST(ConfigCheck, ServicesLeadToWhereAProgramMayListen) {
  const auto service = [](std::string_view members) {
    return R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", )" + std::string{members} + "}]}";
  };
  expect_complaints({
      {service(R"("forward": {"tcp/1": "127.0.0.1:1", "udp/2": "unix:a.sock"})"),
       ": /services/0/forward/udp~12: found a UNIX socket for udp; expected an address and a port\n"},
      {service(R"("forward": {"tcp/1": "0.0.0.0:1"})"),
       ": /services/0/forward/tcp~11: found 0.0.0.0:1; expected the address that a program on the host listens at\n"},
      {service(R"("forward": {"udp/2": "[::1]:2"}, "proxy_protocol": 2)"),
       ": /services/0/proxy_protocol: found a header; expected it with a forward of tcp only\n"},
      {service(R"("kind": "files", "root": "x", "forward": {"tcp/80": "127.0.0.1:80"})"),
       ": /services/0/forward/tcp~180: found the port where this kind of service answers itself; expected another\n"},
      {service(R"("proxy_protocol": 3)"), ": /services/0/proxy_protocol: found 3; expected an integer from 1 to 2\n"},
  });
  const std::string long_path(200, 'x');
  const std::string complaint = complaints(service(R"("forward": {"tcp/1": "unix:)" + long_path + R"("})"));
  EXPECT_NE(complaint.find("expected at most " + std::to_string(max_socket_path_bytes()) + " bytes"), std::string::npos)
      << complaint;
}

TEST(ConfigValues, AServicesProxyHeaderIsOnOffOrAVersion) {
  for (const auto& [text, version] : {std::pair{"false", 0}, {"true", 1}, {"1", 1}, {"2", 2}}) {
    const Config config = loaded(R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", "proxy_protocol": )" +
                                 std::string{text} + R"(, "forward": {"tcp/1": "unix:a.sock"}}]})");
    EXPECT_EQ(int{config.services[0].proxy_protocol}, version);
    EXPECT_EQ(loaded(print_config(config)), config);
  }
}

TEST(Rfc1034, ANameWithACnameHasNothingElse) {
  const auto records = [](std::string_view list) {
    return complaints(R"({"networks": [{"dns": {"records": [)" + std::string{list} + "]}}]}");
  };
  EXPECT_EQ(records(R"({"name": "a.test", "cname": "b.test", "a": ["1.2.3.4"]})"),
            "run.json: /networks/0/dns/records/0: found cname beside other records; expected cname alone (RFC 1034, "
            "3.6.2)\n");
  EXPECT_EQ(records(R"({"name": "a.test", "ttl_s": 5})"),
            "run.json: /networks/0/dns/records/0: found a name without records; expected a, aaaa, cname, txt, mx, srv "
            "or ptr\n");
}

TEST(ConfigCheck, TimelineNamesWhatExistsAndWhatChanges) {
  const auto timeline = [](std::string_view event) {
    return complaints(R"({"nics": [{"name": "alice", "mac": "52:00:00:00:00:01"}], "timeline": [)" +
                      std::string{event} + "]}");
  };
  EXPECT_EQ(
      timeline(R"({"at_s": 1, "nic": "alcie", "link": "down"})"),
      "run.json: /timeline/0/nic: found no NIC named \"alcie\"; expected one of alice; did you mean \"alice\"?\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "home", "nat": "hard"})"),
            "run.json: /timeline/0/network: found no network named \"home\"; expected one of lan\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "link": "down"})"),
            "run.json: /timeline/0: found neither nic nor network nor service; expected what changes\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "nic": "alice", "nat": "hard"})"),
            "run.json: /timeline/0: found nat, wan, ipv4, blackhole, egress or reboot of a NIC; expected them with "
            "network alone\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "network": "lan", "link": "down"})"),
            "run.json: /timeline/0: found link or assign without nic; expected the NIC that changes\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "nic": "alice"})"),
            "run.json: /timeline/0: found an event that changes nothing; expected link, assign, nat, impair, ...\n");
  EXPECT_EQ(timeline(R"({"at_s": 1, "nic": "alice", "network": "lan"})"), "");
}

TEST(ConfigCheck, VeryManyNamesAreNotAllListed) {
  std::string networks;
  for (int i = 0; i < 30; ++i) {
    networks += R"({"ipv4": "10.0.0.1/24", "name": "n)" + std::to_string(i) + "\"}" + (i < 29 ? "," : "");
  }
  const std::string lines =
      complaints(R"({"nics": [{"mac": "52:00:00:00:00:01", "network": "n-29"}], "networks": [)" + networks + "]}");
  EXPECT_TRUE(lines.ends_with("n22, n23, ...; did you mean \"n29\"?\n")) << lines;
}

TEST(ConfigFile, WhatCannotBeReadIsNamed) {
  const auto file = [](const std::string& path) { return to_string(load_config_file(path, "/run").error(), path); };
  EXPECT_EQ(file("/nonexistent/run.json"),
            "/nonexistent/run.json: found no such file; expected a JSON file that can be read\n");
  EXPECT_EQ(file("/tmp"), "/tmp: found a folder; expected a JSON file that can be read\n");
}

TEST(ConfigFile, RelativePathsStartAtTheFolderOfTheFile) {
  const std::string folder = testing::TempDir() + "vnet-config-" + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  std::ofstream{folder + "/run.json"} << R"({"state": "state/", "capture": {"file": "run.pcapng"}})";
  const auto result = load_config_file(folder + "/run.json", "/run");
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(result) << to_string(result.error(), "run.json");
  EXPECT_EQ(result->config.state, folder + "/state/");
  EXPECT_EQ(result->config.capture->file, folder + "/run.pcapng");
}

}  // namespace
}  // namespace vnet::daemon
