// The seed of a run of tests: a test that fails says which one repeats it.
//
//     World world{test_seed()};
//     SCOPED_TRACE(how_to_repeat(world.seed()));     // GoogleTest; Catch2 has INFO
//
// The environment is read here and nowhere else in this room, and by tests only: a World is what its arguments say.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace vnet::sim {

/// `VNET_SEED` of the environment, where that is a number; else `otherwise`.
[[nodiscard]] inline std::uint64_t test_seed(std::uint64_t otherwise = 1) {
  const char* const text = std::getenv("VNET_SEED");
  if (text == nullptr) return otherwise;
  char* end = nullptr;
  const std::uint64_t seed = std::strtoull(text, &end, 10);
  return end != text && *end == '\0' ? seed : otherwise;
}

[[nodiscard]] inline std::string how_to_repeat(std::uint64_t seed) {
  return "VNET_SEED=" + std::to_string(seed) + " repeats this run";
}

}  // namespace vnet::sim
