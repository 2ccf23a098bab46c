// openapi.json and the API are held to each other: every documented operation is called, every answer judged by the
// document, and nothing is answered that it does not have.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "daemon/json_schema.hpp"
#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::IsEmpty;

/// Whether a path pattern of the document is that of `target`.
bool is_path(std::string_view pattern, std::string_view target) {
  target = target.substr(0, target.find('?'));
  while (!pattern.empty() && !target.empty()) {
    const std::string_view expected = pattern.substr(0, pattern.find('/', 1));
    const std::string_view found = target.substr(0, target.find('/', 1));
    if (!expected.starts_with("/{") && expected != found) return false;
    pattern.remove_prefix(expected.size());
    target.remove_prefix(found.size());
  }
  return pattern.empty() && target.empty();
}

std::string two_homes_and_a_service() {
  std::string text{kTwoHomes};
  text.insert(text.rfind('}'), R"(, "services": [{"name": "a.test", "ipv4": "3.3.3.3", "ipv6": "2052::3", "kind": "dns",
    "records": [{"name": "b.test", "a": ["1.2.3.4"]}], "forward": {"udp/9": "127.0.0.1:9", "tcp/9": "unix:a.sock"},
    "proxy_protocol": 2}])");
  return text;
}

class OpenApi : public testing::Test, protected ApiPlant {
 protected:
  OpenApi() : ApiPlant(two_homes_and_a_service()) {}

  /// The path of the document that is meant: one without `{...}` before one with.
  [[nodiscard]] std::string path_of(std::string_view target) const {
    std::string best;
    for (const auto& path : document.at("paths").items()) {
      if (!is_path(path.key(), target)) continue;
      if (best.empty() || best.find('{') != std::string::npos) best = path.key();
    }
    return best;
  }

