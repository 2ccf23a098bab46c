#include "adapter/vm/ppm.hpp"

#include <charconv>
#include <string>

#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr std::string_view kPpmMagic = "P6";
constexpr std::string_view kPpmSpace = " \t\r\n\v\f";
constexpr std::uint32_t kPpmWhite = 255;

/// Takes white space and a number off the front of `bytes`; 0 where there is none.
std::uint32_t take_ppm_number(std::string_view& bytes) {
  const std::size_t begin = bytes.find_first_not_of(kPpmSpace);
  if (begin == 0 || begin == std::string_view::npos) return 0;
  bytes.remove_prefix(begin);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(bytes.data(), bytes.data() + bytes.size(), value);
  if (error != std::errc{}) return 0;
  bytes.remove_prefix(static_cast<std::size_t>(end - bytes.data()));
  return value;
}

}  // namespace

Read<Picture> read_ppm(std::string_view bytes) {
  if (bytes.size() > kMaxPpmBytes) {
    return fail(found_expected(std::to_string(bytes.size()) + " bytes", "at most " + std::to_string(kMaxPpmBytes)));
  }
  if (!bytes.starts_with(kPpmMagic)) return fail(found_expected("no picture", "a PPM file"));
  bytes.remove_prefix(kPpmMagic.size());
  const std::uint32_t width = take_ppm_number(bytes);
  const std::uint32_t height = take_ppm_number(bytes);
  const std::uint32_t white = take_ppm_number(bytes);
  if (width == 0 || height == 0 || width > kMaxPpmSide || height > kMaxPpmSide) {
    return fail(found_expected(std::to_string(width) + "x" + std::to_string(height) + " pixels",
                               "1 to " + std::to_string(kMaxPpmSide) + " on each side"));
  }
  if (white != kPpmWhite || bytes.empty() || kPpmSpace.find(bytes.front()) == std::string_view::npos) {
    return fail(found_expected("another kind of PPM file", "one with 8 bits a sample"));
  }
  bytes.remove_prefix(1);
  const std::size_t count = std::size_t{width} * height * kPictureChannels;
  if (bytes.size() != count) {
    return fail(found_expected(std::to_string(bytes.size()) + " bytes of pixels", std::to_string(count)));
  }
  return Picture{{width, height}, {bytes.begin(), bytes.end()}};
}

}  // namespace vnet::adapter
