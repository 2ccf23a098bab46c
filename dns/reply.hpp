// From an answer to the message that one client gets.
//
// The client's id, question (with its letter case) and flags come back; OPT only to one who sent OPT; no more bytes
// than its transport and its OPT allow. What is cut is marked TC when it was part of the answer; additional records are
// dropped in silence (RFC 2181, 9).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dns/answer.hpp"
#include "dns/message.hpp"
#include "packet/bytes.hpp"

namespace vnet::dns {

/// What of a query its reply depends on.
struct Asked {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;             ///< the query's header flags
  std::optional<Question> question{};  ///< none when it could not be read
  bool edns = false;
  bool dnssec_ok = false;
  std::size_t limit = kMinUdpPayload;  ///< bytes; at least kMinUdpPayload
  bool recursion_available = true;     ///< RA: whether the server would ask others
};

/// One answer of those that make up a reply: a chain of local CNAMEs comes before what they lead to.
struct Part {
  const Answer* answer = nullptr;
  std::uint32_t age_s = 0;  ///< taken off every TTL, which stops at 0
};

/// `payload` is what we announce in our own OPT, bytes. `rcode` above 15 becomes SERVFAIL when the client sent no OPT
/// to carry it. The result is within `out`, and never longer than `asked.limit`.
[[nodiscard]] ByteView write_reply(const Asked& asked, Rcode rcode, std::span<const Part> parts, std::uint16_t payload,
                                   ByteSpan out) noexcept;

}  // namespace vnet::dns
