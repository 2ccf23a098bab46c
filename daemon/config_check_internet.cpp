#include "daemon/config_check_internet.hpp"

#include <algorithm>

#include "daemon/config_check_network.hpp"
#include "daemon/config_known.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {
namespace {

/// What carriers number their customers from (RFC 6598), and what the carrier of a cgnat does.
constexpr Ipv4Prefix kShared{Ipv4Address{100, 64, 0, 0}, 10};

/// A network among the others.
struct Site {
  const Config& config;
  std::size_t index;
  const std::string& pointer;
  Problems& problems;

  [[nodiscard]] const Network& network() const { return config.networks[index]; }
  [[nodiscard]] const std::optional<std::string>& behind() const { return network().nat.behind; }
  void add(std::string_view object, std::string_view member, const std::string& found,
           std::string_view expected) const {
    problems.add(child_pointer(child_pointer(pointer, object), member), found_expected(found, expected));
  }
};

const Network* find(const std::vector<Network>& networks, const std::optional<std::string>& name) {
  const auto found = std::ranges::find_if(networks, [&](const Network& network) { return network.name == name; });
  return found == networks.end() ? nullptr : &*found;
}

bool overlap(const Ipv4Prefix& a, const Ipv4Prefix& b) { return a.contains(b.address) || b.contains(a.address); }

/// Whether some way leads from router to router and back.
bool stands_behind_itself(const Site& site) {
  const Network* at = &site.network();
  for (std::size_t i = 0; at != nullptr && i < site.config.networks.size(); ++i) {
    at = find(site.config.networks, at->nat.behind);
    if (at == &site.network()) return true;
  }
  return false;
}

void check_behind(const Site& site) {
  const Network& network = site.network();
  const Network* const parent = find(site.config.networks, site.behind());
  if (parent == nullptr) {
    check_known("network", *site.behind(), names_of(site.config.networks),
                child_pointer(child_pointer(site.pointer, "nat"), "behind"), site.problems);
    return;
  }
  if (parent == &network) {
    site.add("nat", "behind", "the network itself", "another network");
    return;
  }
  if (stands_behind_itself(site)) {
    site.add("nat", "behind", "a circle: " + in_quotes(parent->name) + " stands behind this one", "none");
    return;
  }
  if (network.nat.behavior.behind_carrier) {
    site.add("nat", "behind", "cgnat behind another network",
             "another preset; cgnat has a carrier of its own, in front of it");
  }
  if (!parent->ipv4) {
    site.add("nat", "behind", in_quotes(parent->name) + ", which has no ipv4", "a network with ipv4");
  } else if (!network.wan || !network.wan->ipv4) {
    site.add("nat", "behind", "a network without wan.ipv4",
             "a wan with an ipv4 of " + Ipv4Prefix{parent->ipv4->network(), parent->ipv4->length}.to_string());
  } else {
    check_host_address(*parent, *network.wan->ipv4, child_pointer(child_pointer(site.pointer, "wan"), "ipv4"),
                       site.problems);
  }
  if (!network.wan || !network.wan->ipv6) return;
  const Ipv6Address& outside = *network.wan->ipv6;
  if (!parent->ipv6) {
    site.add("wan", "ipv6", outside.to_string() + " behind a network without ipv6", "none");
  } else if (!parent->ipv6->contains(outside) || outside == parent->ipv6->address ||
             outside == parent->ipv6->network()) {
    site.add("wan", "ipv6", outside.to_string(),
             "a host address of " + parent->ipv6->to_string() + " other than the gateway's");
  }
}

/// Addresses of the internet itself.
void check_in_front(const Site& site) {
  const Wan& wan = *site.network().wan;
  const auto& networks = site.config.networks;
  if (wan.ipv4) {
    const auto holds = [&](const Network& other) { return other.ipv4 && other.ipv4->contains(*wan.ipv4); };
    if (!is_assignable(*wan.ipv4)) {
      site.add("wan", "ipv4", wan.ipv4->to_string(), "a unicast address, not in 0/8 or 127/8");
    } else if (const auto found = std::ranges::find_if(networks, holds); found != networks.end()) {
      site.add("wan", "ipv4", wan.ipv4->to_string() + ", inside network " + in_quotes(found->name),
               "an address outside of every network, or nat.behind that network");
    }
  }
  if (wan.ipv6) {
    const auto holds = [&](const Network& other) { return other.ipv6 && other.ipv6->contains(*wan.ipv6); };
    if (wan.ipv6->is_multicast() || wan.ipv6->is_link_local() || wan.ipv6->is_unspecified()) {
      site.add("wan", "ipv6", wan.ipv6->to_string(), "a global or unique local unicast address");
    } else if (const auto found = std::ranges::find_if(networks, holds); found != networks.end()) {
      site.add("wan", "ipv6", wan.ipv6->to_string() + ", inside network " + in_quotes(found->name),
               "an address outside of every network");
    }
  }
  for (const Service& service : site.config.services) {
    const std::string owner = ", service " + in_quotes(service.name) + "'s";
    if (wan.ipv4 && std::ranges::find(service.ipv4, *wan.ipv4) != service.ipv4.end()) {
      site.add("wan", "ipv4", wan.ipv4->to_string() + owner, "an address that is free");
    }
    if (wan.ipv6 && std::ranges::find(service.ipv6, *wan.ipv6) != service.ipv6.end()) {
      site.add("wan", "ipv6", wan.ipv6->to_string() + owner, "an address that is free");
    }
  }
}

/// Outside addresses of two routers in one place, which may be prefixes.
void check_apart(const Site& site, const Network& other) {
  const Network& network = site.network();
  if (!network.wan || !other.wan || site.behind() != other.nat.behind) return;
  const std::string owner = ", network " + in_quotes(other.name) + "'s";
  if (network.wan->ipv4 && network.wan->ipv4 == other.wan->ipv4) {
    site.add("wan", "ipv4", network.wan->ipv4->to_string() + owner, "an address that is free");
  }
  if (!network.wan->ipv6 || !other.wan->ipv6) return;
  const auto is_prefix = [](const Network& of) { return of.nat.behavior.ipv6 == nat::Ipv6Way::nptv6; };
  const std::uint8_t length = is_prefix(network) || is_prefix(other) ? 64 : 128;
  if (Ipv6Prefix{*other.wan->ipv6, length}.contains(*network.wan->ipv6)) {
    site.add("wan", "ipv6", network.wan->ipv6->to_string() + owner,
             length == 128 ? "an address that is free" : "one of another /64, which nptv6 maps as a whole");
  }
}

void check_nat(const Site& site) {
  const Network& network = site.network();
  const Nat& nat = network.nat;
  if (nat.host && !nat.behavior.one_to_one) {
    site.add("nat", "host", "a host without one2one", "the preset one2one");
  } else if (nat.host) {
    check_host_address(network, *nat.host, child_pointer(child_pointer(site.pointer, "nat"), "host"), site.problems);
  }
  if (!network.wan) return;
  if (nat.behavior.ipv6 != nat::Ipv6Way::routed && (!network.wan->ipv6 || !network.ipv6)) {
    site.add("nat", "ipv6",
             std::string{to_string(nat.behavior.ipv6)} + " without " + (network.ipv6 ? "wan.ipv6" : "ipv6"),
             "routed, or both of them");
  }
  if (nat.behavior.behind_carrier && network.wan->ipv4 && network.ipv4 && overlap(*network.ipv4, kShared)) {
    site.problems.add(child_pointer(site.pointer, "nat"),
                      found_expected("cgnat with " + network.ipv4->to_string() + " inside",
                                     "a network outside of 100.64.0.0/10, where the carrier has its customers"));
  }
}

void check_router(const Site& site) {
  const Network& network = site.network();
  check_nat(site);
  if (site.behind()) {
    check_behind(site);
    if (network.wan && network.wan->ipv4 && network.ipv4 && network.ipv4->contains(*network.wan->ipv4)) {
      site.add("wan", "ipv4", network.wan->ipv4->to_string() + ", inside the network itself",
               "an address of the network that it stands behind");
    }
  } else if (network.wan) {
    check_in_front(site);
  }
}

}  // namespace

