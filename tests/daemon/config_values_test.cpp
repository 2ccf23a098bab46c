// What a right config means: defaults, every member of the documented format, printing and loading again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "config_testing.hpp"
#include "daemon/config_defaults.hpp"

namespace vnet::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigDefaults, AnEmptyFileIsTheBuiltInNetwork) {
  const Config config = loaded("{}");
  EXPECT_EQ(config, default_config("/run/user/1000/vnet"));
  ASSERT_EQ(config.networks.size(), 1U);
  const Network& lan = config.networks[0];
  EXPECT_EQ(lan.name, "lan");
  EXPECT_EQ(lan.ipv4, Ipv4Prefix::parse("192.168.127.1/24"));
  EXPECT_EQ(lan.ipv6, Ipv6Prefix::parse("fd5a:94ef:e40c::1/64"));
  EXPECT_EQ(lan.mac.to_string(), "5a:94:ef:e4:0c:dd");
  EXPECT_EQ(lan.mtu, 1500);
  EXPECT_EQ(lan.host_alias, parse_ip("192.168.127.254"));
  EXPECT_EQ(lan.members, Members::open);
  EXPECT_TRUE(lan.dhcp.enabled);
  EXPECT_EQ(lan.dhcp.first.to_string(), "192.168.127.2");
  EXPECT_EQ(lan.dhcp.last.to_string(), "192.168.127.253");
  EXPECT_EQ(lan.dhcp.lease, seconds{3600});
  EXPECT_EQ(lan.dns.domain, "vnet");
  EXPECT_TRUE(lan.dns.system_upstream);
  EXPECT_THAT(lan.dns.address, ElementsAre(*parse_ip("192.168.127.1"), *parse_ip("fd5a:94ef:e40c::1")));
  ASSERT_EQ(lan.dns.records.size(), 3U);
  EXPECT_EQ(lan.dns.records[0].name, "gateway.containers.internal");
  EXPECT_EQ(lan.dns.records[1].name, "host.containers.internal");
  EXPECT_THAT(lan.dns.records[1].a, ElementsAre(Ipv4Address(192, 168, 127, 254)));
  EXPECT_EQ(lan.dns.records[2].name, "host.docker.internal");
  EXPECT_THAT(config.listen.dgram, ElementsAre(ListenEntry{"/run/user/1000/vnet/dgram.sock", "lan"}));
  EXPECT_THAT(config.listen.stream, ElementsAre(ListenEntry{"/run/user/1000/vnet/stream.sock", "lan"}));
  EXPECT_EQ(config.listen.control, "/run/user/1000/vnet/control.sock");
  EXPECT_EQ(config.capture, std::nullopt);
  EXPECT_EQ(config.state, std::nullopt);
  EXPECT_EQ(config.seed, std::nullopt);
}

TEST(ConfigDefaults, TheBuiltInNetworkMayBeChangedInPart) {
  const Network changed = loaded(R"({"networks": [{"mtu": 9000}]})").networks[0];
  Network expected = loaded("{}").networks[0];
  expected.mtu = 9000;
  EXPECT_EQ(changed, expected);
}

TEST(ConfigDefaults, GatewayMacDependsOnTheNameAlone) {
  const Config config =
      loaded(R"({"networks": [{"name": "a", "ipv4": "10.0.0.1/24"}, {"name": "b", "ipv4": "10.0.0.1/24"}]})");
  EXPECT_NE(config.networks[0].mac, config.networks[1].mac);
  EXPECT_EQ(config.networks[0].mac, loaded(R"({"networks": [{"name": "a", "ipv6": "2052::1/64"}]})").networks[0].mac);
  // Guests keep the gateway in their ARP caches over snapshots: the value must not change between versions.
  EXPECT_EQ(gateway_mac("home").to_string(), "86:ce:bf:02:8e:76");
  for (const char* name : {"a", "b", "home", "office", "x1", "x2", "x3"}) {
    EXPECT_FALSE(gateway_mac(name).is_group()) << name;
    EXPECT_EQ(gateway_mac(name).octets()[0] & 2U, 2U) << name;
  }
}

