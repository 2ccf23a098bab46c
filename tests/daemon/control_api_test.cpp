// The control API's functions: what each does, what it says of a mistake, and that long answers come in pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/control/api.hpp"
#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ApiTest : public testing::Test, protected ApiPlant {
 protected:
  static std::string carol() { return R"({"name": "carol", "mac": "52:cc:cc:cc:00:03"})"; }
};

// Routing.

TEST_F(ApiTest, AnUnknownPathIsAnsweredWithTheNearest) {
  const Answer answer = call("GET", "/v1/nisc");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.type, "application/problem+json");
  EXPECT_THAT(answer.detail(), HasSubstr("did you mean \"/v1/nics\"?"));
  for (const char* const path : {"/", "*", "/v1", "/v1/", "/v1/nics/", "/v1/nics/a/b", "//v1/nics", "/V1/nics"}) {
    EXPECT_EQ(call("GET", path).status, 404) << path;
  }
}

TEST_F(ApiTest, AnotherMethodIsAnsweredWithThoseThatThereAre) {
  const Answer answer = call("PUT", "/v1/nics/alice");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.header("Allow"), "GET, PATCH, DELETE");
  EXPECT_THAT(answer.detail(), HasSubstr("\"PUT\""));
  EXPECT_EQ(call("get", "/v1/nics").status, 405) << "methods are told apart by case (RFC 9110, 9.1)";
}

TEST_F(ApiTest, ASegmentOfAPathIsOneName) { EXPECT_THAT(call("GET", "/v1/nics/a%2Fb").detail(), HasSubstr("\"a/b\"")); }

// Bodies.

TEST_F(ApiTest, AMistakeInABodyIsPointedAtWithTheNearestName) {
  const Answer answer = call("PATCH", "/v1/nics/alice", R"({"lnik": "down"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.pointer(), "/lnik");
  EXPECT_THAT(answer.detail(), HasSubstr("did you mean \"link\"?"));
  EXPECT_TRUE(nic("alice").config.link_up);
}

TEST_F(ApiTest, SeveralMistakesAreAllListed) {
  const Answer answer = call("POST", "/v1/nics", R"({"name": "-x", "mac": "53:00:00:00:00:00", "link": 1})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.json().at("problems"), SizeIs(3));
}

TEST_F(ApiTest, WhatIsNoJsonIsSaidWithItsPlaceInWords) {
  const Answer answer = call("POST", "/v1/nics", "{\n  \"name\": x}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.pointer(), "");
  EXPECT_THAT(answer.detail(), HasSubstr("2:11"));
  EXPECT_THAT(call("POST", "/v1/nics").detail(), HasSubstr("the body is empty"));
  EXPECT_EQ(call("POST", "/v1/nics", std::string(100, '[')).status, 400);
  EXPECT_EQ(call("POST", "/v1/nics", R"({"name": "a", "name": "b"})").status, 400);
}

// NICs.

TEST_F(ApiTest, ANicIsAddedShownChangedAndRemoved) {
  const Answer added = call("POST", "/v1/nics", carol());
  EXPECT_EQ(added.status, 201);
  EXPECT_EQ(added.header("Location"), "/v1/nics/carol");
  EXPECT_EQ(added.json().at("network"), "home");
  EXPECT_EQ(call("GET", "/v1/nics/carol").json(), added.json());
  EXPECT_EQ(call("GET", "/v1/nics/52:CC:CC:CC:00:03").json(), added.json());
  const Answer changed = call("PATCH", "/v1/nics/carol", R"({"link": "down", "name": "caro", "cause": "lunch"})");
  EXPECT_EQ(changed.json().at("link"), "down");
  EXPECT_EQ(changed.json().at("name"), "caro");
  bool told = false;
  for (const network::Event& event : fabric.events().take()) {
    told = told || (event.kind == network::EventKind::nic_link && event.cause == "lunch");
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(call("DELETE", "/v1/nics/caro").status, 204);
  EXPECT_EQ(call("GET", "/v1/nics/caro").status, 404);
}

TEST_F(ApiTest, AMacAddressIsMadeFromTheNameAlwaysTheSame) {
  const std::string first = call("POST", "/v1/nics", R"({"name": "dave"})").json().at("mac");
  ASSERT_EQ(call("DELETE", "/v1/nics/dave").status, 204);
  EXPECT_EQ(call("POST", "/v1/nics", R"({"name": "dave"})").json().at("mac"), first);
}

TEST_F(ApiTest, AConflictIsA409AtItsMember) {
  const Answer answer = call("POST", "/v1/nics", R"({"name": "alice"})");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.pointer(), "/name");
}

TEST_F(ApiTest, ThreeThousandNicsAreListedInPieces) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(fabric.add({"vm-" + std::to_string(i), mac(0x1000 + i), i % 2, true}, loop.now()));
  }
  const Answer all = call("GET", "/v1/nics");
  EXPECT_THAT(all.json(), SizeIs(3002));
  EXPECT_LE(all.largest_piece, 32U * 1024);
  EXPECT_THAT(call("GET", "/v1/nics?network=office").json(), SizeIs(1500));
  EXPECT_THAT(call("GET", "/v1/nics?attached=true").json(), IsEmpty());
  EXPECT_THAT(call("GET", "/v1/nics?attached=false").json(), SizeIs(3002));
  const Answer metrics = call("GET", "/metrics");
  EXPECT_LE(metrics.largest_piece, 32U * 1024);
}

TEST_F(ApiTest, AListGoesOnWhenNicsComeAndGoMeanwhile) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(fabric.add({"vm-" + std::to_string(i), mac(0x1000 + i), 0, true}, loop.now()));
  }
  http::Response response = respond("GET", "/v1/nics");
  std::string text;
  ASSERT_EQ(response.stream->produce(text), http::Body::More::yes);
  for (std::uint64_t i = 0; i < 200; i += 2) fabric.remove(fabric.find(mac(0x1000 + i)), "test", loop.now());
  text += drain(*response.stream);
  EXPECT_GE(Json::parse(text).size(), 102U);
}

