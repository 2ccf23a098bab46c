// Picture: pixels in memory, made smaller for a thumbnail and written as a PNG (libpng).
//
// Each pixel of a thumbnail is the mean of the box of pixels that it stands for. That is right for making a picture
// smaller, and needs no filter to choose; text stays readable to about half its size. Nothing is ever made larger.
//
// The means are taken of the bytes as they are, which are not linear in light (sRGB): a checkerboard of black and white
// comes out darker than it looks from afar.
// Limits: kMaxPictureBound for what is asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/vm/spec.hpp"

namespace vnet::adapter {

inline constexpr std::uint32_t kMaxPictureBound = 4096;
inline constexpr std::size_t kPictureChannels = 3;

struct PictureSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  bool operator==(const PictureSize&) const = default;
};

struct Picture {
  PictureSize size{};
  std::vector<std::uint8_t> rgb{};  ///< row by row from the top, three bytes a pixel
};

/// `320x240`: each from 1 to kMaxPictureBound.
[[nodiscard]] Read<PictureSize> read_picture_size(std::string_view text);
/// The largest size of these proportions that is within `bounds`; `size` itself where that is.
[[nodiscard]] PictureSize fit_size(PictureSize size, PictureSize bounds);
/// The picture at that size. It has a pixel at least.
[[nodiscard]] Picture shrunk(Picture picture, PictureSize bounds);
/// The bytes of a PNG file.
[[nodiscard]] Read<std::string> png_of(const Picture& picture);

}  // namespace vnet::adapter