TEST(ConfigDefaults, DhcpRangeIsThePrefixWithoutTakenEnds) {
  const auto range = [](std::string_view members) {
    const Dhcp dhcp = loaded(R"({"networks": [{)" + std::string{members} + "}]}").networks[0].dhcp;
    return dhcp.first.to_string() + "-" + dhcp.last.to_string();
  };
  EXPECT_EQ(range(R"("ipv4": "10.0.0.1/24")"), "10.0.0.2-10.0.0.254");
  EXPECT_EQ(range(R"("ipv4": "10.0.0.254/24")"), "10.0.0.1-10.0.0.253");
  EXPECT_EQ(range(R"("ipv4": "10.0.0.7/24")"), "10.0.0.1-10.0.0.254");
  EXPECT_EQ(range(R"("ipv4": "10.0.0.1/24", "dns": {"address": "10.0.0.2"})"), "10.0.0.3-10.0.0.254");
  EXPECT_EQ(range(R"("ipv4": "10.0.0.1/30")"), "10.0.0.2-10.0.0.2");
  EXPECT_EQ(range(R"("ipv4": "10.0.0.1/8")"), "10.0.0.2-10.255.255.254");
  EXPECT_EQ(range(R"("ipv6": "2052::1/64")"), "0.0.0.0-0.0.0.0");
}

TEST(ConfigDefaults, NicsTakeTheirNamesFromTheirMacAndTheFirstNetwork) {
  const Nic nic = loaded(R"({"networks": [{"name": "home", "ipv4": "10.0.0.1/24"}],
                             "nics": [{"mac": "52:CC:cc:cc:cc:01"}]})")
                      .nics[0];
  EXPECT_EQ(nic.name, "52-cc-cc-cc-cc-01");
  EXPECT_EQ(nic.hostname, "52-cc-cc-cc-cc-01");
  EXPECT_EQ(nic.network, "home");
  EXPECT_EQ(nic.link, Link::up);
}

TEST(ConfigDefaults, NatIsEasyWithAWanAndNoneWithout) {
  EXPECT_EQ(loaded(R"({"networks": [{"ipv4": "10.0.0.1/24"}]})").networks[0].nat, nat_of(nat::NatPreset::none));
  EXPECT_EQ(loaded(R"({"networks": [{"ipv4": "10.0.0.1/24", "wan": {"ipv4": "2.1.1.1"}}]})").networks[0].nat,
            nat_of(nat::NatPreset::easy));
}

