// PortId names the switch's side of a NIC.
#pragma once

#include <cstdint>

namespace vnet::l2 {

/// An index into the fabric's table of ports. It is reused after a NIC is gone.
enum class PortId : std::uint32_t {};

/// The gateway's port, of whichever network the frame is in.
inline constexpr PortId kGatewayPort{0xffff'fffeU};
/// The outside of a network's router, where packets have been translated or are still to be. No frame is switched to
/// it.
inline constexpr PortId kWanPort{0xffff'fffdU};
/// No port at all.
inline constexpr PortId kNoPort{0xffff'ffffU};

[[nodiscard]] constexpr std::uint32_t index(PortId port) noexcept { return static_cast<std::uint32_t>(port); }

}  // namespace vnet::l2
