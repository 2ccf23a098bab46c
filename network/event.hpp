// Events: what happened in the fabric that a person or a program may want to be told.
//
// Machines append them to an EventLog; the edge drains it after each batch, logs them, and in time streams them. The
// log is bounded: when nobody drains it, the newest are lost and counted. Nothing is appended per frame.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "packet/time.hpp"

namespace vnet::network {

enum class EventKind : std::uint8_t {
  nic_added,
  nic_removed,
  nic_attached,
  nic_detached,
  nic_link,
  mac_moved,
  mac_flapping,
  dhcp_granted,
  dhcp_renewed,
  dhcp_released,
  dhcp_expired,
  dhcp_declined,
  dhcp_refused,
};

[[nodiscard]] constexpr std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::nic_added: return "nic.added";
    case EventKind::nic_removed: return "nic.removed";
    case EventKind::nic_attached: return "nic.attached";
    case EventKind::nic_detached: return "nic.detached";
    case EventKind::nic_link: return "nic.link";
    case EventKind::mac_moved: return "mac.moved";
    case EventKind::mac_flapping: return "mac.flapping";
    case EventKind::dhcp_granted: return "dhcp.granted";
    case EventKind::dhcp_renewed: return "dhcp.renewed";
    case EventKind::dhcp_released: return "dhcp.released";
    case EventKind::dhcp_expired: return "dhcp.expired";
    case EventKind::dhcp_declined: return "dhcp.declined";
    case EventKind::dhcp_refused: return "dhcp.refused";
  }
  return "unknown";
}

struct Event {
  EventKind kind{};
  Instant at{};
  std::string network;
  std::string nic;     ///< the NIC's name, where one is concerned
  std::string detail;  ///< an address, a cause; for people
};

class EventLog {
 public:
  static constexpr std::size_t kBacklog = 4096;

  void add(Event event) {
    if (events_.size() >= kBacklog) {
      ++lost_;
      return;
    }
    events_.push_back(std::move(event));
  }
  [[nodiscard]] bool empty() const noexcept { return events_.empty(); }
  [[nodiscard]] std::vector<Event> take() { return std::exchange(events_, {}); }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }

 private:
  std::vector<Event> events_;
  std::uint64_t lost_ = 0;
};

}  // namespace vnet::network
