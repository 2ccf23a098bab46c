#include "network/services/dns_service.hpp"
#include "network/services/service_host.hpp"
#include "tests/dns/dns_testing.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

using dns::Header;
using dns::Rcode;
using dns::Type;
using dns::testing::has_flag;
using dns::testing::lines;
using dns::testing::make_query;
using dns::testing::n;
using dns::testing::rcode_of;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

const nat::Endpoint kServer{Ipv4Address{52, 52, 0, 53}, 53};

std::vector<dns::Record> corp() {
  return {{.name = n("db.corp.test"), .a = {Ipv4Address{10, 1, 2, 3}}, .txt = {"hello"}},
          {.name = n("www.corp.test"), .cname = n("db.corp.test")},
          {.name = n("out.corp.test"), .cname = n("example.org")},
          {.name = n("3.2.1.10.in-addr.arpa"), .ptr = {n("db.corp.test")}}};
}

std::vector<std::string> zone_names(const std::vector<dns::Record>& records) {
  std::vector<std::string> names;
  for (const dns::Name& zone : zones_of(records)) names.push_back(zone.to_string());
  return names;
}

TEST(DnsServiceZones, FollowFromTheRecords) {
  EXPECT_THAT(zone_names(corp()), UnorderedElementsAre("corp.test", "2.1.10.in-addr.arpa"));
  const std::vector<Ipv4Address> a{Ipv4Address{10, 0, 0, 1}};
  EXPECT_THAT(zone_names({{.name = n("a.b.corp.test"), .a = a}, {.name = n("x.corp.test"), .a = a}}),
              ElementsAre("corp.test"));
  EXPECT_THAT(zone_names({{.name = n("corp.test"), .a = a}, {.name = n("other.test"), .a = a}}),
              ElementsAre("corp.test", "other.test"));
  EXPECT_THAT(zone_names({{.name = n("intranet"), .a = a}}), ElementsAre("intranet"));
  EXPECT_THAT(zone_names({{.name = n("*.test"), .a = a}}), ElementsAre("test"));
  EXPECT_TRUE(zone_names({}).empty());
}

TEST(DnsServiceZones, ASoaBeginsAZone) {
  const std::vector<Ipv4Address> a{Ipv4Address{10, 0, 0, 1}};
  EXPECT_THAT(zone_names({{.name = n("a.b.corp.test"), .a = a}, {.name = n("test"), .soa = dns::Soa{}}}),
              ElementsAre("test"));
  EXPECT_THAT(zone_names({{.name = n("lab.corp.test"), .soa = dns::Soa{}}, {.name = n("a.corp.test"), .a = a}}),
              UnorderedElementsAre("corp.test", "lab.corp.test"));
}

class DnsServiceTest : public testing::Test {
 protected:
  Bytes ask(const Bytes& query) {
    SentDatagrams output;
    EXPECT_TRUE(service.handle({kGuest, kServer, query}, output, Instant{}));
    if (output.sent.empty()) return {};
    const Sent sent = output.take();
    EXPECT_EQ(sent.from, kServer);
    EXPECT_EQ(sent.to, kGuest);
    return sent.payload;
  }
  Bytes ask(std::string_view name, Type type) { return ask(make_query(name, type)); }

  DnsService service{corp()};
};

TEST_F(DnsServiceTest, Rfc1035AnswersWithAuthority) {
  const Bytes answer = ask("db.corp.test", Type::a);
  EXPECT_THAT(lines(answer), ElementsAre("answer db.corp.test 1 60 10.1.2.3"));
  EXPECT_TRUE(has_flag(answer, Header::kAuthoritative));
  EXPECT_FALSE(has_flag(answer, Header::kRecursionAvailable));
}

TEST_F(DnsServiceTest, Rfc2308SaysWhatItsZonesDoNotHave) {
  const Bytes missing = ask("x.corp.test", Type::a);
  EXPECT_EQ(rcode_of(missing), Rcode::nx_domain);
  EXPECT_THAT(lines(missing), ElementsAre("authority corp.test 6 5 corp.test"));
  const Bytes no_data = ask("db.corp.test", Type::aaaa);
  EXPECT_EQ(rcode_of(no_data), Rcode::no_error);
  EXPECT_THAT(lines(no_data), ElementsAre("authority corp.test 6 5 corp.test"));
}

TEST_F(DnsServiceTest, RefusesWhatIsNotItsOwn) {
  for (const std::string_view name : {"example.org", "test", "localhost", "x.vnet", "1.1.168.192.in-addr.arpa", "."}) {
    EXPECT_EQ(rcode_of(ask(name, Type::a)), Rcode::refused) << name;
  }
}

TEST_F(DnsServiceTest, FollowsAliasesInsideAndLeavesOthersToTheClient) {
  EXPECT_THAT(lines(ask("www.corp.test", Type::a)),
              ElementsAre("answer www.corp.test 5 60 db.corp.test", "answer db.corp.test 1 60 10.1.2.3"));
  EXPECT_THAT(lines(ask("out.corp.test", Type::a)), ElementsAre("answer out.corp.test 5 60 example.org"));
}

