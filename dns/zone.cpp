#include "dns/zone.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>

#include "dns/special_names.hpp"

namespace vnet::dns {
namespace {

Soa default_soa(const Name& apex, std::uint32_t minimum_s) {
  // RFC 6303, 3: the zone is its own server, and nobody answers mail for it.
  return {.mname = apex, .rname = Name::parse("nobody.invalid").value(), .minimum_s = minimum_s};
}

bool is_host_label(std::string_view text) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= Name::kMaxLabel && std::ranges::all_of(text, allowed);
}

template <typename Node>
bool has_type(const Node& node, Type type) {
  return std::ranges::any_of(node.data, [type](const Rdata& rdata) { return rdata.type == type; });
}

}  // namespace

LocalData::LocalData(LocalOptions options) : options_(std::move(options)) {
  std::vector<Name> apexes = options_.zones;
  if (options_.special_zones) std::ranges::copy(locally_served_zones(), std::back_inserter(apexes));
  if (!options_.domain.is_root()) apexes.push_back(options_.domain);
  const Name localhost = Name::parse("localhost").value();
  const Ipv4Address loopback_v4{127, 0, 0, 1};
  const Ipv6Address loopback_v6 = Ipv6Address::parse("::1").value();
  const Name reverse_v6 = reverse_name(loopback_v6);
  for (const Name& apex : apexes) {
    zones_.insert(apex);
    zone_depths_.insert(apex.label_count());
    Record record{.name = apex, .ttl_s = options_.negative_ttl_s, .ns = {apex}};
    record.soa = default_soa(apex, options_.negative_ttl_s);
    if (apex == localhost) {
      record.a = {loopback_v4};
      record.aaaa = {loopback_v6};
    }
    if (apex == reverse_v6) record.ptr = {localhost};
    put_built_in(record);
  }
  if (!options_.special_zones) return;
  // RFC 6761, 6.3: every name under localhost is the loopback.
  put_built_in({.name = localhost.prepend(as_bytes("*")).value(), .a = {loopback_v4}, .aaaa = {loopback_v6}});
  put_built_in({.name = reverse_name(loopback_v4), .ptr = {localhost}});
}

void LocalData::put_built_in(const Record& record) {
  auto data = encode(record);
  assert(data.has_value());
  built_in_.insert_or_assign(record.name, Node{record, std::move(*data)});
}

Result<void, RecordError> LocalData::put(const Record& record) {
  auto data = encode(record);
  if (!data) return fail(data.error());
  if (configured_.size() >= kMaxNames && !configured_.contains(record.name)) return fail(RecordError::too_many_names);
  configured_.insert_or_assign(record.name, Node{record, std::move(*data)});
  return {};
}

bool LocalData::remove(const Name& name) { return configured_.erase(name) != 0; }

const Record* LocalData::find(const Name& name) const {
  const auto found = configured_.find(name);
  return found == configured_.end() ? nullptr : &found->second.record;
}

std::vector<Record> LocalData::records() const {
  std::vector<Record> all;
  all.reserve(configured_.size());
  for (const auto& [name, node] : configured_) all.push_back(node.record);
  return all;
}

bool LocalData::set_host(std::string_view host, std::span<const IpAddress> addresses) {
  if (!is_host_label(host) || options_.domain.is_root()) return false;
  const auto name = options_.domain.prepend(as_bytes(host));
  addresses = addresses.first(std::min(addresses.size(), kMaxHostAddresses));
  if (!name || hosts_.size() + 1 + addresses.size() > kMaxNames) return false;
  drop_host(*name);
  if (addresses.empty()) return true;
  Record record{.name = *name, .ttl_s = options_.host_ttl_s};
  for (const IpAddress& address : addresses) {
    if (const auto* v4 = std::get_if<Ipv4Address>(&address)) record.a.push_back(*v4);
    if (const auto* v6 = std::get_if<Ipv6Address>(&address)) record.aaaa.push_back(*v6);
    const Record reverse{.name = reverse_name(address), .ttl_s = options_.host_ttl_s, .ptr = {*name}};
    hosts_.insert_or_assign(reverse.name, Node{reverse, encode(reverse).value()});
  }
  hosts_.insert_or_assign(*name, Node{record, encode(record).value()});
  return true;
}

void LocalData::drop_host(const Name& name) {
  const auto host = hosts_.find(name);
  if (host == hosts_.end()) return;
  const auto drop_reverse = [&](const IpAddress& address) {
    const auto reverse = hosts_.find(reverse_name(address));
    if (reverse != hosts_.end() && reverse->second.record.ptr.front() == name) hosts_.erase(reverse);
  };
  for (const Ipv4Address& address : host->second.record.a) drop_reverse(address);
  for (const Ipv6Address& address : host->second.record.aaaa) drop_reverse(address);
  hosts_.erase(host);
}

