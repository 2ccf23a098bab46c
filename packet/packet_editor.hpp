// PacketEditor: a whole IP packet whose addresses, ports and hop limit can be changed in place, as a NAT does it.
//
// Checksums follow by the difference that a change makes (RFC 1624), so a packet that came damaged leaves damaged, and
// its receiver notices. An ICMP message is the exception: its checksum must be right (RFC 5508, REQ-3), because errors
// are acted upon on their way.
//
// `parse` checks everything that the rest relies on. A fragment is refused: put it together first. A packet whose
// routing header has stops to come is of kind `other`, protocol 43: its destination is not the one that its checksum is
// about.
//
// What an ICMP error quotes was a packet of ours, on its way out or in, so its ends change, too, together with as many
// of its checksums as are quoted. What it says about its own length is not relied on: some systems return it changed.
#pragma once

#include <cstdint>
#include <optional>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet {

class PacketEditor {
 public:
  /// `query` is an echo of ICMP or ICMPv6, or a timestamp of ICMP, asked or answered: its identifier takes the place of
  /// both ports. `icmp_error` quotes the packet that it is about. `other`: ports are 0.
  enum class Kind : std::uint8_t { tcp, udp, query, icmp_error, other };

  /// `packet` is borrowed; bytes behind the IP packet's own length are not part of it.
  [[nodiscard]] static Result<PacketEditor> parse(ByteSpan packet) noexcept;

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is_v4() const noexcept { return (bytes_[0] >> 4U) == 4; }
  /// The number of TCP, UDP, ICMP or whatever it is (IANA).
  [[nodiscard]] std::uint8_t protocol() const noexcept { return protocol_; }
  [[nodiscard]] ByteView bytes() const noexcept { return bytes_; }
  /// The TCP, UDP or ICMP header and what follows.
  [[nodiscard]] ByteView transport() const noexcept { return bytes_.subspan(transport_); }
  [[nodiscard]] IpAddress source() const noexcept;
  [[nodiscard]] IpAddress destination() const noexcept;
  [[nodiscard]] std::uint16_t source_port() const noexcept;
  [[nodiscard]] std::uint16_t destination_port() const noexcept;
  [[nodiscard]] std::uint8_t tcp_flags() const noexcept;  ///< of kind `tcp` only
  [[nodiscard]] std::uint8_t hops() const noexcept;       ///< time to live, or hop limit
  void decrement_hops() noexcept;                         ///< `hops` is not 0

  /// `address` is of the packet's family. The port of a query is its identifier; of `icmp_error` and `other`, none.
  void set_source(const IpAddress& address, std::uint16_t port) noexcept;
  void set_destination(const IpAddress& address, std::uint16_t port) noexcept;

  // The packet that an `icmp_error` quotes, of which only the beginning may be there.

  /// Ends of the quoted packet, ports as above. `other` for one without what a NAT needs to know whose it is; what is
  /// quoted of an error is never looked at (kind `icmp_error`). Its addresses are there in any case, unspecified where
  /// no IP header is quoted.
  [[nodiscard]] Kind quoted_kind() const noexcept { return quoted_kind_; }
  [[nodiscard]] std::uint8_t quoted_protocol() const noexcept { return quoted_protocol_; }
  [[nodiscard]] IpAddress quoted_source() const noexcept;
  [[nodiscard]] IpAddress quoted_destination() const noexcept;
  [[nodiscard]] std::uint16_t quoted_source_port() const noexcept;
  [[nodiscard]] std::uint16_t quoted_destination_port() const noexcept;
  void set_quoted_source(const IpAddress& address, std::uint16_t port) noexcept;
  void set_quoted_destination(const IpAddress& address, std::uint16_t port) noexcept;

 private:
  class Change;
  explicit PacketEditor(ByteSpan bytes) noexcept : bytes_(bytes) {}
  [[nodiscard]] std::optional<ParseError> read_transport() noexcept;
  [[nodiscard]] bool has_stops_to_come() const noexcept;
  void read_quoted() noexcept;
  [[nodiscard]] bool read_quoted_ipv4() noexcept;
  [[nodiscard]] bool read_quoted_ipv6() noexcept;
  [[nodiscard]] IpAddress address_at(std::size_t header, bool source) const noexcept;
  [[nodiscard]] std::uint16_t port_at(std::size_t transport, Kind kind, bool source) const noexcept;
  void set_end(bool source, const IpAddress& address, std::uint16_t port) noexcept;
  void set_quoted_end(bool source, const IpAddress& address, std::uint16_t port) noexcept;
  void settle_icmp(const Change& change) noexcept;

  ByteSpan bytes_;
  std::size_t transport_ = 0;  ///< where the transport header begins
  std::size_t quoted_ = 0;     ///< where the quoted IP header begins; 0: there is none
  std::size_t quoted_transport_ = 0;
  bool quotes_transport_ = false;
  Kind kind_ = Kind::other;
  Kind quoted_kind_ = Kind::other;
  std::uint8_t protocol_ = 0;
  std::uint8_t quoted_protocol_ = 0;
};

}  // namespace vnet