  /// Calls, and compares the answer with the document.
  Answer judge(const std::string& method, const std::string& target, const std::string& body = {},
               std::vector<dgram::Fd> fds = {}) {
    SCOPED_TRACE(method + " " + target + " " + body);
    const std::string path = path_of(target);
    EXPECT_NE(path, "") << "the document does not have this path";
    std::string verb = method;
    std::ranges::transform(verb, verb.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    const Answer answer = call(method, target, body, {}, std::move(fds));
    const Json& operation = document.at("paths").at(path).at(verb);
    const Json& responses = operation.at("responses");
    const std::string status = std::to_string(answer.status);
    const bool listed = responses.contains(status);
    EXPECT_TRUE(listed || answer.status >= 400) << status << " is not documented: " << answer.body;
    const Json& response = listed ? responses.at(status) : document.at("components").at("responses").at("problem");
    if (!response.contains("content")) {
      EXPECT_EQ(answer.body, "");
      EXPECT_EQ(answer.type, "");
    } else {
      const std::string type = answer.type.substr(0, answer.type.find(';'));
      EXPECT_TRUE(response.at("content").contains(type)) << answer.type;
      if (type.ends_with("json") && response.at("content").contains(type)) {
        check(response.at("content").at(type).at("schema"), answer.body);
      }
    }
    if (answer.status < 400) exercised.insert(verb + " " + path);
    return answer;
  }
  void check(const Json& schema, const std::string& text) const {
    const Json value = Json::parse(text);
    if (schema == Json{{"type", "object"}}) {
      EXPECT_TRUE(value.is_object());
      return;
    }
    Problems problems;
    check_schema(document, schema, value, problems);
    for (const Problem& problem : problems.listed()) ADD_FAILURE() << problem.place << ": " << problem.text;
  }

  /// The switch with a bit of everything.
  void furnish() {
    (void)call("POST", "/v1/nics", R"({"name": "carol", "dgram": ")" + folder.path("c.sock") + R"(", "link": "down"})");
    auto pair = dgram::make_pair(SOCK_DGRAM);
    ASSERT_TRUE(operations.attach(port("alice"), std::move(pair->first)));
    guest = std::move(pair->second);
    dhcp::Lease lease;
    lease.ip = ip4("10.0.0.77");
    lease.mac = mac(2);
    lease.hostname = "\xff weird";
    lease.client = std::string{"\0\xff", 2};
    lease.state = dhcp::LeaseState::bound;
    lease.expires = loop.now() + 1h;
    ASSERT_TRUE(operations.restore_lease(0, lease));
    for (const network::Event& event : fabric.events().take()) backlog.add(event, kUnixMs);
  }

  /// Without the one format that only answers have, which the walker for requests does not know.
  static Json make_document() {
    std::string text{openapi_text()};
    constexpr std::string_view kDateTime = R"("format": "date-time", )";
    constexpr std::string_view kLast = R"(, "format": "date-time")";
    for (const std::string_view each : {kDateTime, kLast}) {
      for (std::size_t at = 0; (at = text.find(each)) != std::string::npos;) text.erase(at, each.size());
    }
    return Json::parse(text);
  }

  const Json document = make_document();
  std::set<std::string> exercised;
  dgram::Fd guest;
};

TEST_F(OpenApi, EveryOperationAnswersAsItIsDocumented) {
  furnish();
  judge("GET", "/v1/status");
  judge("GET", "/v1/networks");
  judge("GET", "/v1/networks/home");
  judge("PATCH", "/v1/networks/home", R"({"nat": {"preset": "hard", "hairpin": false}, "wan": {"ipv4": "2.1.1.1"},
                                          "blackhole": {"add": ["3.0.0.0/8"]}, "ipv4": "10.0.0.1/24"})");
  judge("POST", "/v1/networks/home/reboot", R"({"cause": "a test"})");
  judge("PATCH", "/v1/networks/home", R"({"impair": {"latency_ms": 1.5, "up": {"rate_mbps": 10}}, "cause": "a test"})");
  judge("GET", "/v1/nics");
  judge("GET", "/v1/nics?network=home&attached=true");
  judge("GET", "/v1/nics/alice");
  judge("GET", "/v1/nics/52:cc:cc:cc:00:02");
  judge("POST", "/v1/nics", R"({"name": "dave"})");
  judge("PATCH", "/v1/nics/dave", R"({"link": "down", "network": "office", "ip": null, "cause": "a test"})");
  judge("PATCH", "/v1/nics/dave", R"({"impair": {"loss_burst": {"enter": 0.01, "leave": 0.2}, "queue_kb": 64}})");
  EXPECT_THAT(judge("POST", "/v1/nics/dave/assignment").body, ::testing::HasSubstr("10.0.0.9"));
  EXPECT_THAT(judge("POST", "/v1/nics/alice/assignment").body, ::testing::HasSubstr("null"));
  judge("DELETE", "/v1/nics/dave");
  judge("PATCH", "/v1/networks/home", R"({"egress": {"enabled": true, "allow": ["10.9.0.0/16"],
    "deny": ["2001:db8::/32", {"to": "10.9.9.0/24", "proto": "tcp", "ports": "25,465-587"}]}})");
  judge("GET", "/v1/services");
  judge("GET", "/v1/services/a.test");
  judge("PATCH", "/v1/services/a.test", R"({"up": false, "cause": "a test"})");
  judge("GET", "/v1/flows");
  judge("GET", "/v1/flows?network=home&nic=alice");
  judge("GET", "/v1/nat/mappings?network=home&limit=5");
  judge("GET", "/v1/leases");
  judge("GET", "/v1/leases/10.0.0.77?network=home");
  judge("DELETE", "/v1/nics/alice/attach", R"({"cause": "a test", "ended": true})");
  {
    auto pair = dgram::make_pair(SOCK_STREAM);
    std::vector<dgram::Fd> fds;
    fds.push_back(std::move(pair->first));
    judge("POST", "/v1/nics/alice/attach", {}, std::move(fds));
  }
  judge("GET", "/v1/dns/records");
  judge("PUT", "/v1/dns/records/a.test", R"({"a": ["10.0.0.3"], "mx": [{"preference": 1, "exchange": "mail.test"}],
    "srv": [{"port": 80, "target": "web.test"}], "txt": ["hello"], "aaaa": ["2052::3"]})");
  judge("PUT", "/v1/dns/records/*.all.test", R"({"cname": "a.test", "ttl_s": 0})");
  judge("GET", "/v1/dns/records/a.test");
  judge("DELETE", "/v1/dns/records/a.test");
  judge("POST", "/v1/captures",
        R"({"file": ")" + folder.path("x.pcapng") + R"(", "nics": ["alice", "home-gateway"], "filter": "arp"})");
  judge("GET", "/v1/captures");
  judge("GET", "/v1/captures/1");
  judge("DELETE", "/v1/captures/1");
  judge("GET", "/v1/captures/live?nic=alice&filter=arp&snaplen=64");
  judge("POST", "/v1/forwards",
        R"({"listen": "unix:)" + folder.path("f.sock") + R"(", "to": "10.0.0.50:22", "proxy_protocol": 2})");
  judge("GET", "/v1/forwards");
  judge("GET", "/v1/forwards/1");
  judge("DELETE", "/v1/forwards/1");
  const std::string exposed =
      R"({"local": ")" + folder.path("g.sock") + R"(", "remote": "tcp://10.0.0.50:22", "protocol": "unix"})";
  judge("POST", "/services/forwarder/expose", exposed);
  judge("GET", "/services/forwarder/all");
  judge("POST", "/services/forwarder/unexpose", exposed);
  judge("GET", "/v1/events?since=0&follow=false");
  const Answer snapshot = judge("POST", "/v1/snapshot", R"({"nics": ["alice", "bob"]})");
  judge("POST", "/v1/snapshot");
  judge("DELETE", "/v1/leases/10.0.0.77");
  judge("POST", "/v1/restore", snapshot.body);
  judge("POST", "/v1/reload");
  judge("GET", "/v1/openapi.json");
  judge("GET", "/metrics");
  judge("GET", "/leases");
  judge("GET", "/services/dhcp/leases");
  judge("POST", "/services/dns/add",
        R"({"Name": "internal.", "Records": [{"Name": "host", "IP": "10.0.0.254"}], "DefaultIP": "10.0.0.1"})");
  judge("GET", "/services/dns/all");
  for (const auto& path : document.at("paths").items()) {
    for (const auto& operation : path.value().items()) {
      if (operation.key() == "parameters") continue;
      if (path.key() == "/v1/take-over") continue;  // its answer is no HTTP
      EXPECT_TRUE(exercised.contains(operation.key() + " " + path.key())) << operation.key() << " " << path.key();
    }
  }
}

