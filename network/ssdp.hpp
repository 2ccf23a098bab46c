// SSDP (UPnP Device Architecture 1.0, section 1): how guests find the gateway's UPnP device.
//
// A search is answered at once, and not after a random part of MX seconds: that is to spread the answers of many
// devices, and here is one. The device says that it is there when it starts, twice, since datagrams are lost, and then
// every kInterval, which is less than half of the time for which it may be believed; `say_goodbye` takes it back.
//
// Searched for may be: everything, the root device, a device by its name, and each type of device and service in
// version
// 1. Version 2 of the gateway is not answered: it has actions that are not served.
//
// Wiring: datagrams from guests to UDP port 1900 of 239.255.255.250 or of the gateway go to `handle`; `expire` at
// `next_deadline`; what is sent goes out from port 1900 of the gateway's address.
//
// Limits: kMaxSearch bytes of a search; kSearchesPerSecond of all guests together, since one makes up to ten answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "nat/host_socket.hpp"
#include "network/token_bucket.hpp"
#include "network/upnp_description.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::network {

class Ssdp {
 public:
  static constexpr std::uint16_t kPort = 1900;
  static constexpr Ipv4Address kGroup{239, 255, 255, 250};
  static constexpr std::size_t kMaxSearch = 1024;
  static constexpr std::chrono::seconds kMaxAge{1800};
  static constexpr Duration kInterval = std::chrono::seconds{600};
  static constexpr Duration kRepetition = std::chrono::milliseconds{200};
  static constexpr double kSearchesPerSecond = 20;
  static constexpr double kSearchBurst = 40;

  using Send = std::function<void(const nat::Endpoint& to, ByteView payload)>;

  explicit Ssdp(const UpnpConfig& config);

  /// A datagram that is no search, or not from inside, or too many of them, is dropped without a word.
  void handle(const nat::Endpoint& from, ByteView payload, Instant now, const Send& send);
  [[nodiscard]] Instant next_deadline() const noexcept { return next_; }
  void expire(Instant now, const Send& send);
  void say_goodbye(const Send& send) const;

 private:
  /// A thing that can be searched for, and the name that it is answered by.
  struct Target {
    std::string type;
    std::string usn;
  };

  void notify(std::string_view event, const Send& send) const;
  [[nodiscard]] bool is_guest(const nat::Endpoint& from) const noexcept;

  UpnpConfig config_;
  std::vector<Target> targets_;
  TokenBucket searches_{kSearchesPerSecond, kSearchBurst};
  Instant next_ = kAtOnce;
  bool repeated_ = false;  ///< it has been said once, and is to be said again at once
};

}  // namespace vnet::network
