// /metrics in Prometheus' text exposition format 0.0.4: one family after the other, made while the client reads.
//
// Names follow Prometheus' rules: base units, `_total` for what only goes up. A drop reason that has not occurred has
// no sample, so a thousand NICs are not forty thousand lines.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/captures.hpp"
#include "daemon/event_backlog.hpp"
#include "daemon/host_sockets.hpp"
#include "daemon/hub.hpp"
#include "http/message.hpp"
#include "http/server_options.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

struct MetricSources {
  network::Fabric& fabric;
  const Hub& hub;
  const Captures& captures;
  const EventBacklog& events;
  std::function<http::ServerCounters()> server_counters;
  const SystemSockets* sockets = nullptr;  ///< of egress; null: there is none
  double started_unix_s = 0;
};

/// The references outlive the body.
[[nodiscard]] std::unique_ptr<http::Body> metrics(MetricSources sources);

}  // namespace vnet::daemon