/// The format as it was promised: every member, with the values of its description.
constexpr std::string_view kEveryMember = R"({
  "networks": [{
    "name": "home",
    "ipv4": "192.168.1.1/24",            // the gateway's address and prefix
    "ipv6": "2052::1/64",
    "mac": "52:ee:ee:ee:ee:01",
    "mtu": 1500,
    "wan": {"ipv4": "2.1.1.1", "ipv6": "2001:db8:1::1"},
    "nat": "easy",
    "port_mapping": ["nat-pmp", "pcp", "upnp"],
    "dhcp": {"enabled": true, "range": ["192.168.1.100", "192.168.1.199"], "lease_s": 3600,
             "routes": [], "options": {}},
    "dns": {"domain": "vnet", "search": [], "upstream": "system", "records": [{"name": "a.test", "a": ["1.2.3.4"], "ttl_s": 60}],
            "address": "192.168.1.1"},
    "host_alias": "192.168.1.254",
    "egress": {"enabled": true, "allow": [], "deny": ["169.254.0.0/16"]},
    "forwards": [{"proto": "tcp", "listen": "127.0.0.1:2222", "to": "192.168.1.101:22"}],
    "members": "open",
    "port_security": false,
    "impair": {"latency_ms": 20, "jitter_ms": 5, "loss": 0.01, "duplicate": 0, "reorder": 0, "corrupt": 0, "rate_mbps": 0},
    "blackhole": ["52.52.0.3/32"]
  }, {
    "name": "other", "ipv4": "10.1.0.1/16",
    "wan": {"ipv4": "192.168.1.2"},
    "nat": {"preset": "one2one", "mapping": "address-dependent", "filtering": "address-dependent",
            "ports": "sequential", "hairpin": false, "inbound_refresh": true, "udp_timeout_s": 30,
            "icmp_timeout_s": 31, "tcp_established_timeout_s": 32, "tcp_transitory_timeout_s": 33,
            "ipv6": "routed", "firewall": false, "behind": "home", "host": "10.1.0.5"},
    "dhcp": {"routes": [{"to": "10.9.0.0/16", "via": "10.1.0.2"}], "options": {"42": [10, 1, 0, 1], "66": "tftp.test"}},
    "dns": {"upstream": ["9.9.9.9", "[2620:fe::fe]:53", "127.0.0.1:5353"], "search": ["vnet", "a.test"], "records": [
      {"name": "c.test", "cname": "a.test"},
      {"name": "m.test", "mx": [{"preference": 10, "exchange": "mail.test"}], "txt": ["v=spf1 -all"], "aaaa": ["2052::7"]},
      {"name": "_sip._udp.test", "srv": [{"priority": 1, "weight": 2, "port": 5060, "target": "a.test"}]},
      {"name": "4.3.2.1.in-addr.arpa", "ptr": "a.test"}]},
    "forwards": [{"listen": "unix:ssh.sock", "to": "10.1.0.5:22"}],
    "egress": {"allow": ["10.0.0.0/8", {"to": "2052::/16", "proto": "tcp", "ports": "8000-8100,80,443"}, {"to": "0.0.0.0/0", "proto": "icmp"}],
               "deny": [{"to": "10.1.2.3", "ports": "25"}]},
    "members": "listed", "port_security": true
  }],
  "nics": [{
    "name": "alice", "mac": "52:cc:cc:cc:cc:01", "network": "home",
    "ip": "192.168.1.101",
    "hostname": "alice", "link": "up",
    "assign": "wait",
    "dgram": "alice.sock",
    "impair": {}
  }],
  "listen": {"dgram": ["vnet.sock", {"path": "x.sock", "network": "other"}], "stream": ["vnet-stream.sock"],
             "control": "control.sock", "assign": ["assign.sock", "vsock:51011"]},
  "services": [
    {"name": "test-driver.test", "ipv4": "52.52.0.2", "ipv6": "2052::2", "forward": {"tcp/8008": "unix:driver.sock"}, "proxy_protocol": true},
    {"name": "stun.test", "ipv4": ["3.3.3.3", "3.3.3.4"], "kind": "stun"},
    {"name": "files.test", "ipv4": "52.52.0.6", "kind": "files", "root": "files/"},
    {"name": "logs.test", "ipv4": "52.52.0.9", "kind": "syslog"},
    {"name": "cloud-init.test", "ipv4": "52.52.0.5", "kind": "cloud-init", "root": "seed/"},
    {"name": "dns.test", "ipv4": "52.52.0.10", "kind": "dns", "records": [{"name": "b.test", "a": ["1.2.3.4"]}]},
    {"name": "ntp.test", "ipv4": "52.52.0.11", "kind": "ntp"},
    {"name": "echo.test", "ipv6": ["2052::12", "2052::13"], "kind": "echo"},
    {"name": "discard.test", "ipv4": "52.52.0.13", "kind": "discard"},
    {"name": "control.test", "ipv4": "52.52.0.3"}
  ],
  "timeline": [{"at_s": 10, "nic": "alice", "link": "down"}, {"at_s": 12.5, "nic": "alice", "link": "up"},
               {"at_s": 20, "network": "home", "nat": "hard"},
               {"at_s": 30, "nic": "alice", "network": "other", "impair": {"loss": 0.5}, "assign": "ready"},
               {"at_s": 40, "network": "home", "blackhole": [], "egress": {"enabled": false}}],
  "capture": {"file": "run.pcapng", "filter": "not arp", "snaplen": 0, "rotate_mb": 0, "keep": 0},
  "state": "state/",
  "seed": 1
})";

