// A time server (NTPv4, RFC 5905, as a server without state: section 14), for guests whose clock is to be set by a
// script.
//
// Only client requests (mode 3) are answered, so two servers cannot talk to each other for ever, and an answer is not
// longer than its request. Versions 1 to 4 have the same header; the answer has the version of the request.
//
// What the clock says is the caller's. To the guest it is a primary server with an uncalibrated local clock (stratum 1,
// reference id LOCL). Receipt and transmission are one instant here: time does not pass while a request is answered.
//
// Not supported: authentication and extension fields (what follows the header is not looked at, and the answer has
// none), the symmetric and broadcast modes, control messages (mode 6 and 7), leap seconds.
#pragma once

#include <cstdint>

#include "network/services/datagram_service.hpp"
#include "network/services/wall_time.hpp"

namespace vnet::network {

class NtpService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 123;
  static constexpr std::size_t kHeaderSize = 48;

  explicit NtpService(WallClock clock) : clock_(std::move(clock)) {}

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) override;

 private:
  WallClock clock_;
};

/// Seconds since 1900 in the upper half, 2^-32 seconds in the lower; starts anew in 2036 and every 2^32 seconds
/// (RFC 5905, 6).
[[nodiscard]] std::uint64_t ntp_timestamp(WallTime time) noexcept;

}  // namespace vnet::network
