// World: a virtual internet on virtual time, to test network software in.
//
// It has homes, each a network with a router and a NAT, hosts in them, and servers with public addresses. All of it is
// vnet's own Fabric, the one that vnetd runs, and time is a number that goes on when somebody says so: an hour passes
// as fast as what happens in it can be computed. Nothing is real, so nothing is left to chance: the same calls with the
// same seed do the same, to the byte (`digest()`).
//
//     World world{test_seed()};
//     Host& alice = world.add_home("alices", NatPreset::easy).add_host("alice");
//     Host& server = world.add_server("server");
//     UdpSocket& socket = server.udp(3478);
//     socket.on_message = [&](const Endpoint& from, ByteView) { socket.send(from, to_string(from)); };
//     std::string seen;
//     UdpSocket& mine = alice.udp(4000);
//     mine.on_message = [&](const Endpoint&, ByteView text) { seen = as_text(text); };
//     mine.send({*server.ipv4(), 3478}, "who am I?");
//     ASSERT_TRUE(world.run_until([&] { return !seen.empty(); }, 1s));   // seen is 198.18.0.1:4000
//
// What a program sends leaves when time goes on, and callbacks run then, one after the other: none within another, none
// at the same time. Everything may be changed from inside them.
//
// Addresses are chosen unless they are given: home N has 10.N.0.0/24 and 2001:db8:N::/64, its router 198.18.0.N and
// 2001:db8:ffff::N outside, its hosts .101 and so on; a home without NAT has 20.N.0.0/24, a server 203.0.113.N. A home
// behind another has an outside address in that one's network, and no IPv6 unless one is given.
//
// Each host's link has a latency of kLatency each way unless its home says otherwise, so a packet takes 10 ms from host
// to host: without any, answers would arrive before the question had left everybody.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nat/behavior.hpp"
#include "network/fabric.hpp"
#include "sim/host.hpp"
#include "sim/seed.hpp"

namespace vnet::sim {

using namespace std::chrono_literals;
using nat::Dependence;
using nat::NatBehavior;
using nat::NatPreset;
using nat::PortChoice;
using network::Wan;

/// A behavior, or a preset's.
struct Nat : NatBehavior {
  // So that either is written where a NAT is asked for.
  Nat(const NatBehavior& behavior) : NatBehavior(behavior) {}
  Nat(NatPreset preset) : NatBehavior(nat::behavior_of(preset)) {}
};

inline constexpr Duration kLatency = 5ms;

/// The same in both directions of a link: `both_ways({.latency = 40ms, .loss = 0.1})`.
[[nodiscard]] inline l2::Impairments both_ways(const l2::Impairment& impair) { return {impair, impair}; }

/// What is not given is chosen; see above.
struct HomeOptions {
  Nat nat = NatPreset::easy;
  std::optional<Ipv4Prefix> ipv4 = std::nullopt;  ///< the router's address inside, and the subnet
  std::optional<Ipv6Prefix> ipv6 = std::nullopt;
  std::optional<Ipv4Address> wan_ipv4 = std::nullopt;
  std::optional<Ipv6Address> wan_ipv6 = std::nullopt;
  bool has_ipv4 = true;
  bool has_ipv6 = true;
  std::string behind = {};                                    ///< the home whose router this one's stands behind
  l2::Impairments impair = both_ways({.latency = kLatency});  ///< of each host's link
  std::uint16_t mtu = 1500;
};

struct HostOptions {
  std::optional<MacAddress> mac = std::nullopt;
  std::optional<Ipv4Address> ipv4 = std::nullopt;
  std::optional<Ipv6Address> ipv6 = std::nullopt;
  l2::Impairments impair = {};  ///< on top of its home's
};

class Home {
 public:
  /// World makes them.
  Home(World& world, std::size_t network) : world_(world), network_(network) {}
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;

  /// The name is no other host's: letters, digits and inner hyphens. Throws std::invalid_argument, saying why, where
  /// there cannot be such a host.
  Host& add_host(const std::string& name, const HostOptions& options = {});

