// Whole packets from fragments: in any order, never from fragments that contradict each other, and within limits.
#include "nat/reassembly.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "fragments_testing.hpp"

namespace vnet::nat::test {
namespace {

using namespace std::chrono_literals;

class Reassembly : public testing::Test {
 protected:
  /// What comes out as bytes; empty: nothing yet, or a drop, which `reason` tells.
  Bytes give(const Bytes& packet) {
    reason.reset();
    return packet[0] >> 4U == 4 ? give(Ipv4Packet::parse(packet).value()) : give(Ipv6Packet::parse(packet).value());
  }
  /// Of several, the last that came out.
  Bytes give_all(const std::vector<Bytes>& packets) {
    Bytes whole;
    for (const Bytes& packet : packets) {
      if (Bytes out = give(packet); !out.empty()) whole = std::move(out);
    }
    return whole;
  }
  void expect_dropped(const Bytes& packet, DropReason why = DropReason::malformed) {
    EXPECT_TRUE(give(packet).empty());
    EXPECT_EQ(reason, why);
  }
  void expect_waiting(const Bytes& packet) {
    EXPECT_TRUE(give(packet).empty());
    EXPECT_FALSE(reason) << to_string(*reason);
  }
  void expire() {
    subject.expire(now, [this](const Reassembler::Unfinished& datagram) {
      EXPECT_EQ(datagram.mac, kWay4.from);
      told.emplace_back(datagram.first.begin(), datagram.first.end());
    });
  }
  void pass(Duration duration) {
    now += duration;
    expire();
  }
  void limit(const ReassemblyLimits& limits) { subject = Reassembler{{1, 2}, limits}; }

  Instant now{1h};
  Reassembler subject{SipHashKey{1, 2}};
  std::optional<DropReason> reason;
  std::vector<Bytes> told;