TEST_F(ApiTest, ADescriptorIsAttachedAndTheNumberOfThemIsOne) {
  const auto attach = [&](int count) {
    std::vector<dgram::Fd> fds;
    for (int i = 0; i < count; ++i) fds.push_back(std::move(dgram::make_pair(SOCK_DGRAM)->first));
    return call("POST", "/v1/nics/alice/attach", {}, {}, std::move(fds));
  };
  EXPECT_EQ(attach(0).status, 400);
  EXPECT_EQ(attach(2).status, 400);
  auto pair = dgram::make_pair(SOCK_DGRAM);
  std::vector<dgram::Fd> fds;
  fds.push_back(std::move(pair->first));
  const Answer answer = call("POST", "/v1/nics/alice/attach", {}, {}, std::move(fds));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json().at("attachment").at("kind"), "fd");
  EXPECT_EQ(call("DELETE", "/v1/nics/alice/attach").status, 204);
  EXPECT_EQ(call("DELETE", "/v1/nics/alice/attach").status, 409);
  EXPECT_EQ(call("GET", "/v1/nics/alice").json().at("attachment"), nullptr);
}

// Leases and names.

dhcp::Lease make_lease(std::uint64_t number, Ipv4Address ip, Instant expires) {
  dhcp::Lease lease;
  lease.ip = ip;
  lease.mac = mac(number);
  lease.client = "client-" + std::to_string(number);
  lease.state = dhcp::LeaseState::bound;
  lease.expires = expires;
  return lease;
}

TEST_F(ApiTest, LeasesOfAllNetworksOrOfOneAreListedInOrder) {
  for (std::uint32_t i = 0; i < 130; ++i) {
    ASSERT_TRUE(
        operations.restore_lease(0, make_lease(100 + i, Ipv4Address{ip4("10.0.0.100").to_u32() + i}, loop.now() + 1h)));
  }
  ASSERT_TRUE(operations.restore_lease(1, make_lease(2, ip4("10.1.0.9"), loop.now() + 90s)));
  const Json all = call("GET", "/v1/leases").json();
  ASSERT_THAT(all, SizeIs(131));
  EXPECT_EQ(all[0].at("ip"), "10.0.0.100");
  EXPECT_EQ(all[129].at("ip"), "10.0.0.229");
  EXPECT_EQ(all[130].at("network"), "office");
  EXPECT_EQ(all[130].at("nic"), "bob");
  EXPECT_GE(all[130].at("remaining_s"), 80);
  EXPECT_LE(all[130].at("remaining_s"), 90);
  EXPECT_THAT(call("GET", "/v1/leases?network=office").json(), SizeIs(1));
  EXPECT_EQ(call("GET", "/v1/leases/10.1.0.9").status, 200);
  EXPECT_EQ(call("GET", "/v1/leases/10.1.0.9?network=home").status, 404);
  EXPECT_EQ(call("DELETE", "/v1/leases/10.1.0.9").status, 204);
  EXPECT_EQ(call("DELETE", "/v1/leases/10.1.0.9").status, 404);
}

