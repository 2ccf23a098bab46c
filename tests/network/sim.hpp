// Simulation: a fabric, virtual clients that plug into it, and a virtual clock.
//
// A client has a MAC address, sends frames, and keeps what it received until somebody looks. A program for it may be
// set instead, which sees each frame as it arrives and may send; that happens after the batch, as on a real machine.
// `run_until` meets every deadline on the way, the fabric's and those made by `at`, in order.
//
//     Simulation sim;
//     Client& alice = sim.plug(mac(1));
//     sim.send(alice, ping(...));
//     EXPECT_EQ(alice.take().size(), 1U);
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "frame_judge.hpp"
#include "frames.hpp"
#include "network/fabric.hpp"

namespace vnet::network::test {

using namespace std::chrono_literals;

inline constexpr Instant kStart{1000s};

/// The network that people get without a configuration.
inline NetworkConfig lan(std::string name = "lan") {
  NetworkConfig config;
  config.name = std::move(name);
  config.mac = MacAddress::from_u64(0x52eeeeeeee01U);
  config.ipv4 = Ipv4Prefix::parse("192.168.127.1/24");
  config.ipv6 = Ipv6Prefix::parse("fd00:1::1/64");
  dhcp::ServerConfig dhcp;
  dhcp.gateway = *config.ipv4;
  dhcp.range_first = ip4("192.168.127.100");
  dhcp.range_last = ip4("192.168.127.199");
  dhcp.router = config.ipv4->address;
  dhcp.dns_servers = {config.ipv4->address};
  dhcp.domain = "vnet";
  config.dhcp = dhcp;
  return config;
}

/// A second network, apart from `lan()` in everything.
inline NetworkConfig office() {
  NetworkConfig config;
  config.name = "office";
  config.mac = MacAddress::from_u64(0x52eeeeeeee02U);
  config.ipv4 = Ipv4Prefix::parse("10.0.0.1/24");
  return config;
}

struct Client {
  MacAddress mac;
  l2::PortId port = l2::kNoPort;
  std::vector<Bytes> inbox;
  std::function<void(ByteView)> program;  ///< gets the frames in place of `inbox`

  [[nodiscard]] std::vector<Bytes> take() { return std::exchange(inbox, {}); }
};

class Simulation {
 public:
  explicit Simulation(std::vector<NetworkConfig> configs = {lan()}, std::vector<NicConfig> nics = {},
                      std::uint64_t seed = 1)
      : fabric(std::move(configs), std::move(nics), seed) {}

  /// A client appears and is attached; where the fabric refuses it, its port is kNoPort and `refusal` says why.
  Client& plug(const MacAddress& address, std::optional<std::size_t> network = std::nullopt) {
    Client& client = clients.emplace_back();
    client.mac = address;
    plug_again(client, network);
    return client;
  }
  void plug_again(Client& client, std::optional<std::size_t> network = std::nullopt) {
    const auto port = fabric.admit(client.mac, network, now);
    refusal = port ? std::nullopt : std::optional{port.error()};
    if (!port) return;
    if (Client* const other = at_port(*port)) other->port = l2::kNoPort;
    fabric.detach(*port, "moved", now);
    client.port = *port;
    by_port_.resize(std::max<std::size_t>(by_port_.size(), index(*port) + 1));
    by_port_[index(*port)] = &client;
    fabric.attach(*port, AttachmentKind::simulated, "test", now);
  }
  void unplug(Client& client) {
    by_port_[index(client.port)] = nullptr;
    fabric.detach(std::exchange(client.port, l2::kNoPort), "unplugged", now);
  }
  /// Takes the client's NIC away for good.
  void remove(Client& client) {
    const l2::PortId port = client.port;
    unplug(client);
    fabric.remove(port, "test", now);
  }
  void set_link(const Client& client, bool up) { fabric.set_link(client.port, up, "test", now); }

  void send(const Client& client, const Bytes& frame) { send_batch(client, {frame}); }
  void send_batch(const Client& client, const std::vector<Bytes>& frames) {
    const std::vector<ByteView> views(frames.begin(), frames.end());
    fabric.receive(client.port, views, now);
    flush();
  }