std::optional<LocalAnswer> LocalData::lookup(const Name& asked, Type type) const {
  LocalAnswer result;
  Answer& answer = result.answer;
  answer.authoritative = true;
  Name name = asked;
  std::vector<Name> aliases;
  for (;;) {
    const auto place = locate(name, type);
    if (!place) {
      if (aliases.empty()) return std::nullopt;
      result.continues_at = name;
      return result;
    }
    if (place->node == nullptr) {
      if (!place->exists) answer.rcode = Rcode::nx_domain;
      add_soa(place->apex, answer);
      return result;
    }
    const Record& record = place->node->record;
    if (type == Type::any) {
      answer.add_any(name);
      return result;
    }
    const bool is_alias = record.cname.has_value() && type != Type::cname;
    for (const Rdata& rdata : place->node->data) {
      if (rdata.type != type && !is_alias) continue;
      answer.add(Section::answer, name, rdata.type, Class::in, record.ttl_s, rdata.bytes);
    }
    if (is_alias) {
      aliases.push_back(name);
      name = *record.cname;
      if (aliases.size() == kMaxChain || std::ranges::find(aliases, name) != aliases.end()) return result;
      continue;
    }
    if (!has_type(*place->node, type)) add_soa(place->apex, answer);
    return result;
  }
}

std::optional<LocalData::Place> LocalData::locate(const Name& name, Type type) const {
  const auto zone = zone_of(name);
  Place place{.node = match(name), .apex = zone.value_or(name)};
  place.exists = place.node != nullptr;
  if (place.exists) {
    // A person who gives the domain's own name an address has not thereby taken away its SOA and NS.
    const auto apex = built_in_.find(name);
    if ((type == Type::soa || type == Type::ns) && !has_type(*place.node, type) && apex != built_in_.end()) {
      place.node = &apex->second;
    }
    return place;
  }
  if (!zone) return std::nullopt;
  place.exists = exists(name);
  return place;
}

// The data of a name: its own, a host's by its bare label, or a wildcard's.
const LocalData::Node* LocalData::match(const Name& name) const {
  if (const Node* node = find_node(name)) return node;
  if (const Node* node = match_host(name)) return node;
  return exists(name) ? nullptr : match_wildcard(name);
}

const LocalData::Node* LocalData::find_node(const Name& name) const {
  for (const Tree* tree : {&configured_, &hosts_, &built_in_}) {
    if (const auto found = tree->find(name); found != tree->end()) return &found->second;
  }
  return nullptr;
}

// The wildcard below the closest encloser, which is the longest suffix of the name that exists (RFC 4592, 3.3.1).
// Going down from the root ends at the first missing label, however many labels a guest has piled up.
const LocalData::Node* LocalData::match_wildcard(const Name& name) const {
  const std::size_t labels = name.label_count();
  Name closest;
  for (std::size_t count = 1; count < labels; ++count) {
    const Name encloser = name.last_labels(count);
    if (!exists(encloser)) break;
    closest = encloser;
  }
  const auto wildcard = closest.prepend(as_bytes("*"));
  return wildcard ? find_node(*wildcard) : nullptr;
}

const LocalData::Node* LocalData::match_host(const Name& name) const {
  if (name.is_root() || !name.parent().is_root()) return nullptr;
  const auto full = options_.domain.prepend(name.first_label());
  if (!full || !hosts_.contains(*full)) return nullptr;
  const auto configured = configured_.find(*full);
  return configured != configured_.end() ? &configured->second : &hosts_.find(*full)->second;
}

// The deepest local zone that holds the name. Only as many labels are tried as some zone has, so a guest that piles up
// labels does not pile up work.
std::optional<Name> LocalData::zone_of(const Name& name) const {
  const std::size_t labels = name.label_count();
  for (const std::size_t count : zone_depths_) {
    if (count > labels) continue;
    const Name suffix = name.last_labels(count);
    if (zones_.contains(suffix)) return suffix;
  }
  return std::nullopt;
}

// A name exists when it has data or when a name below it does (RFC 8020; RFC 4592, 2.2.2).
bool LocalData::exists(const Name& name) const {
  return std::ranges::any_of(std::array{&configured_, &hosts_, &built_in_}, [&name](const Tree* tree) {
    const auto next = tree->lower_bound(name);
    return next != tree->end() && next->first.is_under(name);
  });
}

void LocalData::add_soa(const Name& apex, Answer& answer) const {
  Soa soa = default_soa(apex, options_.negative_ttl_s);
  std::uint32_t ttl_s = options_.negative_ttl_s;
  if (const Record* record = find(apex); record != nullptr && record->soa) {
    soa = *record->soa;
    ttl_s = std::min(record->ttl_s, soa.minimum_s);  // RFC 2308, 3
  }
  const auto data = encode({.name = apex, .soa = soa});
  answer.add(Section::authority, apex, Type::soa, Class::in, ttl_s, data->front().bytes);
}

}  // namespace vnet::dns
