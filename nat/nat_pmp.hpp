// NAT-PMP (RFC 6886), the server's side: a request in, the answer out.
//
//   opcode 0       the outside address
//   opcodes 1, 2   a mapping for UDP, TCP: made, renewed, or with lifetime 0 deleted; with lifetime 0 and inside port
//   0,
//                  all of the guest's of that protocol
//
// Responses (opcodes from 128) and what is too short for its opcode get no answer. Lifetimes are granted as they are
// asked for, but not beyond kMaxLifetime (3.3: a gateway should not give more than was asked for).
//
// Wired by `PortControl`, which also knows when to announce.
#pragma once

#include <chrono>
#include <cstdint>

#include "nat/host_socket.hpp"
#include "nat/port_mappings.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

/// RFC 6886, 3.5.
enum class NatPmpResult : std::uint16_t {
  success = 0,
  unsupported_version = 1,
  not_authorized = 2,
  network_failure = 3,
  out_of_resources = 4,
  unsupported_opcode = 5,
};

class NatPmp {
 public:
  static constexpr std::uint8_t kVersion = 0;
  static constexpr std::size_t kMaxAnswer = 16;
  static constexpr std::chrono::seconds kMaxLifetime{86'400};

  /// The reference outlives this.
  explicit NatPmp(PortMappings& mappings) : mappings_(mappings) {}

  /// A datagram of version 0 from a guest's IPv4 endpoint. Nothing written: it gets no answer.
  void handle(const Endpoint& from, ByteView request, Instant now, ByteWriter& answer);
  /// What an answer to opcode 0 would say: the bytes for 224.0.0.1:5350 (3.2.1). `inside`: any inside address.
  void announce(const IpAddress& inside, Instant now, ByteWriter& out) const;
  /// The answer of a gateway without the protocol that the request is of, which speaks version 0 alone (3.5).
  void refuse_version(ByteView request, Instant now, ByteWriter& answer) const;

 private:
  void begin(std::uint8_t opcode, NatPmpResult result, Instant now, ByteWriter& answer) const;
  void map(NatProtocol protocol, const Endpoint& from, ByteView request, Instant now, ByteWriter& answer);
  [[nodiscard]] NatPmpResult remove(NatProtocol protocol, const Endpoint& inside, Instant now);

  PortMappings& mappings_;
};

}  // namespace vnet::nat
