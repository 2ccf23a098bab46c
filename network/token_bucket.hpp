// TokenBucket: at most `rate` events a second, in bursts of up to `burst`.
#pragma once

#include <algorithm>

#include "packet/time.hpp"

namespace vnet::network {

class TokenBucket {
 public:
  constexpr TokenBucket(double rate_per_second, double burst) noexcept
      : rate_(rate_per_second), burst_(burst), tokens_(burst) {}

  /// Whether one more event is allowed at `now`.
  [[nodiscard]] bool take(Instant now) noexcept {
    const double elapsed = std::chrono::duration<double>(now - last_).count();
    tokens_ = std::min(burst_, tokens_ + std::max(0.0, elapsed) * rate_);
    last_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double rate_;
  double burst_;
  double tokens_;
  Instant last_{};
};

}  // namespace vnet::network