TEST(ConfigValues, EveryMemberArrives) {
  const Config config = loaded(kEveryMember);
  const Network& home = config.networks[0];
  EXPECT_EQ(home.wan, (Wan{Ipv4Address{2, 1, 1, 1}, Ipv6Address::parse("2001:db8:1::1")}));
  EXPECT_EQ(home.nat, nat_of(nat::NatPreset::easy));
  EXPECT_THAT(home.port_mapping,
              ElementsAre(PortMappingProtocol::nat_pmp, PortMappingProtocol::pcp, PortMappingProtocol::upnp));
  EXPECT_EQ(home.dhcp.first, Ipv4Address(192, 168, 1, 100));
  EXPECT_EQ(home.dhcp.last, Ipv4Address(192, 168, 1, 199));
  EXPECT_EQ(home.dns.records[0].ttl_s, 60U);
  EXPECT_THAT(home.dns.address, ElementsAre(*parse_ip("192.168.1.1")));
  EXPECT_EQ(home.forwards[0],
            (Forward{Protocol::tcp, *parse_endpoint("127.0.0.1:2222"), *parse_endpoint("192.168.1.101:22")}));
  l2::Impairment way;
  way.latency = milliseconds{20};
  way.jitter = milliseconds{5};
  way.loss = 0.01;
  EXPECT_EQ(home.impair, (Impair{way, way}));
  EXPECT_THAT(home.blackhole, ElementsAre(*parse_ip_prefix("52.52.0.3/32")));

  const Network& other = config.networks[1];
  Nat nat = nat_of(nat::NatPreset::one2one);
  nat.behavior.mapping = nat.behavior.filtering = nat::Dependence::address_dependent;
  nat.behavior.ports = nat::PortChoice::sequential;
  nat.behavior.hairpin = nat.behavior.firewall = false;
  nat.behavior.inbound_refresh = true;
  nat.behavior.udp_timeout = seconds{30};
  nat.behavior.icmp_timeout = seconds{31};
  nat.behavior.tcp_established_timeout = seconds{32};
  nat.behavior.tcp_transitory_timeout = seconds{33};
  nat.behind = "home";
  nat.host = Ipv4Address{10, 1, 0, 5};
  EXPECT_EQ(other.nat, nat);
  EXPECT_THAT(other.dhcp.routes, ElementsAre(DhcpRoute{*Ipv4Prefix::parse("10.9.0.0/16"), Ipv4Address{10, 1, 0, 2}}));
  EXPECT_THAT(other.dhcp.options.at(42), ElementsAre(10, 1, 0, 1));
  EXPECT_THAT(other.dhcp.options.at(66), ElementsAre('t', 'f', 't', 'p', '.', 't', 'e', 's', 't'));
  EXPECT_FALSE(other.dns.system_upstream);
  EXPECT_THAT(other.dns.upstream, ElementsAre(*parse_endpoint("9.9.9.9:53"), *parse_endpoint("[2620:fe::fe]:53"),
                                              *parse_endpoint("127.0.0.1:5353")));
  EXPECT_EQ(other.dns.records[0].cname, "a.test");
  EXPECT_EQ(other.dns.records[1].mx[0], (MxRecord{10, "mail.test"}));
  EXPECT_EQ(other.dns.records[2].srv[0], (SrvRecord{1, 2, 5060, "a.test"}));
  EXPECT_EQ(other.dns.records[3].ptr, "a.test");
  EXPECT_EQ(other.forwards[0].listen, EndpointOrUnix{UnixPath{"/etc/vnet/ssh.sock"}});
  EXPECT_EQ(other.egress,
            (Egress{true,
                    {{*parse_ip_prefix("10.0.0.0/8"), {}, {}},
                     {*parse_ip_prefix("2052::/16"), nat::EgressProtocol::tcp, {{80, 80}, {443, 443}, {8000, 8100}}},
                     {*parse_ip_prefix("0.0.0.0/0"), nat::EgressProtocol::icmp, {}}},
                    {{*parse_ip_prefix("10.1.2.3/32"), {}, {{25, 25}}}}}));
  EXPECT_EQ(other.members, Members::listed);
  EXPECT_TRUE(other.port_security);

  EXPECT_EQ(config.nics[0].ip, Ipv4Address(192, 168, 1, 101));
  EXPECT_EQ(config.nics[0].dgram, "/etc/vnet/alice.sock");
  EXPECT_THAT(config.listen.dgram,
              ElementsAre(ListenEntry{"/etc/vnet/vnet.sock", "home"}, ListenEntry{"/etc/vnet/x.sock", "other"}));
  EXPECT_THAT(config.listen.assign, ElementsAre(AssignEntry{"/etc/vnet/assign.sock", "home", {}, false},
                                                AssignEntry{"vsock:51011", "home", {}, false}));
  EXPECT_EQ(config.listen.control, "/etc/vnet/control.sock");
}

