// A translator between guests and the internet, on virtual time: what goes out and in, as endpoints.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <optional>
#include <vector>

#include "nat/translator.hpp"
#include "tests/support/ip_packets.hpp"

namespace vnet::nat {

inline void PrintTo(const Endpoint& endpoint, std::ostream* out) { *out << vnet::test::to_string(endpoint); }

}  // namespace vnet::nat

namespace vnet::nat::test {

using namespace std::chrono_literals;
using namespace vnet::test;

inline const Endpoint kGuest = at("192.168.127.2:5000");
inline const Endpoint kOther = at("192.168.127.3:5000");
inline const Endpoint kServer = at("203.0.113.7:80");
inline const Endpoint kServerElsewhere = at("203.0.113.7:81");  ///< another port of it
inline const Endpoint kStranger = at("203.0.113.8:80");
inline const IpAddress kOutside = *parse_ip("198.51.100.1");
inline const IpAddress kRouter = *parse_ip("192.0.2.254");

inline const Endpoint kGuest6 = at("[fd00:1::2]:5000");
inline const Endpoint kServer6 = at("[2001:db8:ff::7]:80");
inline const Endpoint kStranger6 = at("[2001:db8:ff::8]:80");

inline TranslatorConfig config_of(const NatBehavior& behavior) {
  TranslatorConfig config;
  config.behavior = behavior;
  config.outside4 = std::get<Ipv4Address>(kOutside);
  config.inside4 = Ipv4Prefix::parse("192.168.127.0/24");
  config.inside6 = Ipv6Prefix::parse("fd00:1::/64");
  return config;
}
inline TranslatorConfig config_of(NatPreset preset) { return config_of(behavior_of(preset)); }

/// What became of a packet.
struct Passed {
  Bytes packet;  ///< empty: dropped
  std::optional<DropReason> reason;
  Endpoint source;
  Endpoint destination;

  explicit operator bool() const { return !reason; }
};

class TranslatorTest : public testing::Test {
 protected:
  void use(const TranslatorConfig& config) { subject.emplace(config, random); }
  void use(NatPreset preset) { use(config_of(preset)); }

  Passed out(const Bytes& packet) { return pass(packet, true); }
  Passed in(const Bytes& packet) { return pass(packet, false); }
  /// What `out` makes comes in again.
  Passed hairpin(const Bytes& packet) {
    const Passed first = out(packet);
    return first ? in(first.packet) : first;
  }
  /// The outside endpoint of what goes out.
  Endpoint outside_of(const Bytes& packet) {
    const Passed passed = out(packet);
    EXPECT_TRUE(passed) << vnet::to_string(*passed.reason);
    return passed.source;
  }
  Endpoint map(const Endpoint& guest, const Endpoint& server) { return outside_of(udp(guest, server)); }
  bool gets_in(const Endpoint& from, const Endpoint& outside) { return !in(udp(from, outside)).reason; }
  void later(Duration duration) {
    now += duration;
    subject->expire(now, [this](ByteView packet) { told.emplace_back(packet.begin(), packet.end()); });
  }
  std::vector<MappingView> mappings() const {
    std::vector<MappingView> views;
    subject->each([&](const MappingView& view) { views.push_back(view); });
    EXPECT_EQ(views.size(), subject->size());
    return views;
  }

  Instant now{1h};
  Random random{7};
  std::optional<Translator> subject{std::in_place, config_of(NatPreset::easy), random};
  std::vector<Bytes> told;
  bool judges = true;  ///< looks at every checksum, which takes longer than the translation

 private:
  Passed pass(Bytes packet, bool outbound) {
    const bool right = !judges || sums_ok(packet);
    auto editor = PacketEditor::parse(packet);
    if (!editor) {
      ADD_FAILURE() << to_string(editor.error());
      return {{}, DropReason::malformed, {}, {}};
    }
    const Bytes before = packet;
    const auto reason = outbound ? subject->outbound(*editor, now) : subject->inbound(*editor, now);
    if (reason) {
      EXPECT_EQ(packet, before) << "a packet that is dropped was changed";
      return {{}, reason, {}, {}};
    }
    EXPECT_EQ(!judges || sums_ok(packet), right);
    return {packet,
            std::nullopt,
            {editor->source(), editor->source_port()},
            {editor->destination(), editor->destination_port()}};
  }
};

}  // namespace vnet::nat::test
