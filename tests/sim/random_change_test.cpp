// NICs and networks are added, moved, changed and removed at random, most often while frames are on their way, and
// guests talk and hold leases all the time. Every frame carries the network that its sender was in: it must not reach
// anybody elsewhere, and each copy of it is delivered or counted once. The seed is printed; VNET_SEED repeats a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

#include "dhcp_guest.hpp"
#include "tests/support/seed.hpp"

namespace vnet::sim {
namespace {

using network::Direction;
using network::Event;
using network::Fabric;
using network::NetworkConfig;
using network::NicConfig;
using network::test::mac;
using network::test::plain;

constexpr std::size_t kGuests = 16;
constexpr std::size_t kMaxSlots = 5;
constexpr std::uint64_t kGatewayBase = 0x52ee00000000U;

bool is_gateway(std::uint64_t address) { return address >> 32U == kGatewayBase >> 32U; }

/// The network with the number `id`, which no other ever has; its gateway's MAC address tells it.
NetworkConfig network(std::uint64_t id) {
  NetworkConfig config;
  config.name = "net" + std::to_string(id);
  config.mac = MacAddress::from_u64(kGatewayBase + id);
  const auto octet = static_cast<std::uint8_t>(id % 200);
  config.ipv4 = Ipv4Prefix{Ipv4Address{10, octet, 0, 1}, 24};
  config.ipv6 = Ipv6Prefix::parse("fd00:" + std::to_string(1 + id % 200) + "::1/64");
  config.dhcp.emplace();
  config.dhcp->gateway = *config.ipv4;
  config.dhcp->router = config.ipv4->address;
  config.dhcp->range_first = Ipv4Address{10, octet, 0, 100};
  config.dhcp->range_last = Ipv4Address{10, octet, 0, 199};
  config.dhcp->lease_time = 10min;
  return config;
}

/// Counts, frame by frame, what the fabric says has become of it.
class Ledger final : public network::FrameObserver {
 public:
  struct Fate {
    int accepted = 0;
    int refused = 0;
    int delivered = 0;
    int dropped = 0;
  };
  void on_frame(l2::PortId port, std::size_t, Direction direction, ByteView frame, std::optional<DropReason> dropped,
                Instant) override {
    if (port == l2::kGatewayPort || !is_ours(frame)) return;
    Fate& fate = fates[number(frame)];
    if (direction == Direction::in) {
      ++(dropped ? fate.refused : fate.accepted);
    } else {
      ++(dropped ? fate.dropped : fate.delivered);
    }
  }
  void on_event(l2::PortId, const Event&) override {}

  static bool is_ours(ByteView frame) { return frame.size() >= 60 && load_be<std::uint16_t>(&frame[12]) == 0x88b5; }
  static std::uint32_t number(ByteView frame) { return load_be<std::uint32_t>(&frame[14]); }
  static std::uint64_t stamp(ByteView frame) { return load_be<std::uint64_t>(&frame[18]); }

  std::map<std::uint32_t, Fate> fates;
};

class RandomChange : public testing::Test {
 protected:
  RandomChange() : sim_{{network(0), network(1), network(2)}, {}, 1}, ids_{0, 1, 2} {
    std::cout << "VNET_SEED=" << vnet::test::seed() << '\n';
    sim_.fabric.set_observer(&ledger_);
    for (std::size_t i = 0; i < kGuests; ++i) {
      Client& client = sim_.plug(mac(i), i % 3);
      DhcpGuest& guest = guests_.emplace_back(sim_, client);
      guest.hostname = "host" + std::to_string(i);
      guest.other = [this, i](ByteView frame) { receive(i, frame); };
      guest.start();
    }
  }
  ~RandomChange() override { sim_.fabric.set_observer(nullptr); }

  Fabric& fabric() { return sim_.fabric; }
  std::size_t pick(std::size_t bound) { return random_.below(static_cast<std::uint32_t>(bound)); }
  std::size_t any_network() {
    for (;;) {
      if (const std::size_t slot = pick(fabric().network_count()); fabric().has_network(slot)) return slot;
    }
  }
  [[nodiscard]] const network::Nic* nic_of(std::size_t guest) const {
    const l2::PortId port = sim_.fabric.find(mac(guest));
    return port == l2::kNoPort ? nullptr : &sim_.fabric.nic(port);
  }

  void receive(std::size_t guest, ByteView frame) {
    const network::Nic* const nic = nic_of(guest);
    ASSERT_NE(nic, nullptr);
    const std::uint64_t here = ids_[nic->config.network];
    if (Ledger::is_ours(frame)) {
      ASSERT_EQ(Ledger::stamp(frame), here) << "a frame of another network at guest " << guest;
      EXPECT_TRUE(received_.emplace(Ledger::number(frame), guest).second) << "twice";
    } else if (const std::uint64_t source = MacAddress::load(&frame[6]).to_u64(); is_gateway(source)) {
      ASSERT_EQ(source, kGatewayBase + here) << "another network's gateway";
    }
  }

