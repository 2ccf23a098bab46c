#include "dhcp/option_values.hpp"

#include <algorithm>
#include <array>

namespace vnet::dhcp {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxPointer = 0x3fff;

// Not <cctype>: its answers depend on the locale.
constexpr bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// A name's tail that is already written, and where.
struct Suffix {
  std::string_view name;
  std::size_t offset;
};

}  // namespace

bool is_host_label(std::string_view label) noexcept {
  if (label.empty() || label.size() > kMaxLabel || label.front() == '-' || label.back() == '-') return false;
  return std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_domain_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kMaxName) return false;
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > kMaxLabel) return false;
    if (!std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; })) return false;
    if (label.size() == name.size()) return true;
    name.remove_prefix(label.size() + 1);
  }
}

std::string clean_host_name(ByteView value) {
  std::string_view text = as_text(value);
  text = text.substr(0, text.find('\0'));
  text = text.substr(0, text.find('.'));
  if (!is_host_label(text)) return {};
  std::string name(text);
  std::ranges::transform(name, name.begin(), lower);
  return name;
}

std::vector<std::uint8_t> encode_search_list(std::span<const std::string> names) {
  std::vector<std::uint8_t> value;
  std::vector<Suffix> written;
  for (std::string_view rest : names) {
    bool pointed = false;
    while (!rest.empty() && !pointed) {
      const auto known = std::ranges::find(written, rest, &Suffix::name);
      if (known != written.end()) {
        value.push_back(static_cast<std::uint8_t>(0xc0U | known->offset >> 8U));
        value.push_back(static_cast<std::uint8_t>(known->offset));
        pointed = true;
        continue;
      }
      if (value.size() <= kMaxPointer) written.push_back({rest, value.size()});
      const std::string_view label = rest.substr(0, rest.find('.'));
      value.push_back(static_cast<std::uint8_t>(label.size()));
      const ByteView bytes = as_bytes(label);
      value.insert(value.end(), bytes.begin(), bytes.end());
      rest.remove_prefix(std::min(rest.size(), label.size() + 1));
    }
    if (!pointed) value.push_back(0);
  }
  return value;
}

std::vector<std::uint8_t> encode_routes(std::span<const Route> routes) {
  std::vector<std::uint8_t> value;
  const auto append = [&value](Ipv4Address address, std::size_t octets) {
    std::array<std::uint8_t, Ipv4Address::kSize> bytes{};
    address.store(bytes.data());
    value.insert(value.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(octets));
  };
  for (const Route& route : routes) {
    value.push_back(route.destination.length);
    // Only the octets that the mask covers are sent.
    append(route.destination.network(), (std::size_t{route.destination.length} + 7) / 8);
    append(route.router, Ipv4Address::kSize);
  }
  return value;
}

}  // namespace vnet::dhcp
