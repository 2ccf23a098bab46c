// Random rules and destinations against a model that says the policy again, slowly: bit by bit, every rule looked at
// for every question. The seed is printed; VNET_SEED repeats a run.
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <string>

#include "egress_testing.hpp"
#include "tests/support/seed.hpp"

namespace vnet::nat {
namespace {

using namespace test;
using enum EgressVerdict;

std::string bits_of(Ipv4Address address) {
  std::string bits;
  for (int i = 31; i >= 0; --i) bits += (address.to_u32() >> i & 1U) != 0 ? '1' : '0';
  return bits;
}
std::string bits_of(const Ipv6Address& address) {
  std::string bits;
  for (const std::uint8_t octet : address.octets()) {
    for (int i = 7; i >= 0; --i) bits += (octet >> i & 1) != 0 ? '1' : '0';
  }
  return bits;
}
std::string bits_of(const IpAddress& address) {
  return std::visit([](const auto& value) { return bits_of(value); }, address);
}
IpAddress address_of(const std::string& bits) {
  std::uint32_t value = 0;
  for (const char bit : bits) value = value << 1U | (bit == '1' ? 1U : 0U);
  return Ipv4Address{value};
}

/// Bit by bit, from the front.
bool covers(const IpPrefix& prefix, const IpAddress& address) {
  if (prefix.index() != address.index()) return false;
  const auto bit = [](const IpAddress& of, unsigned i) {
    if (const auto* v4 = std::get_if<Ipv4Address>(&of)) return v4->to_u32() >> (31U - i) & 1U;
    return unsigned{std::get<Ipv6Address>(of).octets()[i / 8]} >> (7U - i % 8) & 1U;
  };
  return std::visit(
      [&](const auto& p) {
        for (unsigned i = 0; i < p.length; ++i) {
          if (bit(p.address, i) != bit(address, i)) return false;
        }
        return true;
      },
      prefix);
}
int length_of(const IpPrefix& prefix) {
  return std::visit([](const auto& p) { return int{p.length}; }, prefix);
}
bool within(const std::string& text, const IpAddress& address) {
  static std::map<std::string, IpPrefix> parsed;
  const auto found = parsed.find(text);
  return covers(found != parsed.end() ? found->second : parsed.emplace(text, prefix(text)).first->second, address);
}

class Model {
 public:
  EgressRules rules;
  std::vector<IpPrefix> inside;
  std::optional<IpAddress> alias;

  [[nodiscard]] EgressVerdict judge(EgressProtocol protocol, const IpAddress& to, std::uint16_t port) const {
    if (!rules.enabled) return disabled;
    if (alias == to) {
      for (const EgressRule& rule : rules.deny) {
        if (length_of(rule.to) == (to.index() == 0 ? 32 : 128) && matches(rule, protocol, to, port)) return denied;
      }
      return allowed;
    }
    std::vector<EgressVerdict> verdicts{plain(protocol, to, port)};
    for (const IpAddress& embedded : embedded_in(to)) verdicts.push_back(plain(protocol, embedded, port));
    for (const EgressVerdict verdict : verdicts) {
      if (verdict != allowed) return verdict;
    }
    return allowed;
  }

 private:
  static bool matches(const EgressRule& rule, EgressProtocol protocol, const IpAddress& to, std::uint16_t port) {
    if (!covers(rule.to, to) || (rule.protocol && rule.protocol != protocol)) return false;
    if (rule.ports.empty()) return true;
    bool in_ports = false;
    for (const PortRange& range : rule.ports) in_ports = in_ports || (range.first <= port && port <= range.last);
    return in_ports && protocol != EgressProtocol::icmp;
  }

  [[nodiscard]] EgressVerdict plain(EgressProtocol protocol, const IpAddress& to, std::uint16_t port) const {
    if (within("0.0.0.0/8", to) || within("::/128", to)) return unspecified;
    if (within("127.0.0.0/8", to) || within("::1/128", to)) return loopback;
    if (within("224.0.0.0/4", to) || within("ff00::/8", to)) return multicast;
    if (within("240.0.0.0/4", to)) return reserved;
    if (within("fe80::/10", to)) return link_local;
    for (const char* form : {"::/96", "::ffff:0:0/96", "::ffff:0:0:0/96"}) {
      if (within(form, to)) return ipv4_in_ipv6;
    }
    for (const IpPrefix& own : inside) {
      if (covers(own, to)) return EgressVerdict::inside;
    }
    int best = -1;
    EgressVerdict verdict = rules.allow.empty() ? allowed : unlisted;
    for (const EgressRule& rule : rules.allow) {
      if (!matches(rule, protocol, to, port) || length_of(rule.to) <= best) continue;
      best = length_of(rule.to);
      verdict = allowed;
    }
    for (const EgressRule& rule : rules.deny) {
      if (!matches(rule, protocol, to, port) || length_of(rule.to) < best) continue;
      best = length_of(rule.to);
      verdict = denied;
    }
    return verdict;
  }

