#include "packet/mac_address.hpp"

#include <charconv>

namespace vnet {

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
  constexpr std::size_t kTextSize = 17;
  if (text.size() != kTextSize) return std::nullopt;
  const char separator = text[2];
  if (separator != ':' && separator != '-') return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < kSize; ++i) {
    const char* first = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(first, first + 2, mac.octets_[i], 16);
    if (error != std::errc{} || end != first + 2) return std::nullopt;
    if (i + 1 < kSize && text[3 * i + 2] != separator) return std::nullopt;
  }
  return mac;
}

std::string MacAddress::to_string() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(3 * kSize);
  for (const std::uint8_t octet : octets_) {
    if (!text.empty()) text += ':';
    text += kDigits[octet >> 4U];
    text += kDigits[octet & 0xfU];
  }
  return text;
}

}  // namespace vnet
