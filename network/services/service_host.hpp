// One service as the internet holds it: what answers its datagrams, its end of TCP, and the handlers on its ports.
//
// The internet hands over what is addressed to one of the service's addresses; answering pings there is its own
// business. Datagrams leave by the `ServiceOutput`, segments by the `TcpOutput`. A service of a kind that is not served
// in here has a host too, which refuses every port.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "network/services/datagram_service.hpp"
#include "network/services/service_config.hpp"
#include "network/tcp_endpoint.hpp"

namespace vnet::network {

class ServiceHost {
 public:
  /// Connections with one remote address, behind which a NAT may have a whole network.
  static constexpr std::size_t kConnectionsPerRemote = 128;

  /// `mtu` is the least on the way to any guest, bytes. `random` is used here only; the outputs outlive this.
  ServiceHost(ServiceConfig config, std::size_t mtu, Random& random, ServiceOutput& datagrams, TcpOutput& segments);
  ServiceHost(const ServiceHost&) = delete;
  ServiceHost& operator=(const ServiceHost&) = delete;
  ~ServiceHost();

  /// False: nobody listens there, and the sender is owed an ICMP error.
  [[nodiscard]] bool handle_udp(const ServiceDatagram& datagram, Instant now);
  /// A segment whose checksum is right. A port where nobody listens has been answered with RST.
  TcpVerdict handle_tcp(const TcpFlow& flow, const TcpSegment& segment, Instant now);
  [[nodiscard]] Instant next_deadline() const noexcept { return tcp_.next_deadline(); }
  void expire(Instant now) { tcp_.expire(now); }
  /// Ends the connections of which `over` says so, with a RST where their guest is to be told.
  void end_if(const std::function<bool(const TcpFlow&)>& over, bool tell, Instant now) { tcp_.end_if(over, tell, now); }

  [[nodiscard]] const ServiceConfig& config() const noexcept { return config_; }
  [[nodiscard]] const TcpServer& tcp() const noexcept { return tcp_; }

 private:
  void serve_stun();
  void serve_syslog();
  void serve_dns();
  void serve_ntp();
  void serve_echo();
  void serve_discard();
  template <typename Handler, typename... Arguments>
  void listen(std::initializer_list<std::uint16_t> ports, Arguments&&... arguments);

  ServiceConfig config_;
  ServiceOutput& output_;
  // These two come before the server, which what listens in them outlives.
  std::unique_ptr<DatagramService> datagrams_;  ///< null: no UDP
  std::vector<std::unique_ptr<TcpHandler>> handlers_;
  TcpServer tcp_;
};

}  // namespace vnet::network
