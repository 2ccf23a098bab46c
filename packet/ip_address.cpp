#include "packet/ip_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace vnet {
namespace {

std::optional<std::uint8_t> parse_prefix_length(std::string_view text, unsigned limit) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || value > limit) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return static_cast<std::uint8_t>(value);
}

/// Splits `text` at "/" and parses both halves.
template <typename Prefix, typename Address>
std::optional<Prefix> parse_prefix(std::string_view text) {
  constexpr unsigned kBits = Address::kSize * 8;
  const std::size_t slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return Prefix{*address, kBits};
  const auto length = parse_prefix_length(text.substr(slash + 1), kBits);
  if (!length) return std::nullopt;
  return Prefix{*address, *length};
}

/// The 16-bit groups of one side of "::" in an IPv6 text; a dotted quad may stand last and counts for two.
struct Groups {
  std::array<std::uint16_t, 8> values{};
  std::size_t count = 0;

  bool push(unsigned value) {
    if (count == values.size()) return false;
    values[count++] = static_cast<std::uint16_t>(value);
    return true;
  }
};

std::optional<Groups> parse_groups(std::string_view text, bool quad_allowed) {
  Groups groups;
  if (text.empty()) return groups;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && quad_allowed && group.find('.') != std::string_view::npos) {
      const auto quad = Ipv4Address::parse(group);
      if (!quad || !groups.push(quad->to_u32() >> 16U) || !groups.push(quad->to_u32() & 0xffffU)) return std::nullopt;
      return groups;
    }
    unsigned value = 0;
    const auto [end, error] = std::from_chars(group.data(), group.data() + group.size(), value, 16);
    if (group.empty() || group.size() > 4 || error != std::errc{} || end != group.data() + group.size()) {
      return std::nullopt;
    }
    if (!groups.push(value)) return std::nullopt;
    if (last) return groups;
    text.remove_prefix(colon + 1);
  }
}

}  // namespace

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) {
  std::uint32_t value = 0;
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto octet = parse_prefix_length(text.substr(0, dot), 255);
    if (!octet) return std::nullopt;
    value = value << 8U | *octet;
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return Ipv4Address{value};
}

std::string Ipv4Address::to_string() const {
  std::array<char, 16> text{};
  const int size = std::snprintf(text.data(), text.size(), "%u.%u.%u.%u", value_ >> 24U, value_ >> 16U & 0xffU,
                                 value_ >> 8U & 0xffU, value_ & 0xffU);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<Ipv6Address> Ipv6Address::parse(std::string_view text) {
  const std::size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const auto head = parse_groups(text.substr(0, gap), !has_gap);
  const auto tail = has_gap ? parse_groups(text.substr(gap + 2), true) : Groups{};
  if (!head || !tail) return std::nullopt;
  const std::size_t count = head->count + tail->count;
  if (has_gap ? count > 7 : count != 8) return std::nullopt;
  Ipv6Address address;
  for (std::size_t i = 0; i < head->count; ++i) store_be(address.octets_.data() + 2 * i, head->values[i]);
  for (std::size_t i = 0; i < tail->count; ++i) {
    store_be(address.octets_.data() + kSize - 2 * (tail->count - i), tail->values[i]);
  }
  return address;
}

Ipv6Address Ipv6Address::link_local(const MacAddress& mac) noexcept {
  const auto& m = mac.octets();
  return Ipv6Address{
      {0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(m[0] ^ 2U), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

std::string Ipv6Address::to_string() const {
  // RFC 5952: the longest run of two or more zero groups becomes "::", the first of equals.
  std::size_t best = 8;
  std::size_t best_length = 1;
  std::array<std::uint16_t, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = load_be<std::uint16_t>(octets_.data() + 2 * i);
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) {
      best = i;
      best_length = length;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    std::array<char, 5> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), groups[i], 16);
    text.append(digits.data(), end);
  }
  return text;
}

Ipv6Address Ipv6Address::solicited_node() const noexcept {
  return Ipv6Address{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, octets_[13], octets_[14], octets_[15]}};
}

MacAddress Ipv6Address::multicast_mac() const noexcept {
  return MacAddress{{0x33, 0x33, octets_[12], octets_[13], octets_[14], octets_[15]}};
}

std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) {
  return parse_prefix<Ipv4Prefix, Ipv4Address>(text);
}

std::string Ipv4Prefix::to_string() const { return address.to_string() + "/" + std::to_string(length); }

std::optional<Ipv6Prefix> Ipv6Prefix::parse(std::string_view text) {
  return parse_prefix<Ipv6Prefix, Ipv6Address>(text);
}

std::string Ipv6Prefix::to_string() const { return address.to_string() + "/" + std::to_string(length); }

Ipv6Address Ipv6Prefix::network() const noexcept {
  auto octets = address.octets();
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const unsigned kept = length > 8 * i ? std::min(8U, length - static_cast<unsigned>(8 * i)) : 0U;
    octets[i] = static_cast<std::uint8_t>(octets[i] & (0xff00U >> kept));
  }
  return Ipv6Address{octets};
}

bool Ipv6Prefix::contains(const Ipv6Address& other) const noexcept {
  return Ipv6Prefix{other, length}.network() == network();
}

bool contains(const IpPrefix& prefix, const IpAddress& address) noexcept {
  if (prefix.index() != address.index()) return false;
  if (const auto* const v4 = std::get_if<Ipv4Prefix>(&prefix)) return v4->contains(*std::get_if<Ipv4Address>(&address));
  return std::get_if<Ipv6Prefix>(&prefix)->contains(*std::get_if<Ipv6Address>(&address));
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (const auto v4 = Ipv4Address::parse(text)) return *v4;
  if (const auto v6 = Ipv6Address::parse(text)) return *v6;
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  return std::visit([](const auto& value) { return value.to_string(); }, address);
}

std::optional<IpPrefix> parse_ip_prefix(std::string_view text) {
  if (const auto v4 = Ipv4Prefix::parse(text)) return *v4;
  if (const auto v6 = Ipv6Prefix::parse(text)) return *v6;
  return std::nullopt;
}

std::string to_string(const IpPrefix& prefix) {
  return std::visit([](const auto& value) { return value.to_string(); }, prefix);
}

}  // namespace vnet
