// PortMapper: the port mappings that guests of one network ask their router for, and the protocols by which they ask.
//
// It stands between the table of mappings (nat/port_mappings), which knows who may have what, and the router's
// translator, which makes it so. NAT-PMP and PCP come to UDP port 5351 of the gateway, UPnP IGD by multicast and TCP.
// The table belongs to the router: it goes on when the network gets another configuration, and begins again when the
// router is rebooted or has another outside address.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "nat/port_control.hpp"
#include "nat/port_mappings.hpp"
#include "nat/translator.hpp"
#include "network/config.hpp"
#include "packet/packet_editor.hpp"
#include "packet/time.hpp"

namespace vnet::network {

class PortMapper final : private nat::PortPins {
 public:
  using OnChange = nat::PortMappings::OnChange;

  /// The translator outlives this.
  PortMapper(const NetworkConfig& settings, nat::Translator& translator, OnChange on_change, Instant now);
  PortMapper(const PortMapper&) = delete;
  PortMapper& operator=(const PortMapper&) = delete;

  /// After the translator has been reconfigured for the same settings.
  void reconfigure(const NetworkConfig& settings, Instant now);
  /// The router has been rebooted, or has another outside address.
  void restart(Instant now) { mappings_.restart(now); }

  /// A request to UDP port 5351 of the gateway. The answer is valid until the next call; empty: there is none.
  [[nodiscard]] ByteView handle(const nat::Endpoint& from, ByteView request, Instant now) {
    return control_.handle(from, request, now);
  }
  /// Whether a packet that the translator has let in, through that outside port, is one of those that the mapping is
  /// for (RFC 6887, 13.3).
  [[nodiscard]] bool admits(std::uint16_t outside_port, const PacketEditor& packet) const;

  [[nodiscard]] Instant next_deadline() const noexcept {
    return std::min(mappings_.next_deadline(), control_.next_deadline());
  }
  /// `send` gets what goes out from port 5351.
  void expire(Instant now, const nat::PortControl::Send& send);

  [[nodiscard]] const nat::PortMappings& mappings() const noexcept { return mappings_; }
  [[nodiscard]] nat::PortMappings& mappings() noexcept { return mappings_; }

 private:
  [[nodiscard]] bool pin(nat::NatProtocol protocol, std::uint16_t port, const nat::Endpoint& inside,
                         Instant now) override {
    return translator_.pin(protocol, port, inside, now);
  }
  void unpin(nat::NatProtocol protocol, std::uint16_t port, const nat::Endpoint& inside, Instant now) override {
    translator_.unpin(protocol, port, inside, now);
  }
  [[nodiscard]] bool is_free(nat::NatProtocol protocol, std::uint16_t port, const nat::Endpoint& inside,
                             Instant now) const override {
    return translator_.is_free(protocol, port, inside, now);
  }
  [[nodiscard]] std::optional<IpAddress> outside_of(const IpAddress& inside) const override;

  nat::Translator& translator_;
  nat::PortMappings mappings_;
  nat::PortControl control_;
};

}  // namespace vnet::network