TEST_F(ApiTest, ANameIsKnownInEverySpelling) {
  EXPECT_EQ(call("GET", "/v1/dns/records/NAS.test.").json().at("name"), "nas.test");
  const Answer put = call("PUT", "/v1/dns/records/Nas.TEST", R"({"a": ["10.0.0.8"]})");
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(put.json().at("name"), "nas.test");
  EXPECT_THAT(call("GET", "/v1/dns/records").json(), SizeIs(1));
  EXPECT_THAT(call("GET", "/v1/dns/records?network=office").json(), IsEmpty());
  EXPECT_EQ(call("DELETE", "/v1/dns/records/nas.TEST").status, 204);
  EXPECT_THAT(resolve("nas.test"), IsEmpty());
}

// Snapshots.

TEST_F(ApiTest, WhatASnapshotRememberedIsRestored) {
  ASSERT_TRUE(operations.restore_lease(0, make_lease(2, ip4("10.0.0.60"), loop.now() + 1h)));
  const std::string snapshot = call("POST", "/v1/snapshot").body;
  ASSERT_EQ(call("DELETE", "/v1/leases/10.0.0.60").status, 204);
  ASSERT_EQ(call("PATCH", "/v1/nics/alice", R"({"link": "down", "network": "office"})").status, 200);
  ASSERT_EQ(call("DELETE", "/v1/nics/bob").status, 204);
  const Json restored = call("POST", "/v1/restore", snapshot).json();
  EXPECT_EQ(restored,
            Json::parse(R"({"nics": [{"name": "alice", "lease": "none"}, {"name": "bob", "lease": "restored"}]})"));
  EXPECT_TRUE(nic("alice").config.link_up);
  EXPECT_EQ(nic("alice").config.network, 0U);
  EXPECT_EQ(nic("alice").config.ip, ip4("10.0.0.50"));
  EXPECT_EQ(fabric.lease_of(port("bob"))->ip, ip4("10.0.0.60"));
}

TEST_F(ApiTest, AnAddressThatIsTakenMeanwhileIsNotGivenBack) {
  ASSERT_TRUE(operations.restore_lease(0, make_lease(2, ip4("10.0.0.60"), loop.now() + 1h)));
  const std::string snapshot = call("POST", "/v1/snapshot", R"({"nics": ["bob"]})").body;
  ASSERT_EQ(call("DELETE", "/v1/leases/10.0.0.60").status, 204);
  ASSERT_TRUE(operations.restore_lease(0, make_lease(9, ip4("10.0.0.60"), loop.now() + 1h)));
  EXPECT_THAT(call("POST", "/v1/restore", snapshot).json().at("nics")[0].at("lease"), HasSubstr("10.0.0.60"));
}

TEST_F(ApiTest, ASnapshotThatDoesNotFitChangesNothing) {
  const auto restore = [&](const std::string& bad) {
    return call("POST", "/v1/restore",
                R"({"version": 1, "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01",
      "network": "home", "link": "down"}, )" +
                    bad + "]}");
  };
  EXPECT_EQ(restore(R"({"name": "x", "mac": "52:00:00:00:00:09", "network": "gone", "link": "up"})").pointer(),
            "/nics/1/network");
  EXPECT_EQ(restore(R"({"name": "bob", "mac": "52:00:00:00:00:09", "network": "home", "link": "up"})").pointer(),
            "/nics/1/name");
  EXPECT_EQ(restore(R"({"name": "x", "mac": "52:00:00:00:00:09", "network": "home", "link": "up",
    "lease": {"ip": "10.0.0.9", "remaining_s": 1, "client_id": "xyz"}})")
                .pointer(),
            "/nics/1/lease/client_id");
  EXPECT_EQ(restore(R"({"name": "x", "mac": "52:00:00:00:00:09", "network": "home", "link": "up",
    "ip": "10.0.0.50"})")
                .status,
            409);
  EXPECT_EQ(restore(R"({"name": "x", "mac": "52:00:00:00:00:09", "network": "home", "link": "up",
    "hostname": "not a name"})")
                    .status /
                100,
            4);
  EXPECT_TRUE(nic("alice").config.link_up);
  EXPECT_EQ(operations.config(), file);
}

// The daemon.

