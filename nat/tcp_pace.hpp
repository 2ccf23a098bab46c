// How fast bytes go to a guest, and how long we wait for its acknowledgment.
//
// The link is a virtual wire inside one machine: the switch says when its queue for the guest is full, so on a link
// without impairments nothing is lost and the window only grows. Losses come from impairments, which behave as a
// network would, and are met as RFC 5681 and 6298 say, with three numbers of our own: the window never falls below the
// initial one of RFC 6928, because nobody else's traffic is at stake on this wire; the time-out backs off to ten
// seconds and no further, so that a guest that was paused goes on soon after; and after a loss seven tenths of the
// window stay (RFC 9438, 4.6). The restart after idleness (RFC 5681, 4.1) is left out for the first reason.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "packet/time.hpp"

namespace vnet::nat {

class RoundTrip {
 public:
  static constexpr Duration kInitialTimeout = std::chrono::seconds{1};
  /// As in the systems that guests run: below it, a delayed acknowledgment would look like a loss.
  static constexpr Duration kMinTimeout = std::chrono::milliseconds{200};
  static constexpr Duration kMaxTimeout = std::chrono::seconds{10};
  /// A last segment that got no answer is repeated after this at the least (RFC 8985, 7.2) ...
  static constexpr Duration kMinProbe = std::chrono::milliseconds{50};
  /// ... and later by this when it is alone, because its acknowledgment may be delayed.
  static constexpr Duration kDelayedAck = std::chrono::milliseconds{200};

  /// What a hole is given beyond a round trip, because segments overtake one another.
  static constexpr Duration kReordering = std::chrono::milliseconds{10};

  [[nodiscard]] Duration timeout() const noexcept { return timeout_; }
  /// Whatever was sent has arrived by then, or will not. Not before there is a sample.
  [[nodiscard]] Duration settled_after() const noexcept {
    return smoothed_ == Duration::zero() ? timeout_ : smoothed_ + 4 * variation_ + kReordering;
  }
  [[nodiscard]] Duration probe_after(bool alone) const noexcept {
    return std::max(2 * smoothed_, kMinProbe) + (alone ? kDelayedAck : Duration::zero());
  }

  /// A round trip of something that was sent once only (Karn's rule is the caller's).
  void sample(Duration round_trip) noexcept {
    if (smoothed_ == Duration::zero()) {
      smoothed_ = std::max(round_trip, Duration{1});
      variation_ = round_trip / 2;
    } else {
      variation_ = (3 * variation_ + std::chrono::abs(smoothed_ - round_trip)) / 4;
      smoothed_ = std::max((7 * smoothed_ + round_trip) / 8, Duration{1});
    }
    timeout_ = std::clamp(smoothed_ + 4 * variation_, kMinTimeout, kMaxTimeout);
  }
  void back_off() noexcept { timeout_ = std::min(2 * timeout_, kMaxTimeout); }

 private:
  Duration smoothed_{};  ///< zero: no sample yet
  Duration variation_{};
  Duration timeout_ = kInitialTimeout;
};

/// All sizes in bytes.
class CongestionWindow {
 public:
  static constexpr std::size_t kMax = std::size_t{4} << 20U;

  explicit CongestionWindow(std::size_t mss) noexcept
      : mss_(mss), floor_(std::min(10 * mss, std::max(2 * mss, std::size_t{14'600}))), window_(floor_) {}

  [[nodiscard]] std::size_t size() const noexcept { return window_; }

  void on_acked(std::size_t acked) noexcept {
    window_ += window_ < threshold_ ? acked : std::max(mss_ * std::min(acked, mss_) / window_, std::size_t{1});
    window_ = std::min(window_, kMax);
  }
  /// Once for each window in which something was lost.
  void on_loss() noexcept {
    threshold_ = std::max(window_ / 10 * 7, floor_);
    window_ = threshold_;
  }
  /// Nothing has come back at all.
  void on_timeout() noexcept {
    threshold_ = std::max(window_ / 2, floor_);
    window_ = floor_;
  }

 private:
  std::size_t mss_;
  std::size_t floor_;
  std::size_t window_;
  std::size_t threshold_ = kMax;
};

}  // namespace vnet::nat
