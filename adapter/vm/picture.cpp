#include "adapter/vm/picture.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <utility>

#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

/// The whole of `text` as a decimal number; 0 where it is none that a bound may be.
std::uint32_t read_bound(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && value <= kMaxPictureBound ? value : 0;
}

/// `of` in the proportion of `part` to `whole`, to the nearest pixel, and never nothing.
std::uint32_t in_proportion(std::uint32_t of, std::uint32_t part, std::uint32_t whole) {
  const std::uint64_t nearest = (std::uint64_t{of} * part + whole / 2) / whole;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(nearest, 1));
}

/// Where the box of pixel `index` begins, of `count` that stand for `all`.
std::size_t box_begin(std::size_t index, std::size_t count, std::size_t all) { return index * all / count; }

/// The mean of the pixels from (left, top) to before (right, bottom), of which there is one at least.
std::array<std::uint8_t, kPictureChannels> mean_of(const Picture& picture, std::size_t left, std::size_t top,
                                                   std::size_t right, std::size_t bottom) {
  std::array<std::uint64_t, kPictureChannels> sums{};
  for (std::size_t y = top; y < bottom; ++y) {
    const std::size_t row = y * picture.size.width;
    for (std::size_t at = (row + left) * kPictureChannels; at < (row + right) * kPictureChannels;
         at += kPictureChannels) {
      for (std::size_t i = 0; i < kPictureChannels; ++i) sums[i] += picture.rgb[at + i];
    }
  }
  const std::uint64_t count = (right - left) * (bottom - top);
  assert(count > 0);
  std::array<std::uint8_t, kPictureChannels> mean{};
  for (std::size_t i = 0; i < kPictureChannels; ++i) mean[i] = static_cast<std::uint8_t>((sums[i] + count / 2) / count);
  return mean;
}

}  // namespace

Read<PictureSize> read_picture_size(std::string_view text) {
  const std::size_t cross = std::min(text.find('x'), text.size());
  const PictureSize size{read_bound(text.substr(0, cross)), read_bound(text.substr(std::min(cross + 1, text.size())))};
  if (size.width != 0 && size.height != 0) return size;
  return fail(found_expected(in_quotes(text),
                             "WIDTHxHEIGHT, each from 1 to " + std::to_string(kMaxPictureBound) + ": 320x240"));
}

PictureSize fit_size(PictureSize size, PictureSize bounds) {
  if (size.width <= bounds.width && size.height <= bounds.height) return size;
  const bool by_width = std::uint64_t{size.width} * bounds.height >= std::uint64_t{size.height} * bounds.width;
  return by_width ? PictureSize{bounds.width, in_proportion(size.height, bounds.width, size.width)}
                  : PictureSize{in_proportion(size.width, bounds.height, size.height), bounds.height};
}

Picture shrunk(Picture picture, PictureSize bounds) {
  const PictureSize size = fit_size(picture.size, bounds);
  if (size == picture.size) return picture;
  Picture small{size, {}};
  small.rgb.reserve(std::size_t{size.width} * size.height * kPictureChannels);
  for (std::size_t y = 0; y < size.height; ++y) {
    const std::size_t top = box_begin(y, size.height, picture.size.height);
    const std::size_t bottom = box_begin(y + 1, size.height, picture.size.height);
    for (std::size_t x = 0; x < size.width; ++x) {
      const auto mean = mean_of(picture, box_begin(x, size.width, picture.size.width), top,
                                box_begin(x + 1, size.width, picture.size.width), bottom);
      small.rgb.insert(small.rgb.end(), mean.begin(), mean.end());
    }
  }
  return small;
}

Read<std::string> png_of(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.size.width;
  image.height = picture.size.height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string bytes(size, '\0');
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, picture.rgb.data(), 0, nullptr) == 0) {
    return fail("cannot make a PNG: " + std::string{image.message});
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace vnet::adapter
