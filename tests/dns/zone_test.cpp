#include "dns/zone.hpp"

#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::n;

// The records of an answer as lines; "upstream" when the name is not local.
std::vector<std::string> ask(const LocalData& data, std::string_view name, Type type) {
  const auto local = data.lookup(n(name), type);
  if (!local) return {"upstream"};
  std::vector<std::string> result;
  testing::Bytes out(kMaxMessageSize);
  MessageWriter writer{out, out.size()};
  EXPECT_TRUE(writer.add_question({n(name), type}));
  RecordReader records = local->answer.records();
  while (const auto record = records.next()) {
    EXPECT_TRUE(
        writer.add_record(record->section, record->name, record->type, record->klass, record->ttl_s, record->rdata));
  }
  result = testing::lines(writer.finish({}, std::nullopt));
  if (local->answer.rcode != Rcode::no_error)
    result.insert(result.begin(), std::string{to_string(local->answer.rcode)});
  if (local->continues_at) result.push_back("then " + local->continues_at->to_string());
  return result;
}

const IpAddress kAlice4 = Ipv4Address{192, 168, 1, 101};
const IpAddress kAlice6 = *Ipv6Address::parse("fd00::101");

LocalData with_alice() {
  LocalData data;
  EXPECT_TRUE(data.set_host("alice", std::array{kAlice4, kAlice6}));
  return data;
}

TEST(LocalData, AHostHasAddressesAndReverseNames) {
  const LocalData data = with_alice();
  EXPECT_THAT(ask(data, "alice.vnet", Type::a), ElementsAre("answer alice.vnet 1 30 192.168.1.101"));
  EXPECT_THAT(ask(data, "alice.vnet", Type::aaaa), ElementsAre("answer alice.vnet 28 30 fd00::101"));
  EXPECT_THAT(ask(data, "101.1.168.192.in-addr.arpa", Type::ptr),
              ElementsAre("answer 101.1.168.192.in-addr.arpa 12 30 alice.vnet"));
  EXPECT_THAT(ask(data, reverse_name(kAlice6).to_string(), Type::ptr),
              ElementsAre("answer " + reverse_name(kAlice6).to_string() + " 12 30 alice.vnet"));
}

TEST(LocalData, AHostAnswersToItsBareNameAndOtherBareNamesGoUpstream) {
  const LocalData data = with_alice();
  EXPECT_THAT(ask(data, "Alice", Type::a), ElementsAre("answer Alice 1 30 192.168.1.101"));
  EXPECT_THAT(ask(data, "bob", Type::a), ElementsAre("upstream"));
  EXPECT_THAT(ask(data, "com", Type::ns), ElementsAre("upstream"));
}

TEST(LocalData, AHostThatLeavesTakesItsNamesWithIt) {
  LocalData data = with_alice();
  EXPECT_TRUE(data.set_host("alice", {}));
  EXPECT_THAT(ask(data, "alice.vnet", Type::a), ElementsAre("NXDOMAIN", "authority vnet 6 5 vnet"));
  EXPECT_THAT(ask(data, "101.1.168.192.in-addr.arpa", Type::ptr),
              ElementsAre("NXDOMAIN", "authority 168.192.in-addr.arpa 6 5 168.192.in-addr.arpa"));
  EXPECT_THAT(ask(data, "alice", Type::a), ElementsAre("upstream"));
}

TEST(LocalData, AnAddressThatMovedKeepsItsNewReverseNameWhenTheOldHostLeaves) {
  LocalData data = with_alice();
  EXPECT_TRUE(data.set_host("bob", std::array{kAlice4}));
  EXPECT_TRUE(data.set_host("alice", {}));
  EXPECT_THAT(ask(data, "101.1.168.192.in-addr.arpa", Type::ptr),
              ElementsAre("answer 101.1.168.192.in-addr.arpa 12 30 bob.vnet"));
}