TEST_F(OpenApi, EveryMistakeIsAnsweredAsItIsDocumented) {
  furnish();
  const std::vector<std::array<std::string, 3>> mistakes = {
      {"GET", "/v1/networks/hone", ""},
      {"PATCH", "/v1/networks/hone", R"({"impair": {}})"},
      {"PATCH", "/v1/networks/home", R"({"impair": {"los": 1}})"},
      {"PATCH", "/v1/networks/home", R"({"nat": {"ports": "any"}})"},
      {"PATCH", "/v1/networks/home", R"({"wan": {"ipv4": "10.0.0.9"}})"},
      {"PATCH", "/v1/networks/home", R"({"blackhole": {"remove": ["9.0.0.0/8"]}})"},
      {"POST", "/v1/networks/hone/reboot", ""},
      {"PATCH", "/v1/networks/home", R"({"egress": {"allow": ["127.0.0.0/8"]}})"},
      {"GET", "/v1/flows?nic=alise", ""},
      {"GET", "/v1/nat/mappings?network=hone", ""},
      {"GET", "/v1/nat/mappings?limit=0", ""},
      {"GET", "/v1/nics/alise", ""},
      {"GET", "/v1/nics?network=x", ""},
      {"GET", "/v1/nics?attached=maybe", ""},
      {"POST", "/v1/nics", ""},
      {"POST", "/v1/nics", "{"},
      {"POST", "/v1/nics", "{}"},
      {"POST", "/v1/nics", R"({"name": "alice"})"},
      {"POST", "/v1/nics", R"({"nme": "x", "mac": 5})"},
      {"POST", "/v1/nics", R"({"name": "x", "dgram": "relative"})"},
      {"PATCH", "/v1/nics/alice", R"({"link": "sideways"})"},
      {"PATCH", "/v1/nics/alice", R"({"ip": "10.9.9.9"})"},
      {"PATCH", "/v1/nics/alice", R"({"impair": {"up": {"loss": 1.5}}})"},
      {"PATCH", "/v1/nics/alice", R"({"a": 1, "a": 2})"},
      {"DELETE", "/v1/nics/nobody", ""},
      {"DELETE", "/v1/nics/bob/attach", ""},
      {"POST", "/v1/nics/bob/attach", ""},
      {"GET", "/v1/leases/10.0.0.99", ""},
      {"GET", "/v1/leases/nonsense", ""},
      {"DELETE", "/v1/leases/10.0.0.77?network=x", ""},
      {"GET", "/v1/dns/records?network=x", ""},
      {"GET", "/v1/dns/records/nowhere.test", ""},
      {"PUT", "/v1/dns/records/a.test", R"({"name": "b.test", "a": ["10.0.0.3"]})"},
      {"PUT", "/v1/dns/records/a%20b.test", R"({"a": ["10.0.0.3"]})"},
      {"PUT", "/v1/dns/records/a.test", R"({})"},
      {"DELETE", "/v1/dns/records/nowhere.test", ""},
      {"POST", "/v1/captures", R"({"file": "relative"})"},
      {"POST", "/v1/captures", R"({"file": "/x", "nics": ["nobody"]})"},
      {"POST", "/v1/captures", R"({"file": "/nonexistent/x"})"},
      {"POST", "/v1/captures", R"({"file": "/tmp/x", "filter": "nonsense &"})"},
      {"POST", "/v1/forwards", R"({"listen": "127.0.0.1:2222"})"},
      {"POST", "/v1/forwards", R"({"listen": "127.0.0.1:2222", "to": "1.2.3.4:22"})"},
      {"POST", "/v1/forwards", R"({"listen": "unix:/tmp/x", "to": "10.0.0.50:22", "proto": "udp"})"},
      {"POST", "/v1/forwards", R"({"listen": "192.0.2.1:2222", "to": "10.0.0.50:22"})"},
      {"POST", "/v1/forwards", R"({"listen": "127.0.0.1:2222", "to": "10.0.0.50:22", "network": "nowhere"})"},
      {"GET", "/v1/forwards/99", ""},
      {"DELETE", "/v1/forwards/99", ""},
      {"POST", "/services/forwarder/expose", R"({"local": "here"})"},
      {"POST", "/services/forwarder/unexpose", R"({"local": ":1"})"},
      {"GET", "/v1/captures/99", ""},
      {"DELETE", "/v1/captures/99", ""},
      {"GET", "/v1/captures/live?nic=nobody", ""},
      {"GET", "/v1/captures/live?filter=nonsense%20%26", ""},
      {"GET", "/v1/captures/live?snaplen=-1", ""},
      {"GET", "/v1/captures/live?nick=alice", ""},
      {"GET", "/v1/events?since=x", ""},
      {"GET", "/v1/events?follow=perhaps", ""},
      {"POST", "/v1/snapshot", R"({"nics": ["nobody"]})"},
      {"POST", "/v1/restore", R"({"version": 2, "nics": []})"},
      {"POST", "/v1/restore", R"({"version": 1, "nics": [{"name": "x", "mac": "52:00:00:00:00:09", "network": "home",
        "link": "up", "connections": [{"guest": "10.0.0.9", "remote": "1.1.1.1:1", "sequence": 0,
        "acknowledgment": 0}]}]})"},
      {"POST", "/v1/restore", R"({"version": 1, "nics": [{"name": "x", "mac": "52:00:00:00:00:09", "network": "y",
         "link": "up"}]})"},
      {"POST", "/services/dns/add", R"([])"},
      {"POST", "/services/dns/add", R"({"Name": "z", "Records": [{"Name": "a", "IP": "b"}]})"},
  };
  const Config before = operations.config();
  for (const auto& [method, target, body] : mistakes) {
    const Answer answer = judge(method, target, body);
    EXPECT_GE(answer.status, 400) << method << " " << target << " " << body;
    EXPECT_LT(answer.status, 501) << method << " " << target << " " << body;
  }
  EXPECT_EQ(operations.config(), before);
  EXPECT_EQ(fabric.nic_count(), 3U);
}

