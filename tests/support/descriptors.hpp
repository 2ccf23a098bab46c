// How many descriptors this process has open, for tests that look for one that is left.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace vnet::test {

inline std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{"/dev/fd"}, {}));
}

}  // namespace vnet::test
