#include "adapter/base64.hpp"

#include <algorithm>
#include <cstdint>

namespace vnet::adapter {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kGroup = 4;  ///< characters for 3 bytes

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * kGroup);
  for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(3, bytes.size()))) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U);
    }
    for (std::size_t i = 0; i < kGroup; ++i) text += i <= bytes.size() ? kDigits[bits >> (18 - 6 * i) & 63U] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % kGroup != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / kGroup * 3);
  for (; !text.empty(); text.remove_prefix(kGroup)) {
    const std::size_t digits = std::min(text.find('='), kGroup);
    const bool last = text.size() == kGroup;
    if (digits < 2 ||
        (digits < kGroup && (!last || text.substr(digits) != std::string_view{"=="}.substr(digits - 2)))) {
      return std::nullopt;
    }
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < kGroup; ++i) {
      const std::size_t value = i < digits ? kDigits.find(text[i]) : 0;
      if (value == std::string_view::npos) return std::nullopt;
      bits = bits << 6U | static_cast<std::uint32_t>(value);
    }
    for (std::size_t i = 0; i + 1 < digits; ++i) bytes += static_cast<char>(bits >> (16 - 8 * i) & 255U);
  }
  return bytes;
}

}  // namespace vnet::adapter
