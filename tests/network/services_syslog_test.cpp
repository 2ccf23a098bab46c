#include <gmock/gmock.h>

#include "network/services/service_host.hpp"
#include "network/services/syslog_service.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

using testing::ElementsAre;

const nat::Endpoint kCollector{Ipv4Address{52, 52, 0, 9}, 514};

SyslogMessage read(std::string_view text) { return read_syslog(as_bytes(text)); }

TEST(SyslogMessage, Rfc5424ThePriorityIsFacilityAndSeverity) {
  const SyslogMessage message = read("<34>1 2003-10-11T22:14:15.003Z host su - ID47 - 'su root' failed");
  EXPECT_EQ(message.facility, 4);
  EXPECT_EQ(message.severity, 2);
  EXPECT_EQ(message.text, "1 2003-10-11T22:14:15.003Z host su - ID47 - 'su root' failed");
}

TEST(SyslogMessage, Rfc3164TheSame) {
  const SyslogMessage message = read("<13>Oct 11 22:14:15 host su: text");
  EXPECT_EQ(message.facility, 1);
  EXPECT_EQ(message.severity, 5);
  EXPECT_EQ(message.text, "Oct 11 22:14:15 host su: text");
}

TEST(SyslogMessage, Rfc5424TheEndsOfTheRange) {
  EXPECT_EQ(read("<0>x").facility, 0);
  EXPECT_EQ(read("<0>x").severity, 0);
  EXPECT_EQ(read("<191>x").facility, 23);
  EXPECT_EQ(read("<191>x").severity, 7);
}

TEST(SyslogMessage, Rfc3164WithoutAPriorityAllIsText) {
  for (const std::string_view text : {"plain", "<192>x", "<1234>x", "<>x", "<-1>x", "<1", "<", "<1x>y", "< 1>x"}) {
    const SyslogMessage message = read(text);
    EXPECT_EQ(message.facility, 1) << text;
    EXPECT_EQ(message.severity, 5) << text;
    EXPECT_EQ(message.text, text);
  }
}

TEST(SyslogMessage, WhatIsAboutTheTransportIsTakenOff) {
  EXPECT_EQ(read("<13>text\r\n").text, "text");
  EXPECT_EQ(read(std::string_view{"<13>text\n\0", 10}).text, "text");
  EXPECT_EQ(read("<13>\xef\xbb\xbftext").text, "text");
  EXPECT_EQ(read("<13>").text, "");
  EXPECT_EQ(read("\n\n").text, "");
}

TEST(SyslogMessage, BytesThatHaveNoPictureAreEscaped) {
  EXPECT_EQ(read("<13>\x1b[2Jgone\n\tx").text, "\\x1b[2Jgone\\x0a\\x09x");
  EXPECT_EQ(read("<13>gr\xc3\xbc\xc3\x9f \xff").text, "gr\xc3\xbc\xc3\x9f \\xff");
  EXPECT_EQ(read("<13>\xe2\x80\xaetxt").text, "\\u{202e}txt");
}