  struct Sent {
    std::uint32_t number;
    std::optional<std::size_t> to;  ///< a guest that must get it unless it is touched before the batch ends
    std::size_t others;             ///< how many a flood reaches
    bool is_flood;
  };
  /// Hands frames to the fabric, but does not yet send what comes of them.
  std::vector<Sent> begin_batch() {
    std::vector<Sent> batch;
    const std::size_t from = pick(kGuests);
    const Client& client = guests_[from].client();
    if (client.port == l2::kNoPort) return batch;
    const network::Nic& sender = fabric().nic(client.port);
    std::vector<ByteView> views;
    frames_.clear();
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t to = pick(kGuests);
      const bool is_flood = random_.chance(0.3);
      frames_.push_back(plain(is_flood ? MacAddress::broadcast() : mac(to), mac(from)));
      store_be(&frames_.back()[14], ++last_);
      store_be(&frames_.back()[18], ids_[sender.config.network]);
      const network::Nic* const other = nic_of(to);
      const bool reaches = other != nullptr && to != from && other->is_live() && sender.config.link_up &&
                           other->config.network == sender.config.network;
      batch.push_back({last_, reaches ? std::optional{to} : std::nullopt, live_beside(sender), is_flood});
    }
    for (const Bytes& frame : frames_) views.emplace_back(frame);
    fabric().receive(client.port, views, sim_.now);
    return batch;
  }
  [[nodiscard]] std::size_t live_beside(const network::Nic& sender) const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < kGuests; ++i) {
      const network::Nic* const nic = nic_of(i);
      if (nic != nullptr && nic != &sender && nic->is_live() && nic->config.network == sender.config.network) ++count;
    }
    return count;
  }
  void end_batch(const std::vector<Sent>& batch, std::optional<std::size_t> touched) {
    sim_.flush();
    for (const Sent& sent : batch) {
      const Ledger::Fate fate = ledger_.fates[sent.number];
      ASSERT_EQ(fate.accepted + fate.refused, 1) << "frame " << sent.number;
      const auto copies = static_cast<std::size_t>(fate.delivered + fate.dropped);
      if (fate.refused == 1) {
        ASSERT_EQ(copies, 0U);
      } else if (sent.is_flood) {
        ASSERT_EQ(copies, sent.others) << "frame " << sent.number;
      } else {
        ASSERT_TRUE(copies == 1 || copies == sent.others) << copies << " of frame " << sent.number;
      }
      if (fate.accepted == 1 && sent.to && sent.to != touched && !sent.is_flood) {
        ASSERT_TRUE(received_.contains({sent.number, *sent.to})) << "frame " << sent.number << " is lost";
      }
    }
    ledger_.fates.clear();
    received_.clear();
  }

  NicConfig any_config(std::size_t guest) {
    NicConfig config{"n" + std::to_string(pick(40)), mac(guest), any_network(), random_.chance(0.9)};
    if (random_.chance(0.5)) {
      const std::uint32_t base = network(ids_[config.network]).ipv4->network().to_u32();
      config.ip = Ipv4Address{base + 10 + random_.below(20)};
    }
    return config;
  }
  void change_a_nic(std::size_t guest) {
    Client& client = client_of(guest);
    const l2::PortId port = fabric().find(mac(guest));
    switch (pick(6)) {
      case 0:
        if (client.port != l2::kNoPort) sim_.unplug(client);
        break;
      case 1:
        if (client.port == l2::kNoPort) sim_.plug_again(client, any_network());
        break;
      case 2:
        if (port == l2::kNoPort) break;
        if (client.port != l2::kNoPort) sim_.unplug(client);
        fabric().remove(port, "test", sim_.now);
        break;
      case 3: problems_ += fabric().add(any_config(guest), sim_.now) ? 0U : 1U; break;
      default:
        if (port == l2::kNoPort) break;
        const NicConfig before = fabric().nic(port).config;
        const auto changed = fabric().change(port, any_config(guest), "test", sim_.now);
        moves_ += changed && fabric().nic(port).config.network != before.network ? 1U : 0U;
        ASSERT_TRUE(changed || fabric().nic(port).config == before);
        break;
    }
    restarts_.insert(guest);
  }
  void change_a_network() {
    const std::size_t slot = any_network();
    if (random_.chance(0.4)) {
      NetworkConfig config = network(ids_[slot]);
      if (random_.chance(0.5)) config.dhcp->range_first = Ipv4Address{config.ipv4->network().to_u32() + 150};
      if (random_.chance(0.2)) config.dhcp.reset();
      fabric().reconfigure(slot, std::move(config), sim_.now);
    } else if (random_.chance(0.5) && used_slots() < kMaxSlots) {
      const std::size_t added = fabric().add_network(network(++last_id_), sim_.now);
      ids_.resize(std::max(ids_.size(), added + 1));
      ids_[added] = last_id_;
    } else {
      empty(slot);
      ASSERT_EQ(fabric().remove_network(slot, sim_.now), slot != Fabric::kDefaultNetwork);
    }
  }
  [[nodiscard]] std::size_t used_slots() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sim_.fabric.network_count(); ++i) count += sim_.fabric.has_network(i) ? 1U : 0U;
    return count;
  }
  void empty(std::size_t slot) {
    for (std::size_t i = 0; i < kGuests; ++i) {
      const network::Nic* const nic = nic_of(i);
      if (nic == nullptr || nic->config.network != slot) continue;
      if (nic->is_attached()) sim_.unplug(client_of(i));
      if (nic->configured) fabric().remove(fabric().find(mac(i)), "test", sim_.now);
    }
  }
  Client& client_of(std::size_t guest) { return sim_.clients[guest]; }

  /// What must hold between two changes, whatever they were.
  void check_state() {
    for (std::size_t slot = 0; slot < fabric().network_count(); ++slot) {
      if (fabric().has_network(slot)) check_network(slot);
    }
  }
  void check_network(std::size_t slot) {
    const network::AddressService* const addresses = fabric().gateway(slot).addresses();
    const dns::LocalData& local = fabric().gateway(slot).dns().local();
    std::size_t reserved = 0;
    for (std::size_t i = 0; i < kGuests; ++i) {
      const network::Nic* const nic = nic_of(i);
      const bool is_here = nic != nullptr && nic->config.network == slot;
      const bool reserves = is_here && nic->config.ip && addresses != nullptr;
      reserved += reserves ? 1U : 0U;
      ASSERT_TRUE(!reserves || addresses->server().reservation(mac(i))->ip == *nic->config.ip);
      const auto at = fabric().gateway(slot).addresses_of(mac(i));
      const dhcp::Lease* const lease = addresses == nullptr ? nullptr : addresses->lease_of(mac(i));
      if (is_here) {
        const auto expected = lease != nullptr ? std::optional{lease->ip} : nic->config.ip;
        ASSERT_EQ(at.v4, expected) << "guest " << i << " in " << slot;
        const auto name = dns::Name::parse(nic->config.name + ".vnet").value();
        ASSERT_EQ(local.lookup(name, dns::Type::a)->answer.count(dns::Section::answer), at.v4 ? 1U : 0U);
      } else if (nic != nullptr) {
        ASSERT_EQ(local.lookup(dns::Name::parse(nic->config.name + ".vnet").value(), dns::Type::a)
                      ->answer.count(dns::Section::answer),
                  0U)
            << nic->config.name << " in " << slot;
      }
    }
    if (addresses == nullptr) return;
    ASSERT_EQ(addresses->server().config().reservations.size(), reserved);
    for (const dhcp::Lease& lease : addresses->server().leases()) {
      ASSERT_TRUE(fabric().network_config(slot).ipv4->contains(lease.ip));
    }
  }

  Random random_{vnet::test::seed()};
  Ledger ledger_;
  Simulation sim_;
  std::vector<std::uint64_t> ids_;  ///< by slot, which network is there
  std::uint64_t last_id_ = 2;
  std::deque<DhcpGuest> guests_;
  std::vector<Bytes> frames_;
  std::uint32_t last_ = 0;
  std::set<std::pair<std::uint32_t, std::size_t>> received_;  ///< frame and guest
  std::set<std::size_t> restarts_;                            ///< guests whose NIC was changed
  std::uint64_t problems_ = 0;
  std::uint64_t moves_ = 0;
};

TEST_F(RandomChange, NoFrameLeavesItsNetworkAndNoneIsLost) {
  for (int step = 0; step < 3000 && !HasFatalFailure(); ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const auto batch = begin_batch();
    std::optional<std::size_t> touched;
    if (random_.chance(0.3)) {
      touched = pick(kGuests);
      change_a_nic(*touched);
    }
    end_batch(batch, touched);
    if (random_.chance(0.05)) change_a_network();
    if (random_.chance(0.1)) sim_.pass(std::chrono::milliseconds{random_.below(60'000)});
    // A guest whose cable was pulled asks for an address anew.
    for (const std::size_t guest : std::exchange(restarts_, {})) {
      guests_[guest].stop();
      if (random_.chance(0.8)) guests_[guest].start();
    }
    check_state();
  }
  EXPECT_GT(moves_, 50U);
  EXPECT_GT(problems_, 10U);
  EXPECT_GT(sim_.count(network::EventKind::dhcp_granted), 100U);
}

}  // namespace
}  // namespace vnet::sim
