// Randomness that nobody can predict, from the operating system: for DNS query ids (RFC 5452, 9.2), hash seeds and
// tokens. What a run must be able to repeat takes vnet::Random instead.
#pragma once

#include <cstdint>

namespace vnet::daemon {

/// 64 fresh bits. Ends the process when the system has none to give: everything that asks would be insecure.
[[nodiscard]] std::uint64_t os_random();

}  // namespace vnet::daemon