void check_routers(const Config& config, Problems& problems) {
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const std::string pointer = child_pointer("/networks", i);
    const Site site{config, i, pointer, problems};
    check_router(site);
    for (std::size_t k = 0; k < i; ++k) check_apart(site, config.networks[k]);
  }
  for (std::size_t i = 0; i < config.nics.size(); ++i) {
    const Nic& nic = config.nics[i];
    const auto is_taken = [&](const Network& network) {
      return nic.ip && network.nat.behind == nic.network && network.wan && network.wan->ipv4 == nic.ip;
    };
    const auto found = std::ranges::find_if(config.networks, is_taken);
    if (found == config.networks.end()) continue;
    problems.add(child_pointer(child_pointer("/nics", i), "ip"),
                 found_expected(nic.ip->to_string() + ", the outside address of network " + in_quotes(found->name),
                                "an address that is free"));
  }
}

void check_changed_router(const Config& config, std::size_t network, const std::string& pointer, Problems& problems) {
  const Site site{config, network, pointer, problems};
  check_router(site);
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const Network& other = config.networks[i];
    if (i != network) check_apart(site, other);
    if (other.nat.behind != config.networks[network].name || !config.networks[network].ipv4) continue;
    if (!other.wan || !other.wan->ipv4) continue;
    if (!config.networks[network].ipv4->contains(*other.wan->ipv4) ||
        config.networks[network].ipv4->address == *other.wan->ipv4) {
      problems.add(pointer, found_expected(config.networks[network].ipv4->to_string(),
                                           "a prefix with room for " + other.wan->ipv4->to_string() +
                                               ", where network " + in_quotes(other.name) + " stands behind it"));
    }
  }
}

}  // namespace vnet::daemon
