// A hundred thousand random operations on the MAC table against a plain std::map that says the rules again, slowly.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>

#include "switch/mac_table.hpp"
#include "tests/support/seed.hpp"

namespace vnet::l2 {
namespace {

using namespace std::chrono_literals;
using Learned = MacTable::Learned;

constexpr MacTable::Limits kLimits{.max_entries = 200, .max_per_port = 20, .age = 300s};

class Model {
 public:
  Learned learn(const MacAddress& mac, PortId port, Instant now) {
    auto found = entries_.find(mac);
    if (found != entries_.end() && found->second.port == port) {
      Entry& entry = found->second;
      if (entry.pinned) return Learned::known;
      const bool was_fresh = fresh(entry, now);
      if (now - entry.seen >= 1s) entry.seen = now;
      return was_fresh ? Learned::known : Learned::added;
    }
    if (full(port)) sweep(now);
    found = entries_.find(mac);
    if (found != entries_.end()) return move(found->second, port, now);
    if (full(port)) return Learned::full;
    // The table sweeps before it grows, which shows in what a port has room for.
    if (entries_.size() * 2 >= slots_) sweep(now);
    if (entries_.size() * 2 >= slots_) slots_ *= 2;
    entries_[mac] = {port, now, now, 0, false, false};
    return Learned::added;
  }
  void pin(const MacAddress& mac, PortId port) { entries_[mac] = {port, {}, {}, 0, false, true}; }
  void forget(const MacAddress& mac) { entries_.erase(mac); }
  void forget(PortId port) {
    std::erase_if(entries_, [port](const auto& entry) { return entry.second.port == port; });
  }
  [[nodiscard]] PortId lookup(const MacAddress& mac, Instant now) const {
    const auto found = entries_.find(mac);
    return found != entries_.end() && fresh(found->second, now) ? found->second.port : kNoPort;
  }

 private:
  struct Entry {
    PortId port;
    Instant seen;
    Instant window;
    int moves;
    bool refused;
    bool pinned;
  };
  [[nodiscard]] static bool fresh(const Entry& entry, Instant now) {
    return entry.pinned || now - entry.seen < kLimits.age;
  }
  [[nodiscard]] bool full(PortId port) const {
    const auto behind = std::count_if(entries_.begin(), entries_.end(),
                                      [port](const auto& entry) { return entry.second.port == port; });
    return entries_.size() >= kLimits.max_entries || behind >= kLimits.max_per_port;
  }
  void sweep(Instant now) {
    if (now - swept_ < 1s) return;
    swept_ = now;
    std::erase_if(entries_, [now](const auto& entry) { return !fresh(entry.second, now); });
  }
  Learned move(Entry& entry, PortId port, Instant now) {
    if (entry.pinned) return Learned::flapping;
    const bool was_fresh = fresh(entry, now);
    if (now - entry.window >= MacTable::kFlapWindow) {
      entry.window = now;
      entry.moves = 0;
      entry.refused = false;
    }
    if (was_fresh && entry.moves >= MacTable::kMaxMoves) {
      return std::exchange(entry.refused, true) ? Learned::flapping : Learned::flapping_began;
    }
    const auto behind = std::count_if(entries_.begin(), entries_.end(),
                                      [port](const auto& other) { return other.second.port == port; });
    if (behind >= kLimits.max_per_port) return Learned::full;
    entry.port = port;
    entry.seen = now;
    if (!was_fresh) return Learned::added;
    ++entry.moves;
    return Learned::moved;
  }

  std::map<MacAddress, Entry> entries_;
  std::size_t slots_ = 64;
  Instant swept_{};
};

TEST(MacTableModel, AgreesWithASlowModelOverRandomOperations) {
  const std::uint64_t start = vnet::test::seed();
  std::cout << "VNET_SEED=" << start << '\n';
  Random random{start};
  MacTable table{kLimits, random.next()};
  Model model;
  Instant now{1000s};
  const MacAddress gateway = MacAddress::from_u64(0x52eeeeeeee01U);
  table.pin(gateway, kGatewayPort);
  model.pin(gateway, kGatewayPort);
  for (int step = 0; step < 100'000; ++step) {
    // Bursts of one instant, then a jump, now and then a long one: flapping needs the first, ageing the last.
    if (random.chance(0.02)) now += std::chrono::milliseconds{random.below(1500)};
    if (random.chance(0.001)) now += std::chrono::seconds{random.below(400)};
    const std::uint32_t n = random.below(random.chance(0.3) ? 12 : 400);
    const MacAddress mac = n == 0 ? gateway : MacAddress::from_u64(0x52cccccc0000U + n);
    const PortId port{random.below(16)};
    const std::uint32_t what = random.below(1000);
    if (what < 600) {
      ASSERT_EQ(table.learn(mac, port, now), model.learn(mac, port, now)) << "step " << step;
    } else if (what < 990) {
      ASSERT_EQ(table.lookup(mac, now), model.lookup(mac, now)) << "step " << step;
    } else if (what < 996 && n != 0) {
      table.forget(mac);
      model.forget(mac);
    } else if (what >= 996) {
      table.forget(port);
      model.forget(port);
    }
  }
}

}  // namespace
}  // namespace vnet::l2
