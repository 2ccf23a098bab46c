#include "network/nic_names.hpp"

#include <algorithm>

namespace vnet::network {

std::string lower_case(std::string_view name) {
  std::string result{name};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

NicNames::Station* NicNames::station(const MacAddress& mac) {
  if (const auto found = stations_.find(mac); found != stations_.end()) return &found->second;
  if (stations_.size() >= kMaxStations) return nullptr;
  return &stations_[mac];
}

bool NicNames::take_name(const MacAddress& mac, const std::string& name) {
  return !name.empty() && owners_.emplace(name, mac).first->second == mac;
}

void NicNames::drop_name(const MacAddress& mac, std::string& name) {
  const auto owner = owners_.find(name);
  if (owner != owners_.end() && owner->second == mac) {
    owners_.erase(owner);
    local_.set_host(name, {});
  }
  name.clear();
}

void NicNames::add_nic(const MacAddress& mac, std::string_view name) {
  Station* const entry = station(mac);
  if (entry == nullptr) return;
  std::string wanted = lower_case(name);
  if (entry->nic != wanted) drop_name(mac, entry->nic);
  // A NIC's name goes before a host name that some guest has chosen.
  if (const auto owner = owners_.find(wanted); owner != owners_.end() && owner->second != mac) {
    Station& other = stations_[owner->second];
    if (other.nic != wanted) drop_name(owner->second, other.hostname);
  }
  if (entry->hostname == wanted) entry->hostname.clear();  // it has the name once, as the NIC's
  if (take_name(mac, wanted)) entry->nic = std::move(wanted);
  publish(*entry);
}

void NicNames::remove_nic(const MacAddress& mac) {
  const auto found = stations_.find(mac);
  if (found == stations_.end()) return;
  drop_name(mac, found->second.nic);
  found->second.at.v6.clear();
  publish(found->second);
  drop_if_empty(mac);
}

void NicNames::forget(const MacAddress& mac) {
  const auto found = stations_.find(mac);
  if (found == stations_.end()) return;
  drop_name(mac, found->second.nic);
  drop_name(mac, found->second.hostname);
  stations_.erase(found);
}

void NicNames::take_hostname(const MacAddress& mac, Station& entry, std::string_view hostname) {
  std::string wanted = lower_case(hostname);
  if (wanted == entry.hostname) return;
  drop_name(mac, entry.hostname);
  if (wanted != entry.nic && take_name(mac, wanted)) entry.hostname = std::move(wanted);
}

void NicNames::set_ipv4(const MacAddress& mac, Ipv4Address address, std::string_view hostname) {
  Station* const entry = station(mac);
  if (entry == nullptr) return;
  entry->at.v4 = address;
  take_hostname(mac, *entry, hostname);
  publish(*entry);
}

void NicNames::clear_ipv4(const MacAddress& mac) {
  const auto found = stations_.find(mac);
  if (found == stations_.end()) return;
  found->second.at.v4.reset();
  drop_name(mac, found->second.hostname);
  publish(found->second);
  drop_if_empty(mac);
}

void NicNames::add_ipv6(const MacAddress& mac, const Ipv6Address& address) {
  const auto found = stations_.find(mac);
  if (found == stations_.end()) return;
  auto& known = found->second.at.v6;
  if (std::ranges::find(known, address) != known.end()) return;
  if (known.size() == kMaxIpv6) known.erase(known.begin());
  known.push_back(address);
  publish(found->second);
}

void NicNames::clear_ipv6(const MacAddress& mac) {
  const auto found = stations_.find(mac);
  if (found == stations_.end() || found->second.at.v6.empty()) return;
  found->second.at.v6.clear();
  publish(found->second);
}

std::vector<std::pair<MacAddress, Ipv6Address>> NicNames::ipv6() const {
  std::vector<std::pair<MacAddress, Ipv6Address>> all;
  for (const auto& [mac, entry] : stations_) {
    for (const Ipv6Address& address : entry.at.v6) all.emplace_back(mac, address);
  }
  return all;
}

std::string_view NicNames::nic_name(const MacAddress& mac) const {
  const auto found = stations_.find(mac);
  return found == stations_.end() ? std::string_view{} : std::string_view{found->second.nic};
}

StationAddresses NicNames::addresses(const MacAddress& mac) const {
  const auto found = stations_.find(mac);
  return found == stations_.end() ? StationAddresses{} : found->second.at;
}

void NicNames::publish(const Station& entry) {
  std::vector<IpAddress> addresses;
  if (entry.at.v4) addresses.emplace_back(*entry.at.v4);
  for (const Ipv6Address& address : entry.at.v6) addresses.emplace_back(address);
  // Of two hosts with one address the last has the reverse name: the NIC's own name is the better one.
  if (!entry.hostname.empty()) local_.set_host(entry.hostname, addresses);
  if (!entry.nic.empty()) local_.set_host(entry.nic, addresses);
}

void NicNames::drop_if_empty(const MacAddress& mac) {
  const auto found = stations_.find(mac);
  const Station& entry = found->second;
  if (entry.nic.empty() && entry.hostname.empty() && !entry.at.v4) stations_.erase(found);
}

}  // namespace vnet::network
