// How fast a TCP sender may go, and how long it waits: the retransmission timeout and the congestion window.
//
// `RtoEstimator` is RFC 6298 sections 2 and 5.5. `CongestionWindow` is slow start, congestion avoidance and fast
// recovery of RFC 5681 with the partial acknowledgments of RFC 6582, starting from the window of RFC 6928. Neither
// knows sequence numbers; `TcpSender` tells them what happened. The restart after idleness (RFC 5681, 4.1) is left
// out: a connection here is closed before it has been idle for long.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "packet/time.hpp"

namespace vnet::network {

class RtoEstimator {
 public:
  static constexpr Duration kInitial = std::chrono::seconds{1};
  static constexpr Duration kMin = std::chrono::seconds{1};
  static constexpr Duration kMax = std::chrono::seconds{60};
  /// Where data begins after the SYN had to be repeated (RFC 6298, 5.7).
  static constexpr Duration kAfterLostSyn = std::chrono::seconds{3};
  static constexpr Duration kGranularity = std::chrono::milliseconds{1};

  [[nodiscard]] Duration rto() const noexcept { return rto_; }

  /// A round trip of a segment that was sent once only (Karn's rule is the caller's).
  void sample(Duration rtt) noexcept {
    if (srtt_ == Duration::zero()) {
      srtt_ = std::max(rtt, Duration{1});
      variation_ = rtt / 2;
    } else {
      variation_ = (3 * variation_ + std::chrono::abs(srtt_ - rtt)) / 4;
      srtt_ = std::max((7 * srtt_ + rtt) / 8, Duration{1});
    }
    rto_ = std::clamp(srtt_ + std::max(kGranularity, 4 * variation_), kMin, kMax);
  }
  void back_off() noexcept { rto_ = std::min(2 * rto_, kMax); }
  void restart_after_lost_syn() noexcept { rto_ = kAfterLostSyn; }

 private:
  Duration srtt_{};  ///< zero: no sample yet
  Duration variation_{};
  Duration rto_ = kInitial;
};

/// All sizes in bytes.
class CongestionWindow {
 public:
  explicit CongestionWindow(std::size_t mss) noexcept
      : mss_(mss), window_(std::min(10 * mss, std::max(2 * mss, std::size_t{14'600}))) {}

  [[nodiscard]] std::size_t size() const noexcept { return window_; }

  void on_acked(std::size_t acked) noexcept {
    window_ += window_ < threshold_ ? std::min(acked, mss_) : std::max(mss_ * mss_ / window_, std::size_t{1});
    window_ = std::min(window_, kMax);
  }
  void on_lost_syn() noexcept { window_ = mss_; }
  void on_timeout(std::size_t in_flight) noexcept {
    lower_threshold(in_flight);
    window_ = mss_;
  }

  void enter_recovery(std::size_t in_flight) noexcept {
    lower_threshold(in_flight);
    window_ = threshold_ + 3 * mss_;
  }
  /// Each further duplicate says that a segment has left the network.
  void on_duplicate_in_recovery() noexcept { window_ = std::min(window_ + mss_, kMax); }
  void on_partial_ack(std::size_t acked) noexcept {
    window_ = std::max(window_ - std::min(acked, window_), mss_);
    if (acked >= mss_) window_ += mss_;
  }
  void leave_recovery() noexcept { window_ = threshold_; }

 private:
  /// Without window scaling no peer lets us have more than 65,535 bytes in flight.
  static constexpr std::size_t kMax = std::size_t{1} << 20U;

  void lower_threshold(std::size_t in_flight) noexcept { threshold_ = std::max(in_flight / 2, 2 * mss_); }

  std::size_t mss_;
  std::size_t window_;
  std::size_t threshold_ = kMax;
};

}  // namespace vnet::network
