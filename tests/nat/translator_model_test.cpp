// Random traffic through a translator and through a model of it: a few maps, searched from end to end, with the rules
// written down as the standards have them. The seed is printed; VNET_SEED repeats a run.
#include <set>

#include "translator_testing.hpp"

namespace vnet::nat::test {
namespace {

/// One NAT for UDP and IPv4, without any idea of speed.
class PlainNat {
 public:
  struct Mapping {
    Endpoint inside;
    Endpoint toward;
    std::map<std::pair<std::uint32_t, std::uint16_t>, Instant> peers;  ///< when the inside has sent there last
    bool pinned = false;
    std::optional<Instant> over;  ///< rests since
    std::size_t born = 0;         ///< of several that would do, the oldest does
  };

  explicit PlainNat(const NatBehavior& behavior) : behavior_(behavior) {}

  void age(Instant now) {
    for (auto at = mappings_.begin(); at != mappings_.end();) {
      Mapping& mapping = at->second;
      Instant last{};
      for (auto peer = mapping.peers.begin(); peer != mapping.peers.end();) {
        const Instant end = peer->second + behavior_.udp_timeout;
        last = std::max(last, end);
        peer = end <= now ? mapping.peers.erase(peer) : std::next(peer);
      }
      if (mapping.peers.empty() && !mapping.pinned && !mapping.over) mapping.over = last;
      at = mapping.over && *mapping.over + 120s <= now ? mappings_.erase(at) : std::next(at);
    }
  }
  /// The outside port that a packet has to have; none: any that is free for it, which `created` is told of.
  [[nodiscard]] std::optional<std::uint16_t> outbound(const Endpoint& inside, const Endpoint& to, Instant now) {
    std::optional<std::uint16_t> resting;
    std::optional<std::uint16_t> pinned;
    std::optional<std::uint16_t> living;
    for (auto& [port, mapping] : mappings_) {
      if (mapping.inside != inside) continue;
      const bool fits = mapping.toward == reduced(to);
      const bool unscoped = mapping.toward == Endpoint{};
      // Whatever the behavior: a session of one that was pinned.
      if (!mapping.over && unscoped && mapping.peers.contains(key(to))) return refresh(port, to, now);
      if (mapping.over && fits) choose(resting, port);
      if (!mapping.over && fits) choose(living, port);
      if (!mapping.over && unscoped && mapping.pinned) choose(pinned, port);
    }
    for (const auto& choice : {living, pinned, resting}) {
      if (choice) return refresh(*choice, to, now);
    }
    return std::nullopt;
  }
  /// Whether `port` may be that of a new mapping.
  void created(std::uint16_t port, const Endpoint& inside, const Endpoint& to, Instant now) {
    const auto known = mappings_.find(port);
    if (known != mappings_.end()) {
      EXPECT_TRUE(known->second.over) << "overloaded: " << port;
      EXPECT_EQ(known->second.inside, inside) << "does not rest: " << port;
      mappings_.erase(known);
    }
    EXPECT_EQ(port >= 1024, inside.port >= 1024);
    EXPECT_EQ(port % 2, inside.port % 2);
    if (behavior_.ports == PortChoice::preserve && known == mappings_.end() && !mappings_.contains(inside.port)) {
      EXPECT_EQ(port, inside.port);
    }
    mappings_[port] = {inside, reduced(to), {{key(to), now}}, false, {}, ++made_};
  }
  /// Whom it goes to; none: it is dropped, for the reason.
  [[nodiscard]] Result<Endpoint, DropReason> inbound(std::uint16_t port, const Endpoint& from) const {
    const auto known = mappings_.find(port);
    if (known == mappings_.end() || known->second.over) return fail(DropReason::nat_unmapped);
    const Mapping& mapping = known->second;
    bool passes = mapping.pinned || behavior_.filtering == Dependence::endpoint_independent;
    for (const auto& [peer, used] : mapping.peers) {
      if (peer.first != key(from).first) continue;
      if (behavior_.filtering == Dependence::address_dependent || peer.second == from.port) passes = true;
    }
    if (!passes) return fail(DropReason::nat_filtered);
    return mapping.inside;
  }
  [[nodiscard]] bool may_pin(std::uint16_t port, const Endpoint& inside) const {
    const auto known = mappings_.find(port);
    return known == mappings_.end() || known->second.inside == inside;
  }
  void pin(std::uint16_t port, const Endpoint& inside) {
    const auto known = mappings_.find(port);
    if (known != mappings_.end() && !known->second.over && known->second.toward == Endpoint{}) {
      known->second.pinned = true;
    } else {
      mappings_[port] = {inside, {}, {}, true, {}, ++made_};
    }
  }
  void unpin(std::uint16_t port, Instant now) {
    const auto known = mappings_.find(port);
    if (known == mappings_.end() || !known->second.pinned) return;
    known->second.pinned = false;
    if (known->second.peers.empty()) known->second.over = now;
  }
  [[nodiscard]] std::size_t size() const {
    return static_cast<std::size_t>(std::ranges::count_if(mappings_, [](const auto& m) { return !m.second.over; }));
  }
  [[nodiscard]] bool has_pin_of(const Endpoint& inside) const {
    return std::ranges::any_of(mappings_, [&](const auto& m) { return m.second.inside == inside && m.second.pinned; });
  }

