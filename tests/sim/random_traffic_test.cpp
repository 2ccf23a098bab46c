// Random traffic against a model that says in a page who must receive what, while links go up and down, NICs are
// detached and attached, and stations move. The seed is printed; VNET_SEED repeats a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

#include "dhcp_guest.hpp"
#include "tests/support/seed.hpp"

namespace vnet::sim {
namespace {

using network::NetworkConfig;
using network::NicConfig;
using network::test::ip4;
using network::test::lan;
using network::test::mac;
using network::test::plain;

constexpr std::size_t kNetworks = 2;
constexpr std::size_t kNics = 12;

/// A network whose gateway says nothing by itself.
NetworkConfig quiet(std::uint64_t number) {
  NetworkConfig config;
  config.name = "net" + std::to_string(number);
  config.mac = MacAddress::from_u64(0x52eeeeeeee00U + number);
  config.ipv4 = Ipv4Prefix::parse("10.0.0.1/24");
  return config;
}

/// What the rules say, without any of the means: no ports, no tables, no batches.
class Model {
 public:
  struct Verdict {
    std::set<std::size_t> receivers;
    std::optional<DropReason> dropped;     ///< counted at the sender
    std::optional<std::size_t> missed_by;  ///< a receiver whose link is down
  };

  static std::size_t network_of(std::size_t nic) { return nic % kNetworks; }

  Verdict send(std::size_t from, const MacAddress& source, const MacAddress& destination, Instant now) {
    if (!up[from]) return {{}, DropReason::link_down, {}};
    if (source.is_group()) return {{}, DropReason::source_group, {}};
    if (source == quiet(network_of(from)).mac) return {{}, DropReason::source_gateway, {}};
    if (!learn(from, source, now)) return {{}, DropReason::mac_flapping, {}};
    if (destination == quiet(network_of(from)).mac) return {{}, DropReason::no_service, {}};
    const auto& stations = stations_[network_of(from)];
    const auto known = stations.find(destination);
    if (destination.is_group() || known == stations.end()) return {everybody_but(from), {}, {}};
    if (known->second.nic == from) return {{}, DropReason::same_port, {}};
    if (!up[known->second.nic]) return {{}, {}, known->second.nic};
    return {{known->second.nic}, {}, {}};
  }
  void detach(std::size_t nic) {
    attached[nic] = false;
    std::erase_if(stations_[network_of(nic)], [nic](const auto& entry) { return entry.second.nic == nic; });
  }
  void forget_all() {
    for (auto& stations : stations_) stations.clear();
  }

  std::array<bool, kNics> attached{};
  std::array<bool, kNics> up{};

 private:
  struct Station {
    std::size_t nic;
    Instant window;
    int moves;
  };
  bool learn(std::size_t from, const MacAddress& source, Instant now) {
    const auto [entry, added] = stations_[network_of(from)].try_emplace(source, Station{from, now, 0});
    Station& station = entry->second;
    if (added || station.nic == from) return true;
    if (now - station.window >= 10s) station = {station.nic, now, 0};
    if (station.moves == 8) return false;
    ++station.moves;
    station.nic = from;
    return true;
  }
  [[nodiscard]] std::set<std::size_t> everybody_but(std::size_t from) const {
    std::set<std::size_t> result;
    for (std::size_t nic = network_of(from); nic < kNics; nic += kNetworks) {
      if (nic != from && attached[nic] && up[nic]) result.insert(nic);
    }
    return result;
  }

