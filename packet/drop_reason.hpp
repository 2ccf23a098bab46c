// Why a frame was not delivered: one name for each reason, the same in counters, logs, API and captures.
//
// Every path that gives up on a frame says so with one of these and nothing else, so that "where did my packet
// go" is answered by a table of counters. Adding a reason is adding a line to the list.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace vnet {

// X(identifier, name, what it means)
#define VNET_DROP_REASONS(X)                                                                       \
  X(empty, "empty", "a datagram or stream record of no bytes")                                     \
  X(runt, "runt", "shorter than an Ethernet header (14 bytes)")                                    \
  X(oversize, "oversize", "longer than the network's MTU allows")                                  \
  X(stream_length, "stream-length", "a stream length prefix of zero or beyond the largest frame")  \
  X(source_group, "source-group", "the source address is a multicast or broadcast address")        \
  X(source_foreign, "source-foreign", "port security: the source MAC or IP is not this NIC's")     \
  X(source_gateway, "source-gateway", "a NIC sent with the gateway's MAC address")                 \
  X(not_member, "not-member", "the network admits listed NICs only")                               \
  X(too_many_nics, "too-many-nics", "no room for another NIC")                                     \
  X(too_many_macs, "too-many-macs", "too many MAC addresses behind one NIC")                       \
  X(mac_flapping, "mac-flapping", "the MAC address moves between NICs faster than is allowed")     \
  X(link_down, "link-down", "the link of the sending or the receiving NIC is down")                \
  X(detached, "detached", "the receiving NIC has no attachment")                                   \
  X(same_port, "same-port", "the destination is behind the port that the frame came from")         \
  X(queue_full, "queue-full", "the receiver does not read and its queue is full")                  \
  X(send_failed, "send-failed", "the operating system refused the frame")                          \
  X(unbound_sender, "unbound-sender", "the client's socket has no path, so it cannot be answered") \
  X(too_many_clients, "too-many-clients", "no room for another client")                            \
  X(malformed, "malformed", "a header for the gateway that contradicts itself")                    \
  X(bad_checksum, "bad-checksum", "a packet for the gateway with a wrong checksum")                \
  X(no_service, "no-service", "a packet for the gateway that nothing there answers")               \
  X(no_route, "no-route", "a packet for an address that this network does not reach")              \
  X(hop_limit, "hop-limit", "a packet whose time to live ended at the gateway")                    \
  X(egress_denied, "egress-denied", "the rules of the way out do not let it pass")                 \
  X(egress_limit, "egress-limit", "too many flows, or no socket left for another")                 \
  X(blackhole, "blackhole", "beyond the network, to or from an address that vanishes")             \
  X(nat_filtered, "nat-filtered", "from outside, through a mapping that does not let it in")       \
  X(nat_unmapped, "nat-unmapped", "from outside, for a port that stands for nobody")               \
  X(nat_exhausted, "nat-exhausted", "no mapping, session or outside port left")                    \
  X(service_down, "service-down", "for a service that is switched off")                            \
  X(unresolved, "unresolved", "for a guest that did not say where it is")                          \
  X(rate_limited, "rate-limited", "answered too often already")                                    \
  X(impairment, "impairment", "lost on purpose")                                                   \
  X(impairment_queue, "impairment-queue", "the queue of a link with impairments is full")

enum class DropReason : std::uint8_t {
#define VNET_X(identifier, name, meaning) identifier,
  VNET_DROP_REASONS(VNET_X)
#undef VNET_X
};

struct DropReasonInfo {
  std::string_view name;
  std::string_view meaning;
};

inline constexpr std::array kDropReasons = {
#define VNET_X(identifier, name, meaning) DropReasonInfo{name, meaning},
    VNET_DROP_REASONS(VNET_X)
#undef VNET_X
};
inline constexpr std::size_t kDropReasonCount = kDropReasons.size();

[[nodiscard]] constexpr std::string_view to_string(DropReason reason) noexcept {
  return kDropReasons[static_cast<std::size_t>(reason)].name;
}

/// One counter for each reason.
class DropCounters {
 public:
  constexpr void add(DropReason reason, std::uint64_t count = 1) noexcept {
    counts_[static_cast<std::size_t>(reason)] += count;
  }
  [[nodiscard]] constexpr std::uint64_t operator[](DropReason reason) const noexcept {
    return counts_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] constexpr std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) sum += count;
    return sum;
  }

 private:
  std::array<std::uint64_t, kDropReasonCount> counts_{};
};

}  // namespace vnet
