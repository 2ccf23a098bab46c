// `vnet events`: the daemon's events, a line each; with --follow for as long as there is somebody to read them.
//
// A follower outlives the daemon: it waits until there is one again and goes on behind the last event that it has shown
// (Last-Event-ID, WHATWG HTML 9.2.4). Events that were lost meanwhile are said by the daemon and shown as a line.
#pragma once

#include <chrono>

#include "adapter/options.hpp"

namespace vnet::adapter {

/// How often a follower tries whether the daemon is back.
inline constexpr std::chrono::milliseconds kReconnectInterval{250};

[[nodiscard]] ExitCode run_events(const Common& common, const EventsOptions& options);

}  // namespace vnet::adapter
