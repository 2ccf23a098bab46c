// A guest with a DHCP client of the usual kind (RFC 2131, 4.4) in a simulation: it discovers, requests, renews at T1,
// rebinds at T2, begins again when its lease ends or is refused, and repeats what is not answered.
#pragma once

#include <functional>
#include <string>

#include "tests/dhcp/client.hpp"
#include "tests/network/sim.hpp"

namespace vnet::sim {

using namespace std::chrono_literals;
using network::test::Bytes;
using network::test::Client;
using network::test::Simulation;

class DhcpGuest {
 public:
  static constexpr Duration kRepeat = 4s;

  DhcpGuest(Simulation& sim, Client& client) : sim_(sim), client_(client) {
    client_.program = [this](ByteView frame) { receive(frame); };
  }
  DhcpGuest(const DhcpGuest&) = delete;
  DhcpGuest& operator=(const DhcpGuest&) = delete;

  void start() { discover(); }
  /// Gives the lease back.
  void release() {
    if (!address.is_unspecified()) send(dhcp::test::release(client_.mac, address, server_), true);
    stop();
  }
  /// Falls silent, lease or not.
  void stop() {
    address = {};
    ++turn_;
  }
  void send_frame(const Bytes& frame) { sim_.send(client_, frame); }
  [[nodiscard]] const Client& client() const { return client_; }

  std::string hostname;  ///< what it calls itself
  Ipv4Address address;   ///< 0.0.0.0 while there is none
  int acks = 0;
  int naks = 0;
  int address_changes = 0;
  std::function<void(ByteView)> other;  ///< gets what is no DHCP message for this guest

 private:
  void discover() {
    address = {};
    // The answer comes before `send` returns, and takes the place of the repetition.
    repeat(kRepeat, [this] { discover(); });
    send(dhcp::test::discover(client_.mac), false);
  }
  void renew() {
    const Duration left = expires_ - sim_.now;
    if (left <= 0s) return discover();
    // RFC 2131, 4.4.5: half of what remains, at least a minute.
    repeat(std::min<Duration>(left, std::max<Duration>(left / 2, 60s)), [this] { renew(); });
    send(dhcp::test::renewing(client_.mac, address), true);
  }

  void receive(ByteView bytes) {
    const auto frame = EthernetFrame::parse(bytes);
    const auto packet = Ipv4Packet::parse(frame->payload());
    const auto udp = packet && packet->protocol() == 17 ? UdpDatagram::parse(packet->payload())
                                                        : Result<UdpDatagram>{fail(ParseError::bad_version)};
    if (!udp || udp->destination_port() != 68) {
      if (other) other(bytes);
      return;
    }
    const auto message = dhcp::Message::parse(udp->payload());
    if (message && message->header().mac() == client_.mac) handle(*message);
  }
  void handle(const dhcp::Message& message) {
    const auto type = static_cast<dhcp::MessageType>(message.option(53).value()[0]);
    const Ipv4Address offered = message.header().yiaddr;
    if (type == dhcp::MessageType::offer && address.is_unspecified()) {
      server_ = Ipv4Address::load(message.option(54).value().data());
      repeat(kRepeat, [this] { discover(); });
      send(dhcp::test::selecting(client_.mac, offered, server_), false);
    } else if (type == dhcp::MessageType::ack) {
      ++acks;
      if (offered != previous_) ++address_changes;
      address = previous_ = offered;
      const Duration lease = std::chrono::seconds{message.be32(51).value()};
      expires_ = sim_.now + lease;
      repeat(lease / 2, [this] { renew(); });
    } else if (type == dhcp::MessageType::nak) {
      ++naks;
      discover();
    }
  }

  void send(dhcp::test::Packet packet, bool unicast) {
    if (!hostname.empty()) packet.option(12, hostname);
    if (client_.port == l2::kNoPort) return;
    const MacAddress gateway = sim_.fabric.network_config(sim_.fabric.nic(client_.port).config.network).mac;
    const network::test::Way4 way{client_.mac, unicast ? gateway : MacAddress::broadcast(),
                                  unicast ? address : Ipv4Address{}, unicast ? server_ : Ipv4Address::broadcast()};
    sim_.send(client_, network::test::udp(way, 68, 67, packet.bytes()));
  }
  /// Does `what` later, unless something else has happened by then.
  void repeat(Duration delay, std::function<void()> what) {
    const int turn = ++turn_;
    sim_.at(sim_.now + delay, [this, turn, what = std::move(what)] {
      if (turn == turn_) what();
    });
  }

  Simulation& sim_;
  Client& client_;
  Ipv4Address server_;
  Ipv4Address previous_;
  Instant expires_{};
  int turn_ = 0;
};

}  // namespace vnet::sim