TEST_F(DnsServiceTest, ResponsesAreNotAnswered) {
  EXPECT_TRUE(ask(make_query("db.corp.test", Type::a, {.flags = Header::kResponse})).empty());
  EXPECT_TRUE(ask(Bytes{}).empty());
}

TEST_F(DnsServiceTest, NobodyListensElsewhere) {
  SentDatagrams output;
  const Bytes query = make_query("db.corp.test", Type::a);
  EXPECT_FALSE(service.handle({kGuest, {kServer.address, 5353}, query}, output, Instant{}));
}

TEST_F(DnsServiceTest, RecordsCanChangeWhileItRuns) {
  EXPECT_TRUE(service.data().put({.name = n("new.corp.test"), .a = {Ipv4Address{10, 1, 2, 4}}}).has_value());
  EXPECT_THAT(lines(ask("new.corp.test", Type::a)), ElementsAre("answer new.corp.test 1 60 10.1.2.4"));
  EXPECT_TRUE(service.data().remove(n("new.corp.test")));
  EXPECT_EQ(rcode_of(ask("new.corp.test", Type::a)), Rcode::nx_domain);
}

std::string framed(const Bytes& message) {
  std::string text{static_cast<char>(message.size() / 256), static_cast<char>(message.size() % 256)};
  return text + text_of(message);
}

class DnsServiceTcp : public testing::Test {
 protected:
  static TcpFlow flow() {
    TcpFlow result = ipv4_flow();
    result.local = kServer.address;
    return result;
  }

  SentDatagrams output;
  Random random{1};
  DnsService service{corp()};
};

TEST_F(DnsServiceTcp, Rfc7766AnswersOverTcpWhatIsTooLongForADatagram) {
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back("text number " + std::to_string(i));
  ASSERT_TRUE(service.data().put({.name = n("long.corp.test"), .txt = texts}).has_value());
  const Bytes query = make_query("long.corp.test", Type::txt);
  EXPECT_TRUE(service.handle({kGuest, kServer, query}, output, Instant{}));
  EXPECT_TRUE(has_flag(output.take().payload, Header::kTruncated));

  // The bench has its own handler at port 53, so this one is asked through a server of its own.
  Bench wire;
  TcpServer server{{}, random, wire};
  service.listen(server);
  const auto give = [&](const Line& line, std::uint32_t isn) {
    const TcpHeader header{Bench::kGuestIsn + line.seq, isn + line.ack, line.flags, line.window, line.mss};
    const Bytes packet = build_packet(reversed(wire.flow), header, as_bytes(line.data));
    server.handle(wire.flow, read_packet(packet), wire.now);
  };
  give({.seq = 0, .flags = kSyn, .mss = 1460}, 0);
  wire.expect(0, 1, kSyn | kAck);
  const std::uint32_t isn = wire.server_isn();
  const std::string asked = framed(query);
  give({.seq = 1, .ack = 1, .data = asked}, isn);
  std::string heard;
  while (!wire.out.empty()) {
    heard += wire.take().data;
    give({.seq = static_cast<std::uint32_t>(1 + asked.size()), .ack = static_cast<std::uint32_t>(1 + heard.size())},
         isn);
  }
  ASSERT_GT(heard.size(), 2U);
  EXPECT_EQ(lines(as_bytes(heard).subspan(2)).size(), 100U);
  // A response gets no answer, and the connection does not wait for one.
  const std::string response = framed(make_query("db.corp.test", Type::a, {.flags = Header::kResponse}));
  auto next = static_cast<std::uint32_t>(1 + asked.size());
  const auto acked = static_cast<std::uint32_t>(1 + heard.size());
  give({.seq = next, .ack = acked, .data = response}, isn);
  next += static_cast<std::uint32_t>(response.size());
  give({.seq = next, .ack = acked, .flags = kAck | kFin}, isn);
  ASSERT_FALSE(wire.out.empty());
  EXPECT_NE(wire.out.back().flags & kFin, 0);
}

TEST_F(DnsServiceTcp, TheHostServesBothTransportsByConfig) {
  Bench wire{{}, flow()};
  ServiceHost host{{.name = "dns.test", .addresses = {kServer.address}, .kind = ServiceKind::dns, .records = corp()},
                   1500,
                   random,
                   output,
                   wire};
  const Bytes query = make_query("db.corp.test", Type::a);
  EXPECT_TRUE(host.handle_udp({kGuest, kServer, query}, Instant{}));
  EXPECT_THAT(lines(output.take().payload), ElementsAre("answer db.corp.test 1 60 10.1.2.3"));
  const Bytes syn = build_packet(reversed(wire.flow), {.sequence = 1, .flags = kSyn, .window = 1000}, {});
  EXPECT_EQ(host.handle_tcp(wire.flow, read_packet(syn), Instant{}), TcpVerdict::handled);
  EXPECT_EQ(int{wire.take().flags}, kSyn | kAck);
}

}  // namespace
}  // namespace vnet::network::test
