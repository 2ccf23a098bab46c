// PPM, the form in which QEMU gives the screen: `P6`, width, height, 255, white space between them, one more byte of
// it, and then three bytes a pixel. Netpbm's own page, ppm(5), is its specification.
//
// It is as simple as a picture can be, which is why QEMU is asked for it: a QEMU that its guest has taken over writes
// what it likes, and here is all the code that reads it.
// Not supported: comments, samples of more or less than 8 bits, several pictures in one file.
// Limits: kMaxPpmBytes, kMaxPpmSide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "adapter/vm/picture.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxPpmBytes = 64 * 1024 * 1024;
inline constexpr std::uint32_t kMaxPpmSide = 16384;

[[nodiscard]] Read<Picture> read_ppm(std::string_view bytes);

}  // namespace vnet::adapter