  std::array<std::map<MacAddress, Station>, kNetworks> stations_;
};

class RandomTraffic : public testing::Test {
 protected:
  RandomTraffic() : sim_{{quiet(0), quiet(1)}, nics(), 1} {
    std::cout << "VNET_SEED=" << vnet::test::seed() << '\n';
    for (std::size_t i = 0; i < kNics; ++i) {
      clients_.push_back(&sim_.plug(mac(i)));
      model_.attached[i] = model_.up[i] = true;
    }
  }
  static std::vector<NicConfig> nics() {
    std::vector<NicConfig> result;
    for (std::size_t i = 0; i < kNics; ++i)
      result.push_back({"nic" + std::to_string(i), mac(i), Model::network_of(i), true});
    return result;
  }
  /// A NIC's own address, a station that roams, a stranger, a group, or a gateway.
  MacAddress any_mac() {
    switch (random_.below(10)) {
      case 0: return MacAddress::broadcast();
      case 1: return MacAddress::from_u64(0x01005e000000U + random_.below(4));
      case 2: return quiet(random_.below(2)).mac;
      case 3: return mac(1000 + random_.below(3));
      case 4: return mac(100 + random_.below(6));
      default: return mac(random_.below(kNics));
    }
  }
  void change_something() {
    const std::size_t nic = random_.below(kNics);
    Client& client = *clients_[nic];
    if (random_.chance(0.5)) {
      model_.up[nic] = !model_.up[nic];
      sim_.fabric.set_link(sim_.fabric.find(mac(nic)), model_.up[nic], "test", sim_.now);
    } else if (model_.attached[nic]) {
      sim_.unplug(client);
      model_.detach(nic);
    } else {
      sim_.plug_again(client);
      model_.attached[nic] = true;
    }
  }
  void send_something(int step) {
    const std::size_t from = random_.below(kNics);
    if (!model_.attached[from]) return;
    const MacAddress source = random_.chance(0.85) ? mac(from) : any_mac();
    const MacAddress destination = any_mac();
    Bytes frame = plain(destination, source, 46 + random_.below(1400));
    store_be(frame.data() + 14, static_cast<std::uint32_t>(step));
    const auto before = sim_.counters(*clients_[from]).drops_in;
    const Model::Verdict verdict = model_.send(from, source, destination, sim_.now);
    sim_.send(*clients_[from], frame);
    for (std::size_t nic = 0; nic < kNics; ++nic) {
      const auto received = clients_[nic]->take();
      if (verdict.receivers.contains(nic)) {
        ASSERT_THAT(received, testing::ElementsAre(frame)) << "nic " << nic << " step " << step;
      } else {
        ASSERT_THAT(received, testing::IsEmpty()) << "nic " << nic << " step " << step;
      }
    }
    const DropCounters& after = sim_.counters(*clients_[from]).drops_in;
    ASSERT_EQ(after.total() - before.total(), verdict.dropped ? 1U : 0U) << "step " << step;
    if (verdict.dropped) {
      ASSERT_EQ(after[*verdict.dropped] - before[*verdict.dropped], 1U) << "step " << step;
    }
    if (verdict.missed_by) ++missed_[*verdict.missed_by];
    delivered_ += verdict.receivers.size();
  }

  Random random_{vnet::test::seed()};
  Simulation sim_;
  std::vector<Client*> clients_;
  Model model_;
  std::map<std::size_t, std::uint64_t> missed_;
  std::uint64_t delivered_ = 0;
};

TEST_F(RandomTraffic, ReachesWhomItMustAndNobodyElse) {
  for (int step = 0; step < 20'000 && !HasFatalFailure(); ++step) {
    if (random_.chance(0.02)) change_something();
    if (random_.chance(0.1)) sim_.pass(std::chrono::milliseconds{random_.below(2000)});
    if (random_.chance(0.002)) {
      sim_.pass(400s);  // everything in the MAC tables has aged out
      model_.forget_all();
    }
    send_something(step);
  }
  std::uint64_t out = 0;
  for (std::size_t nic = 0; nic < kNics; ++nic) {
    const auto& counters = sim_.fabric.nic(sim_.fabric.find(mac(nic))).counters;
    out += counters.frames_out;
    EXPECT_EQ(counters.drops_out.total(), missed_[nic]);
    EXPECT_EQ(counters.drops_out[DropReason::link_down], missed_[nic]);
  }
  EXPECT_EQ(out, delivered_);
}

/// Leases, advertisements, pings and strangers' frames for an hour; everything random comes from `start`.
std::uint64_t run(std::uint64_t start) {
  Random random{start};
  Simulation sim{{lan()}, {}, random.next()};
  sim.keeps_digest = true;
  std::deque<DhcpGuest> guests;
  for (std::uint64_t i = 0; i < 30; ++i) guests.emplace_back(sim, sim.plug(mac(1 + i))).start();
  for (int step = 0; step < 500; ++step) {
    DhcpGuest& guest = guests[random.below(30)];
    const std::size_t size = random.below(200);
    if (random.chance(0.5)) {
      guest.send_frame(network::test::ping({guest.client().mac, lan().mac, guest.address, ip4("192.168.127.1")}));
    } else {
      guest.send_frame(plain(mac(1 + random.below(40)), guest.client().mac, size));
    }
    sim.pass(std::chrono::milliseconds{random.below(15'000)});
  }
  return sim.digest();
}

TEST(Determinism, TheSameSeedGivesTheSameFramesInTheSameOrder) {
  const std::uint64_t start = vnet::test::seed();
  const std::uint64_t first = run(start);
  EXPECT_EQ(run(start), first);
  EXPECT_NE(run(start + 1), first);
}

}  // namespace
}  // namespace vnet::sim
