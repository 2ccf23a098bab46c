// The load: pairs of NICs, each a datagram socket, one of a pair sending bursts to the other through the switch.
//
// One thread plays all NICs. It sends a burst from a pair's sender, collects what has arrived at all receivers, and
// goes to the next pair; so the switch is kept busy, and what is in flight stays below what the sockets hold. Every
// frame carries the sequence number of its pair: what does not arrive is counted as lost, what is not ours is not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dgram/batch.hpp"
#include "dgram/socket.hpp"
#include "packet/mac_address.hpp"

namespace vnet::bench {

/// How a NIC's socket is joined to the switch.
struct NicSocket {
  dgram::Fd fd;           ///< receives
  dgram::UnixAddress to;  ///< where frames are sent; of size zero on a connected socket
  [[nodiscard]] bool connected() const noexcept { return to.size == 0; }
};

[[nodiscard]] MacAddress mac_of(std::size_t nic);

struct Result {
  double seconds = 0;      ///< wall time
  double cpu_seconds = 0;  ///< of the switch's process, user and system
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  [[nodiscard]] double cpu_us_per_frame() const { return cpu_seconds * 1e6 / static_cast<double>(received); }
  [[nodiscard]] double frames_per_cpu_second() const { return static_cast<double>(received) / cpu_seconds; }
  [[nodiscard]] double loss() const { return 1 - static_cast<double>(received) / static_cast<double>(sent); }
};

struct Plan {
  std::size_t frame_bytes = 1514;
  double seconds = 1;
  std::size_t burst = 32;
  bool patient = true;  ///< waits for what is on its way when the switch takes no more; false: sends on, come what may
};

/// Every NIC sends a broadcast so that the switch learns all of them, and discards what comes of it.
void introduce(std::vector<NicSocket>& nics);

/// NIC 2i sends to NIC 2i+1 for a while; `switch_pid` is the process whose CPU time counts.
[[nodiscard]] Result run(std::vector<NicSocket>& nics, const Plan& plan, int switch_pid);

/// User and system time that a process has used so far, in seconds.
[[nodiscard]] double cpu_seconds(int pid);
/// Resident memory of a process, in bytes.
[[nodiscard]] std::uint64_t resident_bytes(int pid);

}  // namespace vnet::bench
