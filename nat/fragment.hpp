// Cutting: an IP packet that does not fit the MTU goes in fragments (RFC 791, 2.3; RFC 8200, 4.5), one frame each.
//
// The packets are our own: IPv4 without options, IPv6 without extension headers. Their checksums stand over the whole
// and are not touched. A cut is told by where it begins, so what has been cut so far is one number, and the rest can
// wait for room, under another MTU if need be.
//
// The identification that holds the fragments together must not come again while some of them may be on their way (RFC
// 6864, 4.2), and is not to be guessed, or a stranger could put a fragment of his own among them (RFC 7739). A counter
// does the first and random numbers the second; a counter that is shuffled by a keyed permutation does both.
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"
#include "packet/siphash.hpp"

namespace vnet::nat {

/// Puts the IP packet that carries the payload of `packet` from `offset` on into the fresh `frame`, in at most `mtu`
/// bytes: a fragment, or `packet` itself where it fits. Returns where the next one begins; 0: this was the last.
/// `offset` is 0 or what was returned. An MTU too small for the headers and 8 bytes counts as just large enough.
[[nodiscard]] std::size_t put_fragment(FrameBuilder& frame, ByteView packet, std::size_t offset, std::size_t mtu,
                                       std::uint32_t identification) noexcept;

class Identifications {
 public:
  /// `key` is secret.
  explicit Identifications(const SipHashKey& key) noexcept : key_(key) {}

  /// For IPv4: never 0, and the same again after 65,535 others.
  [[nodiscard]] std::uint16_t next16() noexcept;
  /// For IPv6: the same again after 2^32 others.
  [[nodiscard]] std::uint32_t next32() noexcept;

 private:
  SipHashKey key_;
  std::uint16_t count16_ = 0;
  std::uint32_t count32_ = 0;
};

}  // namespace vnet::nat
