#include "network/services/service_host.hpp"

#include <utility>

#include "network/services/discard_service.hpp"
#include "network/services/dns_service.hpp"
#include "network/services/echo_service.hpp"
#include "network/services/ntp_service.hpp"
#include "network/services/stun_service.hpp"
#include "network/services/stun_tcp.hpp"
#include "network/services/syslog_service.hpp"

namespace vnet::network {
namespace {

using namespace std::chrono_literals;

/// How long a connection may be silent. A client of DNS or STUN has its answer and goes; a log, or a person who tries
/// out an echo, has nothing to say for a while.
Duration idle_time_of(ServiceKind kind) noexcept {
  switch (kind) {
    case ServiceKind::stun: return 1min;
    case ServiceKind::echo:
    case ServiceKind::discard: return 10min;
    case ServiceKind::syslog: return 1h;
    default: return TcpTimeouts{}.idle;
  }
}

TcpServerConfig tcp_config(ServiceKind kind, std::size_t mtu) noexcept {
  TcpServerConfig result;
  result.mtu = mtu;
  result.timeouts.idle = idle_time_of(kind);
  result.limits.per_guest = ServiceHost::kConnectionsPerRemote;
  return result;
}

}  // namespace

ServiceHost::ServiceHost(ServiceConfig config, std::size_t mtu, Random& random, ServiceOutput& datagrams,
                         TcpOutput& segments)
    : config_(std::move(config)), output_(datagrams), tcp_(tcp_config(config_.kind, mtu), random, segments) {
  switch (config_.kind) {
    case ServiceKind::stun: serve_stun(); break;
    case ServiceKind::syslog: serve_syslog(); break;
    case ServiceKind::dns: serve_dns(); break;
    case ServiceKind::ntp: serve_ntp(); break;
    case ServiceKind::echo: serve_echo(); break;
    case ServiceKind::discard: serve_discard(); break;
    case ServiceKind::none:
    case ServiceKind::files:
    case ServiceKind::cloud_init: break;
  }
}

ServiceHost::~ServiceHost() = default;

template <typename Handler, typename... Arguments>
void ServiceHost::listen(std::initializer_list<std::uint16_t> ports, Arguments&&... arguments) {
  handlers_.push_back(std::make_unique<Handler>(tcp_, std::forward<Arguments>(arguments)...));
  for (const std::uint16_t port : ports) tcp_.listen(port, *handlers_.back());
}

void ServiceHost::serve_stun() {
  auto service = std::make_unique<StunService>(config_.addresses);
  listen<StunTcp>({StunService::kPort, StunService::kOtherPort}, *service);
  datagrams_ = std::move(service);
}

void ServiceHost::serve_syslog() {
  auto service = std::make_unique<SyslogService>(config_.on_syslog);
  listen<SyslogTcp>({SyslogService::kPort, SyslogService::kTcpPort}, *service);
  datagrams_ = std::move(service);
}

void ServiceHost::serve_echo() {
  datagrams_ = std::make_unique<EchoService>();
  listen<EchoTcp>({EchoService::kPort});
}

void ServiceHost::serve_discard() {
  datagrams_ = std::make_unique<DiscardService>();
  listen<DiscardTcp>({DiscardService::kPort});
}

void ServiceHost::serve_dns() {
  auto service = std::make_unique<DnsService>(config_.records);
  service->listen(tcp_);
  datagrams_ = std::move(service);
}

void ServiceHost::serve_ntp() {
  const auto since_1970 = [](Instant now) { return WallTime{now.time_since_epoch()}; };
  datagrams_ = std::make_unique<NtpService>(config_.wall_clock ? config_.wall_clock : since_1970);
}

bool ServiceHost::handle_udp(const ServiceDatagram& datagram, Instant now) {
  return datagrams_ != nullptr && datagrams_->handle(datagram, output_, now);
}

TcpVerdict ServiceHost::handle_tcp(const TcpFlow& flow, const TcpSegment& segment, Instant now) {
  return tcp_.handle(flow, segment, now);
}

}  // namespace vnet::network
