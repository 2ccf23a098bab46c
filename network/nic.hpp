// A NIC as the switch knows it: identity, link, whether something is attached, and what went through.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "network/stale_connections.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/time.hpp"
#include "switch/impairment.hpp"

namespace vnet::network {

/// How a NIC's frames reach the switch. A shared path is one socket for many clients.
enum class AttachmentKind : std::uint8_t { none, shared_path, own_path, passed_fd, stream, simulated };

[[nodiscard]] constexpr std::string_view to_string(AttachmentKind kind) noexcept {
  switch (kind) {
    case AttachmentKind::none: return "none";
    case AttachmentKind::shared_path: return "dgram";
    case AttachmentKind::own_path: return "dgram-own";
    case AttachmentKind::passed_fd: return "fd";
    case AttachmentKind::stream: return "stream";
    case AttachmentKind::simulated: return "simulated";
  }
  return "unknown";
}

struct Attachment {
  AttachmentKind kind = AttachmentKind::none;
  std::string peer;  ///< the client's socket path, or another description of it
  Instant since{};
};

/// Frames are counted where the switch accepts them (in) and where they were handed to the NIC's socket (out).
struct NicCounters {
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t frames_out = 0;
  std::uint64_t bytes_out = 0;
  DropCounters drops_in;   ///< frames from this NIC that went nowhere
  DropCounters drops_out;  ///< frames for this NIC that did not reach it
};

/// What a NIC is told to be; a NIC that merely appeared has a name made of its MAC.
struct NicConfig {
  std::string name;  ///< a DNS label of letters, digits and inner hyphens
  MacAddress mac;
  std::size_t network = 0;  ///< index into the fabric's networks
  bool link_up = true;
  /// Its own in that network: reserved where there is DHCP. One that does not suit the network waits for one that does.
  std::optional<Ipv4Address> ip = std::nullopt;
  std::string hostname = {};  ///< told with `ip` by DHCP; empty: the guest's own counts
  l2::Impairments impair = {};

  bool operator==(const NicConfig&) const = default;
};

/// Why a NIC cannot be as it is wanted. `member` is the one at fault, by its name in the configuration; empty: it is
/// not the fault of any. `text` is for people.
struct NicProblem {
  std::string member;
  std::string text;
};

struct Nic {
  NicConfig config;
  bool configured = false;  ///< somebody asked for it, so it stays until it is removed
  bool in_use = false;      ///< this slot of the table holds a NIC
  Attachment attachment;
  NicCounters counters;
  // Given to its attachment, and neither sent nor dropped yet.
  std::size_t backlog_frames = 0;
  std::size_t backlog_bytes = 0;
  /// Where its own impairments or its network's bite; null: nowhere.
  std::unique_ptr<l2::ImpairedLink> impaired;
  /// What its guest believes in and does not know yet; null: nothing.
  std::unique_ptr<StaleConnections> stale;
  Instant detached_at{};
  bool has_left = false;  ///< it was detached, and that has still to be forgotten what it was reached at

  // Attachment moves within the present window; see Fabric::may_move.
  Instant moves_since{};
  unsigned moves = 0;

  [[nodiscard]] bool is_attached() const noexcept { return attachment.kind != AttachmentKind::none; }
  /// Whether frames may be exchanged with it.
  [[nodiscard]] bool is_live() const noexcept { return config.link_up && is_attached(); }
};

}  // namespace vnet::network