TEST(LocalData, HostNamesAreOneLabelOfPlainCharacters) {
  LocalData data;
  const std::array addresses{kAlice4};
  for (const std::string& host : {std::string{}, std::string{"a.b"}, std::string{"a b"}, std::string{"a\\"},
                                  std::string{"*"}, std::string(64, 'x'), std::string("a\0b", 3)}) {
    EXPECT_FALSE(data.set_host(host, addresses)) << host;
  }
  EXPECT_TRUE(data.set_host("vm_1-b", addresses));
  LocalData no_domain{{.domain = Name{}}};
  EXPECT_FALSE(no_domain.set_host("alice", addresses));
  EXPECT_THAT(ask(no_domain, "alice.vnet", Type::a), ElementsAre("upstream"));
}

TEST(Rfc2308, UnknownNameIsNxdomainAndUnknownTypeIsNoDataBothWithTheSoa) {
  const LocalData data = with_alice();
  EXPECT_THAT(ask(data, "nobody.vnet", Type::a), ElementsAre("NXDOMAIN", "authority vnet 6 5 vnet"));
  EXPECT_THAT(ask(data, "alice.vnet", Type::mx), ElementsAre("authority vnet 6 5 vnet"));
  EXPECT_THAT(ask(data, "vnet", Type::a), ElementsAre("authority vnet 6 5 vnet"));
}

TEST(Rfc1035, AZoneHasItsSoaAndNsAtTheApex) {
  LocalData data = with_alice();
  EXPECT_THAT(ask(data, "vnet", Type::soa), ElementsAre("answer vnet 6 5 vnet"));
  EXPECT_THAT(ask(data, "vnet", Type::ns), ElementsAre("answer vnet 2 5 vnet"));
  ASSERT_TRUE(data.put({.name = n("vnet"), .a = {Ipv4Address{192, 168, 1, 1}}}));
  EXPECT_THAT(ask(data, "vnet", Type::a), ElementsAre("answer vnet 1 60 192.168.1.1"));
  EXPECT_THAT(ask(data, "vnet", Type::soa), ElementsAre("answer vnet 6 5 vnet"));
}

TEST(Rfc2308, AConfiguredSoaSetsTheNegativeTtlToTheLesserOfItsTtlAndMinimum) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("vnet"), .ttl_s = 900, .soa = Soa{.mname = n("ns.vnet"), .minimum_s = 77}}));
  EXPECT_THAT(ask(data, "nobody.vnet", Type::a), ElementsAre("NXDOMAIN", "authority vnet 6 77 ns.vnet"));
  EXPECT_THAT(ask(data, "vnet", Type::soa), ElementsAre("answer vnet 6 900 ns.vnet"));
}

TEST(Rfc8020, ANameWithNamesBelowItExists) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("_sip._tcp.vnet"), .srv = {{.port = 5060, .target = n("alice.vnet")}}}));
  EXPECT_THAT(ask(data, "_tcp.vnet", Type::a), ElementsAre("authority vnet 6 5 vnet"));
  EXPECT_THAT(ask(data, "_udp.vnet", Type::a), ElementsAre("NXDOMAIN", "authority vnet 6 5 vnet"));
}

TEST(LocalData, ARecordElsewhereMakesThatNameOursAndLeavesItsNeighboursUpstream) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("a.test"), .a = {Ipv4Address{1, 2, 3, 4}}}));
  EXPECT_THAT(ask(data, "A.test", Type::a), ElementsAre("answer A.test 1 60 1.2.3.4"));
  EXPECT_THAT(ask(data, "a.test", Type::aaaa), ElementsAre("authority a.test 6 5 a.test"));
  EXPECT_THAT(ask(data, "b.test", Type::a), ElementsAre("upstream"));
  EXPECT_THAT(ask(data, "x.a.test", Type::a), ElementsAre("upstream"));
  EXPECT_THAT(ask(data, "test", Type::a), ElementsAre("upstream"));
  EXPECT_TRUE(data.remove(n("A.TEST")));
  EXPECT_FALSE(data.remove(n("a.test")));
  EXPECT_THAT(ask(data, "a.test", Type::a), ElementsAre("upstream"));
}

