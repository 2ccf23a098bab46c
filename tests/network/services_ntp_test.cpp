#include "network/services/ntp_service.hpp"
#include "network/services/service_host.hpp"
#include "tests/network/services_testing.hpp"

namespace vnet::network::test {
namespace {

constexpr std::uint64_t kSecond = std::uint64_t{1} << 32U;

const nat::Endpoint kClock{Ipv4Address{52, 52, 0, 10}, 123};

WallTime wall(std::int64_t seconds, std::int64_t nanoseconds = 0) {
  return WallTime{std::chrono::seconds{seconds} + std::chrono::nanoseconds{nanoseconds}};
}

/// `first`: leap indicator, version and mode.
Bytes request(std::uint8_t first = 0x23) {
  Bytes bytes(NtpService::kHeaderSize);
  bytes[0] = first;
  bytes[2] = 6;
  for (std::size_t i = 0; i < 8; ++i) bytes[40 + i] = static_cast<std::uint8_t>(0xa0 + i);
  return bytes;
}

class NtpServiceTest : public testing::Test {
 protected:
  SentDatagrams give(const Bytes& bytes, Instant now = Instant{}) {
    SentDatagrams output;
    EXPECT_TRUE(service.handle({kGuest, kClock, bytes}, output, now));
    return output;
  }

  NtpService service{[](Instant now) { return wall(1'700'000'000, 500'000'000) + (now - Instant{}); }};
};

TEST(NtpTimestamp, Rfc5905CountsFrom1900In32Bits) {
  EXPECT_EQ(ntp_timestamp(wall(0)), 2'208'988'800 * kSecond);
  EXPECT_EQ(ntp_timestamp(wall(0, 500'000'000)), 2'208'988'800 * kSecond + kSecond / 2);
  EXPECT_EQ(ntp_timestamp(wall(-2'208'988'800)), 0U);
  // RFC 5905, figure 4: the last day of era 0 begins 4,294,944,000 seconds after 1900, and era 1 in 2036.
  EXPECT_EQ(ntp_timestamp(wall(2'085'955'200)), 4'294'944'000 * kSecond);
  EXPECT_EQ(ntp_timestamp(wall(2'085'978'495, 999'999'999)), ~std::uint64_t{0} - 4);
  EXPECT_EQ(ntp_timestamp(wall(2'085'978'496)), 0U);
  EXPECT_EQ(ntp_timestamp(wall(-1, 750'000'000)), 2'208'988'799 * kSecond + kSecond / 4 * 3);
}

TEST_F(NtpServiceTest, Rfc5905AnswersAClient) {
  const Sent sent = give(request(), Instant{2s}).take();
  EXPECT_EQ(sent.from, kClock);
  EXPECT_EQ(sent.to, kGuest);
  ByteReader in{sent.payload};
  EXPECT_EQ(int{in.u8()}, 0x24) << "no leap second, version 4, server";
  EXPECT_EQ(int{in.u8()}, 1) << "stratum";
  EXPECT_EQ(int{in.u8()}, 6) << "poll";
  EXPECT_EQ(int{in.u8()}, 0xe9) << "precision";
  EXPECT_EQ(in.be32(), 0U) << "root delay";
  EXPECT_EQ(in.be32(), 0x42U) << "root dispersion";
  EXPECT_EQ(text_of(in.bytes(4)), "LOCL");
  EXPECT_EQ(in.be64(), ntp_timestamp(wall(1'700'000'000))) << "reference";
  EXPECT_EQ(in.be64(), 0xa0a1a2a3a4a5a6a7U) << "origin";
  EXPECT_EQ(in.be64(), ntp_timestamp(wall(1'700'000'002, 500'000'000))) << "receive";
  EXPECT_EQ(in.be64(), ntp_timestamp(wall(1'700'000'002, 500'000'000))) << "transmit";
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.remaining(), 0U);
}

TEST_F(NtpServiceTest, Rfc5905AnswersInTheVersionOfTheRequest) {
  for (const std::uint8_t version : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{4}}) {
    const auto first = static_cast<std::uint8_t>(0xc0 | version << 3U | 3);
    EXPECT_EQ(int{give(request(first)).take().payload[0]}, version << 3 | 4);
  }
}

TEST_F(NtpServiceTest, Rfc5905OnlyClientsAreAnswered) {
  for (const unsigned mode : {0U, 1U, 2U, 4U, 5U, 6U, 7U}) {
    EXPECT_TRUE(give(request(static_cast<std::uint8_t>(0x20 | mode))).sent.empty()) << mode;
  }
  for (const unsigned version : {0U, 5U, 6U, 7U}) {
    EXPECT_TRUE(give(request(static_cast<std::uint8_t>(version << 3U | 3U))).sent.empty()) << version;
  }
}

TEST_F(NtpServiceTest, AShortRequestIsNone) {
  Bytes bytes = request();
  bytes.pop_back();
  EXPECT_TRUE(give(bytes).sent.empty());
  EXPECT_TRUE(give({}).sent.empty());
}

TEST_F(NtpServiceTest, WhatFollowsTheHeaderIsNotLookedAt) {
  Bytes bytes = request();
  bytes.resize(bytes.size() + 20, 0xff);
  EXPECT_EQ(give(bytes).take().payload.size(), NtpService::kHeaderSize);
}

TEST_F(NtpServiceTest, NobodyListensElsewhere) {
  SentDatagrams output;
  EXPECT_FALSE(service.handle({kGuest, {kClock.address, 124}, request()}, output, Instant{}));
}

TEST(ServiceHostNtp, WithoutAClockTheYearIs1970) {
  Random random{1};
  SentDatagrams output;
  Bench bench;
  ServiceHost host{
      {.name = "ntp.test", .addresses = {kClock.address}, .kind = ServiceKind::ntp}, 1500, random, output, bench};
  EXPECT_TRUE(host.handle_udp({kGuest, kClock, request()}, Instant{1h}));
  EXPECT_EQ(load_be<std::uint64_t>(output.take().payload.data() + 40), ntp_timestamp(wall(3600)));
}

}  // namespace
}  // namespace vnet::network::test
