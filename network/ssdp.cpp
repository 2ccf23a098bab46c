#include "network/ssdp.hpp"

#include <algorithm>
#include <optional>

#include "network/upnp_http.hpp"

namespace vnet::network {
namespace {

constexpr std::string_view kAll = "ssdp:all";
constexpr std::string_view kRoot = "upnp:rootdevice";

bool equals(std::string_view text, std::string_view lower) {
  return std::ranges::equal(
      text, lower, [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

/// What an M-SEARCH looks for (1.2.2); empty: it is none.
std::string_view search_target(std::string_view text) {
  constexpr std::string_view kRequestLine = "M-SEARCH * HTTP/1.1\r\n";
  if (!text.starts_with(kRequestLine)) return {};
  text.remove_prefix(kRequestLine.size());
  bool discovers = false;
  std::string_view target;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find(kLineEnd));
    text.remove_prefix(std::min(line.size() + kLineEnd.size(), text.size()));
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view name = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (equals(name, "man")) discovers = equals(value, "\"ssdp:discover\"");
    if (equals(name, "st")) target = value;
  }
  return discovers ? target : std::string_view{};
}

}  // namespace

Ssdp::Ssdp(const UpnpConfig& config) : config_(config) {
  const auto add = [&](std::string_view type, const std::string& name) {
    targets_.push_back({std::string{type}, name + "::" + std::string{type}});
  };
  add(kRoot, name_of(UpnpDevice::gateway, config.mac));
  for (const UpnpDevice device : kUpnpDevices) {
    const std::string name = name_of(device, config.mac);
    targets_.push_back({name, name});
    add(type_of(device), name);
  }
  for (const UpnpServiceInfo& service : upnp_services()) add(service.type, name_of(service.device, config.mac));
}

bool Ssdp::is_guest(const nat::Endpoint& from) const noexcept {
  const auto* const address = std::get_if<Ipv4Address>(&from.address);
  return from.port != 0 && address != nullptr && config_.gateway.contains(*address) &&
         *address != config_.gateway.address && *address != config_.gateway.network() &&
         *address != config_.gateway.broadcast();
}

void Ssdp::handle(const nat::Endpoint& from, ByteView payload, Instant now, const Send& send) {
  if (!is_guest(from) || payload.size() > kMaxSearch) return;
  const std::string_view wanted = search_target(as_text(payload));
  if (wanted.empty()) return;
  const bool known = wanted == kAll || std::ranges::find(targets_, wanted, &Target::type) != targets_.end();
  if (!known || !searches_.take(now)) return;
  for (const Target& target : targets_) {
    if (wanted != kAll && wanted != target.type) continue;
    const std::string answer = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=" + std::to_string(kMaxAge.count()) +
                               "\r\nEXT:\r\nLOCATION: " + location_of(config_) +
                               "\r\nSERVER: " + std::string{kUpnpServer} + "\r\nST: " + target.type +
                               "\r\nUSN: " + target.usn + "\r\n\r\n";
    send(from, as_bytes(answer));
  }
}

void Ssdp::notify(std::string_view event, const Send& send) const {
  const bool alive = event == "ssdp:alive";
  for (const Target& target : targets_) {
    std::string text = "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: " + target.type + "\r\nNTS: ";
    text += event;
    text += "\r\nUSN: " + target.usn + "\r\n";
    if (alive) {
      text += "CACHE-CONTROL: max-age=" + std::to_string(kMaxAge.count()) + "\r\nLOCATION: " + location_of(config_) +
              "\r\nSERVER: " + std::string{kUpnpServer} + "\r\n";
    }
    text += kLineEnd;
    send({kGroup, kPort}, as_bytes(text));
  }
}

void Ssdp::expire(Instant now, const Send& send) {
  if (now < next_) return;
  notify("ssdp:alive", send);
  next_ = now + (repeated_ ? kInterval : kRepetition);
  repeated_ = true;
}

void Ssdp::say_goodbye(const Send& send) const { notify("ssdp:byebye", send); }

}  // namespace vnet::network
