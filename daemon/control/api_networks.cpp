// /v1/networks, /v1/leases and /v1/dns/records.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/config_print.hpp"
#include "daemon/config_read.hpp"
#include "daemon/control/api.hpp"
#include "daemon/control/views.hpp"
#include "daemon/json_format.hpp"

namespace vnet::daemon {

http::Response Api::get_networks(Call&) {
  return list([this, next = std::size_t{0}]() mutable -> std::optional<Json> {
    while (next < parts_.fabric.network_count()) {
      const std::size_t network = next++;
      if (parts_.fabric.has_network(network)) {
        return network_view(parts_.fabric, network, config_of(network), parts_.clock());
      }
    }
    return std::nullopt;
  });
}

http::Response Api::get_network(Call& call) {
  auto network = find_network(call.argument);
  if (!network) return std::move(network.error());
  return answer(network_view(parts_.fabric, *network, config_of(*network), parts_.clock()));
}

namespace {

/// Host bits that differ make no other prefix.
bool is_same(const IpPrefix& one, const IpPrefix& other) {
  return one.index() == other.index() && std::visit(
                                             [&](const auto& prefix) {
                                               const auto& same = std::get<std::decay_t<decltype(prefix)>>(other);
                                               return prefix.network() == same.network() &&
                                                      prefix.length == same.length;
                                             },
                                             one);
}

/// `wanted` is a list in the place of `list`, or what to add to it and to remove from it.
Outcome<std::vector<IpPrefix>> changed_prefixes(std::vector<IpPrefix> list, const Json& wanted) {
  constexpr std::size_t kMost = 1024;  // as in the config file
  if (wanted.is_array()) return read_prefixes(wanted);
  const std::vector<IpPrefix> removed = read_prefixes(wanted.value("remove", Json::array()));
  for (std::size_t i = 0; i < removed.size(); ++i) {
    if (std::erase_if(list, [&](const IpPrefix& each) { return is_same(each, removed[i]); }) > 0) continue;
    std::vector<std::string> known;
    for (const IpPrefix& each : list) known.push_back(vnet::to_string(each));
    return fail(Refusal{Refusal::Kind::invalid, "/blackhole/remove/" + std::to_string(i),
                        found_expected(vnet::to_string(removed[i]) + ", which is no blackhole",
                                       known.empty() ? "none: there are no blackholes" : "one of " + join(known))});
  }
  for (const IpPrefix& added : read_prefixes(wanted.value("add", Json::array()))) {
    if (std::ranges::none_of(list, [&](const IpPrefix& each) { return is_same(each, added); })) list.push_back(added);
  }
  if (list.size() <= kMost) return list;
  return fail(Refusal{Refusal::Kind::invalid, "/blackhole",
                      found_expected(std::to_string(list.size()) + " blackholes", "at most " + std::to_string(kMost))});
}

}  // namespace

http::Response Api::patch_network(Call& call) {
  auto network = find_network(call.argument);
  if (!network) return std::move(network.error());
  NetworkChange change;
  if (call.document.contains("impair")) change.impair = read_impair(call.document.at("impair"));
  if (const auto egress = call.document.find("egress"); egress != call.document.end()) {
    // What is left out stays as it is.
    Json wanted = to_json(config_of(*network).egress);
    wanted.update(*egress);
    change.egress = read_egress(wanted);
  }
  const auto member = [&](const char* name) {
    return call.document.contains(name) ? &call.document.at(name) : nullptr;
  };
  if (const Json* const nat = member("nat")) change.nat = read_nat(*nat);
  if (const Json* const wan = member("wan")) {
    change.wan = wan->is_null() ? std::nullopt : std::optional{read_wan(*wan)};
  }
  if (const Json* const ipv4 = member("ipv4")) change.ipv4 = Ipv4Prefix::parse(ipv4->get<std::string>()).value();
  if (const Json* const wanted = member("blackhole")) {
    auto changed = changed_prefixes(config_of(*network).blackhole, *wanted);
    if (!changed) return problem(changed.error());
    change.blackhole = std::move(*changed);
  }
  if (const auto changed = parts_.operations.change_network(*network, change, cause_of(call)); !changed) {
    return problem(changed.error());
  }
  return answer(network_view(parts_.fabric, *network, config_of(*network), parts_.clock()));
}

http::Response Api::post_reboot(Call& call) {
  auto network = find_network(call.argument);
  if (!network) return std::move(network.error());
  parts_.operations.reboot_router(*network, cause_of(call));
  return no_content();
}

namespace {

/// The leases of some networks, a page at a time.
class LeaseCursor {
 public:
  LeaseCursor(network::Fabric& fabric, std::size_t first, std::size_t end)
      : fabric_(fabric), network_(first), end_(end) {}

  /// The next lease and its network.
  std::optional<std::pair<std::size_t, dhcp::Lease>> next() {
    while (network_ < end_) {
      if (position_ < page_.size()) return std::pair{network_, page_[position_++]};
      constexpr std::size_t kPage = 64;
      network::AddressService* const addresses =
          fabric_.has_network(network_) ? fabric_.gateway(network_).addresses() : nullptr;
      const Ipv4Address last = page_.empty() ? Ipv4Address{} : page_.back().ip;
      page_ = addresses == nullptr ? std::vector<dhcp::Lease>{} : addresses->server().leases_after(last, kPage);
      position_ = 0;
      if (page_.empty()) ++network_;
    }
    return std::nullopt;
  }