  /// Does what is due at `when`.
  void at(Instant when, std::function<void()> what) { agenda_.emplace(when, std::move(what)); }
  void run_until(Instant end) {
    while (true) {
      const Instant own = agenda_.empty() ? kNever : agenda_.begin()->first;
      const Instant next = std::min(own, fabric.next_deadline());
      if (next > end) break;
      now = std::max(now, next);
      if (own == next) {
        const auto what = std::move(agenda_.begin()->second);
        agenda_.erase(agenda_.begin());
        what();
      } else {
        fabric.expire(now);
        if (fabric.next_deadline() <= next && ++stuck_ > kMaxStuck) throw std::logic_error{"a deadline that stays"};
        flush();
      }
      if (fabric.next_deadline() > next) stuck_ = 0;
    }
    now = end;
  }
  void pass(Duration time) { run_until(now + time); }

  /// Sends what the fabric wants to send; tests that call the fabric themselves call this afterwards.
  void flush() {
    std::vector<std::pair<Client*, Copy>> arrived;
    std::unordered_map<const std::uint8_t*, Copy> copies;  // a flood is one frame, many times
    for (const l2::PortId port : fabric.transmit().touched()) {
      Client* const client = at_port(port);
      for (const ByteView frame : fabric.transmit().frames(port)) {
        if (client == nullptr) {
          fabric.sent(port, frame, DropReason::detached, now);
          continue;
        }
        fabric.sent(port, frame, std::nullopt, now);
        if (keeps_digest) note(port, frame);
        Copy& copy = copies[frame.data()];
        if (!copy) copy = std::make_shared<const Bytes>(frame.begin(), frame.end());
        arrived.emplace_back(client, copy);
      }
    }
    fabric.end_batch();
    drain();
    for (auto& [client, frame] : arrived) {
      if (client->program) {
        client->program(*frame);
      } else {
        client->inbox.push_back(*frame);
      }
    }
  }

  [[nodiscard]] const NicCounters& counters(const Client& client) const { return fabric.nic(client.port).counters; }
  /// A number that depends on every frame delivered, to whom and in which order; with `keeps_digest`.
  [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }
  /// What the last event of a kind was about, as a person reads it, with the names in front.
  [[nodiscard]] std::string last(EventKind kind) const {
    std::string text = "none";
    for (const Event& event : events) {
      if (event.kind == kind) text = event.network + " " + event.nic + " " + event.detail();
    }
    return text;
  }
  /// Events by kind, since the beginning.
  [[nodiscard]] std::size_t count(EventKind kind) const {
    const auto of_kind = [kind](const Event& event) { return event.kind == kind; };
    return static_cast<std::size_t>(std::ranges::count_if(events, of_kind));
  }

  Instant now = kStart;
  Fabric fabric;
  std::deque<Client> clients;
  std::optional<DropReason> refusal;
  std::vector<Event> events;
  std::vector<dhcp::LeaseEvent> lease_changes;  ///< what a journal would have got
  bool keeps_digest = false;

 private:
  using Copy = std::shared_ptr<const Bytes>;

  static constexpr int kMaxStuck = 100;

  [[nodiscard]] Client* at_port(l2::PortId port) const {
    return index(port) < by_port_.size() ? by_port_[index(port)] : nullptr;
  }

  void drain() {
    for (Event& event : fabric.events().take()) events.push_back(std::move(event));
    for (std::size_t i = 0; i < fabric.network_count(); ++i) {
      if (!fabric.has_network(i)) continue;
      AddressService* const addresses = fabric.gateway(i).addresses();
      if (addresses == nullptr) continue;
      for (dhcp::LeaseEvent& change : addresses->take_changes()) lease_changes.push_back(std::move(change));
    }
  }
  void note(l2::PortId port, ByteView frame) {
    digest_ = mix64(index(port) * 0x10001U + frame.size(), digest_);
    for (const std::uint8_t byte : frame) digest_ = (digest_ ^ byte) * 0x100000001b3U;
  }

  std::vector<Client*> by_port_;
  std::multimap<Instant, std::function<void()>> agenda_;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
  int stuck_ = 0;
};

}  // namespace vnet::network::test