TEST(LocalData, PutReplacesAllRecordsOfAName) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("a.test"), .a = {Ipv4Address{1, 2, 3, 4}, Ipv4Address{1, 2, 3, 5}}}));
  ASSERT_TRUE(data.put({.name = n("a.test"), .ttl_s = 9, .a = {Ipv4Address{5, 6, 7, 8}}}));
  EXPECT_THAT(ask(data, "a.test", Type::a), ElementsAre("answer a.test 1 9 5.6.7.8"));
  EXPECT_EQ(data.records().size(), 1U);
  EXPECT_EQ(data.find(n("a.test"))->ttl_s, 9U);
  EXPECT_EQ(data.find(n("b.test")), nullptr);
}

TEST(LocalData, AConfiguredNameHidesAHostOfThatName) {
  LocalData data = with_alice();
  ASSERT_TRUE(data.put({.name = n("alice.vnet"), .a = {Ipv4Address{1, 2, 3, 4}}}));
  EXPECT_THAT(ask(data, "alice.vnet", Type::a), ElementsAre("answer alice.vnet 1 60 1.2.3.4"));
  EXPECT_THAT(ask(data, "alice", Type::a), ElementsAre("answer alice 1 60 1.2.3.4"));
  EXPECT_THAT(ask(data, "alice.vnet", Type::aaaa), ElementsAre("authority vnet 6 5 vnet"));
  data.remove(n("alice.vnet"));
  EXPECT_THAT(ask(data, "alice.vnet", Type::aaaa), ElementsAre("answer alice.vnet 28 30 fd00::101"));
}

TEST(Rfc1034, AliasesAreFollowedInsideAndHandedOnOutside) {
  LocalData data = with_alice();
  ASSERT_TRUE(data.put({.name = n("www.vnet"), .cname = n("web.vnet")}));
  ASSERT_TRUE(data.put({.name = n("web.vnet"), .cname = n("alice.vnet")}));
  ASSERT_TRUE(data.put({.name = n("out.vnet"), .cname = n("example.com")}));
  ASSERT_TRUE(data.put({.name = n("lost.vnet"), .cname = n("nobody.vnet")}));
  EXPECT_THAT(ask(data, "www.vnet", Type::a),
              ElementsAre("answer www.vnet 5 60 web.vnet", "answer web.vnet 5 60 alice.vnet",
                          "answer alice.vnet 1 30 192.168.1.101"));
  EXPECT_THAT(ask(data, "www.vnet", Type::cname), ElementsAre("answer www.vnet 5 60 web.vnet"));
  EXPECT_THAT(ask(data, "out.vnet", Type::a), ElementsAre("answer out.vnet 5 60 example.com", "then example.com"));
  EXPECT_THAT(ask(data, "lost.vnet", Type::a),
              ElementsAre("NXDOMAIN", "answer lost.vnet 5 60 nobody.vnet", "authority vnet 6 5 vnet"));
}

TEST(Rfc1034, LoopsOfAliasesEnd) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("a.vnet"), .cname = n("b.vnet")}));
  ASSERT_TRUE(data.put({.name = n("b.vnet"), .cname = n("a.vnet")}));
  ASSERT_TRUE(data.put({.name = n("self.vnet"), .cname = n("self.vnet")}));
  EXPECT_THAT(ask(data, "a.vnet", Type::a), ElementsAre("answer a.vnet 5 60 b.vnet", "answer b.vnet 5 60 a.vnet"));
  EXPECT_THAT(ask(data, "self.vnet", Type::a), ElementsAre("answer self.vnet 5 60 self.vnet"));
  for (unsigned i = 0; i < 20; ++i) {
    const auto name = [](unsigned number) { return n("c" + std::to_string(number) + ".vnet"); };
    ASSERT_TRUE(data.put({.name = name(i), .cname = name(i + 1)}));
  }
  EXPECT_EQ(ask(data, "c0.vnet", Type::a).size(), LocalData::kMaxChain);
}

