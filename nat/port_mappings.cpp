#include "nat/port_mappings.hpp"

#include <algorithm>
#include <limits>

namespace vnet::nat {
namespace {

bool is_v6(const IpAddress& address) noexcept { return std::holds_alternative<Ipv6Address>(address); }

MappingRequest request_for(const PortMapping& mapping) {
  return {.claim = {mapping.origin, mapping.nonce},
          .protocol = mapping.protocol,
          .inside = mapping.inside,
          .peer = mapping.peer,
          .suggested = mapping.outside_port,
          .exact = true,
          .by_port = true,
          .expires = mapping.expires,
          .filters = mapping.filters,
          .description = mapping.description};
}

}  // namespace

bool MappingFilter::admits(const Endpoint& remote) const noexcept {
  if (port != 0 && port != remote.port) return false;
  if (const auto* const v4 = std::get_if<Ipv4Prefix>(&from)) {
    const auto* const address = std::get_if<Ipv4Address>(&remote.address);
    return address != nullptr && v4->contains(*address);
  }
  const auto* const address = std::get_if<Ipv6Address>(&remote.address);
  return address != nullptr && std::get<Ipv6Prefix>(from).contains(*address);
}

std::uint32_t PortMapping::seconds_left(Instant now) const noexcept {
  if (expires == kNever || expires <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::seconds>(expires - now).count();
  return static_cast<std::uint32_t>(std::min<std::int64_t>(left, std::numeric_limits<std::uint32_t>::max()));
}

PortMappings::PortMappings(const PortMappingsConfig& config, PortPins& pins, OnChange on_change, Instant now,
                           std::uint32_t epoch)
    : config_(config),
      pins_(pins),
      on_change_(std::move(on_change)),
      began_(now),
      carried_(epoch),
      restarts_(epoch == 0 ? 1 : 0) {}

PortMappings::Key PortMappings::key_of(const PortMapping& mapping) {
  const Endpoint peer = mapping.peer.value_or(Endpoint{});
  return {mapping.inside.address, mapping.protocol,         mapping.inside.port, mapping.outside_port,
          mapping.origin,         mapping.peer.has_value(), peer.address,        peer.port};
}

PortMappings::Rows::const_iterator PortMappings::first_of(NatProtocol protocol, const Endpoint& inside,
                                                          std::uint16_t outside_port) const {
  return rows_.lower_bound({inside.address, protocol, inside.port, outside_port});
}

bool PortMappings::is_of(Rows::const_iterator at, NatProtocol protocol, const Endpoint& inside) const {
  return at != rows_.end() && at->second.inside == inside && at->second.protocol == protocol;
}

PortSharing PortMappings::sharing_of(const IpAddress& inside) const noexcept {
  return is_v6(inside) ? config_.ipv6 : config_.ipv4;
}

bool PortMappings::is_inside(const IpAddress& address) const noexcept {
  if (const auto* const v4 = std::get_if<Ipv4Address>(&address)) {
    constexpr std::uint8_t kPointToPoint = 31;  // RFC 3021: neither address is the network's or a broadcast
    if (!config_.inside4 || !config_.inside4->contains(*v4) || *v4 == config_.inside4->address) return false;
    return config_.inside4->length >= kPointToPoint ||
           (*v4 != config_.inside4->network() && *v4 != config_.inside4->broadcast());
  }
  const Ipv6Address& v6 = std::get<Ipv6Address>(address);
  return config_.inside6 && config_.inside6->contains(v6) && v6 != config_.inside6->address;
}

Result<void, MappingError> PortMappings::check_guest(const MappingRequest& request) const {
  const IpAddress& guest = request.inside.address;
  const bool portless = request.protocol == NatProtocol::icmp || request.inside.port == 0;
  if (portless || !is_inside(guest)) return fail(MappingError::not_authorized);
  if (!pins_.outside_of(guest)) return fail(MappingError::no_address);
  if (sharing_of(guest) == PortSharing::one_host && config_.one_to_one_host &&
      guest != IpAddress{*config_.one_to_one_host}) {
    return fail(MappingError::not_authorized);
  }
  return {};
}

bool PortMappings::may_change(const PortMapping& mapping, const MappingClaim& claim) const noexcept {
  return mapping.origin == claim.origin && (claim.origin != MappingOrigin::pcp || claim.nonce == mapping.nonce);
}

PortMappings::Granted PortMappings::grant(const MappingRequest& request, Instant now) {
  expire(now);
  if (const auto checked = check_guest(request); !checked) return fail(checked.error());
  const auto existing = existing_for(request);
  return existing == rows_.end() ? create(request, now) : renew(existing->second, request, now);
}

PortMappings::Rows::iterator PortMappings::existing_for(const MappingRequest& request) {
  for (auto at = first_of(request.protocol, request.inside); is_of(at, request.protocol, request.inside); ++at) {
    const PortMapping& mapping = at->second;
    if (mapping.origin != request.claim.origin || mapping.peer != request.peer) continue;
    if (!request.by_port || mapping.outside_port == request.suggested) return rows_.find(at->first);
  }
  return rows_.end();
}

PortMappings::Granted PortMappings::renew(PortMapping& mapping, const MappingRequest& request, Instant now) {
  if (!may_change(mapping, request.claim)) return fail(MappingError::not_authorized);
  if (request.exact && request.suggested != 0 && mapping.outside_port != request.suggested) {
    return fail(MappingError::port_taken);
  }
  if (!add_filters(mapping, request)) return fail(MappingError::too_many_filters);
  mapping.expires = request.expires;
  if (!request.description.empty()) mapping.description = request.description.substr(0, kMaxDescription);
  deadline_ = std::min(deadline_, mapping.expires);
  tell(MappingChange::Kind::renewed, mapping, now);
  return &mapping;
}

PortMappings::Granted PortMappings::create(const MappingRequest& request, Instant now) {
  const bool limited = request.claim.origin != MappingOrigin::config;
  if (rows_.size() >= config_.limits.in_all) return fail(MappingError::full);
  if (limited && count_of(request.inside.address) >= config_.limits.per_guest) return fail(MappingError::guest_full);
  PortMapping mapping;
  if (!add_filters(mapping, request)) return fail(MappingError::too_many_filters);
  const auto port = take_port(request, now);
  if (!port) return fail(port.error());
  mapping.origin = request.claim.origin;
  mapping.protocol = request.protocol;
  mapping.inside = request.inside;
  mapping.outside_port = *port;
  mapping.peer = request.peer;
  mapping.expires = request.expires;
  mapping.nonce = request.claim.nonce;
  mapping.description = request.description.substr(0, kMaxDescription);
  deadline_ = std::min(deadline_, mapping.expires);
  const Key key = key_of(mapping);
  const auto made = rows_.emplace(key, std::move(mapping)).first;
  tell(MappingChange::Kind::created, made->second, now);
  return &made->second;
}

Result<std::uint16_t, MappingError> PortMappings::take_port(const MappingRequest& request, Instant now) {
  const std::uint16_t inside = request.inside.port;
  const std::uint16_t wish = request.suggested != 0 ? request.suggested : inside;
  if (const PortSharing sharing = sharing_of(request.inside.address); sharing != PortSharing::shared) {
    if (request.exact && wish != inside) return fail(MappingError::port_taken);
    if (try_port(request, inside, now)) return inside;
    return fail(sharing == PortSharing::one_host ? MappingError::not_authorized : MappingError::port_taken);
  }
  // The endpoint has a port already: by another protocol, toward other peers, or by having sent something. It keeps
  // that one (RFC 6887, 11.3 and 12.3) unless it wants another as well, which PEER cannot mean.
  if (!request.exact || request.peer) {
    const auto sibling = first_of(request.protocol, request.inside);
    const auto current = is_of(sibling, request.protocol, request.inside)
                             ? std::optional{sibling->second.outside_port}
                             : pins_.current_port(request.protocol, request.inside, now);
    if (current && request.exact && *current != wish) return fail(MappingError::port_taken);
    if (current && try_port(request, *current, now)) return *current;
  }
  if (try_port(request, wish, now)) return wish;
  if (request.exact) return fail(MappingError::port_taken);
  // RTP and its control protocol want an even port and the odd one behind it (RFC 4787, REQ-4). Where the search begins
  // depends on the endpoint, so that it finds the same port again after a restart.
  constexpr std::uint32_t kPairs = (65'536U - kFirstDynamicPort) / 2;
  const std::uint64_t seed = mix64(std::hash<IpAddress>{}(request.inside.address), inside);
  for (std::uint32_t i = 0; i < kPairs; ++i) {
    const std::uint32_t pair = static_cast<std::uint32_t>((seed + i) % kPairs);
    const auto port = static_cast<std::uint16_t>(kFirstDynamicPort + pair * 2 + wish % 2U);
    if (try_port(request, port, now)) return port;
  }
  return fail(MappingError::full);
}

bool PortMappings::try_port(const MappingRequest& request, std::uint16_t port, Instant now) {
  const bool shared = sharing_of(request.inside.address) == PortSharing::shared;
  const OutsideKey key{is_v6(request.inside.address), request.protocol, port};
  if (shared) {
    const auto owner = outside_.find(key);
    if (owner != outside_.end()) return owner->second == request.inside;
    if (is_reserved(request, port)) return false;
  } else if (has_pin(request.protocol, request.inside, port)) {
    return true;
  }
  if (!pins_.is_free(request.protocol, port, request.inside, now)) return false;
  if (!pins_.pin(request.protocol, port, request.inside, now)) return false;
  if (shared) outside_.emplace(key, request.inside);
  return true;
}

/// RFC 6886, 3.3: who has a port for TCP may have it for UDP, and nobody else, and the other way round. The others
/// would not understand such a refusal of the one port that they want.
bool PortMappings::is_reserved(const MappingRequest& request, std::uint16_t port) const {
  if (request.claim.origin != MappingOrigin::nat_pmp) return false;
  const NatProtocol other = request.protocol == NatProtocol::tcp ? NatProtocol::udp : NatProtocol::tcp;
  const auto owner = outside_.find({is_v6(request.inside.address), other, port});
  return owner != outside_.end() && owner->second.address != request.inside.address;
}

bool PortMappings::has_pin(NatProtocol protocol, const Endpoint& inside, std::uint16_t port) const {
  const auto at = first_of(protocol, inside, port);
  return is_of(at, protocol, inside) && at->second.outside_port == port;
}

std::size_t PortMappings::count_of(const IpAddress& guest) const {
  std::size_t count = 0;
  for (auto at = first_of(NatProtocol::tcp, {guest, 0}); at != rows_.end() && at->first.guest == guest; ++at) {
    if (at->second.origin != MappingOrigin::config) ++count;
  }
  return count;
}

/// A repeated request must not make the list grow.
bool PortMappings::add_filters(PortMapping& mapping, const MappingRequest& request) const {
  std::vector<MappingFilter> filters;
  if (!request.clear_filters) filters = mapping.filters;
  for (const MappingFilter& filter : request.filters) {
    if (std::ranges::find(filters, filter) == filters.end()) filters.push_back(filter);
    if (filters.size() > config_.limits.filters) return false;
  }
  mapping.filters = std::move(filters);
  return true;
}

Result<void, MappingError> PortMappings::remove(const PortMapping& mapping, const MappingClaim& claim, Instant now) {
  if (!may_change(mapping, claim)) return fail(MappingError::not_authorized);
  const auto at = rows_.find(key_of(mapping));
  if (at != rows_.end()) erase(at, MappingChange::Kind::deleted, {}, now);
  return {};
}

void PortMappings::remove_all(const IpAddress& guest, const MappingClaim& claim, std::optional<NatProtocol> protocol,
                              Instant now) {
  erase_if(
      [&](const PortMapping& mapping) {
        return mapping.inside.address == guest && mapping.origin == claim.origin && may_change(mapping, claim) &&
               (!protocol || mapping.protocol == *protocol);
      },
      MappingChange::Kind::deleted, {}, now);
}

void PortMappings::forget_guest(const IpAddress& guest, Instant now) {
  erase_if(
      [&](const PortMapping& mapping) {
        return mapping.inside.address == guest && mapping.origin != MappingOrigin::config;
      },
      MappingChange::Kind::deleted, "the guest is gone", now);
}

void PortMappings::restart(Instant now) {
  erase_if([](const PortMapping& mapping) { return mapping.origin != MappingOrigin::config; },
           MappingChange::Kind::deleted, "the router has restarted", now);
  // The translator may have lost what is pinned; to pin it twice does nothing.
  erase_if(
      [&](const PortMapping& mapping) {
        return !is_inside(mapping.inside.address) ||
               !pins_.pin(mapping.protocol, mapping.outside_port, mapping.inside, now);
      },
      MappingChange::Kind::deleted, "the network has changed", now);
  began_ = now;
  carried_ = 0;
  ++restarts_;
}

void PortMappings::reconfigure(const PortMappingsConfig& config, Instant now) {
  PortMappingsConfig same_but_limits = config;
  same_but_limits.limits = config_.limits;
  const bool same = same_but_limits == config_;
  if (same) {
    config_ = config;
    return;
  }
  // Under the old rules, by which they are known, all go; those of the config come back under the new ones.
  std::vector<PortMapping> kept;
  for (const auto& [key, mapping] : rows_) {
    if (mapping.origin == MappingOrigin::config) kept.push_back(mapping);
  }
  erase_if([](const PortMapping&) { return true; }, MappingChange::Kind::deleted, "the network has changed", now);
  config_ = config;
  restart(now);
  for (const PortMapping& mapping : kept) (void)grant(request_for(mapping), now);
}

bool PortMappings::restore(const PortMapping& mapping, Instant now) {
  if (mapping.expires <= now) return false;
  OnChange silent;
  std::swap(silent, on_change_);
  const auto granted = grant(request_for(mapping), now);
  std::swap(silent, on_change_);
  return granted.has_value();
}

void PortMappings::expire(Instant now) {
  if (now < deadline_) return;
  erase_if([now](const PortMapping& mapping) { return mapping.expires <= now; }, MappingChange::Kind::expired, {}, now);
  deadline_ = kNever;
  for (const auto& [key, mapping] : rows_) deadline_ = std::min(deadline_, mapping.expires);
}

const PortMapping* PortMappings::find(MappingOrigin origin, NatProtocol protocol, const Endpoint& inside,
                                      const std::optional<Endpoint>& peer) const {
  for (auto at = first_of(protocol, inside); is_of(at, protocol, inside); ++at) {
    if (at->second.origin == origin && at->second.peer == peer) return &at->second;
  }
  return nullptr;
}

const PortMapping* PortMappings::find_outside(NatProtocol protocol, std::uint16_t port, const IpAddress& guest) const {
  Endpoint inside{guest, port};
  if (sharing_of(guest) == PortSharing::shared) {
    const auto owner = outside_.find({is_v6(guest), protocol, port});
    if (owner == outside_.end()) return nullptr;
    inside = owner->second;
  }
  const PortMapping* found = nullptr;
  for (auto at = first_of(protocol, inside, port); is_of(at, protocol, inside); ++at) {
    const PortMapping& mapping = at->second;
    if (mapping.outside_port != port) break;
    if (mapping.peer) continue;
    if (mapping.origin == MappingOrigin::upnp) return &mapping;
    if (found == nullptr) found = &mapping;
  }
  return found;
}

bool PortMappings::admits(NatProtocol protocol, std::uint16_t outside_port, const Endpoint& inside,
                          const Endpoint& remote) const {
  bool asked = false;
  for (auto at = first_of(protocol, inside, outside_port); is_of(at, protocol, inside); ++at) {
    const PortMapping& mapping = at->second;
    if (mapping.outside_port != outside_port) break;
    asked = true;
    if (mapping.peer) {
      if (*mapping.peer == remote) return true;
    } else if (mapping.filters.empty() ||
               std::ranges::any_of(mapping.filters, [&](const auto& filter) { return filter.admits(remote); })) {
      return true;
    }
  }
  return !asked;
}

std::uint32_t PortMappings::epoch(Instant now) const noexcept {
  const auto lived = std::chrono::floor<std::chrono::seconds>(now - began_).count();
  return carried_ + static_cast<std::uint32_t>(std::max<std::int64_t>(lived, 0));
}

void PortMappings::each(const std::function<void(const PortMapping&)>& see) const {
  for (const auto& [key, mapping] : rows_) see(mapping);
}

PortMappings::Rows::iterator PortMappings::erase(Rows::iterator at, MappingChange::Kind kind, std::string_view cause,
                                                 Instant now) {
  const PortMapping mapping = std::move(at->second);
  const auto next = rows_.erase(at);
  if (!has_pin(mapping.protocol, mapping.inside, mapping.outside_port)) {
    outside_.erase({is_v6(mapping.inside.address), mapping.protocol, mapping.outside_port});
    pins_.unpin(mapping.protocol, mapping.outside_port, mapping.inside, now);
  }
  tell(kind, mapping, now, cause);
  return next;
}

void PortMappings::erase_if(const std::function<bool(const PortMapping&)>& over, MappingChange::Kind kind,
                            std::string_view cause, Instant now) {
  for (auto at = rows_.begin(); at != rows_.end();) {
    at = over(at->second) ? erase(at, kind, cause, now) : std::next(at);
  }
}

void PortMappings::tell(MappingChange::Kind kind, const PortMapping& mapping, Instant now,
                        std::string_view cause) const {
  if (on_change_) on_change_({kind, mapping, now, cause});
}

}  // namespace vnet::nat
