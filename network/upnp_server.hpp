// UpnpServer: the gateway's UPnP device on its TCP port: descriptions by GET, actions by POST.
//
// Asked are guests alone, by the gateway's own IPv4 address: a request whose Host field has a name in it comes from a
// web page that had its name resolved to the gateway ("DNS rebinding") and is refused. Subscriptions to events are
// refused with 501; the descriptions say that there is nothing to subscribe to.
//
// Wiring: `TcpServer::listen(config.port, upnp_server)`; its timeouts and limits of connections are those of all
// services.
//
// Limits: a connection holds one request, see UpnpRequestReader, and has one answer.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "network/tcp_endpoint.hpp"
#include "network/upnp_control.hpp"
#include "network/upnp_description.hpp"
#include "network/upnp_http.hpp"

namespace vnet::network {

class UpnpServer final : public TcpHandler {
 public:
  /// The references outlive this.
  UpnpServer(const UpnpConfig& config, TcpServer& server, nat::PortMappings& mappings,
             UpnpControl::Traffic traffic = {})
      : config_(config), server_(server), mappings_(mappings), control_(config, mappings, std::move(traffic)) {}

  /// What a guest's request gets.
  [[nodiscard]] UpnpResponse answer(const UpnpRequest& request, Ipv4Address guest, Instant now);

  void on_open(ConnectionId id, const TcpFlow& flow, Instant now) override;
  [[nodiscard]] std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override;
  void on_sent(ConnectionId id, Instant now) override;
  void on_end(ConnectionId id, Instant now) override;
  void on_closed(ConnectionId id, Instant now) override;

 private:
  struct Connection {
    Ipv4Address guest;
    UpnpRequestReader reader;
    bool answered = false;
  };

  void reply(ConnectionId id, Connection& connection, const UpnpResponse& response, Instant now);
  [[nodiscard]] UpnpResponse get(const UpnpRequest& request) const;
  [[nodiscard]] UpnpResponse post(const UpnpRequest& request, Ipv4Address guest, Instant now);
  [[nodiscard]] bool is_for_us(const UpnpRequest& request) const;

  UpnpConfig config_;
  TcpServer& server_;
  nat::PortMappings& mappings_;
  UpnpControl control_;
  std::unordered_map<ConnectionId, Connection> connections_;  ///< as many as the server has
};

}  // namespace vnet::network
