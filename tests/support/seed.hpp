// The seed of tests that draw lots: always the same, or VNET_SEED's, which repeats a run that somebody saw.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace vnet::test {

inline std::uint64_t seed() {
  const char* const text = std::getenv("VNET_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : 20260727;
}

}  // namespace vnet::test