TEST_F(ApiTest, StatusCountsAndNamesLimits) {
  const Json status = call("GET", "/v1/status").json();
  EXPECT_EQ(status.at("networks"), 2);
  EXPECT_EQ(status.at("nics"), 2);
  EXPECT_EQ(status.at("attached"), 0);
  EXPECT_EQ(status.at("started"), "2026-11-22T16:54:09.123Z");
  EXPECT_EQ(status.at("limits").at("nics"), Json::parse(R"({"used": 2, "limit": 4096})"));
  EXPECT_EQ(status.at("limits").at("control_clients"), Json::parse(R"({"used": 3, "limit": 64})"));
}

TEST_F(ApiTest, AReloadSaysWhatChangedOrWhyNot) {
  reloaded = Reloaded{{"/nics/0"}, {"/seed"}};
  EXPECT_EQ(call("POST", "/v1/reload").json(), Json::parse(R"({"changed": ["/nics/0"], "restart_needed": ["/seed"]})"));
  reloaded = fail(Refusal{Refusal::Kind::conflict, "", "there is no file", {}});
  EXPECT_EQ(call("POST", "/v1/reload").status, 409);
}

TEST_F(ApiTest, ATakeOverSwitchesProtocols) {
  http::Response response = respond("POST", "/v1/take-over");
  EXPECT_EQ(response.status, 101);
  ASSERT_TRUE(response.hand_over);
  response.hand_over({}, {});
  EXPECT_EQ(handed_over, 1U);
}

TEST_F(ApiTest, ALiveCaptureIsTheConnectionItself) {
  http::Response response = respond("GET", "/v1/captures/live?nic=alice&nic=bob&filter=arp");
  ASSERT_TRUE(response.hand_over);
  EXPECT_EQ(response.type, "application/x-pcapng");
  auto pair = dgram::make_pair(SOCK_STREAM);
  response.hand_over(std::move(pair->first), {});
  ASSERT_THAT(captures.running(), SizeIs(1));
  EXPECT_TRUE(captures.running()[0].live);
  EXPECT_THAT(captures.running()[0].request.nics, ElementsAre("alice", "bob"));
  EXPECT_EQ(call("GET", "/v1/captures").json()[0].contains("file"), false);
  EXPECT_TRUE(operations.changes().empty()) << "it does not go on after a restart";
}

// gvproxy's forms.

TEST_F(ApiTest, GvproxysLeasesAreMacAddressesByIp) {
  ASSERT_TRUE(operations.restore_lease(0, make_lease(2, ip4("10.0.0.60"), loop.now() + 1h)));
  const Json expected = Json::parse(R"({"10.0.0.1": "52:ee:ee:ee:ee:01", "10.0.0.60": "52:cc:cc:cc:00:02"})");
  EXPECT_EQ(call("GET", "/leases").json(), expected);
  EXPECT_EQ(call("GET", "/services/dhcp/leases").json(), expected);
}

TEST_F(ApiTest, GvproxysZonesAreAddedInWhateverCaseAndShownAsGiven) {
  EXPECT_EQ(call("POST", "/services/dns/add", R"({"name": "z.", "RECORDS": [{"name": "a", "Ip": "10.0.0.3"}]})").status,
            200);
  EXPECT_EQ(call("POST", "/services/dns/add", R"({"Name": "y.", "Records": null})").status, 200);
  EXPECT_THAT(resolve("a.z"), ElementsAre(ip4("10.0.0.3")));
  EXPECT_EQ(call("GET", "/services/dns/all").json(),
            Json::parse(R"([{"Name": "z.", "Records": [{"Name": "a", "IP": "10.0.0.3"}], "DefaultIP": ""},
                            {"Name": "y.", "Records": [], "DefaultIP": ""}])"));
}

TEST_F(ApiTest, WhatGvproxyWouldNotTakeIsRefusedAsText) {
  for (const char* const body :
       {"", "[]", "3", R"({"Name": 3})", R"({"Records": {}})", R"({"Records": [3]})", R"({"Records": [{"Name": 1}]})",
        R"({"Name": "z", "Records": [{"Name": "a", "IP": "x"}]})", R"({"Name": "z", "DefaultIP": "x"})",
        R"({"Name": "z", "Records": [{"Regexp": "a.*", "IP": "10.0.0.1"}]})"}) {
    const Answer answer = call("POST", "/services/dns/add", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.type, HasSubstr("text/plain"));
  }
  EXPECT_THAT(operations.zones(), IsEmpty());
}

}  // namespace
}  // namespace vnet::daemon
