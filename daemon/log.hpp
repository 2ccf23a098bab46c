// The daemon's log: spdlog to standard error, as text for people or as a JSON object per line. Frames are never
// logged; what guests can cause in numbers is limited per second, and the rest is counted.
#pragma once

#include <cstdint>

#include "daemon/options.hpp"
#include "network/event.hpp"
#include "network/fabric.hpp"
#include "network/token_bucket.hpp"
#include "packet/drop_reason.hpp"

namespace vnet::daemon {

/// Sets the process's log up; call once.
void start_log(LogLevel level, bool json);

/// Writes what each NIC has sent and received, and every reason for which a frame was dropped, with its count.
void log_counters(const network::Fabric& fabric, const DropCounters& door_drops);

/// Writes the fabric's events to the log, at most so many a second.
class EventLogger {
 public:
  static constexpr double kLinesPerSecond = 20;
  static constexpr double kBurst = 200;

  void log(const network::Event& event);

 private:
  network::TokenBucket lines_{kLinesPerSecond, kBurst};
  std::uint64_t suppressed_ = 0;
};

}  // namespace vnet::daemon
