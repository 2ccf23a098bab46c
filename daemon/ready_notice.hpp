// sd_notify(3) without libsystemd: tells a service manager that every socket listens.
#pragma once

namespace vnet::daemon {

/// Sends READY=1 to NOTIFY_SOCKET if that is set; failure is the manager's problem, not ours.
void notify_ready();

}  // namespace vnet::daemon