  static std::vector<IpAddress> embedded_in(const IpAddress& to) {
    const std::string bits = bits_of(to);
    if (within("64:ff9b::/96", to)) return {address_of(bits.substr(96))};
    if (within("2002::/16", to)) return {address_of(bits.substr(16, 32))};
    if (within("2001::/32", to)) {
      std::string client = bits.substr(96);
      for (char& bit : client) bit = bit == '1' ? '0' : '1';
      return {address_of(bits.substr(32, 32)), address_of(client)};
    }
    if (!within("64:ff9b:1::/48", to)) return {};
    const std::string without_u = bits.substr(0, 64) + bits.substr(72);
    std::vector<IpAddress> found;
    for (const IpAddress& read : {address_of(without_u.substr(48, 32)), address_of(without_u.substr(56, 32)),
                                  address_of(without_u.substr(64, 32)), address_of(bits.substr(96))}) {
      if (!within("0.0.0.0/8", read)) found.push_back(read);
    }
    if (found.empty()) found.push_back(address_of(bits.substr(96)));
    return found;
  }
};

/// Addresses and rules that meet each other often.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  IpAddress v4() {
    constexpr std::uint32_t kBases[] = {0x0a000000, 0x0a010000, 0xc0a87f00, 0x08080808, 0xa9fea9fe,
                                        0x7f000001, 0x00000000, 0xe0000001, 0xffffffff, 0x01010101};
    std::uint32_t value = kBases[random_.below(std::size(kBases))];
    for (std::uint32_t flips = random_.below(3); flips > 0; --flips) value ^= 1U << random_.below(32);
    return Ipv4Address{value};
  }

  IpAddress v6() {
    constexpr const char* kBases[] = {"2052::", "2052::1", "fd5a::",     "2001::",       "2002::",      "64:ff9b::",
                                      "::",     "::1",     "fe80::1",    "64:ff9b:1::",  "64:ff9b:1::", "ff02::1",
                                      "2001::", "2002::",  "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::",   "2600::1"};
    auto octets = std::get<Ipv6Address>(ip(kBases[random_.below(std::size(kBases))])).octets();
    if (random_.chance(0.7)) {
      constexpr std::size_t kPlaces[] = {2, 4, 6, 9, 12};
      const std::size_t at = kPlaces[random_.below(std::size(kPlaces))];
      store_be(octets.data() + at, std::get<Ipv4Address>(v4()).to_u32() ^ (random_.chance(0.3) ? 0xffffffffU : 0U));
    }
    for (std::uint32_t flips = random_.below(3); flips > 0; --flips) {
      const std::uint32_t bit = random_.below(128);
      octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] ^ 1U << bit % 8);
    }
    return Ipv6Address{octets};
  }

  IpAddress address() { return random_.chance(0.5) ? v4() : v6(); }

  IpPrefix prefix() {
    const IpAddress at = address();
    if (const auto* four = std::get_if<Ipv4Address>(&at)) {
      return Ipv4Prefix{*four, static_cast<std::uint8_t>(random_.chance(0.2) ? 32 : random_.below(33))};
    }
    return Ipv6Prefix{std::get<Ipv6Address>(at), static_cast<std::uint8_t>(random_.below(129))};
  }

  EgressProtocol protocol() { return static_cast<EgressProtocol>(random_.below(3)); }
  std::uint16_t port() { return static_cast<std::uint16_t>(1 + random_.below(random_.chance(0.5) ? 12 : 65535)); }

  EgressRule rule() {
    EgressRule made{prefix(), {}, {}};
    if (random_.chance(0.4)) made.protocol = protocol();
    if (random_.chance(0.4)) {
      std::string text;
      for (std::uint32_t i = 0; i <= random_.below(4); ++i) {
        const std::uint16_t first = port();
        const auto last = static_cast<std::uint16_t>(std::min<std::uint32_t>(65535, first + random_.below(4)));
        text += (text.empty() ? "" : ",") + std::to_string(first) + "-" + std::to_string(last);
      }
      made.ports = parse_port_ranges(text).value();
    }
    return made;
  }

  Model model() {
    Model made;
    made.rules.enabled = !random_.chance(0.02);
    made.rules.deny.clear();
    const std::uint32_t many = random_.chance(0.1) ? 200 : 8;
    if (random_.chance(0.6))
      for (std::uint32_t i = random_.below(many); i > 0; --i) made.rules.allow.push_back(rule());
    for (std::uint32_t i = random_.below(many); i > 0; --i) made.rules.deny.push_back(rule());
    // The same prefix on both sides, where deny must win.
    if (!made.rules.allow.empty() && random_.chance(0.5)) made.rules.deny.push_back(made.rules.allow.front());
    for (std::uint32_t i = random_.below(3); i > 0; --i) made.inside.push_back(prefix());
    if (random_.chance(0.5)) made.alias = address();
    return made;
  }

 private:
  Random random_;
};

TEST(EgressModel, AgreesWithASlowModelOverRandomRulesAndDestinations) {
  const std::uint64_t start = vnet::test::seed();
  std::cout << "VNET_SEED=" << start << '\n';
  Dice dice{start};
  std::array<std::size_t, kEgressVerdicts.size()> seen{};
  for (int round = 0; round < 400; ++round) {
    const Model model = dice.model();
    const EgressPolicy policy{model.rules, model.inside, model.alias};
    for (int question = 0; question < 100; ++question) {
      const IpAddress to = model.alias && question == 0 ? *model.alias : dice.address();
      const EgressProtocol protocol = dice.protocol();
      const std::uint16_t port = dice.port();
      const EgressVerdict verdict = policy.judge(protocol, to, port);
      ASSERT_EQ(to_string(verdict), to_string(model.judge(protocol, to, port)))
          << "round " << round << ", " << vnet::to_string(to) << " port " << port;
      ++seen[static_cast<std::size_t>(verdict)];
    }
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_GT(seen[i], 20U) << kEgressVerdicts[i].name;
}

}  // namespace
}  // namespace vnet::nat
