#include "agent/assignment.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <bit>
#include <charconv>
#include <cstdio>

#include "agent/json.hpp"

namespace vnet::agent {
namespace {

constexpr std::size_t kMaxServers = 3;    // resolv.conf(5)
constexpr std::size_t kMaxHostname = 64;  // __NEW_UTS_LEN
constexpr std::int64_t kMinMtu = 68;
constexpr std::int64_t kMaxMtu = 65535;

/// The length of a mask such as 255.255.255.0.
std::optional<std::uint8_t> prefix_of(std::string_view mask) {
  const auto parsed = Address::parse(mask);
  if (!parsed || parsed->family != AF_INET) return std::nullopt;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 4; ++i) bits = (bits << 8U) | parsed->bytes[i];
  const int ones = std::countl_one(bits);
  if (std::popcount(bits) != ones) return std::nullopt;
  return static_cast<std::uint8_t>(ones);
}

/// The address in a member, with or without a prefix length; false: it is something else.
bool read_address(const Json& line, std::string_view name, int family, Address& into) {
  if (line.find(name) == nullptr) return true;
  const std::string text = line.text_at(name);
  const std::size_t slash = text.find('/');
  const auto parsed = Address::parse(std::string_view{text}.substr(0, slash));
  if (!parsed || parsed->family != family) return false;
  into = *parsed;
  if (slash == std::string::npos) return true;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + slash + 1, end, into.prefix);
  return error == std::errc{} && at == end && into.prefix <= into.size() * 8;
}

bool read_assignment(const Json& line, Assignment& into) {
  if (!read_address(line, "ip", AF_INET, into.ip) || !read_address(line, "gw", AF_INET, into.gateway) ||
      !read_address(line, "ip6", AF_INET6, into.ip6) || !read_address(line, "gw6", AF_INET6, into.gateway6)) {
    return false;
  }
  if (into.ip.family != 0 && into.ip.prefix == 32) {
    const auto prefix = prefix_of(line.text_at("mask"));
    if (!prefix) return false;
    into.ip.prefix = *prefix;
  }
  if (line.find("mac") != nullptr && !(into.mac = parse_mac(line.text_at("mac")))) return false;
  if (const Json* const servers = line.find("dns")) {
    for (const Json& server : servers->items) {
      if (!Address::parse(server.text)) return false;
      if (into.dns.size() < kMaxServers) into.dns.push_back(server.text);
    }
  }
  const std::int64_t mtu = line.number_at("mtu", 0);
  if (mtu != 0 && (mtu < kMinMtu || mtu > kMaxMtu)) return false;
  into.mtu = static_cast<unsigned>(mtu);
  into.hostname = line.text_at("hostname");
  if (into.hostname.size() > kMaxHostname) return false;
  return into.ip.family != 0 || into.ip6.family != 0;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  Address address;
  const std::string copy{text};
  address.family = text.find(':') == std::string_view::npos ? AF_INET : AF_INET6;
  if (::inet_pton(address.family, copy.c_str(), address.bytes.data()) != 1) return std::nullopt;
  address.prefix = static_cast<std::uint8_t>(address.size() * 8);
  return address;
}

std::size_t Address::size() const noexcept { return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0; }

std::optional<Mac> parse_mac(std::string_view text) {
  constexpr std::size_t kSize = 17;
  if (text.size() != kSize) return std::nullopt;
  Mac mac{};
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char* const at = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    if (error != std::errc{} || end != at + 2 || (i + 1 < mac.size() && *end != ':')) return std::nullopt;
  }
  return mac;
}

std::string to_string(const Mac& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text.data();
}

Answer parse_answer(std::string_view line) {
  Answer answer;
  if (line == "wait") answer.kind = Answer::Kind::wait;
  if (!line.starts_with('{')) return answer;
  const auto document = Json::parse(line);
  if (document && read_assignment(*document, answer.assignment)) answer.kind = Answer::Kind::assignment;
  return answer;
}

std::string resolv_conf(const Assignment& assignment) {
  std::string text;
  for (const std::string& server : assignment.dns) text += "nameserver " + server + "\n";
  return text.empty() ? text : "# by vnet-agent\n" + text;
}

}  // namespace vnet::agent
