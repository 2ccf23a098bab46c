// DropWatch: makes an event when a NIC loses many frames in a short time.
//
// Counters tell how many were lost in all; this tells when. It looks once a second, and only while frames flow, so that
// an idle switch sleeps. A burst that goes on is told again after kSilence.
#pragma once

#include <cstdint>
#include <vector>

#include "network/fabric.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

class DropWatch {
 public:
  static constexpr Duration kInterval = std::chrono::seconds{1};
  static constexpr Duration kSilence = std::chrono::seconds{10};
  /// Frames of one NIC and direction dropped in kInterval.
  static constexpr std::uint64_t kBurst = 100;

  explicit DropWatch(network::Fabric& fabric) : fabric_(fabric) {}

  /// Frames have come in.
  void on_traffic(Instant now) noexcept {
    if (next_ == kNever) next_ = now + kInterval;
  }
  [[nodiscard]] Instant next_deadline() const noexcept { return next_; }
  void expire(Instant now);

 private:
  struct Seen {
    DropCounters in;
    DropCounters out;
    MacAddress mac;
    Instant told = Instant::min();
  };

  [[nodiscard]] bool tell(const network::Nic& nic, const DropCounters& before, const DropCounters& after,
                          std::string_view direction, Instant now);

  network::Fabric& fabric_;
  std::vector<Seen> seen_;  ///< by port
  Instant next_ = kNever;
};

}  // namespace vnet::daemon
