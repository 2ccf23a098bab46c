// What a QEMU that its guest has taken over may write as the picture of its screen: what is read has the pixels that it
// says, and goes through all that is done with a picture. And what may be asked for as its size.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "adapter/vm/picture.hpp"
#include "adapter/vm/ppm.hpp"

namespace {

using namespace vnet::adapter;

constexpr std::size_t kBytesToEncode = 4096;  ///< more of them only make libpng slower

void check_thumbnail(const Picture& picture, PictureSize bounds) {
  const Picture small = shrunk(picture, bounds);
  if (small.size.width > bounds.width || small.size.height > bounds.height) std::abort();
  if (small.size.width == 0 || small.size.height == 0) std::abort();
  if (small.rgb.size() != std::size_t{small.size.width} * small.size.height * kPictureChannels) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  if (const auto wanted = read_picture_size(bytes)) {
    if (wanted->width == 0 || wanted->width > kMaxPictureBound) std::abort();
    if (wanted->height == 0 || wanted->height > kMaxPictureBound) std::abort();
  }
  const auto picture = read_ppm(bytes);
  if (!picture) return 0;
  if (picture->size.width > kMaxPpmSide || picture->size.height > kMaxPpmSide) std::abort();
  if (picture->rgb.size() != std::size_t{picture->size.width} * picture->size.height * kPictureChannels) std::abort();
  for (const PictureSize bounds : {PictureSize{1, 1}, {3, 2}, {320, 240}}) check_thumbnail(*picture, bounds);
  if (picture->rgb.size() <= kBytesToEncode && !png_of(*picture)) std::abort();
  return 0;
}
