// Host: a toy guest, as much of a machine as a test of network software needs.
//
// It has a NIC, fixed addresses, and a network stack of the least kind: it finds its gateway and its neighbors (ARP,
// Neighbor Discovery), answers pings, tells senders about ports that nobody listens at, and gives programs UDP sockets,
// pings and raw TCP segments. A program is a set of callbacks; they run on the world's virtual time, one after the
// other.
//
//     UdpSocket& socket = alice.udp(4000);
//     socket.on_message = [&](const Endpoint& from, ByteView payload) { socket.send(from, "hello to you"); };
//     socket.send({*bob.ipv4(), 4000}, "hello");
//
// Not there: DHCP and DNS clients, a TCP (segments are the test's own), IP fragments (a datagram that does not fit the
// MTU is not sent, a fragment that arrives is ignored), multicast.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "network/fabric.hpp"
#include "packet/icmp_error.hpp"
#include "packet/tcp.hpp"
#include "sim/endpoint.hpp"
#include "sim/neighbors.hpp"

namespace vnet::sim {

class Home;
class Host;
class World;

/// What came back for a datagram that was sent to `to`.
struct UdpError {
  Endpoint to;
  IpAddress from;   ///< who says so; the host's own address: nobody on its link is `to`, or the way there
  IcmpError error;  ///< in the family of `to`
};

class UdpSocket {
 public:
  UdpSocket(Host& host, std::uint16_t port) : host_(host), port_(port) {}
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  /// The payload is borrowed for the call.
  std::function<void(const Endpoint& from, ByteView payload)> on_message;
  std::function<void(const UdpError& error)> on_error;

  /// False: nothing was sent, because the host has no address of that family or the datagram does not fit its MTU.
  bool send(const Endpoint& to, ByteView payload);
  bool send(const Endpoint& to, std::string_view text) { return send(to, as_bytes(text)); }
  /// Nothing arrives any more, and the port is free.
  void close();

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// With the host's own address: the IPv4 one, where it has both.
  [[nodiscard]] Endpoint local() const;
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }  ///< datagrams
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

 private:
  friend Host;
  Host& host_;
  std::uint16_t port_;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

class Host final : Link {
 public:
  static constexpr std::uint8_t kHops = 64;  ///< time to live, or hop limit, of what it sends
  static constexpr std::uint16_t kFirstFreePort = 49'152;

  /// World makes them: see World::add_server and Home::add_host.
  Host(World& world, Home& home, std::string name, const Station& station, l2::PortId port);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] World& world() noexcept { return world_; }
  [[nodiscard]] Home& home() noexcept { return *home_; }
  [[nodiscard]] const MacAddress& mac() const noexcept { return station_.mac; }
  [[nodiscard]] const std::optional<Ipv4Address>& ipv4() const noexcept { return station_.ipv4; }
  [[nodiscard]] const std::optional<Ipv6Address>& ipv6() const noexcept { return station_.ipv6; }
  [[nodiscard]] l2::PortId port() const noexcept { return port_; }  ///< in the fabric

  /// A socket that is the host's own, and stays where it is as long as the world does. `port` 0: a free one. Throws
  /// std::invalid_argument where the port is taken.
  UdpSocket& udp(std::uint16_t port = 0);

  /// `done` gets the time until the answer, or nothing when there is none within `patience`.
  void ping(const IpAddress& to, std::function<void(std::optional<Duration>)> done,
            Duration patience = std::chrono::seconds{1});

  /// Segments with a right checksum, as they arrive. `flow` is seen from here.
  std::function<void(const TcpFlow& flow, const TcpSegment& segment)> on_tcp;
  /// False: the host has no such address.
  bool send_tcp(const TcpFlow& flow, const TcpHeader& header, ByteView payload = {});

  /// Answers neither pings nor what comes to ports that nobody listens at, as behind a firewall of its own.
  bool silent = false;

  // What people change while it runs.

  void set_link(bool up);
  /// Its own link, on top of its home's.
  void impair(const l2::Impairments& impair);
  /// To another home, with new addresses there; sockets stay, and are reached at the new ones.
  void move_to(Home& home);

 private:
  friend UdpSocket;
  friend World;

  void put_on_wire(Bytes frame) override;
  void after(Duration delay, std::function<void()> what) override;
  void give_back(ByteView packet) override;

  void receive(ByteView frame);
  template <typename Packet>
  void receive_ip(const MacAddress& from, const Packet& packet);
  template <typename Packet>
  void receive_udp(const Packet& packet);
  template <typename Packet>
  void receive_tcp(const Packet& packet);
  template <typename Packet>
  void receive_icmp(const MacAddress& from, const Packet& packet);
  void receive_error(const IpAddress& from, const IcmpMessage& message);
  bool send_udp(const UdpSocket& socket, const Endpoint& to, ByteView payload);
  void send_echo(const IpAddress& to, std::uint8_t type, ByteView body);
  void tell_unreachable(const IpAddress& to, ByteView about);
  void send_packet(const IpAddress& to, ByteView packet);
  void close(const UdpSocket& socket);
  /// Of the family of `like`.
  [[nodiscard]] std::optional<IpAddress> address(const IpAddress& like) const;
  [[nodiscard]] bool is_own(const IpAddress& address) const;

  struct Ping {
    Instant sent{};
    std::function<void(std::optional<Duration>)> done;
  };

  World& world_;
  Home* home_;
  std::string name_;
  Station station_;
  l2::PortId port_;
  Neighbors neighbors_{station_, *this};
  std::deque<UdpSocket> sockets_;
  std::map<std::uint16_t, UdpSocket*> by_port_;
  std::map<std::uint16_t, Ping> pings_;  ///< by identifier
  std::uint16_t next_ping_ = 0;
};

}  // namespace vnet::sim
