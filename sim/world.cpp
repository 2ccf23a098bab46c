#include "sim/world.hpp"

#include <algorithm>
#include <stdexcept>

namespace vnet::sim {
namespace {

constexpr std::uint32_t kFirstHost = 101;
constexpr std::uint32_t kLastInner = 250;  ///< of the homes behind another one, which are counted down
constexpr std::string_view kCause = "asked for by a test";
/// So often something may happen at one instant: who answers whom without end would stop the clock.
constexpr std::size_t kMaxTurns = 100'000;

/// Where a fabric's default network has to be: nobody is there.
network::NetworkConfig nowhere() {
  network::NetworkConfig config;
  config.name = "nowhere";
  config.mac = MacAddress::from_u64(0x52ee'0000'0000U);
  config.open = false;
  return config;
}

Ipv4Address plus(Ipv4Address address, std::uint32_t more) { return Ipv4Address{address.to_u32() + more}; }

/// `prefix` with the low bits of its address changed to `number`.
Ipv6Address numbered(const Ipv6Prefix& prefix, std::uint32_t number) {
  std::array<std::uint8_t, Ipv6Address::kSize> octets = prefix.network().octets();
  store_be(octets.data() + 12, load_be<std::uint32_t>(octets.data() + 12) | number);
  return Ipv6Address{octets};
}

/// 2001:db8:a:b::1
Ipv6Address documentation(std::size_t a, std::size_t b) {
  std::array<std::uint8_t, Ipv6Address::kSize> octets{0x20, 0x01, 0x0d, 0xb8};
  store_be(octets.data() + 4, static_cast<std::uint16_t>(a));
  store_be(octets.data() + 6, static_cast<std::uint16_t>(b));
  octets.back() = 1;
  return Ipv6Address{octets};
}

[[noreturn]] void refuse(const std::string& who, const std::string& why) {
  throw std::invalid_argument{who + ": " + why};
}

}  // namespace

// Homes.

const network::NetworkConfig& Home::config() const { return world_.fabric_.network_config(network_); }

std::optional<Ipv4Address> Home::wan_ipv4() const { return config().wan ? config().wan->ipv4 : std::nullopt; }

const network::Router& Home::router() const { return *world_.fabric_.internet().router(network_); }

Host& Home::add_host(const std::string& name, const HostOptions& options) {
  const std::uint32_t number = kFirstHost + hosts_;
  network::Fabric& fabric = world_.fabric_;
  network::NicConfig nic;
  nic.name = name;
  nic.mac = options.mac.value_or(MacAddress::from_u64(0x52cc'0000'0001U + world_.hosts_.size()));
  nic.network = network_;
  nic.impair = options.impair;
  Station station{nic.mac, options.ipv4, options.ipv6};
  if (config().ipv4 && !options.ipv4) station.ipv4 = plus(config().ipv4->network(), number);
  if (config().ipv6 && !options.ipv6) station.ipv6 = numbered(*config().ipv6, number);
  if ((options.ipv4 && !config().ipv4) || (options.ipv6 && !config().ipv6))
    refuse(name, "an address of another family");
  nic.ip = station.ipv4;
  const auto port = fabric.add(nic, world_.now_);
  if (!port) refuse(name, port.error().text);
  ++hosts_;
  fabric.attach(*port, network::AttachmentKind::simulated, name, world_.now_);
  Host& host = world_.hosts_.emplace_back(world_, *this, name, station, *port);
  world_.by_port_.resize(std::max<std::size_t>(world_.by_port_.size(), index(*port) + 1));
  world_.by_port_[index(*port)] = &host;
  return host;
}

void Home::change_nat(const Nat& nat) { world_.fabric_.change_nat(network_, nat, kCause, world_.now_); }
void Home::change_wan(const Wan& wan) { world_.fabric_.change_wan(network_, wan, kCause, world_.now_); }
void Home::blackhole(const std::vector<IpPrefix>& prefixes) {
  world_.fabric_.change_blackhole(network_, prefixes, kCause, world_.now_);
}
void Home::reboot_router() { world_.fabric_.reboot_router(network_, kCause, world_.now_); }
void Home::impair(const l2::Impairments& impair) {
  world_.fabric_.impair_network(network_, impair, kCause, world_.now_);
}

void Host::move_to(Home& home) {
  const std::uint32_t number = kFirstHost + home.hosts_++;
  const network::NetworkConfig& there = home.config();
  network::NicConfig nic = world_.fabric_.nic(port_).config;
  nic.network = home.network();
  nic.ip = there.ipv4 ? std::optional{plus(there.ipv4->network(), number)} : std::nullopt;
  const auto moved = world_.fabric_.change(port_, nic, kCause, world_.now_);
  if (!moved) refuse(name_, moved.error().text);
  station_.ipv4 = nic.ip;
  station_.ipv6 = there.ipv6 ? std::optional{numbered(*there.ipv6, number)} : std::nullopt;
  neighbors_.clear();
  home_ = &home;
}

// Who is there.

World::World(std::uint64_t seed) : seed_(seed), random_(mix64(seed, 0x51a)), fabric_({nowhere()}, {}, seed) {}

network::NetworkConfig World::settings(const std::string& name, const HomeOptions& options) const {
  const std::size_t number = homes_.size() + 1;
  network::NetworkConfig config;
  config.name = name;
  config.mac = MacAddress::from_u64(0x52ee'0000'0000U + number);
  config.mtu = options.mtu;
  config.nat = options.nat;
  config.behind = options.behind;
  config.impair = options.impair;
  const auto second = static_cast<std::uint8_t>(number);  // there are at most 255 homes
  const std::uint8_t first = options.nat.translates ? 10 : 20;
  if (options.has_ipv4) config.ipv4 = options.ipv4.value_or(Ipv4Prefix{Ipv4Address{first, second, 0, 1}, 24});
  if (options.has_ipv6 && (options.behind.empty() || options.ipv6)) {
    config.ipv6 = options.ipv6.value_or(Ipv6Prefix{documentation(number, 0), 64});
  }
  return config;
}

void World::set_outside(network::NetworkConfig& config, const HomeOptions& options, Home* outer) {
  const std::size_t number = homes_.size() + 1;
  Wan wan;
  if (config.ipv4) {
    if (options.wan_ipv4) {
      wan.ipv4 = options.wan_ipv4;
    } else if (outer == nullptr) {
      wan.ipv4 = Ipv4Address{198, 18, 0, static_cast<std::uint8_t>(number)};
    } else if (outer->config().ipv4) {
      wan.ipv4 = plus(outer->config().ipv4->network(), kLastInner - outer->inner_++);
    }
  }
  if (config.ipv6) wan.ipv6 = options.wan_ipv6.value_or(documentation(0xffff, number));
  config.wan = wan;
}

bool World::is_taken(Ipv4Address address) const {
  const auto has = [&](const Home& home) { return home.config().behind.empty() && home.wan_ipv4() == address; };
  const auto is = [&](const Host& host) { return !host.home_->config().nat.translates && host.ipv4() == address; };
  return std::ranges::any_of(homes_, has) || std::ranges::any_of(hosts_, is);
}

Home& World::add_home(const std::string& name, const HomeOptions& options) {
  if (fabric_.find_network(name)) refuse(name, "there is a home of that name");
  if (fabric_.network_count() >= network::Fabric::kMaxNetworks) refuse(name, "no room for another home");
  if (!options.has_ipv4 && !options.has_ipv6) refuse(name, "neither IPv4 nor IPv6");
  Home* const outer = find_home(options.behind);
  if (outer == nullptr && !options.behind.empty()) refuse(name, "there is no home " + options.behind);
  network::NetworkConfig config = settings(name, options);
  set_outside(config, options, outer);
  const auto& outside = config.wan->ipv4;
  if (outside && outer == nullptr && is_taken(*outside)) refuse(name, outside->to_string() + " is somebody's already");
  return join(std::move(config));
}

Home& World::join(network::NetworkConfig config) {
  return homes_.emplace_back(*this, fabric_.add_network(std::move(config), now_));
}

Home& World::server_room(Ipv4Address address) {
  const Ipv4Prefix subnet{address, 24};
  const std::string name = "servers-" + subnet.network().to_string();
  if (Home* const there = find_home(name)) return *there;
  HomeOptions options{.nat = NatPreset::none};
  options.nat.firewall = false;
  constexpr std::uint32_t kRouter = 254;
  options.ipv4 = Ipv4Prefix{plus(subnet.network(), kRouter), 24};
  return add_home(name, options);
}

Host& World::add_server(const std::string& name, std::optional<Ipv4Address> address) {
  const Ipv4Address at = address.value_or(plus(Ipv4Address{203, 0, 113, 0}, ++servers_));
  if (is_taken(at)) refuse(name, at.to_string() + " is somebody's already");
  return server_room(at).add_host(name, {.ipv4 = at});
}

Host& World::add_server(const std::string& name, std::string_view address) {
  const auto parsed = Ipv4Address::parse(address);
  if (!parsed) refuse(name, std::string{address} + " is not an IPv4 address");
  return add_server(name, parsed);
}

Home* World::find_home(std::string_view name) {
  const auto found = std::ranges::find_if(homes_, [&](const Home& home) { return home.name() == name; });
  return found == homes_.end() ? nullptr : &*found;
}

Host* World::find_host(std::string_view name) {
  const auto found = std::ranges::find_if(hosts_, [&](const Host& host) { return host.name() == name; });
  return found == hosts_.end() ? nullptr : &*found;
}

// Time.

TimerId World::at(Instant when, std::function<void()> what) {
  const TimerId timer{std::max(when, now_), ++timers_};
  agenda_.emplace(timer, std::move(what));
  return timer;
}

void World::every(Duration interval, std::function<bool()> what) {
  after(0s, [this, interval, again = std::move(what)]() mutable {
    if (!again()) return;
    after(interval, [this, interval, again = std::move(again)]() mutable { every(interval, std::move(again)); });
  });
}

void World::run_for(Duration time) {
  (void)run_until([] { return false; }, time);
}

bool World::run_until(const std::function<bool()>& done, Duration limit) {
  if (is_running_) throw std::logic_error{"time goes on already: call this from a test, not from a callback"};
  is_running_ = true;
  const Instant end = now_ + limit;
  try {
    settle();
    while (!done()) {
      if (step(end)) continue;
      now_ = end;
      break;
    }
  } catch (...) {
    is_running_ = false;
    throw;
  }
  is_running_ = false;
  return done();
}

bool World::step(Instant end) {
  const Instant own = agenda_.empty() ? kNever : agenda_.begin()->first.first;
  const Instant next = std::min(own, fabric_.next_deadline());
  if (next > end) return false;
  if (next > now_) turns_ = 0;
  if (++turns_ > kMaxTurns) throw std::logic_error{"time stands still: something happens again and again at once"};
  now_ = std::max(now_, next);
  if (own == next) {
    auto due = agenda_.extract(agenda_.begin());
    due.mapped()();
  } else {
    fabric_.expire(now_);
  }
  settle();
  return true;
}

void World::settle() {
  flush();
  while (!outbox_.empty()) {
    if (++turns_ > kMaxTurns) {
      throw std::logic_error{"time stands still: hosts answer each other without end; give their links a latency"};
    }
    const std::vector<Outgoing> batch = std::exchange(outbox_, {});
    for (const Outgoing& outgoing : batch) {
      const std::array<ByteView, 1> frames{ByteView{outgoing.frame}};
      fabric_.receive(outgoing.port, frames, now_);
      flush();
    }
  }
}

void World::flush() {
  do {
    std::vector<std::pair<Host*, Bytes>> arrived;
    for (const l2::PortId port : fabric_.transmit().touched()) {
      for (const ByteView frame : fabric_.transmit().frames(port)) {
        fabric_.sent(port, frame, std::nullopt, now_);
        note(port, frame);
        arrived.emplace_back(by_port_[index(port)], Bytes{frame.begin(), frame.end()});
      }
    }
    fabric_.end_batch();
    for (const auto& [host, frame] : arrived) host->receive(frame);
  } while (!fabric_.transmit().touched().empty());  // a callback may have changed something that sends
}

void World::note(l2::PortId port, ByteView frame) {
  digest_ = mix64(index(port), digest_ ^ static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  for (const std::uint8_t byte : frame) digest_ = (digest_ ^ byte) * 0x100000001b3U;
}

}  // namespace vnet::sim
