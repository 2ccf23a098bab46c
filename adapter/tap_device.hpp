// TapDevice: a TAP interface of the network namespace that we are in (Linux, Documentation/networking/tuntap.rst).
//
// The interface lives as long as its descriptor: closing it, or dying, removes it. Each read takes one Ethernet frame
// that the namespace sends, each write gives it one, without a header in front (IFF_NO_PI). It is born with its carrier
// down; IPv6 and everything else about it is left as the system has it.
//
// Not supported: offloads (a virtio-net header in front of each frame), several queues.
#pragma once

#include <string>

#include "dgram/socket.hpp"
#include "packet/mac_address.hpp"

namespace vnet::adapter {

struct TapSettings {
  std::string name;
  MacAddress mac;
  int mtu = 1500;  ///< bytes of IP packet, 68 to kMaxMtu
  int queue = 0;   ///< frames that wait for us to read; 0: what the system gives
};

class TapDevice {
 public:
  /// Makes the interface, sets it up and brings it up. Needs CAP_NET_ADMIN in the namespace.
  [[nodiscard]] static dgram::SystemResult<TapDevice> open(const TapSettings& settings);

  /// Non-blocking.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// Linux can do this since 5.0; before, the carrier is always up.
  void set_carrier(bool up) const noexcept;

 private:
  explicit TapDevice(dgram::Fd fd) : fd_(std::move(fd)) {}
  dgram::Fd fd_;
};

}  // namespace vnet::adapter
