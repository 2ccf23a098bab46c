// TcpTracking: how far a TCP connection is that passes a NAT, from nothing but the flags that were seen.
//
// Only one thing hangs on it: how long silence is borne (RFC 5382, REQ-5). A connection is established once both sides
// were heard and one goes on without SYN, which holds for one that was opened from both sides at once, and for one that
// was there before the NAT was. It closes when both sides have said FIN. In closing it is not kept alive any more, or
// the four minutes would never end. A reset shortens the patience and ends nothing (RFC 7857, 2): whoever forges one
// does no harm, because the next segment that is none takes it back. A SYN begins anew what was closing or reset.
#pragma once

#include <cstdint>

#include "packet/transport.hpp"

namespace vnet::nat {

class TcpTracking {
 public:
  struct Verdict {
    bool established = false;  ///< or else the patience is that for what opens, closes or was reset
    bool refreshes = false;    ///< the patience begins anew
  };

  Verdict see(std::uint8_t flags, bool outbound) noexcept {
    const bool was_established = is_established();
    if ((flags & TcpSegment::kRst) != 0) {
      bits_ |= kReset;
      return {false, was_established};
    }
    const bool opens = (flags & TcpSegment::kSyn) != 0;
    if (opens && (flags & TcpSegment::kAck) == 0 && (is_closing() || (bits_ & kReset) != 0)) bits_ = 0;
    const bool was_closing = is_closing();
    bits_ &= static_cast<std::uint8_t>(~kReset);
    bits_ |= outbound ? kInsideSeen : kOutsideSeen;
    if ((flags & TcpSegment::kFin) != 0) bits_ |= outbound ? kInsideFin : kOutsideFin;
    if (has(kInsideSeen | kOutsideSeen) && !opens) bits_ |= kOpen;
    return {is_established(), !was_closing};
  }

 private:
  static constexpr std::uint8_t kInsideSeen = 1;
  static constexpr std::uint8_t kOutsideSeen = 2;
  static constexpr std::uint8_t kOpen = 4;
  static constexpr std::uint8_t kInsideFin = 8;
  static constexpr std::uint8_t kOutsideFin = 16;
  static constexpr std::uint8_t kReset = 32;

  [[nodiscard]] bool has(unsigned bits) const noexcept { return (bits_ & bits) == bits; }
  [[nodiscard]] bool is_closing() const noexcept { return has(kInsideFin | kOutsideFin); }
  [[nodiscard]] bool is_established() const noexcept { return has(kOpen) && !is_closing() && !has(kReset); }

  std::uint8_t bits_ = 0;
};

}  // namespace vnet::nat