TEST(Rfc4592, WildcardsAnswerForNamesThatDoNotExist) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("*.x.test"), .a = {Ipv4Address{1, 1, 1, 1}}}));
  ASSERT_TRUE(data.put({.name = n("host.x.test"), .txt = {"here"}}));
  EXPECT_THAT(ask(data, "any.x.test", Type::a), ElementsAre("answer any.x.test 1 60 1.1.1.1"));
  EXPECT_THAT(ask(data, "deep.any.x.test", Type::a), ElementsAre("answer deep.any.x.test 1 60 1.1.1.1"));
  EXPECT_THAT(ask(data, "any.x.test", Type::mx), ElementsAre("authority any.x.test 6 5 any.x.test"));
  // A name that exists has what it has, and so do the names below it.
  EXPECT_THAT(ask(data, "host.x.test", Type::a), ElementsAre("authority host.x.test 6 5 host.x.test"));
  EXPECT_THAT(ask(data, "below.host.x.test", Type::a), ElementsAre("upstream"));
  EXPECT_THAT(ask(data, "x.test", Type::a), ElementsAre("upstream"));
}

TEST(Rfc8482, AnyIsAnsweredWithOneHinfoForANameThatExists) {
  const LocalData data = with_alice();
  EXPECT_THAT(ask(data, "alice.vnet", Type::any), ElementsAre("answer alice.vnet 13 60 9 bytes"));
  EXPECT_THAT(ask(data, "nobody.vnet", Type::any), ElementsAre("NXDOMAIN", "authority vnet 6 5 vnet"));
}

TEST(Rfc6761, LocalhostIsTheLoopbackAndInvalidDoesNotExist) {
  const LocalData data;
  EXPECT_THAT(ask(data, "localhost", Type::a), ElementsAre("answer localhost 1 5 127.0.0.1"));
  EXPECT_THAT(ask(data, "LocalHost", Type::aaaa), ElementsAre("answer LocalHost 28 5 ::1"));
  EXPECT_THAT(ask(data, "db.localhost", Type::a), ElementsAre("answer db.localhost 1 60 127.0.0.1"));
  EXPECT_THAT(ask(data, "1.0.0.127.in-addr.arpa", Type::ptr),
              ElementsAre("answer 1.0.0.127.in-addr.arpa 12 60 localhost"));
  const std::string v6 = reverse_name(*Ipv6Address::parse("::1")).to_string();
  EXPECT_THAT(ask(data, v6, Type::ptr), ElementsAre("answer " + v6 + " 12 5 localhost"));
  for (const std::string zone : {"invalid", "local", "onion", "alt", "home.arpa", "resolver.arpa"}) {
    EXPECT_THAT(ask(data, "x." + zone, Type::a), ElementsAre("NXDOMAIN", "authority " + zone + " 6 5 " + zone));
  }
}

