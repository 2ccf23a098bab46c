// Events: what happened in the fabric, or in the daemon around it, that a person or a program may want to be told.
//
// Machines append them to an EventLog; the edge drains it after each batch, logs them and streams them. The log is
// bounded: when nobody drains it, the newest are lost and counted. Nothing is appended per frame.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "packet/mac_address.hpp"
#include "packet/time.hpp"

namespace vnet::network {

enum class EventKind : std::uint8_t {
  nic_added,     ///< cause: configured, or that it has appeared
  nic_removed,   ///< cause
  nic_attached,  ///< subject: the peer; cause: the kind of attachment
  nic_detached,  ///< cause
  nic_link,      ///< subject: up or down; cause
  nic_moved,     ///< network: where it was; subject: the network where it is now; cause
  nic_changed,   ///< subject: what of it, such as `ip, hostname`; cause
  mac_moved,     ///< mac: a station that is behind this NIC now
  mac_flapping,  ///< mac: a station that moves too often and stays where it is; cause
  dhcp_granted,  ///< subject: the address, as in all of dhcp.*; mac: the client's
  dhcp_renewed,
  dhcp_released,   ///< cause
  dhcp_expired,    ///< cause
  dhcp_declined,   ///< cause
  dhcp_refused,    ///< subject: the address that was asked for, if one was; cause
  assign_given,    ///< subject: the address; cause: who asked
  assign_waiting,  ///< cause: what it waits for
  network_added,
  network_removed,
  network_changed,  ///< subject: the new name, where it has one; cause
  mapping_created,  ///< subject: protocol, outside port and inside endpoint; cause: the protocol it was asked for by
  mapping_renewed,  ///< the same, as for the next two
  mapping_deleted,
  mapping_expired,
  service_log,      ///< subject: the service, who sent it, and the severity; cause: what a guest has logged there
  service_changed,  ///< subject: its name, and up or down; cause
  drop_burst,       ///< subject: the reason; cause: how many
  capture_started,  ///< subject: where to
  capture_ended,    ///< subject: where to; cause
  config_reloaded,  ///< cause
  timeline_step,    ///< subject: the event's place in the configuration file
  timeline_failed,  ///< the same; cause
};

[[nodiscard]] constexpr std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::nic_added: return "nic.added";
    case EventKind::nic_removed: return "nic.removed";
    case EventKind::nic_attached: return "nic.attached";
    case EventKind::nic_detached: return "nic.detached";
    case EventKind::nic_link: return "nic.link";
    case EventKind::nic_moved: return "nic.moved";
    case EventKind::nic_changed: return "nic.changed";
    case EventKind::mac_moved: return "mac.moved";
    case EventKind::mac_flapping: return "mac.flapping";
    case EventKind::dhcp_granted: return "dhcp.granted";
    case EventKind::dhcp_renewed: return "dhcp.renewed";
    case EventKind::dhcp_released: return "dhcp.released";
    case EventKind::dhcp_expired: return "dhcp.expired";
    case EventKind::dhcp_declined: return "dhcp.declined";
    case EventKind::dhcp_refused: return "dhcp.refused";
    case EventKind::assign_given: return "assign.given";
    case EventKind::assign_waiting: return "assign.waiting";
    case EventKind::network_added: return "network.added";
    case EventKind::network_removed: return "network.removed";
    case EventKind::network_changed: return "network.changed";
    case EventKind::mapping_created: return "nat.mapping.created";
    case EventKind::mapping_renewed: return "nat.mapping.renewed";
    case EventKind::mapping_deleted: return "nat.mapping.deleted";
    case EventKind::mapping_expired: return "nat.mapping.expired";
    case EventKind::service_log: return "service.log";
    case EventKind::service_changed: return "service.changed";
    case EventKind::drop_burst: return "drop.burst";
    case EventKind::capture_started: return "capture.started";
    case EventKind::capture_ended: return "capture.ended";
    case EventKind::config_reloaded: return "config.reloaded";
    case EventKind::timeline_step: return "timeline.step";
    case EventKind::timeline_failed: return "timeline.failed";
  }
  return "unknown";
}

/// A member that does not apply is empty.
struct Event {
  EventKind kind{};
  Instant at{};
  std::string network;                           ///< the network's name
  std::string nic;                               ///< the NIC's name
  std::optional<MacAddress> mac = std::nullopt;  ///< the NIC's, or that of the station concerned
  std::string subject = {};
  std::string cause = {};

  /// Subject and cause as a person reads them behind the kind and the names, such as `up: asked for by vnet`. The MAC
  /// address is among them where nothing else tells who it is about.
  [[nodiscard]] std::string detail() const {
    std::string text = subject;
    if (mac && (subject.empty() || nic.empty())) text += (text.empty() ? "" : " ") + mac->to_string();
    if (!cause.empty()) text += (text.empty() ? "" : ": ") + cause;
    return text;
  }
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