 private:
  static std::pair<std::uint32_t, std::uint16_t> key(const Endpoint& of) {
    return {std::get<Ipv4Address>(of.address).to_u32(), of.port};
  }
  [[nodiscard]] Endpoint reduced(const Endpoint& to) const {
    if (behavior_.mapping == Dependence::endpoint_independent) return {};
    if (behavior_.mapping == Dependence::address_dependent) return {to.address, 0};
    return to;
  }
  void choose(std::optional<std::uint16_t>& best, std::uint16_t port) const {
    if (!best || mappings_.at(port).born < mappings_.at(*best).born) best = port;
  }
  std::uint16_t refresh(std::uint16_t port, const Endpoint& to, Instant now) {
    mappings_[port].over.reset();
    mappings_[port].peers[key(to)] = now;
    return port;
  }

  NatBehavior behavior_;
  std::size_t made_ = 0;
  std::map<std::uint16_t, Mapping> mappings_;  ///< by outside port
};

using Kind = std::tuple<Dependence, Dependence, PortChoice>;
class TranslatorModel : public TranslatorTest, public testing::WithParamInterface<Kind> {
 protected:
  Endpoint any_guest() {
    return {Ipv4Address{192, 168, 127, static_cast<std::uint8_t>(2 + traffic.below(4))},
            static_cast<std::uint16_t>(5000 + traffic.below(6))};
  }
  Endpoint any_remote() {
    return {Ipv4Address{203, 0, 113, static_cast<std::uint8_t>(1 + traffic.below(3))},
            static_cast<std::uint16_t>(80 + traffic.below(3))};
  }
  std::uint16_t any_port() {
    if (ports.empty() || traffic.chance(0.1)) return static_cast<std::uint16_t>(5000 + traffic.below(8));
    auto at = ports.begin();
    std::advance(at, traffic.below(static_cast<std::uint32_t>(ports.size())));
    return *at;
  }
  void send_out(PlainNat& model) {
    const Endpoint from = any_guest();
    const Endpoint to = any_remote();
    const Passed passed = out(udp(from, to));
    ASSERT_TRUE(passed);
    const auto wanted = model.outbound(from, to, now);
    if (wanted) {
      ASSERT_EQ(passed.source.port, *wanted) << test::to_string(from) << " to " << test::to_string(to);
    } else {
      model.created(passed.source.port, from, to, now);
    }
    ports.insert(passed.source.port);
  }
  void send_in(const PlainNat& model) {
    const Endpoint from = any_remote();
    const std::uint16_t port = any_port();
    const Passed passed = in(udp(from, {kOutside, port}));
    const auto wanted = model.inbound(port, from);
    if (wanted) {
      ASSERT_TRUE(passed) << test::to_string(from) << " to " << port;
      ASSERT_EQ(passed.destination, *wanted);
    } else {
      ASSERT_EQ(passed.reason, wanted.error()) << test::to_string(from) << " to " << port;
    }
  }
  /// One pin of an endpoint at most: of several, which one is the oldest is not the model's to know.
  void pin(PlainNat& model) {
    const std::uint16_t port = any_port();
    const Endpoint inside = any_guest();
    if (model.has_pin_of(inside)) return;
    const bool may = model.may_pin(port, inside);
    ASSERT_EQ(subject->is_free(NatProtocol::udp, port, inside, now), may);
    ASSERT_EQ(subject->pin(NatProtocol::udp, port, inside, now), may);
    if (may) model.pin(port, inside);
    ports.insert(port);
  }
  void step(PlainNat& model) {
    switch (traffic.below(20)) {
      case 0: now += Duration{static_cast<std::int64_t>(traffic.below(200'000)) * 1'000'000}; break;
      case 1: later(Duration{static_cast<std::int64_t>(traffic.below(1000)) * 1'000'000}); break;
      case 2:
        if (pins) pin(model);
        break;
      case 3:
        if (pins) {
          const std::uint16_t port = any_port();
          subject->unpin(NatProtocol::udp, port, now);
          model.unpin(port, now);
        }
        break;
      default: traffic.chance(0.5) ? send_out(model) : send_in(model); break;
    }
  }

  Random traffic{0};
  std::set<std::uint16_t> ports;  ///< that were seen once
  bool pins = false;
};

TEST_P(TranslatorModel, DoesTheSame) {
  const char* const given = std::getenv("VNET_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 20'260'721;
  std::cout << "VNET_SEED=" << seed << '\n';
  for (const bool with_pins : {false, true}) {
    SCOPED_TRACE("VNET_SEED=" + std::to_string(seed) + (with_pins ? " with pins" : ""));
    traffic = Random{seed};
    pins = with_pins;
    ports.clear();
    NatBehavior behavior;
    std::tie(behavior.mapping, behavior.filtering, behavior.ports) = GetParam();
    use(config_of(behavior));
    PlainNat model{behavior};
    for (int i = 0; i < 2000 && !HasFatalFailure(); ++i) {
      SCOPED_TRACE(i);
      model.age(now);
      step(model);
      model.age(now);
      subject->expire(now, [](ByteView) {});
      ASSERT_EQ(subject->size(), model.size());
    }
  }
}

constexpr auto kEach = {Dependence::endpoint_independent, Dependence::address_dependent,
                        Dependence::address_and_port_dependent};
INSTANTIATE_TEST_SUITE_P(Kinds, TranslatorModel,
                         testing::Combine(testing::ValuesIn(kEach), testing::ValuesIn(kEach),
                                          testing::Values(PortChoice::preserve, PortChoice::random,
                                                          PortChoice::sequential)));

}  // namespace
}  // namespace vnet::nat::test