TEST(Rfc6303, ReverseNamesOfPrivateAddressesStayHereAndPublicOnesGoOut) {
  const LocalData data;
  for (const char* address : {"0.1.2.3", "10.9.8.7", "172.16.0.1", "172.31.255.1", "192.168.3.4", "169.254.1.1",
                              "192.0.2.1", "198.51.100.1", "203.0.113.1", "255.255.255.255", "100.64.0.1",
                              "100.127.0.1", "127.0.0.2", "::", "fd12::1", "fe80::1", "febf::1", "2001:db8::1"}) {
    const std::string name = reverse_name(*parse_ip(address)).to_string();
    const auto answer = ask(data, name, Type::ptr);
    ASSERT_FALSE(answer.empty()) << address;
    // The apex of a zone that is one address long exists, without a PTR.
    EXPECT_TRUE(answer.front() == "NXDOMAIN" || answer.front().starts_with("authority " + name)) << address;
  }
  for (const char* address :
       {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:4860::1", "fc00::1", "192.0.3.1"}) {
    EXPECT_THAT(ask(data, reverse_name(*parse_ip(address)).to_string(), Type::ptr), ElementsAre("upstream")) << address;
  }
}

TEST(LocalData, AConfiguredNameInALocallyServedZoneIsAnswered) {
  LocalData data;
  ASSERT_TRUE(data.put({.name = n("printer.local"), .a = {Ipv4Address{10, 0, 0, 9}}}));
  EXPECT_THAT(ask(data, "printer.local", Type::a), ElementsAre("answer printer.local 1 60 10.0.0.9"));
  EXPECT_THAT(ask(data, "scanner.local", Type::a), ElementsAre("NXDOMAIN", "authority local 6 5 local"));
}

TEST(Record, RefusesWhatCannotBeServed) {
  const auto error = [](const Record& record) { return LocalData{}.put(record).error(); };
  EXPECT_EQ(error({.name = n("a.test")}), RecordError::empty);
  EXPECT_EQ(error({.name = n("a.test"), .a = {Ipv4Address{}}, .cname = n("b.test")}), RecordError::cname_not_alone);
  EXPECT_EQ(error({.name = n("a.test"), .ttl_s = 0x80000000U, .a = {Ipv4Address{}}}), RecordError::bad_ttl);
  EXPECT_EQ(error({.name = n("a.test"), .txt = std::vector<std::string>(257, "x")}), RecordError::too_many_records);
  EXPECT_EQ(error({.name = n("a.test"), .txt = {std::string(65'500, 'x')}}), RecordError::bad_data);
  EXPECT_EQ(error({.name = n("a.test"), .other = {{Type::opt, {}}}}), RecordError::bad_data);
  EXPECT_EQ(error({.name = n("a.test"), .other = {{Type::ptr, {1, 'a'}}}}), RecordError::bad_data);
  EXPECT_EQ(error({.name = n("a.test"), .other = {{Type::naptr, {0, 1, 0, 1, 0, 0, 0, 0xc0, 0}}}}),
            RecordError::bad_data);
}

TEST(Record, EncodesEveryType) {
  const auto data = encode({.name = n("a.test"),
                            .txt = {"", std::string(256, 'x')},
                            .mx = {{.preference = 5, .exchange = n("m.test")}},
                            .srv = {{.priority = 1, .weight = 2, .port = 258, .target = n("s.test")}},
                            .other = {{Type{257}, {0, 5, 'i', 's', 's', 'u', 'e'}}}});
  ASSERT_TRUE(data);
  ASSERT_EQ(data->size(), 5U);
  EXPECT_EQ((*data)[0].bytes, (testing::Bytes{0}));
  EXPECT_EQ((*data)[1].bytes.size(), 258U);
  EXPECT_EQ((*data)[1].bytes[0], 255);
  EXPECT_EQ((*data)[1].bytes[256], 1);
  EXPECT_EQ((*data)[2].bytes, (testing::Bytes{0, 5, 1, 'm', 4, 't', 'e', 's', 't', 0}));
  EXPECT_EQ((*data)[3].bytes, (testing::Bytes{0, 1, 0, 2, 1, 2, 1, 's', 4, 't', 'e', 's', 't', 0}));
  EXPECT_EQ((*data)[4].type, Type{257});
}

TEST(LocalData, TheTableOfNamesIsBounded) {
  LocalData data;
  const auto name = [](std::size_t i) { return n("n" + std::to_string(i) + ".test"); };
  for (std::size_t i = 0; i < LocalData::kMaxNames; ++i) {
    ASSERT_TRUE(data.put({.name = name(i), .a = {Ipv4Address{1, 2, 3, 4}}}));
  }
  EXPECT_EQ(data.put({.name = n("more.test"), .a = {Ipv4Address{}}}).error(), RecordError::too_many_names);
  EXPECT_TRUE(data.put({.name = name(0), .a = {Ipv4Address{5, 6, 7, 8}}}));
}

TEST(LocalData, OtherZonesAreAnsweredForAndSpecialOnesCanBeLeftOut) {
  LocalData data{{.domain = {}, .zones = {n("corp.test")}, .special_zones = false}};
  EXPECT_TRUE(data.put({.name = n("db.corp.test"), .a = {Ipv4Address{10, 1, 2, 3}}}).has_value());
  EXPECT_THAT(ask(data, "db.corp.test", Type::a), ElementsAre("answer db.corp.test 1 60 10.1.2.3"));
  EXPECT_THAT(ask(data, "x.corp.test", Type::a), ElementsAre("NXDOMAIN", "authority corp.test 6 5 corp.test"));
  EXPECT_THAT(ask(data, "corp.test", Type::ns), ElementsAre("answer corp.test 2 5 corp.test"));
  for (const std::string_view name : {"vnet", "localhost", "x.local", "1.0.0.10.in-addr.arpa", "test", "."}) {
    EXPECT_THAT(ask(data, name, Type::a), ElementsAre("upstream")) << name;
  }
}

}  // namespace
}  // namespace vnet::dns