TEST_F(OpenApi, OurWalkerReadsAllOfItsSchemas) {
  const std::set<std::string> known = {"type",     "properties",
                                       "required", "additionalProperties",
                                       "items",    "minItems",
                                       "maxItems", "uniqueItems",
                                       "enum",     "minimum",
                                       "maximum",  "maxLength",
                                       "format",   "$ref",
                                       "oneOf",    "propertyNames",
                                       "title",    "description",
                                       "default",  "pattern",
                                       "examples", "contentMediaType"};
  const std::function<void(const Json&, const std::string&)> walk = [&](const Json& schema, const std::string& at) {
    if (!schema.is_object()) return;
    for (const auto& member : schema.items()) {
      EXPECT_TRUE(known.contains(member.key())) << at << "/" << member.key();
      if (member.key() == "format") {
        const std::string format = member.value();
        EXPECT_NE(find_format(format), nullptr) << at << ": " << format;
      }
      if (member.key() == "properties") {
        for (const auto& property : member.value().items()) walk(property.value(), at + "/" + property.key());
      }
      if (member.key() == "items" || member.key() == "additionalProperties") walk(member.value(), at + "/*");
      if (member.key() == "oneOf") {
        for (const Json& branch : member.value()) walk(branch, at + "|");
      }
    }
  };
  for (const auto& schema : document.at("components").at("schemas").items()) walk(schema.value(), schema.key());
}

TEST_F(OpenApi, NothingIsAnsweredThatItDoesNotHave) {
  // What a route's 404 offers and what 405 allows come from the routes themselves.
  for (const auto& path : document.at("paths").items()) {
    std::string target = path.key();
    for (std::size_t at = 0; (at = target.find('{')) != std::string::npos;) {
      target.replace(at, target.find('}') - at + 1, "x");
    }
    const Answer answer = call("BREW", target);
    ASSERT_EQ(answer.status, 405) << target;
    std::string allowed = answer.header("Allow");
    std::ranges::transform(allowed, allowed.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const auto& operation : path.value().items()) {
      if (operation.key() == "parameters") continue;
      EXPECT_THAT(allowed, testing::HasSubstr(operation.key())) << target;
    }
    const auto count = std::ranges::count(allowed, ',') + 1;
    // /v1/captures/live is also a capture's id.
    const auto operations_of = static_cast<std::ptrdiff_t>(path.value().size() - path.value().count("parameters"));
    EXPECT_GE(count, operations_of) << target;
    if (target == "/v1/captures/live") continue;
    EXPECT_EQ(count, operations_of) << target << ": " << allowed;
  }
}

}  // namespace
}  // namespace vnet::daemon