TEST(ConfigValues, EveryMemberOfServicesAndTimelineArrives) {
  const Config config = loaded(kEveryMember);
  const Service& driver = config.services[0];
  EXPECT_EQ(driver.forward.at({Protocol::tcp, 8008}), EndpointOrUnix{UnixPath{"/etc/vnet/driver.sock"}});
  EXPECT_EQ(driver.proxy_protocol, 1);
  EXPECT_EQ(driver.kind, std::nullopt);
  EXPECT_THAT(config.services[1].ipv4, ElementsAre(Ipv4Address(3, 3, 3, 3), Ipv4Address(3, 3, 3, 4)));
  EXPECT_EQ(config.services[2].root, "/etc/vnet/files/");
  EXPECT_EQ(config.services[4].kind, ServiceKind::cloud_init);
  EXPECT_EQ(config.services[5].records[0].name, "b.test");
  ASSERT_EQ(config.timeline.size(), 5U);
  EXPECT_EQ(config.timeline[0].link, Link::down);
  EXPECT_EQ(config.timeline[1].at, milliseconds{12'500});
  EXPECT_EQ(config.timeline[2].nat, nat_of(nat::NatPreset::hard));
  EXPECT_EQ(config.timeline[3].network, "other");
  EXPECT_EQ(config.timeline[3].assign, Assign::ready);
  EXPECT_EQ(config.timeline[4].egress->enabled, false);
  EXPECT_EQ(config.capture, (Capture{"/etc/vnet/run.pcapng", "not arp", 0, 0, 0}));
  EXPECT_EQ(config.state, "/etc/vnet/state/");
  EXPECT_EQ(config.seed, 1U);
}

TEST(ConfigValues, AnEmptyArrayOfSocketsMeansNone) {
  const Listen listen = loaded(R"({"listen": {"dgram": []}})").listen;
  EXPECT_THAT(listen.dgram, IsEmpty());
  EXPECT_EQ(listen.stream.size(), 1U);
}

TEST(ConfigValues, TheControlApiIsOnTcpOnlyWhenItIsAskedFor) {
  EXPECT_EQ(loaded("{}").listen.control_tcp, std::nullopt);
  const Listen listen =
      loaded(R"({"listen": {"control_tcp": {"address": "[::1]:7070", "token_file": "secret/token"}}})").listen;
  EXPECT_EQ(listen.control_tcp, (ControlTcp{parse_endpoint("[::1]:7070").value(), "/etc/vnet/secret/token"}));
}

TEST(ConfigPrint, LoadsAgainToTheSameConfig) {
  for (const std::string_view text : {std::string_view{"{}"}, kEveryMember,
                                      std::string_view{R"({"networks": [{"ipv6": "2052::1/64", "host_alias": "2052::9",
                                       "dhcp": {"options": {"43": [0, 255]}}, "dns": {"upstream": "none"}}],
                                       "listen": {"control_tcp": {"address": "[::1]:1", "token_file": "t"}},
                                       "seed": 9007199254740991, "capture": {"file": "-"}})"}}) {
    const Config config = loaded(text);
    const auto again = load_config(print_config(config), {"/somewhere/else", "/run/other"});
    ASSERT_TRUE(again) << to_string(again.error(), "printed");
    EXPECT_EQ(again->config, config);
  }
}

TEST(ConfigPrint, ANatThatIsAPresetIsPrintedAsItsName) {
  const auto nat = [](std::string_view text) {
    const Config config = loaded(R"({"networks": [{"wan": {"ipv4": "2.1.1.1"}, "nat": )" + std::string{text} + "}]}");
    return nlohmann::json::parse(print_config(config)).at("networks").at(0).at("nat");
  };
  for (const nat::NatPresetInfo& info : nat::kNatPresets) {
    const std::string name{info.name};
    EXPECT_EQ(nat('"' + name + '"'), name);
    EXPECT_EQ(nat(R"({"preset": ")" + name + "\"}"), name);
    const auto changed = nat(R"({"preset": ")" + name + R"(", "hairpin": false})");
    EXPECT_EQ(changed.at("preset"), name);
    EXPECT_EQ(changed.at("mapping"), to_string(behavior_of(info.preset).mapping));
    EXPECT_EQ(changed.at("hairpin"), false);
    EXPECT_EQ(nat(changed.dump()), changed);
  }
  EXPECT_EQ(nat(R"({"ports": "random"})").count("preset"), 0U);
}