  [[nodiscard]] const network::NetworkConfig& config() const;
  [[nodiscard]] const std::string& name() const { return config().name; }
  [[nodiscard]] std::size_t network() const noexcept { return network_; }  ///< its index in the fabric
  /// The router's outside address.
  [[nodiscard]] std::optional<Ipv4Address> wan_ipv4() const;
  /// What it has not let in (`drops`), and its NAT's mappings and counters (`translator`).
  [[nodiscard]] const network::Router& router() const;

  // What people change while it runs.

  void change_nat(const Nat& nat);
  void change_wan(const Wan& wan);
  /// What goes there, or comes from there, vanishes at the router.
  void blackhole(const std::vector<IpPrefix>& prefixes);
  /// The router is switched off and on: its mappings are gone.
  void reboot_router();
  /// Of each host's link, instead of what was.
  void impair(const l2::Impairments& impair);

 private:
  friend Host;
  friend World;

  World& world_;
  std::size_t network_;
  std::uint32_t hosts_ = 0;  ///< that had a number
  std::uint32_t inner_ = 0;  ///< homes behind it that had one
};

/// Of a thing that is to be done; see World::cancel.
using TimerId = std::pair<Instant, std::uint64_t>;

class World {
 public:
  static constexpr Instant kStart{1000s};

  explicit World(std::uint64_t seed = 1);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  // Who is there. These throw std::invalid_argument, saying why, where it cannot be.

  Home& add_home(const std::string& name, const HomeOptions& options);
  Home& add_home(const std::string& name, const Nat& nat) { return add_home(name, HomeOptions{.nat = nat}); }
  /// A host with a public address, without NAT or firewall. Servers whose first three numbers are the same share a
  /// network.
  Host& add_server(const std::string& name, std::optional<Ipv4Address> address = std::nullopt);
  Host& add_server(const std::string& name, std::string_view address);
  [[nodiscard]] Home* find_home(std::string_view name);
  [[nodiscard]] Host* find_host(std::string_view name);

  // Time.

  [[nodiscard]] Instant now() const noexcept { return now_; }
  [[nodiscard]] Duration elapsed() const noexcept { return now_ - kStart; }
  TimerId at(Instant when, std::function<void()> what);
  TimerId after(Duration delay, std::function<void()> what) { return at(now_ + delay, std::move(what)); }
  /// Now, and then again and again for as long as it returns true.
  void every(Duration interval, std::function<bool()> what);
  void cancel(const TimerId& timer) { agenda_.erase(timer); }

  void run_for(Duration time);
  /// Until `done`, which is asked after everything that happens; false: it was not within `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit);

  /// A number that depends on every frame that was delivered, to whom and when.
  [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  /// All else that can be seen and changed. Not while it is in a callback of the fabric's own.
  [[nodiscard]] network::Fabric& fabric() noexcept { return fabric_; }
  [[nodiscard]] const network::Fabric& fabric() const noexcept { return fabric_; }

 private:
  friend Home;
  friend Host;

  struct Outgoing {
    l2::PortId port;
    Bytes frame;
  };

  [[nodiscard]] network::NetworkConfig settings(const std::string& name, const HomeOptions& options) const;
  void set_outside(network::NetworkConfig& config, const HomeOptions& options, Home* outer);
  Home& join(network::NetworkConfig config);
  /// Whether the address is somebody's on the internet itself.
  [[nodiscard]] bool is_taken(Ipv4Address address) const;
  [[nodiscard]] Home& server_room(Ipv4Address address);
  void send(l2::PortId port, Bytes frame) { outbox_.push_back({port, std::move(frame)}); }
  /// All that happens at this instant without a clock.
  void settle();
  void flush();
  void note(l2::PortId port, ByteView frame);
  /// The next thing that is due, if it is not after `end`.
  bool step(Instant end);

  std::uint64_t seed_;
  Random random_;
  network::Fabric fabric_;
  Instant now_ = kStart;
  std::deque<Home> homes_;
  std::deque<Host> hosts_;
  std::vector<Host*> by_port_;
  std::map<TimerId, std::function<void()>> agenda_;
  std::vector<Outgoing> outbox_;
  std::uint64_t timers_ = 0;
  std::size_t turns_ = 0;  ///< at this instant
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  std::uint32_t servers_ = 0;
  bool is_running_ = false;
};

}  // namespace vnet::sim
