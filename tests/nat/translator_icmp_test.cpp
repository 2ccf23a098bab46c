// RFC 5508, row by row: echoes, and errors on their way in and out.
#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

class Rfc5508 : public TranslatorTest {
 protected:
  /// `quote` went out and the server, or who is on the way, complains.
  Passed complain(const Bytes& quote, const IpAddress& from = kRouter) {
    return in(unreachable(from, kOutside, quote));
  }
};

TEST_F(Rfc5508, Req1QueriesPass) {
  const Endpoint outside = outside_of(echo(kGuest, kServer.address));
  EXPECT_EQ(outside.address, kOutside);
  const Passed reply = in(echo_reply(kServer.address, outside));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply.packet, echo_reply(kServer.address, kGuest));
}

TEST_F(Rfc5508, Req1TimestampsPassToo) {
  // Identifier, sequence number, and the times that the message was sent, received and answered.
  const auto timestamp = [](const IpAddress& from, const IpAddress& to, std::uint8_t type, std::uint16_t identifier) {
    Bytes body(16);
    store_be(body.data(), identifier);
    store_be(body.data() + 4, std::uint32_t{123'456});
    return icmp(from, to, type, 0, body);
  };
  const Passed asked = out(timestamp(kGuest.address, kServer.address, 13, 7));
  const Passed also = out(timestamp(kOther.address, kServer.address, 13, 7));
  ASSERT_TRUE(asked && also);
  EXPECT_EQ(asked.packet, timestamp(kOutside, kServer.address, 13, 7));
  EXPECT_NE(also.source.port, 7) << "two guests with one identifier";
  const Passed answered = in(timestamp(kServer.address, kOutside, 14, also.source.port));
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered.packet, timestamp(kServer.address, kOther.address, 14, 7));
  EXPECT_EQ(in(timestamp(kStranger.address, kOutside, 14, 7)).reason, DropReason::nat_filtered);
}

TEST_F(Rfc5508, Req1TwoGuestsWithTheSameIdentifier) {
  const Endpoint first = outside_of(echo(kGuest, kServer.address));
  const Endpoint second = outside_of(echo(kOther, kServer.address));
  EXPECT_EQ(first.port, kGuest.port);
  EXPECT_NE(second.port, first.port);
  EXPECT_EQ(in(echo_reply(kServer.address, second)).destination, kOther);
  EXPECT_EQ(in(echo_reply(kServer.address, first)).destination, kGuest);
  EXPECT_EQ(in(echo_reply(kStranger.address, first)).reason, DropReason::nat_filtered);
  EXPECT_EQ(in(echo_reply(kServer.address, {kOutside, 1})).reason, DropReason::nat_unmapped);
}

TEST_F(Rfc5508, Req2TheQueryTimerIsAMinute) {
  const Endpoint outside = outside_of(echo(kGuest, kServer.address));
  later(60s - 1ns);
  EXPECT_TRUE(in(echo_reply(kServer.address, outside)));
  later(1ns);
  EXPECT_EQ(in(echo_reply(kServer.address, outside)).reason, DropReason::nat_unmapped);
}

TEST_F(Rfc5508, Req4ErrorsFromOutsideAreTranslatedInsideAndOut) {
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_EQ(complain(udp(outside, kServer)).packet, unreachable(kRouter, kGuest.address, udp(kGuest, kServer)));
  const Endpoint tcp_outside = outside_of(tcp(kGuest, kServer, kSyn));
  EXPECT_EQ(complain(tcp(tcp_outside, kServer, kSyn)).packet,
            unreachable(kRouter, kGuest.address, tcp(kGuest, kServer, kSyn)));
  outside_of(echo(kOther, kServer.address));
  const Endpoint echoing = outside_of(echo(kGuest, kServer.address));
  ASSERT_NE(echoing.port, kGuest.port);
  EXPECT_EQ(complain(echo(echoing, kServer.address)).packet,
            unreachable(kRouter, kGuest.address, echo(kGuest, kServer.address)));
}

TEST_F(Rfc5508, Req4EightBytesOfTheQuoteAreEnough) {
  outside_of(tcp(kOther, kServer, kSyn));
  const Endpoint outside = outside_of(tcp(kGuest, kServer, kSyn));
  const Bytes quote = tcp(outside, kServer, kSyn);
  const Bytes wanted = tcp(kGuest, kServer, kSyn);
  auto packet = unreachable(kRouter, kOutside, ByteView{quote}.first(28));
  auto editor = PacketEditor::parse(packet).value();
  EXPECT_FALSE(subject->inbound(editor, now));
  EXPECT_EQ(packet, unreachable(kRouter, kGuest.address, ByteView{wanted}.first(28)));
  packet = unreachable(kRouter, kOutside, ByteView{quote}.first(27));
  editor = PacketEditor::parse(packet).value();
  EXPECT_EQ(subject->inbound(editor, now), DropReason::nat_unmapped);
}

TEST_F(Rfc5508, Req4WithoutMappingOrSessionTheyAreDropped) {
  const Endpoint outside = map(kGuest, kServer);
  EXPECT_EQ(complain(udp({kOutside, 9}, kServer)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(complain(udp(outside, kStranger)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(complain(tcp(outside, kServer, kSyn)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(complain(ip(kOutside, kServer.address, 47, Bytes(8))).reason, DropReason::nat_unmapped);
  EXPECT_EQ(complain(unreachable(kOutside, kServer.address, udp(kServer, outside))).reason, DropReason::nat_unmapped);
  // Sent to somebody else than the quoted packet came from.
  EXPECT_EQ(in(unreachable(kRouter, *parse_ip("198.51.100.2"), udp(outside, kServer))).reason,
            DropReason::nat_unmapped);
  EXPECT_EQ(in(unreachable(kRouter, *parse_ip("198.51.100.2"), udp({*parse_ip("198.51.100.2"), 5000}, kServer))).reason,
            DropReason::nat_unmapped);
  EXPECT_EQ(subject->counters().unmapped, 7U);
}

TEST_F(Rfc5508, Req5ErrorsFromInsideAreTranslatedInsideAndOut) {
  outside_of(udp(kOther, kServer));
  const Endpoint outside = map(kGuest, kServer);
  ASSERT_NE(outside.port, kGuest.port);
  const Passed error = out(unreachable(kGuest.address, kServer.address, udp(kServer, kGuest)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error.packet, unreachable(kOutside, kServer.address, udp(kServer, outside)));
  // From a router in between: its address means nothing outside.
  const Passed between = out(unreachable(*parse_ip("192.168.127.254"), kServer.address, udp(kServer, kGuest)));
  ASSERT_TRUE(between);
  EXPECT_EQ(between.packet, error.packet);
}

TEST_F(Rfc5508, Req5WithoutMappingOrSessionTheyAreDropped) {
  map(kGuest, kServer);
  const auto complain_out = [this](const Bytes& quote, const IpAddress& to) {
    return out(unreachable(kGuest.address, to, quote)).reason;
  };
  EXPECT_EQ(complain_out(udp(kServer, kOther), kServer.address), DropReason::nat_unmapped);
  EXPECT_EQ(complain_out(udp(kStranger, kGuest), kStranger.address), DropReason::nat_unmapped);
  EXPECT_EQ(complain_out(tcp(kServer, kGuest, kAck), kServer.address), DropReason::nat_unmapped);
  EXPECT_EQ(complain_out(udp(kServer, kGuest), kStranger.address), DropReason::nat_unmapped);
  EXPECT_EQ(subject->size(), 1U);
}

TEST_F(Rfc5508, Req5AboutWhatAConeHasLetIn) {
  use(NatPreset::fullcone);
  const Endpoint outside = map(kGuest, kServer);
  ASSERT_TRUE(gets_in(kStranger, outside));
  EXPECT_TRUE(out(unreachable(kGuest.address, kStranger.address, udp(kStranger, kGuest))));
}

TEST_F(Rfc5508, Req6ErrorsNeitherRefreshNorDelete) {
  NatBehavior behavior;
  behavior.inbound_refresh = true;
  use(config_of(behavior));
  const Endpoint outside = map(kGuest, kServer);
  later(299s);
  EXPECT_TRUE(complain(udp(outside, kServer)));
  EXPECT_TRUE(out(unreachable(kGuest.address, kServer.address, udp(kServer, kGuest))));
  EXPECT_EQ(subject->size(), 1U);
  later(1s);
  EXPECT_EQ(subject->size(), 0U);
}

TEST_F(Rfc5508, Req7HairpinnedErrors) {
  use(NatPreset::fullcone);
  const Endpoint target = map(kOther, kServer);
  const Passed sent = hairpin(udp(kGuest, target));
  ASSERT_TRUE(sent);
  ASSERT_EQ(sent.destination, kOther);
  const Endpoint outside = sent.source;
  const Passed error = hairpin(unreachable(kOther.address, outside.address, udp(outside, kOther)));
  ASSERT_TRUE(error);
  EXPECT_EQ(error.packet, unreachable(kOutside, kGuest.address, udp(kGuest, target)));
}

TEST_F(Rfc5508, Req8WhatIsRefusedForWantOfRoomSaysSo) {
  for (std::uint32_t port = 1024; port < 1024 + Translator::kMaxMappingsPerHost; ++port) {
    out(udp({kGuest.address, static_cast<std::uint16_t>(port)}, kServer));
  }
  EXPECT_EQ(out(echo(kGuest, kServer.address)).reason, DropReason::nat_exhausted);
}

TEST_F(Rfc5508, Req10TimeExceededAndParameterProblem) {
  const Endpoint outside = map(kGuest, kServer);
  Bytes body(4);
  wire::put(body, udp(outside, kServer));
  for (const std::uint8_t type : {std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{11}, std::uint8_t{12}}) {
    EXPECT_TRUE(in(icmp(kRouter, kOutside, type, 0, body))) << int{type};
  }
  EXPECT_EQ(in(icmp(kRouter, kOutside, 5, 0, body)).reason, DropReason::nat_unmapped);
  EXPECT_EQ(out(icmp(kGuest.address, kServer.address, 17, 0, Bytes(8))).reason, DropReason::no_service)
      << "the address mask's, deprecated by RFC 6918";
}

TEST_F(Rfc5508, OtherProtocolsHaveNoPortToBeToldApartBy) {
  EXPECT_EQ(out(ip(kGuest.address, kServer.address, 47, Bytes(8))).reason, DropReason::no_service);
  EXPECT_EQ(in(ip(kServer.address, kOutside, 47, Bytes(8))).reason, DropReason::nat_unmapped);
}

}  // namespace
}  // namespace vnet::nat::test