 private:
  template <typename Packet>
  Bytes give(const Packet& packet) {
    const auto outcome = subject.handle(kWay4.from, packet, now);
    EXPECT_LE(subject.bytes(), subject.limits().bytes);
    EXPECT_LE(subject.size(), subject.limits().datagrams);
    if (!outcome) reason = outcome.error();
    if (!outcome || !*outcome) return {};
    return {(*outcome)->bytes().begin(), (*outcome)->bytes().end()};
  }
};

Bytes with_ttl(Bytes packet, std::uint8_t ttl) {
  packet[8] = ttl;
  wire::set16(packet, 10, 0);
  wire::set16(packet, 10, wire::slow_checksum(ByteView{packet}.first(20)));
  return packet;
}

TEST_F(Reassembly, InOrderAndOutOfOrder) {
  for (const Bytes& packet : {udp4(3000), udp6(3000)}) {
    auto fragments = cut_all(packet, 1480);
    ASSERT_EQ(fragments.size(), 3U);
    expect_waiting(fragments[0]);
    expect_waiting(fragments[1]);
    EXPECT_EQ(give(fragments[2]), packet);
    std::ranges::sort(fragments, std::greater{});
    do {
      EXPECT_EQ(give_all(fragments), packet);
    } while (std::ranges::prev_permutation(fragments).found);
    EXPECT_EQ(subject.size(), 0U);
    subject.end_batch();
    EXPECT_EQ(subject.bytes(), 0U);
  }
  EXPECT_EQ(subject.next_deadline(), kNever);
}

TEST_F(Reassembly, TheHeaderIsThatOfFragmentZero) {
  const Bytes packet = udp4(100);
  auto fragments = cut_all(packet, 80);
  expect_waiting(with_ttl(fragments[1], 3));
  EXPECT_EQ(give(with_ttl(fragments[0], 9)), with_ttl(packet, 9));
}

TEST_F(Reassembly, OptionsOfFragmentZeroStay) {
  const auto with_options = [](const Bytes& packet) {
    Bytes longer{packet.begin(), packet.begin() + 20};
    wire::put(longer, Bytes{7, 3, 4, 0});  // an empty record route
    wire::put(longer, ByteView{packet}.subspan(20));
    longer[0] = 0x46;
    wire::set16(longer, 2, static_cast<std::uint16_t>(longer.size()));
    wire::set16(longer, 10, 0);
    wire::set16(longer, 10, wire::slow_checksum(ByteView{longer}.first(24)));
    return longer;
  };
  const Bytes packet = udp4(100);
  const auto fragments = cut_all(packet, 80);
  expect_waiting(fragments[1]);
  EXPECT_EQ(give(with_options(fragments[0])), with_options(packet));
}

TEST_F(Reassembly, ExtensionHeadersBeforeAndBehindTheCut) {
  // Hop-by-hop options that every fragment has, and destination options that are cut with the rest.
  const Bytes options{17, 0, 1, 4, 0, 0, 0, 0};
  Bytes packet = udp6(100);
  packet.insert(packet.begin() + 40, options.begin(), options.end());
  packet[6] = 60;
  wire::set16(packet, 4, static_cast<std::uint16_t>(packet.size() - 40));
  const Bytes hop{60, 0, 1, 4, 0, 0, 0, 0};
  const auto with_hop = [&](Bytes fragment) {
    fragment.insert(fragment.begin() + 40, hop.begin(), hop.end());
    fragment[40] = fragment[6];
    fragment[6] = 0;
    wire::set16(fragment, 4, static_cast<std::uint16_t>(fragment.size() - 40));
    return fragment;
  };
  const auto fragments = cut_all(packet, 64);
  expect_waiting(with_hop(fragments[1]));
  EXPECT_EQ(give(with_hop(fragments[0])), with_hop(packet));
}

TEST_F(Reassembly, DatagramsAreToldApart) {
  wire::Way4 other = kWay4;
  other.source = wire::ip4("192.168.127.3");
  wire::Way4 elsewhere = kWay4;
  elsewhere.destination = wire::ip4("203.0.113.8");
  const Bytes icmp = without_ethernet(wire::ipv4(kWay4, 1, noise(100), 0));
  const std::vector<Bytes> packets{udp4(100), udp4(200, other), udp4(300, elsewhere), icmp, udp6(100)};
  for (const Bytes& packet : packets) expect_waiting(cut_all(packet, 64)[0]);
  expect_waiting(cut_all(packets[0], 64, 7)[0]);
  EXPECT_EQ(subject.size(), 6U);
  for (const Bytes& packet : packets) {
    auto fragments = cut_all(packet, 64);
    fragments.erase(fragments.begin());
    EXPECT_EQ(give_all(fragments), packet);
  }
}

TEST_F(Reassembly, FragmentsOfIpv6MayDifferInTheirNextHeader_Rfc8200_4_5) {
  const Bytes packet = udp6(100);
  auto fragments = cut_all(packet, 64);
  fragments[1][40] = 6;
  expect_waiting(fragments[1]);
  EXPECT_EQ(give(fragments[0]), packet);
}

TEST_F(Reassembly, ADuplicateIsIgnored_Rfc5722) {
  for (const Bytes& packet : {udp4(300), udp6(300)}) {
    const auto fragments = cut_all(packet, 128);
    for (int i = 0; i < 3; ++i) {
      expect_waiting(fragments[2]);
      expect_waiting(fragments[0]);
    }
    EXPECT_EQ(give(fragments[1]), packet);
  }
  EXPECT_EQ(subject.counters().condemned, 0U);
}

TEST_F(Reassembly, AnOverlapCondemnsTheDatagram_Rfc5722) {
  for (const Bytes& packet : {udp4(300), udp6(300)}) {
    const Bytes first = cut(packet, {0, 128});
    Bytes changed = first;
    changed.back() ^= 1U;
    const std::vector<std::pair<Bytes, Bytes>> pairs{
        {first, cut(packet, {120, 64})},                                // into the one before
        {cut(packet, {120, 64}), first},                                // into the one behind
        {first, cut(packet, {8, 8})},                                   // within
        {cut(packet, {8, 8}), first},                                   // around
        {first, cut(packet, {0, 64})},                                  // the same beginning
        {first, changed},                                               // other bytes at the same place
        {cut(packet, {64, 64}), cut(packet, {64, 64, false})},          // the same, but it is the end
        {cut(packet, {64, 64, false}), cut(packet, {64, 64})},          // ... or is not
        {cut(packet, {256, 52, false}), cut(packet, {200, 8, false})},  // two ends
        {cut(packet, {256, 52, false}), cut(packet, {320, 8})},         // behind the end
        {cut(packet, {256, 8}), cut(packet, {64, 8, false})},           // an end before what has come
    };
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      SCOPED_TRACE(i);
      const auto& [one, other] = pairs[i];
      expect_waiting(one);
      expect_dropped(other);
      for (const Bytes& fragment : cut_all(packet, 128)) expect_dropped(fragment);
      EXPECT_EQ(subject.bytes(), 0U);
      pass(30s);
      if (packet[0] >> 4U == 6) {
        expect_dropped(first);
        pass(30s);
      }
      EXPECT_TRUE(told.empty());
      EXPECT_EQ(give_all(cut_all(packet, 128)), packet) << "its time is over";
      subject.end_batch();
    }
  }
}

TEST_F(Reassembly, AMalformedFragmentIsDroppedAlone) {
  for (const Bytes& packet : {udp4(300), udp6(300)}) {
    const auto fragments = cut_all(packet, 128);
    expect_waiting(fragments[0]);
    expect_dropped(cut(packet, {128, 0}));
    expect_dropped(cut(packet, {128, 0, false}));
    expect_dropped(cut(packet, {128, 100}));
    expect_dropped(cut(packet, {65'528, 8}));
    expect_dropped(cut(packet, {65'528, 8, false}));
    expect_waiting(fragments[1]);
    EXPECT_EQ(give(fragments[2]), packet);
  }
}

TEST_F(Reassembly, TheLargestPacketIs65535BytesWithItsHeader) {
  EXPECT_EQ(give_all(cut_all(udp4(65'507), 1480)), udp4(65'507));
  EXPECT_EQ(give_all(cut_all(udp6(65'527), 1448)), udp6(65'527));
  // What fits a header without options and not one with them is found when it is put together.
  Bytes packet = udp4(65'507);
  const auto fragments = cut_all(packet, 32'768);
  expect_waiting(fragments[1]);
  Bytes first = fragments[0];
  first.insert(first.begin() + 20, {1, 1, 1, 1});
  first[0] = 0x46;
  wire::set16(first, 2, static_cast<std::uint16_t>(first.size()));
  wire::set16(first, 10, 0);
  wire::set16(first, 10, wire::slow_checksum(ByteView{first}.first(24)));
  expect_dropped(first);
}

TEST_F(Reassembly, AnAtomicFragmentIsAloneInItsPacket_Rfc6946) {
  const Bytes packet = udp6(100);
  const auto fragments = cut_all(packet, 64);
  expect_waiting(fragments[0]);
  EXPECT_EQ(give(cut_all(packet, 1000)[0]), packet);
  EXPECT_EQ(give(fragments[1]), packet) << "the others do not notice";
}

TEST_F(Reassembly, APacketThatWasCutTwiceIsNone) {
  Bytes inner = cut(udp6(100), {0, 64});
  expect_dropped(cut_all(inner, 1000)[0]);
  const auto fragments = cut_all(inner, 40);
  expect_waiting(fragments[0]);
  expect_dropped(fragments[1]);
}

TEST_F(Reassembly, ItsTimeRunsFromTheFirstFragmentOn) {
  const auto four = cut_all(udp4(300), 128);
  const auto six = cut_all(udp6(300), 128);
  expect_waiting(four[0]);
  expect_waiting(six[0]);
  EXPECT_EQ(subject.next_deadline(), now + 30s);
  pass(29s);
  expect_waiting(four[1]);
  expect_waiting(six[1]);
  pass(1s);
  EXPECT_EQ(subject.size(), 1U);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], four[0]) << "quoted as it came";
  expect_waiting(four[2]);
  pass(30s);
  EXPECT_EQ(subject.size(), 0U);
  ASSERT_EQ(told.size(), 2U) << "of the late one fragment zero was not there";
  EXPECT_EQ(told[1], six[0]);
  EXPECT_EQ(subject.bytes(), 0U);
  EXPECT_EQ(subject.next_deadline(), kNever);
  EXPECT_EQ(subject.counters().timed_out, 3U);
}

TEST_F(Reassembly, WhatIsLateBeginsAnew) {
  const auto fragments = cut_all(udp4(200), 128);
  expect_waiting(fragments[0]);
  now += 30s;  // and nobody has called `expire`
  expect_waiting(fragments[1]);
  EXPECT_EQ(subject.next_deadline(), now + 30s);
}

TEST_F(Reassembly, NobodyIsToldOfWhatMayBeAnIcmpError_Rfc1122_3_2_2) {
  const auto message = [](std::uint8_t type) { return wire::icmp_body(type, 0, noise(200)); };
  expect_waiting(cut(without_ethernet(wire::ipv4(kWay4, 1, message(3))), {0, 64, true, 1}));
  expect_waiting(cut(without_ethernet(wire::ipv6(kWay6, 58, message(1))), {0, 64, true, 2}));
  expect_waiting(cut(without_ethernet(wire::ipv6(kWay6, 60, message(128))), {0, 64, true, 3}));
  pass(60s);
  EXPECT_TRUE(told.empty());
  expect_waiting(cut(without_ethernet(wire::ipv4(kWay4, 1, message(8))), {0, 64, true, 1}));
  expect_waiting(cut(without_ethernet(wire::ipv6(kWay6, 58, message(128))), {0, 64, true, 2}));
  pass(60s);
  EXPECT_EQ(told.size(), 2U);
}

TEST_F(Reassembly, ASourceAtItsLimitLosesItsOldest) {
  const Bytes packet = udp4(200);
  wire::Way4 other = kWay4;
  other.source = wire::ip4("192.168.127.3");
  expect_waiting(cut_all(udp4(200, other), 128)[0]);
  for (std::uint32_t i = 0; i <= subject.limits().per_source; ++i) {
    now += 1ms;
    expect_waiting(cut_all(packet, 128, 100 + i)[0]);
  }
  EXPECT_EQ(subject.size(), subject.limits().per_source + 1);
  EXPECT_EQ(subject.counters().evicted, 1U);
  EXPECT_EQ(give(cut_all(udp4(200, other), 128)[1]), udp4(200, other));
  EXPECT_FALSE(give(cut_all(packet, 128, 101)[1]).empty());
  expect_waiting(cut_all(packet, 128, 100)[1]);
}

TEST_F(Reassembly, AtTheLimitOfAllTheOldestMakesRoom) {
  std::vector<Bytes> last;
  for (std::uint32_t i = 0; i < 300; ++i) {
    wire::Way4 way = kWay4;
    way.source = Ipv4Address{0xc0a87f02U + i};
    now += 1ms;
    expect_waiting(cut_all(udp4(200, way), 128)[0]);
    last.push_back(cut_all(udp4(200, way), 128)[1]);
  }
  EXPECT_EQ(subject.size(), 256U);
  EXPECT_EQ(subject.counters().evicted, 44U);
  EXPECT_FALSE(give(last[299]).empty());
  EXPECT_FALSE(give(last[44]).empty());
  EXPECT_TRUE(give(last[43]).empty());
}

TEST_F(Reassembly, BytesAreLimited) {
  for (std::uint32_t i = 0; i < 100; ++i) {
    wire::Way4 way = kWay4;
    way.source = Ipv4Address{0xc0a87f02U + i};
    const Bytes packet = udp4(65'000, way);
    expect_waiting(cut(packet, {0, 64'000}));
  }
  EXPECT_GT(subject.bytes(), std::size_t{4} * 1024 * 1024 - 66'000);
  EXPECT_EQ(subject.size(), 65U);
  pass(30s);
  EXPECT_EQ(subject.bytes(), 0U);
}

TEST_F(Reassembly, WholePacketsCountUntilTheBatchEnds) {
  limit({.bytes = 10'000});
  const Bytes packet = udp4(6000);
  EXPECT_EQ(give_all(cut_all(packet, 1480)), packet);
  const auto fragments = cut_all(packet, 1480, 2);
  expect_waiting(fragments[0]);
  expect_waiting(fragments[1]);
  expect_dropped(fragments[2], DropReason::egress_limit);
  EXPECT_EQ(subject.size(), 0U);
  expect_dropped(cut(packet, {0, 4800, true, 3}), DropReason::egress_limit);
  const Bytes six = udp6(6000);
  expect_dropped(cut_all(six, 6008)[0], DropReason::egress_limit);
  subject.end_batch();
  EXPECT_EQ(give_all(cut_all(packet, 1480)), packet);
}

TEST_F(Reassembly, TooManyFragmentsCondemn) {
  const Bytes packet = udp4(2000);
  const auto fragments = cut_all(packet, 8);
  ASSERT_GT(fragments.size(), 129U);
  for (std::size_t i = 0; i < 128; ++i) expect_waiting(fragments[i]);
  expect_dropped(fragments[128], DropReason::egress_limit);
  expect_dropped(fragments[129]);
  EXPECT_EQ(subject.bytes(), 0U);
  EXPECT_EQ(give_all(cut_all(udp4(1000), 8, 2)).size(), 1028U) << "127 of them";
}

TEST_F(Reassembly, AGuestThatIsGoneLeavesNothing) {
  expect_waiting(cut(udp4(200), {0, 64}));
  expect_waiting(cut(udp6(200), {0, 64}));
  subject.forget(wire::mac(2));
  EXPECT_EQ(subject.size(), 2U);
  subject.forget(kWay4.from);
  EXPECT_EQ(subject.size(), 0U);
  EXPECT_EQ(subject.bytes(), 0U);
}

/// Where a packet may be cut, all of them in a random order, some more than once.
std::vector<Bytes> random_cuts(const Bytes& packet, std::uint32_t identification, Random& random) {
  const std::size_t total = packet.size() - (packet[0] >> 4U == 4 ? 20 : 40);
  std::vector<Bytes> fragments;
  for (std::size_t at = 0; at < total;) {
    const std::size_t size = 8 * (1 + std::size_t{random.below(random.chance(0.5) ? 20 : 1000)});
    const bool last = at + size >= total || fragments.size() == 120;
    fragments.push_back(cut(packet, {at, last ? total - at : size, !last, identification}));
    at = last ? total : at + size;
  }
  for (std::uint32_t more = random.below(4); more > 0; --more) {
    fragments.push_back(fragments[random.below(static_cast<std::uint32_t>(fragments.size()))]);
  }
  for (std::size_t i = fragments.size(); i > 1; --i) {
    std::swap(fragments[i - 1], fragments[random.below(static_cast<std::uint32_t>(i))]);
  }
  return fragments;
}

TEST_F(Reassembly, RandomCutsOfManyPacketsAtOnceGiveThePackets) {
  const char* const given = std::getenv("VNET_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 20'261'127;
  std::cout << "seed " << seed << '\n';
  Random random{seed};
  for (int round = 0; round < 30; ++round) {
    std::map<Bytes, int> wanted;  // how often it has come out
    std::vector<Bytes> mixed;
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::size_t size = 100 + random.below(random.chance(0.3) ? 65'000 : 3000);
      Bytes packet = random.chance(0.5) ? udp4(size) : udp6(size);
      std::vector<Bytes> fragments = random_cuts(packet, 100 + i, random);
      if (packet[0] >> 4U == 4) {
        wire::set16(packet, 4, static_cast<std::uint16_t>(100 + i));
        packet = with_ttl(packet, 64);
      }
      if (fragments.size() < 2 || (packet[0] >> 4U == 4 && !Ipv4Packet::parse(fragments[0])->is_fragment())) continue;
      wanted[packet] = 0;
      // Into what there is, each in its own order.
      std::size_t at = 0;
      for (Bytes& fragment : fragments) {
        at += random.below(static_cast<std::uint32_t>(mixed.size() - at + 1));
        mixed.insert(mixed.begin() + static_cast<std::ptrdiff_t>(at++), std::move(fragment));
      }
    }
    for (const Bytes& fragment : mixed) {
      const Bytes whole = give(fragment);
      EXPECT_FALSE(reason);
      if (whole.empty()) continue;
      ASSERT_TRUE(wanted.contains(whole));
      ++wanted[whole];
    }
    // Once, and again where every fragment came twice.
    for (const auto& [packet, times] : wanted) EXPECT_GE(times, 1) << packet.size() << " bytes, round " << round;
    subject.end_batch();
    pass(60s);  // duplicates that came behind the end
    ASSERT_EQ(subject.bytes(), 0U);
  }
}

}  // namespace
}  // namespace vnet::nat::test