 private:
  network::Fabric& fabric_;
  std::size_t network_;
  std::size_t end_;
  std::vector<dhcp::Lease> page_;
  std::size_t position_ = 0;
};

}  // namespace

http::Response Api::get_leases(Call& call) {
  std::size_t first = 0;
  std::size_t end = parts_.fabric.network_count();
  if (call.request.parameter("network") != nullptr) {
    auto network = network_of(call);
    if (!network) return std::move(network.error());
    first = *network;
    end = first + 1;
  }
  return list([this, leases = LeaseCursor{parts_.fabric, first, end}]() mutable -> std::optional<Json> {
    const auto found = leases.next();
    if (!found) return std::nullopt;
    return lease_view(parts_.fabric, found->first, found->second, parts_.clock());
  });
}

Result<std::pair<std::size_t, Ipv4Address>, http::Response> Api::find_lease(const Call& call) const {
  const auto ip = Ipv4Address::parse(call.argument);
  if (!ip) return refuse(problem(404, found_expected(in_quotes(call.argument), "the IPv4 address of a lease")));
  std::vector<std::size_t> candidates;
  if (call.request.parameter("network") != nullptr) {
    auto network = network_of(call);
    if (!network) return refuse(std::move(network.error()));
    candidates.push_back(*network);
  } else {
    for (std::size_t i = 0; i < parts_.fabric.network_count(); ++i) {
      if (parts_.fabric.has_network(i)) candidates.push_back(i);
    }
  }
  std::erase_if(candidates, [&](std::size_t network) {
    network::AddressService* const addresses = parts_.fabric.gateway(network).addresses();
    return addresses == nullptr || addresses->server().lease(*ip) == nullptr;
  });
  if (candidates.size() == 1) return std::pair{candidates.front(), *ip};
  if (candidates.empty()) return refuse(problem(404, "nobody has a lease of " + ip->to_string()));
  return refuse(problem(409, "several networks have a lease of " + ip->to_string() + ": name one with ?network="));
}

http::Response Api::get_lease(Call& call) {
  auto found = find_lease(call);
  if (!found) return std::move(found.error());
  const auto [network, ip] = *found;
  const dhcp::Lease& lease = *parts_.fabric.gateway(network).addresses()->server().lease(ip);
  return answer(lease_view(parts_.fabric, network, lease, parts_.clock()));
}

http::Response Api::delete_lease(Call& call) {
  auto found = find_lease(call);
  if (!found) return std::move(found.error());
  if (const auto ended = parts_.operations.end_lease(found->first, found->second); !ended) {
    return problem(ended.error());
  }
  return no_content();
}

namespace {

const DnsRecord* record_named(const Network& network, const std::string& name) {
  const auto wanted = dns::Name::parse(name);
  const auto found = std::ranges::find_if(
      network.dns.records, [&](const DnsRecord& record) { return wanted && dns::Name::parse(record.name) == *wanted; });
  return found == network.dns.records.end() ? nullptr : &*found;
}

http::Response no_record(const std::string& name, const Network& network) {
  std::vector<std::string> names;
  for (const DnsRecord& record : network.dns.records) names.push_back(record.name);
  return problem(404, "network " + network.name + " has no records of " + in_quotes(name) + did_you_mean(name, names));
}

}  // namespace

http::Response Api::get_records(Call& call) {
  auto network = network_of(call);
  if (!network) return std::move(network.error());
  // A copy, because the list may change while it is sent.
  return list([records = config_of(*network).dns.records, next = std::size_t{0}]() mutable -> std::optional<Json> {
    if (next == records.size()) return std::nullopt;
    return to_json(records[next++]);
  });
}

http::Response Api::get_record(Call& call) {
  auto network = network_of(call);
  if (!network) return std::move(network.error());
  const DnsRecord* const record = record_named(config_of(*network), call.argument);
  return record == nullptr ? no_record(call.argument, config_of(*network)) : answer(to_json(*record));
}

http::Response Api::put_record(Call& call) {
  auto network = network_of(call);
  if (!network) return std::move(network.error());
  if (!call.document.contains("name")) call.document["name"] = call.argument;
  DnsRecord record = read_dns_record(call.document);
  const auto in_path = dns::Name::parse(call.argument);
  if (!in_path || !find_format("record-name")->matches(call.argument)) {
    return problem(400, found_expected(in_quotes(call.argument), "a domain name in the path"));
  }
  if (dns::Name::parse(record.name) != *in_path) {
    return problem(400, found_expected(in_quotes(record.name), "the name in the path, " + in_quotes(call.argument)),
                   "/name");
  }
  // The name keeps the spelling under which it is known.
  if (const DnsRecord* const known = record_named(config_of(*network), record.name)) record.name = known->name;
  if (const auto put = parts_.operations.put_record(*network, record); !put) return problem(put.error());
  return answer(to_json(record));
}

http::Response Api::delete_record(Call& call) {
  auto network = network_of(call);
  if (!network) return std::move(network.error());
  if (record_named(config_of(*network), call.argument) == nullptr ||
      !parts_.operations.remove_record(*network, call.argument)) {
    return no_record(call.argument, config_of(*network));
  }
  return no_content();
}

}  // namespace vnet::daemon
