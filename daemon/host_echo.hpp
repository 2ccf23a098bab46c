// HostEcho: ICMP and ICMPv6 echo (RFC 792, RFC 4443) to the host's world, for a guest's ping and traceroute.
//
// A payload is what follows the identifier: sequence number and data. The identifier on the wire is the host's own.
//
// Linux has sockets for nothing but this ("ping sockets": SOCK_DGRAM of IPPROTO_ICMP), for the groups of
// net.ipv4.ping_group_range: the kernel chooses the identifier, keeps apart whose reply is whose, and passes on only
// replies. Where that is not permitted, a raw socket does (CAP_NET_RAW): the identifier is one of ours, and a filter in
// the kernel keeps what is for others away from it. Where neither is permitted, the flow is `prohibited`.
//
// Raw sockets are told of errors by protocol, not by identifier; those of others are passed over.
//
// Not supported: other systems than Linux, whose ping sockets differ.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/host_datagram.hpp"

namespace vnet::daemon {

/// The identifiers that raw sockets of ours use. One is used again only when all others have been.
class EchoIdentifiers {
 public:
  /// Begins somewhere, so that two processes seldom take the same.
  explicit EchoIdentifiers(std::uint16_t begin) noexcept : next_(begin) {}
  /// Empty: all are in use.
  [[nodiscard]] std::optional<std::uint16_t> take() noexcept;
  void give_back(std::uint16_t identifier) noexcept { used_.reset(identifier); }

 private:
  std::bitset<65'536> used_;
  std::uint16_t next_;
};

class HostEcho final : public HostDatagram {
 public:
  /// For `family`, AF_INET or AF_INET6. The error is errno.
  [[nodiscard]] static Result<std::unique_ptr<HostEcho>, int> open(EdgePoll& poll, nat::FlowId flow, int family,
                                                                   DatagramRoom& room, EchoIdentifiers& identifiers);
  ~HostEcho() override;

 private:
  /// `identifier` is that of a raw socket; a ping socket has none of ours.
  HostEcho(EdgePoll& poll, nat::FlowId flow, dgram::Fd fd, int family, DatagramRoom& room, EchoIdentifiers& identifiers,
           std::optional<std::uint16_t> identifier);

  [[nodiscard]] std::size_t write_head(const nat::OutDatagram& datagram, OutgoingDatagrams::Head& head) const override;
  [[nodiscard]] std::optional<ByteView> read_payload(ByteView bytes) const override;
  [[nodiscard]] std::optional<ByteView> read_quoted(ByteView bytes) const override;
  [[nodiscard]] std::optional<ByteView> read_message(ByteView bytes, std::uint8_t type) const;

  bool v4_;
  EchoIdentifiers& identifiers_;
  std::optional<std::uint16_t> identifier_;
};

}  // namespace vnet::daemon
