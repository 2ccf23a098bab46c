#include <gmock/gmock.h>

#include <array>
#include <cstdio>

#include "network/services/service_host.hpp"
#include "network/services/stun_service.hpp"
#include "network/services/stun_tcp.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

using nat::Endpoint;
using stun::AttributeType;
using stun::Message;
using testing::ElementsAre;

const IpAddress kA1 = Ipv4Address{3, 3, 3, 3};
const IpAddress kA2 = Ipv4Address{3, 3, 3, 4};
const IpAddress kB1 = *parse_ip("2052::3");
const IpAddress kB2 = *parse_ip("2052::4");
const Endpoint kClient{Ipv4Address{203, 0, 113, 7}, 40'000};
const Endpoint kClient6{*parse_ip("2001:db8::7"), 40'000};
constexpr stun::TransactionId kId{0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
constexpr stun::TransactionId kClassicId{0x01, 0x5b, 0x2d, 0x02, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/// A Binding request with these attributes, in hex as they are on the wire.
Bytes stun_request(std::string_view attributes = "", const stun::TransactionId& id = kId) {
  Bytes bytes = from_hex("00010000");
  bytes.insert(bytes.end(), id.begin(), id.end());
  const Bytes more = from_hex(attributes);
  bytes.insert(bytes.end(), more.begin(), more.end());
  store_be(bytes.data() + 2, static_cast<std::uint16_t>(more.size()));
  return bytes;
}

std::vector<AttributeType> types_of(const Message& message) {
  std::vector<AttributeType> types;
  stun::AttributeReader attributes = message.attributes();
  while (const auto attribute = attributes.next()) types.push_back(attribute->type);
  return types;
}

std::optional<Endpoint> address_in(const Message& message, AttributeType type) {
  const auto value = message.find(type);
  if (!value) return std::nullopt;
  return type == AttributeType::xor_mapped_address ? stun::read_xor_address(*value, message.id())
                                                   : stun::read_address(*value);
}

unsigned error_in(const Message& message) {
  const auto value = message.find(AttributeType::error_code);
  return value ? (*value)[2] * 100U + (*value)[3] : 0;
}

/// One request, one answer or none.
struct Exchange {
  explicit Exchange(StunService& service, const Bytes& bytes, const Endpoint& to = {kA1, StunService::kPort},
                    const Endpoint& from = kClient) {
    EXPECT_TRUE(service.handle({from, to, bytes}, output, Instant{}));
    answered = !output.sent.empty();
    if (answered) sent = output.take();
    EXPECT_TRUE(output.sent.empty()) << "one request, two answers";
  }
  /// Valid while this lives.
  [[nodiscard]] Message message() const { return Message::parse(sent.payload).value(); }

  SentDatagrams output;
  Sent sent;
  bool answered = false;
};

class StunServiceTest : public testing::Test {
 protected:
  StunService two{{kA1, kA2, kB1, kB2}};
  StunService one{{kA1, kB1}};
};

TEST_F(StunServiceTest, Rfc8489TellsAClientItsAddress) {
  const Exchange exchange{two, stun_request()};
  const Message message = exchange.message();
  EXPECT_EQ(message.message_class(), stun::Class::success);
  EXPECT_EQ(message.id(), kId);
  EXPECT_EQ(address_in(message, AttributeType::xor_mapped_address), kClient);
  EXPECT_EQ(address_in(message, AttributeType::mapped_address), kClient);
  EXPECT_EQ(exchange.sent.from, (Endpoint{kA1, 3478}));
  EXPECT_EQ(exchange.sent.to, kClient);
}

TEST_F(StunServiceTest, Rfc8489TellsItOverIpv6) {
  const Exchange exchange{two, stun_request(), {kB2, 3479}, kClient6};
  EXPECT_EQ(address_in(exchange.message(), AttributeType::xor_mapped_address), kClient6);
  EXPECT_EQ(address_in(exchange.message(), AttributeType::other_address), (Endpoint{kB1, 3478}));
}

TEST_F(StunServiceTest, Rfc5780NamesOriginAndOtherAddress) {
  for (const auto& [local, other] :
       {std::pair{Endpoint{kA1, 3478}, Endpoint{kA2, 3479}}, std::pair{Endpoint{kA1, 3479}, Endpoint{kA2, 3478}},
        std::pair{Endpoint{kA2, 3478}, Endpoint{kA1, 3479}}, std::pair{Endpoint{kA2, 3479}, Endpoint{kA1, 3478}}}) {
    const Exchange exchange{two, stun_request(), local};
    EXPECT_EQ(address_in(exchange.message(), AttributeType::response_origin), local);
    EXPECT_EQ(address_in(exchange.message(), AttributeType::other_address), other);
  }
}

TEST_F(StunServiceTest, Rfc5780ChangeRequestAnswersFromElsewhere) {
  struct Row {
    std::string_view attribute;
    Endpoint from;
  };
  for (const Row& row : {Row{"00030004 00000000", {kA1, 3478}}, Row{"00030004 00000002", {kA1, 3479}},
                         Row{"00030004 00000004", {kA2, 3478}}, Row{"00030004 00000006", {kA2, 3479}}}) {
    const Exchange exchange{two, stun_request(row.attribute)};
    EXPECT_EQ(exchange.sent.from, row.from);
    EXPECT_EQ(address_in(exchange.message(), AttributeType::response_origin), row.from);
    EXPECT_EQ(address_in(exchange.message(), AttributeType::other_address), (Endpoint{kA2, 3479}));
  }
}

TEST_F(StunServiceTest, Rfc5780OneAddressHasNoOtherAndDoesNotChange) {
  EXPECT_FALSE(Exchange(one, stun_request()).message().find(AttributeType::other_address).has_value());
  const Exchange exchange{one, stun_request("00030004 00000002")};
  EXPECT_EQ(exchange.message().message_class(), stun::Class::error);
  EXPECT_EQ(error_in(exchange.message()), 420U);
  EXPECT_EQ(text_of(*exchange.message().find(AttributeType::unknown_attributes)), (std::string{"\0\3", 2}));
  EXPECT_EQ(exchange.sent.from, (Endpoint{kA1, 3478}));
}

TEST_F(StunServiceTest, Rfc5780AThirdAddressHasNoOther) {
  StunService three{{kA1, kA2, Ipv4Address{3, 3, 3, 5}}};
  const Exchange exchange{three, stun_request(), {Ipv4Address{3, 3, 3, 5}, 3478}};
  EXPECT_FALSE(exchange.message().find(AttributeType::other_address).has_value());
  EXPECT_EQ(address_in(Exchange(three, stun_request()).message(), AttributeType::other_address), (Endpoint{kA2, 3479}));
}

TEST_F(StunServiceTest, Rfc5780ResponsePortAimsTheAnswer) {
  for (const std::string_view attribute : {"00270004 b8750000", "00270002 b8750000"}) {
    const Exchange exchange{two, stun_request(attribute)};
    EXPECT_EQ(exchange.sent.to, (Endpoint{kClient.address, 0xb875}));
    EXPECT_EQ(address_in(exchange.message(), AttributeType::xor_mapped_address), kClient);
  }
}

TEST_F(StunServiceTest, Rfc5780PaddingIsAnsweredWithPadding) {
  const Exchange exchange{two, stun_request("00260004 00000000")};
  EXPECT_EQ(exchange.message().find(AttributeType::padding)->size(), StunService::kPaddingSize);
  EXPECT_GT(exchange.sent.payload.size() + 28, 1500U);
}

TEST_F(StunServiceTest, Rfc5780PaddingAndResponsePortExcludeEachOther) {
  const Exchange exchange{two, stun_request("00260004 00000000 00270004 b8750000")};
  EXPECT_EQ(error_in(exchange.message()), 400U);
  EXPECT_EQ(exchange.sent.to, kClient);
}

TEST_F(StunServiceTest, Rfc8489BadValuesAreBadRequests) {
  for (const std::string_view attributes : {"00030000", "00030008 0000000000000000", "00270004 00000000", "00270000"}) {
    const Exchange exchange{two, stun_request(attributes)};
    EXPECT_EQ(error_in(exchange.message()), 400U) << attributes;
    EXPECT_FALSE(exchange.message().find(AttributeType::unknown_attributes).has_value());
  }
}

TEST_F(StunServiceTest, Rfc8489UnknownAttributesAreNamedOnce) {
  const Exchange exchange{two, stun_request("00240004 6e0001ff 80290008 932ff9b151263b36 7fff0000 00240004 00000000")};
  EXPECT_EQ(error_in(exchange.message()), 420U);
  const auto value = exchange.message().find(AttributeType::unknown_attributes);
  EXPECT_EQ((Bytes{value->begin(), value->end()}), from_hex("0024 7fff"));
  EXPECT_FALSE(exchange.message().find(AttributeType::mapped_address).has_value());
}

TEST_F(StunServiceTest, Rfc8489AFloodOfUnknownAttributesHasAShortAnswer) {
  std::string attributes;
  for (int i = 0; i < 300; ++i) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "7%03x0000", i);
    attributes += text.data();
  }
  const Exchange exchange{two, stun_request(attributes)};
  EXPECT_EQ(exchange.message().find(AttributeType::unknown_attributes)->size(), 2 * StunService::kMaxUnknown);
}

TEST_F(StunServiceTest, Rfc8489CredentialsAreNotLookedAt) {
  const Exchange exchange{two, stun_request("00060004 61626364 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2")};
  EXPECT_EQ(exchange.message().message_class(), stun::Class::success);
}

TEST_F(StunServiceTest, Rfc8489AFingerprintIsAnsweredWithAFingerprint) {
  std::array<std::uint8_t, 64> room{};
  stun::Writer writer{room, stun::Class::request, stun::kBindingMethod, kId};
  writer.add_fingerprint();
  const ByteView written = writer.finish();
  Bytes bytes{written.begin(), written.end()};
  EXPECT_TRUE(Exchange(two, bytes).message().has_fingerprint());
  EXPECT_FALSE(Exchange(two, stun_request()).message().has_fingerprint());
  bytes.back() ^= 1;
  EXPECT_FALSE(Exchange(two, bytes).answered);
}

TEST_F(StunServiceTest, Rfc8489WhatWantsNoAnswerGetsNone) {
  Bytes other = stun_request();
  for (const std::string_view type : {"0011", "0101", "0111", "0002", "0003", "4001"}) {
    const Bytes bytes = from_hex(type);
    std::ranges::copy(bytes, other.begin());
    EXPECT_FALSE(Exchange(two, other).answered) << type;
  }
  EXPECT_FALSE(Exchange(two, {}).answered);
  EXPECT_FALSE(Exchange(two, from_hex("0001")).answered);
}

TEST_F(StunServiceTest, Rfc3489ClientsGetWhatTheyUnderstand) {
  // As stun-client 0.97 sends it.
  const Exchange exchange{two, stun_request("00030004 00000006", kClassicId)};
  const Message message = exchange.message();
  EXPECT_EQ(message.id(), kClassicId);
  EXPECT_THAT(types_of(message), ElementsAre(AttributeType::mapped_address, AttributeType::source_address,
                                             AttributeType::changed_address, AttributeType::software));
  EXPECT_EQ(address_in(message, AttributeType::mapped_address), kClient);
  EXPECT_EQ(address_in(message, AttributeType::source_address), (Endpoint{kA2, 3479}));
  EXPECT_EQ(address_in(message, AttributeType::changed_address), (Endpoint{kA2, 3479}));
}

TEST_F(StunServiceTest, Rfc3489AnEmptyChangeRequestIsServedByAServerOfOneAddress) {
  EXPECT_THAT(types_of(Exchange(one, stun_request("00030004 00000000", kClassicId)).message()),
              ElementsAre(AttributeType::mapped_address, AttributeType::source_address, AttributeType::software));
}

TEST_F(StunServiceTest, Rfc3489ResponseAddressIsRefused) {
  const Exchange exchange{two, stun_request("00020008 0001 0035 c0000201", kClassicId)};
  EXPECT_EQ(error_in(exchange.message()), 420U);
  EXPECT_EQ(exchange.sent.to, kClient);
}

TEST_F(StunServiceTest, NobodyListensElsewhere) {
  SentDatagrams output;
  const Bytes bytes = stun_request();
  EXPECT_FALSE(two.handle({kClient, {kA1, 3480}, bytes}, output, Instant{}));
  EXPECT_FALSE(two.handle({kClient, {Ipv4Address{9, 9, 9, 9}, 3478}, bytes}, output, Instant{}));
  EXPECT_TRUE(output.sent.empty());
}

// --- Over TCP ------------------------------------------------------------------------------------------------------

class StunTcpTest : public testing::Test {
 protected:
  StunTcpTest() { bench.server.listen(StunService::kPort, tcp); }

  Bench bench;
  StunService service{{bench.flow.local, Ipv4Address{192, 168, 127, 9}}};
  StunTcp tcp{bench.server, service};
};

TEST_F(StunTcpTest, Rfc8489AnswersInTheOrderOfTheRequests) {
  StreamGuest guest{bench, StunService::kPort};
  Bytes both = stun_request();
  const Bytes second = stun_request("00240004 00000000");
  both.insert(both.end(), second.begin(), second.end());
  guest.say(both);
  const std::string heard = guest.hear();
  const std::size_t first_size = stun::framed_size(as_bytes(heard));
  const auto first = Message::parse(as_bytes(heard).first(first_size));
  const auto next = Message::parse(as_bytes(heard).subspan(first_size));
  ASSERT_TRUE(first && next);
  EXPECT_EQ(address_in(*first, AttributeType::xor_mapped_address), (Endpoint{bench.flow.remote, 40'000}));
  EXPECT_EQ(address_in(*first, AttributeType::response_origin), (Endpoint{bench.flow.local, 3478}));
  EXPECT_EQ(error_in(*next), 420U);
}

TEST_F(StunTcpTest, Rfc8489ARequestMayComeByteByByte) {
  StreamGuest guest{bench, StunService::kPort};
  const Bytes bytes = stun_request("80220004 61626364");
  for (const std::uint8_t byte : bytes) guest.say(Bytes{byte});
  EXPECT_TRUE(Message::parse(as_bytes(guest.hear())).has_value());
}

TEST_F(StunTcpTest, Rfc5780TheWayOfAnAnswerCannotBeChosen) {
  StreamGuest guest{bench, StunService::kPort};
  for (const std::string_view attribute : {"00030004 00000002", "00260004 00000000", "00270004 b8750000"}) {
    guest.say(stun_request(attribute));
    const std::string heard = guest.hear();
    EXPECT_EQ(error_in(*Message::parse(as_bytes(heard))), 420U) << attribute;
  }
}

TEST_F(StunTcpTest, WhatIsNoStunEndsTheConnection) {
  StreamGuest guest{bench, StunService::kPort};
  guest.say("GET / HTTP/1.1\r\n\r\n   ");
  EXPECT_EQ(guest.hear(), "");
  EXPECT_TRUE(guest.closed());
}

TEST_F(StunTcpTest, ATooLongRequestEndsTheConnection) {
  StreamGuest guest{bench, StunService::kPort};
  guest.say(stun_request(std::string("8022f000") + std::string(2 * 0xf000, '0')));
  EXPECT_EQ(guest.hear(), "");
  EXPECT_TRUE(guest.closed());
}

TEST_F(StunTcpTest, AfterTheClientsEndComesOurs) {
  StreamGuest guest{bench, StunService::kPort};
  guest.say(stun_request());
  guest.end();
  EXPECT_FALSE(guest.hear().empty());
  EXPECT_TRUE(guest.closed());
  EXPECT_EQ(tcp.stream_count(), 0U);
}

TEST_F(StunTcpTest, AClientThatDoesNotReadIsNotReadFrom) {
  bench.flow.local_port = StunService::kPort;
  bench.connect(0);
  const Bytes bytes = stun_request();
  std::uint32_t next = 1;
  for (int i = 0; i < 10'000 && bench.out.size() < 100'000; ++i) {
    bench.in({.seq = next, .ack = 1, .window = 0, .data = text_of(bytes)});
    next += static_cast<std::uint32_t>(bytes.size());
  }
  EXPECT_EQ(bench.out.back().window, 0) << "the receive window is full in its turn";
}

// --- As the internet holds it --------------------------------------------------------------------------------------

class NoSegments : public TcpOutput {
 public:
  void emit(const TcpFlow& flow, const TcpHeader& header, ByteView) override {
    last = header.flags;
    EXPECT_EQ(flow.local, kA1);
  }
  std::uint8_t last = 0;
};

TEST(ServiceHost, ServesStunByConfig) {
  Random random{1};
  SentDatagrams output;
  NoSegments segments;
  ServiceHost host{
      {.name = "stun.test", .addresses = {kA1, kA2}, .kind = ServiceKind::stun}, 1500, random, output, segments};
  const Bytes bytes = stun_request();
  EXPECT_TRUE(host.handle_udp({kClient, {kA1, 3478}, bytes}, Instant{}));
  EXPECT_EQ(output.sent.size(), 1U);
  EXPECT_FALSE(host.handle_udp({kClient, {kA1, 53}, bytes}, Instant{}));
  const TcpFlow flow{kA1, kClient.address, 3479, 40'000};
  const Bytes syn = build_packet(reversed(flow), {.sequence = 1, .flags = kSyn, .window = 1000}, {});
  EXPECT_EQ(host.handle_tcp(flow, read_packet(syn), Instant{}), TcpVerdict::handled);
  EXPECT_EQ(int{segments.last}, kSyn | kAck);
  EXPECT_NE(host.next_deadline(), kNever);
  host.expire(Instant{1h});
  EXPECT_EQ(host.next_deadline(), kNever);
}

TEST(ServiceHost, OneThatIsServedElsewhereRefusesEveryPort) {
  Random random{1};
  SentDatagrams output;
  NoSegments segments;
  ServiceHost host{
      {.name = "files.test", .addresses = {kA1}, .kind = ServiceKind::files}, 1500, random, output, segments};
  EXPECT_FALSE(host.handle_udp({kClient, {kA1, 80}, {}}, Instant{}));
  const TcpFlow flow{kA1, kClient.address, 80, 40'000};
  const Bytes syn = build_packet(reversed(flow), {.sequence = 1, .flags = kSyn, .window = 1000}, {});
  EXPECT_EQ(host.handle_tcp(flow, read_packet(syn), Instant{}), TcpVerdict::no_listener);
  EXPECT_EQ(int{segments.last}, kRst | kAck);
}

}  // namespace
}  // namespace vnet::network::test
