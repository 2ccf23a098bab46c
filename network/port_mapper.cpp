#include "network/port_mapper.hpp"

#include <utility>

#include "nat/prefix_translation.hpp"

namespace vnet::network {
namespace {

nat::PortMappingsConfig mappings_config(const NetworkConfig& settings) {
  nat::PortMappingsConfig config;
  if (settings.nat.one_to_one) {
    config.ipv4 = nat::PortSharing::one_host;
  } else if (!settings.nat.translates) {
    config.ipv4 = nat::PortSharing::own;
  }
  if (settings.nat.ipv6 == nat::Ipv6Way::nat66) config.ipv6 = nat::PortSharing::shared;
  config.one_to_one_host = settings.one_to_one_host;
  config.inside4 = settings.ipv4;
  config.inside6 = settings.ipv6;
  return config;
}

nat::PortControlConfig control_config(const NetworkConfig& settings) {
  return {.nat_pmp = settings.port_mapping.nat_pmp, .pcp = settings.port_mapping.pcp};
}

}  // namespace

PortMapper::PortMapper(const NetworkConfig& settings, nat::Translator& translator, OnChange on_change, Instant now)
    : translator_(translator),
      mappings_(mappings_config(settings), *this, std::move(on_change), now),
      control_(control_config(settings), mappings_) {}

void PortMapper::reconfigure(const NetworkConfig& settings, Instant now) {
  mappings_.reconfigure(mappings_config(settings), now);
  control_.reconfigure(control_config(settings));
}

bool PortMapper::admits(std::uint16_t outside_port, const PacketEditor& packet) const {
  const bool tcp = packet.kind() == PacketEditor::Kind::tcp;
  if (mappings_.size() == 0 || (!tcp && packet.kind() != PacketEditor::Kind::udp)) return true;
  return mappings_.admits(tcp ? nat::NatProtocol::tcp : nat::NatProtocol::udp, outside_port,
                          {packet.destination(), packet.destination_port()}, {packet.source(), packet.source_port()});
}

void PortMapper::expire(Instant now, const nat::PortControl::Send& send) {
  if (now >= mappings_.next_deadline()) mappings_.expire(now);
  if (now >= control_.next_deadline()) control_.expire(now, send);
}

std::optional<IpAddress> PortMapper::outside_of(const IpAddress& inside) const {
  const nat::TranslatorConfig& config = translator_.config();
  if (is_v4(inside)) {
    if (!config.outside4) return std::nullopt;
    return config.behavior.translates ? IpAddress{*config.outside4} : inside;
  }
  if (!config.outside6) return std::nullopt;
  switch (config.behavior.ipv6) {
    case nat::Ipv6Way::routed: return inside;
    case nat::Ipv6Way::nat66: return *config.outside6;
    case nat::Ipv6Way::nptv6: break;
  }
  const auto translation = nat::PrefixTranslation::make(*config.inside6, *config.outside6);
  const auto outside = translation ? translation->outward(std::get<Ipv6Address>(inside)) : std::nullopt;
  return outside ? std::optional<IpAddress>{*outside} : std::nullopt;
}

}  // namespace vnet::network
