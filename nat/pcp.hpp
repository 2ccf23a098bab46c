// PCP (RFC 6887), the server's side: a request of version 2 in, the answer out.
//
//   ANNOUNCE   says the epoch (14.1)
//   MAP        a mapping for TCP or UDP: made, renewed, or with lifetime 0 deleted; with lifetime 0 and inside port 0,
//              all of the guest's that have the request's nonce
//   PEER       a mapping toward one remote endpoint, with the port that the inside endpoint has or will have (12)
//
// Options: PREFER_FAILURE and FILTER with MAP, THIRD_PARTY with both where it is allowed; others that must be
// understood are refused, and so are those with an opcode that they are not for. Lifetimes are held to 120 s .. 86,400
// s (15).
//
// Over IPv6, and wherever hosts are not translated, a mapping opens the firewall: the outside port is the inside one.
// Behind two NATs, the address told is that of the nearer one, which is all that this router knows.
//
// Not supported, with UNSUPP_PROTOCOL: all ports of a protocol or all protocols at once; protocols other than TCP and
// UDP; mappings for a third party of the other family.
//
// Wired by `PortControl`, which also knows when to announce.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "nat/host_socket.hpp"
#include "nat/port_mappings.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

/// RFC 6887, 7.4.
enum class PcpResult : std::uint8_t {
  success = 0,
  unsupp_version = 1,
  not_authorized = 2,
  malformed_request = 3,
  unsupp_opcode = 4,
  unsupp_option = 5,
  malformed_option = 6,
  network_failure = 7,
  no_resources = 8,
  unsupp_protocol = 9,
  user_ex_quota = 10,
  cannot_provide_external = 11,
  address_mismatch = 12,
  excessive_remote_peers = 13,
};

class Pcp {
 public:
  static constexpr std::uint8_t kVersion = 2;
  static constexpr std::size_t kHeaderSize = 24;
  static constexpr std::size_t kMaxMessage = 1100;
  static constexpr std::chrono::seconds kMinLifetime{120};
  static constexpr std::chrono::seconds kMaxLifetime{86'400};
  /// How long an error is likely to last (7.4): until somebody gives a port back, or until the network is another.
  static constexpr std::chrono::seconds kShortError{30};
  static constexpr std::chrono::seconds kLongError{1800};

  /// The reference outlives this. `third_party`: guests may map for others.
  Pcp(PortMappings& mappings, bool third_party) : mappings_(mappings), third_party_(third_party) {}

  /// A datagram of any version that is not NAT-PMP's. Nothing written: it gets no answer. `answer` has room for
  /// kMaxMessage bytes.
  void handle(const Endpoint& from, ByteView request, Instant now, ByteWriter& answer);
  /// The bytes for 224.0.0.1:5350 and [ff02::1]:5350 (14.1.3).
  void announce(Instant now, ByteWriter& out) const;

 private:
  struct Options {
    bool prefer_failure = false;
    bool clear_filters = false;
    std::vector<MappingFilter> filters;
    std::optional<IpAddress> third_party;
    std::vector<ByteView> understood;  ///< with header and padding, as they come back in the answer
  };
  struct Request {
    std::uint8_t opcode = 0;
    std::uint32_t lifetime = 0;
    IpAddress guest;  ///< whom the mapping is for
    PcpNonce nonce{};
    std::uint8_t protocol = 0;
    std::uint16_t inside_port = 0;
    std::uint16_t outside_port = 0;
    IpAddress outside;
    std::optional<Endpoint> peer;
    Options options;
  };
  struct Refusal {
    PcpResult result{};
    std::optional<std::uint32_t> lifetime{};  ///< else what the result's kind says
  };
  /// What a success says of the mapping.
  struct Assigned {
    std::uint32_t lifetime = 0;
    std::uint16_t port = 0;
    IpAddress address;
  };

  [[nodiscard]] Result<Request, PcpResult> read(const Endpoint& from, ByteView bytes) const;
  [[nodiscard]] Result<void, PcpResult> read_options(Request& request, ByteReader& reader) const;
  [[nodiscard]] Result<void, PcpResult> read_option(Request& request, std::uint8_t code, ByteView data) const;
  [[nodiscard]] Result<Assigned, Refusal> serve(const Request& request, Instant now);
  [[nodiscard]] Result<Assigned, Refusal> make(const Request& request, NatProtocol protocol, Instant now);
  [[nodiscard]] Result<Assigned, Refusal> remove(const Request& request, Instant now);
  [[nodiscard]] Refusal refusal_of(MappingError error, const Request& request, NatProtocol protocol, Instant now) const;
  void begin(std::uint8_t opcode, PcpResult result, std::uint32_t lifetime, Instant now, ByteWriter& answer) const;
  void refuse(ByteView bytes, const Refusal& refusal, Instant now, ByteWriter& answer) const;

  PortMappings& mappings_;
  bool third_party_;
};

}  // namespace vnet::nat