TEST(SyslogMessage, WhatIsTooLongIsCut) {
  EXPECT_EQ(read(std::string(20'000, 'x')).text.size(), kMaxSyslogMessage);
  EXPECT_EQ(read(std::string(20'000, '\x01')).text.size(), 4 * kMaxSyslogMessage);
}

// --- Framing -------------------------------------------------------------------------------------------------------

/// The messages in `text`, fed `step` bytes at a time.
std::vector<std::string> cut(std::string_view text, std::size_t step) {
  std::vector<std::string> messages;
  SyslogFraming framing;
  const auto take = [&](ByteView message) { messages.push_back(text_of(message)); };
  for (std::size_t at = 0; at < text.size(); at += step) framing.feed(as_bytes(text.substr(at, step)), take);
  framing.end(take);
  return messages;
}

TEST(SyslogFraming, Rfc6587OctetCounting) {
  for (const std::size_t step : {1U, 2U, 3U, 5U, 100U}) {
    EXPECT_THAT(cut("5 <1>ab11 <2>two\nline1 x", step), ElementsAre("<1>ab", "<2>two\nline", "x"));
  }
}

TEST(SyslogFraming, Rfc6587NonTransparentFraming) {
  for (const std::size_t step : {1U, 2U, 3U, 5U, 100U}) {
    EXPECT_THAT(cut("<1>one\n<2>two\n\n<3>three", step), ElementsAre("<1>one", "<2>two", "<3>three"));
  }
}

TEST(SyslogFraming, Rfc6587EachMessageMayBeFramedInItsWay) {
  for (const std::size_t step : {1U, 2U, 3U, 5U, 100U}) {
    EXPECT_THAT(cut("5 <1>ab\n<2>cd\n5 <3>ef<4>gh\n", step), ElementsAre("<1>ab", "<2>cd", "<3>ef", "<4>gh"));
  }
}

TEST(SyslogFraming, ANumberThatIsNoCountIsALine) {
  for (const std::size_t step : {1U, 3U, 100U}) {
    EXPECT_THAT(cut("2024-01-01 x\n", step), ElementsAre("2024-01-01 x"));
    EXPECT_THAT(cut("1234567 x\n", step), ElementsAre("1234567 x"));
    EXPECT_THAT(cut("0 x\n12\n3", step), ElementsAre("0 x", "12", "3"));
  }
}

TEST(SyslogFraming, OfWhatIsTooLongTheBeginningIsOneMessage) {
  const std::string body(100'000, 'x');
  for (const std::size_t step : {7U, 1000U, 200'000U}) {
    EXPECT_THAT(cut("100000 " + body + "<1>next\n", step), ElementsAre(body.substr(0, kMaxSyslogMessage), "<1>next"));
    EXPECT_THAT(cut(body + "\n<1>next\n", step), ElementsAre(body.substr(0, kMaxSyslogMessage), "<1>next"));
  }
}

TEST(SyslogFraming, ACountThatIsNotMetEndsWithTheConnection) {
  EXPECT_THAT(cut("100 <1>half", 4), ElementsAre("<1>half"));
  EXPECT_TRUE(cut("", 1).empty());
  EXPECT_TRUE(cut("5 ", 1).empty());
}

// --- The service ---------------------------------------------------------------------------------------------------

class SyslogServiceTest : public testing::Test {
 protected:
  bool say(const nat::Endpoint& from, std::string_view text, Instant now = Instant{1h}) {
    return service.handle({from, kCollector, as_bytes(text)}, output, now);
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const SyslogMessage& message : heard) result.push_back(message.text);
    return result;
  }

  SentDatagrams output;
  std::vector<SyslogMessage> heard;
  SyslogService service{[this](const SyslogMessage& message) { heard.push_back(message); },
                        {.rate_per_source = 10, .burst_per_source = 20, .rate = 40, .burst = 50}};
};

TEST_F(SyslogServiceTest, Rfc5426HandsOnADatagram) {
  EXPECT_TRUE(say(kGuest, "<34>1 - - - - - - hello"));
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard[0].from, kGuest);
  EXPECT_EQ(heard[0].facility, 4);
  EXPECT_EQ(heard[0].severity, 2);
  EXPECT_EQ(heard[0].text, "1 - - - - - - hello");
  EXPECT_EQ(heard[0].suppressed, 0U);
  EXPECT_TRUE(output.sent.empty());
}

TEST_F(SyslogServiceTest, NobodyListensElsewhereAndEmptyIsNone) {
  EXPECT_FALSE(service.handle({kGuest, {kCollector.address, 515}, as_bytes("x")}, output, Instant{}));
  EXPECT_TRUE(say(kGuest, ""));
  EXPECT_TRUE(heard.empty());
}

TEST_F(SyslogServiceTest, ASourceOverItsLimitIsToldOfByItsNextMessage) {
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(say(kGuest, "<13>again"));
  EXPECT_EQ(heard.size(), 20U);
  EXPECT_EQ(service.counters().messages, 20U);
  EXPECT_EQ(service.counters().suppressed, 10U);
  EXPECT_TRUE(say({Ipv4Address{203, 0, 113, 8}, 1}, "<13>another"));
  EXPECT_EQ(heard.back().suppressed, 0U) << "another source, which has its own limit";
  EXPECT_TRUE(say(kGuest, "<13>later", Instant{1h + 1s}));
  EXPECT_EQ(heard.back().text, "later");
  EXPECT_EQ(heard.back().suppressed, 10U);
  EXPECT_TRUE(say(kGuest, "<13>later still", Instant{1h + 1s}));
  EXPECT_EQ(heard.back().suppressed, 0U);
}

TEST_F(SyslogServiceTest, ManySourcesTogetherHaveALimitAndFillNoTable) {
  for (std::uint32_t i = 0; i < 3000; ++i) {
    EXPECT_TRUE(say({Ipv4Address{0x0a000000U + i}, 40'000}, "<13>x", Instant{1h + std::chrono::microseconds{i}}));
  }
  EXPECT_EQ(heard.size(), 50U);
  EXPECT_EQ(service.source_count(), SyslogService::kMaxSources);
}

TEST_F(SyslogServiceTest, Rfc6587OverTcp) {
  Bench bench;
  SyslogTcp tcp{bench.server, service};
  bench.server.listen(601, tcp);
  StreamGuest guest{bench, 601};
  guest.say("<13>one\n9 <14>count");
  EXPECT_THAT(texts(), ElementsAre("one", "count"));
  EXPECT_EQ(heard[1].from, (nat::Endpoint{bench.flow.remote, bench.flow.remote_port}));
  EXPECT_EQ(heard[1].severity, 6);
  guest.say("<13>the la");
  guest.say("st");
  guest.end();
  EXPECT_THAT(texts(), ElementsAre("one", "count", "the last"));
  EXPECT_EQ(guest.hear(), "");
  EXPECT_TRUE(guest.closed());
  EXPECT_EQ(tcp.stream_count(), 0U);
}

TEST(ServiceHostSyslog, HearsBothTransportsByConfig) {
  Random random{1};
  SentDatagrams output;
  Bench bench;
  std::vector<std::string> heard;
  ServiceHost host{{.name = "logs.test",
                    .addresses = {kCollector.address},
                    .kind = ServiceKind::syslog,
                    .on_syslog = [&](const SyslogMessage& message) { heard.push_back(message.text); }},
                   1500,
                   random,
                   output,
                   bench};
  EXPECT_TRUE(host.handle_udp({kGuest, kCollector, as_bytes("<13>datagram")}, Instant{}));
  EXPECT_FALSE(host.handle_udp({kGuest, {kCollector.address, 601}, as_bytes("<13>datagram")}, Instant{}));
  EXPECT_THAT(heard, ElementsAre("datagram"));
  for (const std::uint16_t port : {std::uint16_t{514}, std::uint16_t{601}}) {
    const TcpFlow flow{kCollector.address, kGuest.address, port, 40'000};
    const Bytes syn = build_packet(reversed(flow), {.sequence = 1, .flags = kSyn, .window = 1000}, {});
    EXPECT_EQ(host.handle_tcp(flow, read_packet(syn), Instant{}), TcpVerdict::handled);
  }
}

}  // namespace
}  // namespace vnet::network::test