TEST(ConfigPrint, AnEgressRuleThatIsAPrefixAloneIsPrintedAsOne) {
  const auto egress = [](std::string_view rule) {
    const Config config = loaded(R"({"networks": [{"egress": {"allow": [)" + std::string{rule} + "]}}]}");
    return nlohmann::json::parse(print_config(config)).at("networks").at(0).at("egress");
  };
  EXPECT_EQ(egress(R"({"to": "10.0.0.0/8"})"),
            nlohmann::json::parse(R"({"enabled": true, "allow": ["10.0.0.0/8"], "deny": ["169.254.0.0/16"]})"));
  EXPECT_EQ(egress(R"({"to": "2052::/16", "proto": "udp", "ports": "53,53,54"})").at("allow"),
            nlohmann::json::parse(R"([{"to": "2052::/16", "proto": "udp", "ports": "53-54"}])"));
}

TEST(ConfigPrint, OddNumbersSurvive) {
  for (const char* at : {"0.1", "0.000000001", "999999.999999999", "12345.678901234", "1000000"}) {
    const Config config = loaded(R"({"timeline": [{"at_s": )" + std::string{at} +
                                 R"(, "network": "lan", "impair": {"latency_ms": 0.3}}]})");
    EXPECT_EQ(load_config(print_config(config), kTestFolders)->config, config) << at;
  }
}

TEST(ConfigNotInEffect, WhatHasNoEffectIsNamed) {
  const auto found = load_config(kEveryMember, kTestFolders)->not_in_effect;
  EXPECT_THAT(found, IsEmpty());
}

TEST(ConfigNotInEffect, ANatWaitsForAWan) {
  const auto found = [](std::string_view nat) {
    return load_config(R"({"networks": [{"nat": )" + std::string{nat} + "}]}", kTestFolders)->not_in_effect;
  };
  EXPECT_THAT(found(R"("hard")"), ElementsAre("/networks/0/nat"));
  EXPECT_THAT(found(R"({"preset": "hard"})"), ElementsAre("/networks/0/nat"));
  EXPECT_THAT(found(R"({"udp_timeout_s": 30})"), IsEmpty()) << "of egress, too";
  EXPECT_THAT(found(R"({"preset": "none", "tcp_established_timeout_s": 30})"), IsEmpty());
}

TEST(ConfigNotInEffect, AskingForNothingIsNotNamed) {
  EXPECT_THAT(load_config("{}", kTestFolders)->not_in_effect, IsEmpty());
  EXPECT_THAT(load_config(R"({"networks": [{"nat": "none", "forwards": [], "impair": {"loss": 0}, "blackhole": [],
                               "egress": {"enabled": false, "deny": ["10.0.0.0/8"]}}],
                              "nics": [{"mac": "52:00:00:00:00:01", "assign": "wait", "impair": {}}],
                              "services": [], "timeline": []})",
                          kTestFolders)
                  ->not_in_effect,
              IsEmpty());
}

TEST(ConfigExamples, EachLoads) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{source_folder() + "/configs"}) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
    const auto result = load_config_file(entry.path().string(), "/run/vnet");
    EXPECT_TRUE(result) << to_string(result.error(), entry.path().string());
    ++count;
  }
  EXPECT_GE(count, 9);
}

TEST(ConfigExamples, DefaultJsonIsTheDefault) {
  const auto result = load_config_file(source_folder() + "/configs/default.json", "/run/vnet");
  ASSERT_TRUE(result);
  EXPECT_EQ(print_config(result->config), print_config(default_config("/run/vnet")));
}

TEST(ConfigExamples, TheReadmeHasALineForEach) {
  const std::string readme = contents(source_folder() + "/configs/README.md");
  for (const auto& entry : std::filesystem::directory_iterator{source_folder() + "/configs"}) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".json") {
      EXPECT_THAT(readme, testing::HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace vnet::daemon
