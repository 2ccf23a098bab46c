// configs/schema.json and the walker: every rule broken once, agreement with another implementation, and the schema
// held to the subset that the walker reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "config_testing.hpp"
#include "daemon/config_words.hpp"
#include "daemon/json_schema.hpp"

namespace vnet::daemon {
namespace {

using testing::HasSubstr;

/// A document that breaks one rule of configs/schema.json, and the line about it without the file's name.
struct BadDocument {
  std::string_view text;
  std::string_view complaint;
};

const std::vector<BadDocument> kBadDocuments = {
    {R"([])", R"(found an array; expected an object)"},
    {R"({"networks": [{"nta": "easy"}]})",
     R"(/networks/0/nta: found an unknown member "nta"; expected one of name, ipv4, ipv6, mac, mtu, wan, nat, port_mapping, dhcp, dns, host_alias, egress, forwards, members, port_security, impair, blackhole; did you mean "nat"?)"},
    {R"({"networks": [{"mtu": "big"}]})",
     R"(/networks/0/mtu: found "big" (a string); expected an integer from 576 to 65520)"},
    {R"({"networks": [{"mtu": 575}]})", R"(/networks/0/mtu: found 575; expected an integer from 576 to 65520)"},
    {R"({"networks": [{"mtu": 65521}]})", R"(/networks/0/mtu: found 65521; expected an integer from 576 to 65520)"},
    {R"({"networks": [{"mtu": 1500.5}]})",
     R"(/networks/0/mtu: found 1500.5 (a number); expected an integer from 576 to 65520)"},
    {R"({"networks": [{"mtu": null}]})", R"(/networks/0/mtu: found null; expected an integer from 576 to 65520)"},
    {R"({"networks": [{"mtu": true}]})", R"(/networks/0/mtu: found true; expected an integer from 576 to 65520)"},
    {R"({"networks": []})", R"(/networks: found an array of 0; expected an array of 1 to 256 elements)"},
    {R"({"networks": {}})", R"(/networks: found an object; expected an array of 1 to 256 elements)"},
    {R"({"networks": [{"name": "-lan"}]})",
     R"(/networks/0/name: found "-lan"; expected a name of at most 63 letters, digits and inner hyphens, such as alice)"},
    {R"({"networks": [{"nat": "hrad"}]})",
     R"(/networks/0/nat: found "hrad"; expected one of none, one2one, fullcone, easyaf, easy, hardaf, hard, cgnat; did you mean "hard"?)"},
    {R"({"networks": [{"nat": 3}]})",
     R"(/networks/0/nat: found 3; expected one of none, one2one, fullcone, easyaf, easy, hardaf, hard, cgnat, or an object)"},
    {R"({"networks": [{"nat": {"hairpin": "yes"}}]})",
     R"(/networks/0/nat/hairpin: found "yes" (a string); expected true or false)"},
    {R"({"networks": [{"port_mapping": ["pcp", "pcp"]}]})",
     R"(/networks/0/port_mapping/1: found "pcp" a second time; expected each element once)"},
    {R"({"networks": [{"ipv4": "192.168.1/24"}]})",
     R"(/networks/0/ipv4: found "192.168.1/24"; expected an IPv4 address and a prefix length such as 192.168.1.1/24)"},
    {R"({"networks": [{"ipv6": "2052:::1/64"}]})",
     R"(/networks/0/ipv6: found "2052:::1/64"; expected an IPv6 address and a prefix length such as 2052::1/64)"},
    {R"({"networks": [{"mac": "53:00:00:00:00:01"}]})",
     R"(/networks/0/mac: found "53:00:00:00:00:01"; expected a unicast MAC address such as 52:cc:cc:cc:cc:01)"},
    {R"({"nics": [{"mac": "00:00:00:00:00:00"}]})",
     R"(/nics/0/mac: found "00:00:00:00:00:00"; expected a unicast MAC address such as 52:cc:cc:cc:cc:01)"},
    {R"({"nics": [{"name": "alice"}]})", R"(/nics/0: found no member "mac"; expected it here)"},
    {R"({"networks": [{"dhcp": {"range": ["10.0.0.1"]}}]})",
     R"(/networks/0/dhcp/range: found an array of 1; expected an array of 2 elements)"},
    {R"({"networks": [{"dhcp": {"options": {"255": "x"}}}]})",
     R"(/networks/0/dhcp/options/255: found the member "255"; expected an option code from 1 to 254)"},
    {R"({"networks": [{"dhcp": {"options": {"42": [256]}}}]})",
     R"(/networks/0/dhcp/options/42/0: found 256; expected an integer from 0 to 255)"},
    {R"({"networks": [{"dns": {"upstream": "sytem"}}]})",
     R"(/networks/0/dns/upstream: found "sytem"; expected one of system, none; did you mean "system"?)"},
    {R"({"networks": [{"dns": {"upstream": ["9.9.9.9:0"]}}]})",
     R"(/networks/0/dns/upstream/0: found "9.9.9.9:0"; expected an IP address, with or without a port, such as 9.9.9.9 or 127.0.0.1:5353)"},
    {R"({"networks": [{"dns": {"domain": "a..b"}}]})",
     R"(/networks/0/dns/domain: found "a..b"; expected a domain name such as a.test)"},
    {R"({"networks": [{"impair": {"loss": 1.5}}]})",
     R"(/networks/0/impair/loss: found 1.5; expected a number from 0 to 1)"},
    {R"({"networks": [{"blackhole": ["52.52.0.3/33"]}]})",
     R"(/networks/0/blackhole/0: found "52.52.0.3/33"; expected an IP prefix such as 10.0.0.0/8 or 2052::/16)"},
    {R"({"networks": [{"egress": {"allow": ["10.0.0.0/33"]}}]})",
     R"(/networks/0/egress/allow/0: found "10.0.0.0/33"; expected an IP prefix such as 10.0.0.0/8 or 2052::/16)"},
    {R"({"networks": [{"egress": {"deny": [25]}}]})",
     R"(/networks/0/egress/deny/0: found 25; expected an IP prefix such as 10.0.0.0/8 or 2052::/16, or an object)"},
    {R"({"networks": [{"egress": {"deny": [{"ports": "25"}]}}]})",
     R"(/networks/0/egress/deny/0: found no member "to"; expected it here)"},
    {R"({"networks": [{"egress": {"deny": [{"to": "0.0.0.0/0", "port": "25"}]}}]})",
     R"(/networks/0/egress/deny/0/port: found an unknown member "port"; expected one of to, proto, ports; did you mean "ports"?)"},
    {R"({"networks": [{"egress": {"deny": [{"to": "0.0.0.0/0", "proto": "tpc"}]}}]})",
     R"(/networks/0/egress/deny/0/proto: found "tpc"; expected one of tcp, udp, icmp; did you mean "tcp"?)"},
    {R"({"networks": [{"egress": {"deny": [{"to": "0.0.0.0/0", "ports": "25,0"}]}}]})",
     R"(/networks/0/egress/deny/0/ports: found "25,0"; expected ports and ranges of ports such as 80,443,8000-8100)"},
    {R"({"networks": [{"egress": {"deny": [{"to": "0.0.0.0/0", "ports": "8100-8000"}]}}]})",
     R"(/networks/0/egress/deny/0/ports: found "8100-8000"; expected ports and ranges of ports such as 80,443,8000-8100)"},
    {R"({"networks": [{"egress": {"deny": [{"to": "0.0.0.0/0", "ports": 25}]}}]})",
     R"(/networks/0/egress/deny/0/ports: found 25 (an integer); expected ports and ranges of ports such as 80,443,8000-8100)"},
    {R"({"networks": [{"forwards": [{"listen": "2222", "to": "10.0.0.1:22"}]}]})",
     R"(/networks/0/forwards/0/listen: found "2222"; expected an address and a port such as 127.0.0.1:2222, or unix: and a path)"},
    {R"({"listen": {"dgram": "vnet.sock"}})",
     R"(/listen/dgram: found "vnet.sock" (a string); expected an array of 0 to 256 elements)"},
    {R"({"listen": {"dgram": [7]}})",
     R"(/listen/dgram/0: found 7; expected a path of at most 4095 bytes, or an object)"},
    {R"({"listen": {"dgram": [{"netwrok": "lan", "path": "a.sock"}]}})",
     R"(/listen/dgram/0/netwrok: found an unknown member "netwrok"; expected one of path, network; did you mean "network"?)"},
    {R"({"listen": {"control": ""}})", R"(/listen/control: found ""; expected a path of at most 4095 bytes)"},
    {R"({"listen": {"assign": ["vsock:0"]}})",
     R"(/listen/assign/0: found "vsock:0"; expected a path, or vsock: and a port such as vsock:51011)"},
    {R"({"services": [{"name": "a.test", "ipv4": "1.2.3.4", "forward": {"sctp/1": "unix:a"}}]})",
     R"(/services/0/forward/sctp~11: found the member "sctp/1"; expected a protocol and a port such as tcp/8008)"},
    {R"({"services": [{"name": "a.test", "ipv4": ["1.2.3.4", "1.2.3"]}]})",
     R"(/services/0/ipv4/1: found "1.2.3"; expected an IPv4 address such as 192.168.1.1)"},
    {R"({"services": [{"name": "a.test", "kind": "sutn"}]})",
     R"(/services/0/kind: found "sutn"; expected one of stun, files, syslog, cloud-init, dns, ntp, echo, discard; did you mean "stun"?)"},
    {R"({"timeline": [{"at_s": -1}]})", R"(/timeline/0/at_s: found -1; expected a number from 0 to 1000000)"},
    {R"({"capture": {}})", R"(/capture: found no member "file"; expected it here)"},
    {R"({"seed": -1})", R"(/seed: found -1; expected an integer from 0 to 9007199254740991)"},
    {R"({"seed": 9007199254740992})",
     R"(/seed: found 9007199254740992; expected an integer from 0 to 9007199254740991)"},
    {R"({"a/b~c": 1})",
     R"(/a~1b~0c: found an unknown member "a/b~c"; expected one of $schema, networks, nics, listen, services, timeline, capture, state, seed)"},
};

TEST(ConfigSchema, EveryBrokenRuleIsReportedWithWhatWasFoundAndExpected) {
  for (const BadDocument& bad : kBadDocuments) {
    EXPECT_EQ(complaints(bad.text), "run.json: " + std::string{bad.complaint} + "\n") << bad.text;
  }
}

TEST(ConfigSchema, AllProblemsAreReportedUpToTheLimit) {
  EXPECT_EQ(complaints(R"({"seed": "x", "nisc": []})"),
            "run.json: /seed: found \"x\" (a string); expected an integer from 0 to 9007199254740991\n"
            "run.json: /nisc: found an unknown member \"nisc\"; expected one of $schema, networks, nics, listen, "
            "services, timeline, capture, state, seed; did you mean \"nics\"?\n");
  std::string many = R"({"nics": [)";
  for (int i = 0; i < 25; ++i) many += std::string{i > 0 ? ", " : ""} + "{}";
  const std::string lines = complaints(many + "]}");
  EXPECT_EQ(std::ranges::count(lines, '\n'), 21);
  EXPECT_TRUE(lines.ends_with("run.json: and 5 more\n")) << lines;
}

TEST(ConfigSchema, WholeNumbersMayBeWrittenWithAPoint) {
  EXPECT_EQ(loaded(R"({"networks": [{"mtu": 1400.0}]})").networks[0].mtu, 1400);
}

void for_each_schema(const Json& schema, const std::string& pointer,
                     const std::function<void(const Json&, const std::string&)>& visit) {
  visit(schema, pointer);
  for (const char* name : {"properties", "$defs"}) {
    const Json members = schema.value(name, Json::object());
    for (const auto& member : members.items()) {
      for_each_schema(member.value(), pointer + "/" + name + "/" + member.key(), visit);
    }
  }
  if (schema.contains("items")) for_each_schema(schema.at("items"), pointer + "/items", visit);
  if (schema.contains("oneOf")) {
    for (const Json& branch : schema.at("oneOf")) for_each_schema(branch, pointer + "/oneOf", visit);
  }
  if (schema.contains("additionalProperties") && schema.at("additionalProperties").is_object()) {
    for_each_schema(schema.at("additionalProperties"), pointer + "/additionalProperties", visit);
  }
}

TEST(ConfigSchema, UsesOnlyWhatTheWalkerReads) {
  const std::set<std::string> annotations = {"$schema", "title", "description", "default", "examples"};
  const std::set<std::string> rules = {
      "$ref",          "$defs",   "type",     "properties", "required",    "additionalProperties",
      "propertyNames", "items",   "minItems", "maxItems",   "uniqueItems", "enum",
      "minimum",       "maximum", "oneOf",    "format",     "pattern",     "maxLength"};
  for_each_schema(Json::parse(schema_text()), "", [&](const Json& schema, const std::string& at) {
    for (const auto& keyword : schema.items()) {
      EXPECT_TRUE(annotations.contains(keyword.key()) || rules.contains(keyword.key())) << at << " " << keyword.key();
      const bool alone = !schema.contains("$ref") && !schema.contains("oneOf");
      EXPECT_TRUE(alone || keyword.key() == "$ref" || keyword.key() == "oneOf" || annotations.contains(keyword.key()))
          << at << ": " << keyword.key() << " is not read beside $ref or oneOf";
    }
    if (schema.contains("pattern")) {
      EXPECT_TRUE(schema.contains("format")) << at;
    }
    if (schema.contains("format")) {
      EXPECT_NE(find_format(schema.at("format").get<std::string>()), nullptr) << at;
    }
    if (schema.value("type", "") == "object") {
      EXPECT_TRUE(schema.contains("additionalProperties")) << at;
    }
    if (schema.contains("oneOf")) {
      std::set<std::string> types;
      for (const Json& branch : schema.at("oneOf")) types.insert(branch.value("type", "none"));
      EXPECT_EQ(types.size(), schema.at("oneOf").size()) << at;
    }
  });
}

TEST(ConfigSchema, EveryMemberIsDescribed) {
  for_each_schema(Json::parse(schema_text()), "", [](const Json& schema, const std::string& at) {
    const Json properties = schema.value("properties", Json::object());
    for (const auto& property : properties.items()) {
      EXPECT_TRUE(property.value().contains("description")) << at << " " << property.key();
    }
  });
}

TEST(ConfigSchema, EmbeddedSchemaIsTheFile) {
  EXPECT_EQ(schema_text(), contents(source_folder() + "/configs/schema.json"));
}

TEST(ConfigSchema, TheManualPageNamesEveryMember) {
  const std::string page = contents(source_folder() + "/man/vnet.json.5");
  for_each_schema(Json::parse(schema_text()), "", [&page](const Json& schema, const std::string& at) {
    const Json properties = schema.value("properties", Json::object());
    for (const auto& property : properties.items()) {
      EXPECT_THAT(page, HasSubstr(".It Ic " + property.key() + "\n")) << at;
    }
    for (const Json& word : schema.value("enum", Json::array())) {
      EXPECT_THAT(page, HasSubstr(word.get<std::string>())) << at;
    }
  });
}

TEST(ConfigSchema, EveryWordOfAnEnumIsReadAsItsOwnEnumerator) {
  const Json schema = Json::parse(schema_text());
  const auto words = [&schema](const std::string& pointer) {
    return schema.at(Json::json_pointer(pointer)).get<std::vector<std::string>>();
  };
  using testing::ElementsAreArray;
  EXPECT_THAT(words("/$defs/nat/oneOf/0/enum"), ElementsAreArray(kNatPresetWords));
  const std::string nat = "/$defs/nat/oneOf/1/properties/";
  EXPECT_THAT(words(nat + "preset/enum"), ElementsAreArray(kNatPresetWords));
  EXPECT_THAT(words(nat + "mapping/enum"), ElementsAreArray(kDependenceWords));
  EXPECT_THAT(words(nat + "filtering/enum"), ElementsAreArray(kDependenceWords));
  EXPECT_THAT(words(nat + "ports/enum"), ElementsAreArray(kPortChoiceWords));
  EXPECT_THAT(words(nat + "ipv6/enum"), ElementsAreArray(kIpv6WayWords));
  EXPECT_THAT(words("/$defs/network/properties/port_mapping/items/enum"), ElementsAreArray(kPortMappingWords));
  EXPECT_THAT(words("/$defs/network/properties/members/enum"), ElementsAreArray(kMembersWords));
  EXPECT_THAT(words("/$defs/forward/properties/proto/enum"), ElementsAreArray(kProtocolWords));
  EXPECT_THAT(words("/$defs/egress_rule/oneOf/1/properties/proto/enum"), ElementsAreArray(kEgressProtocolWords));
  EXPECT_THAT(words("/$defs/nic/properties/link/enum"), ElementsAreArray(kLinkWords));
  EXPECT_THAT(words("/$defs/nic/properties/assign/enum"), ElementsAreArray(kAssignWords));
  EXPECT_THAT(words("/$defs/service/properties/kind/enum"), ElementsAreArray(kServiceKindWords));
}

TEST(ConfigSchema, EgressRulesOfBothListsStayBelowThePolicysLimit) {
  const Json schema = Json::parse(schema_text());
  EXPECT_EQ(2 * schema.at(Json::json_pointer("/$defs/egress_rules/maxItems")).get<std::size_t>(), nat::kMaxEgressRules);
}

/// Our verdicts as JSON, for the script: a document and the JSON pointers at which something is wrong with it.
Json verdict(const std::string& name, std::string_view text) {
  const auto document = parse_json_text(text);
  if (!document) throw std::runtime_error(name + " is not JSON");
  Problems problems;
  check_schema(Json::parse(schema_text()), *document, problems);
  Json pointers = Json::array();
  for (const Problem& problem : problems.listed()) pointers.push_back(problem.place);
  return {{"name", name}, {"document", *document}, {"problems", pointers}};
}

// The walker is ours, so its reading of the schema could be ours too. python3-jsonschema is another
// implementation: it checks that the schema is one, and must find the same faults at the same places.
TEST(ConfigSchema, AgreesWithPythonJsonschema) {
  const char* script = "/tests/daemon/schema_agreement.py";
  if (std::system("/usr/bin/python3 -c 'import jsonschema' >/dev/null 2>&1") != 0) {
    ASSERT_EQ(std::getenv("CI"), nullptr) << "python3-jsonschema is missing";
    GTEST_SKIP() << "needs the package python3-jsonschema";
  }
  Json cases = Json::array();
  for (const auto& entry : std::filesystem::directory_iterator{source_folder() + "/configs"}) {
    if (entry.path().extension() != ".json" || entry.path().filename() == "schema.json") continue;
    cases.push_back(verdict(entry.path().filename().string(), contents(entry.path().string())));
  }
  for (const BadDocument& bad : kBadDocuments) cases.push_back(verdict(std::string{bad.text}, bad.text));
  const std::string path = testing::TempDir() + "vnet-schema-cases-" + std::to_string(getpid()) + ".json";
  std::ofstream{path} << cases;
  const std::string command =
      "/usr/bin/python3 " + source_folder() + script + " " + source_folder() + "/configs/schema.json " + path;
  const int status = std::system(command.c_str());
  std::filesystem::remove(path);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace vnet::daemon
