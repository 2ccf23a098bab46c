// What is known about one question, apart from any message: the form in which zones answer and the cache remembers.
//
// Records are kept one behind the other in uncompressed wire form, so an answer is one block of bytes whose size is
// its cost, and it can be written into messages of different clients, limits and ages. OPT is not among them: it
// belongs to a hop, not to an answer (RFC 6891, 6.1.1).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dns/message.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

class Answer {
 public:
  /// Bytes of records in uncompressed form; a message whose pointers unfold to more is refused (too_many). 64 KiB full
  /// of addresses of one name of 40 octets stay below.
  static constexpr std::size_t kMaxBytes = 262'144;

  Rcode rcode = Rcode::no_error;
  bool authoritative = false;
  bool authentic_data = false;  ///< the upstream server validated it (RFC 6840, 5.8)

  Answer() = default;
  explicit Answer(Rcode code) noexcept : rcode(code) {}

  /// Takes the records out of a response. Errors: those of `expand_rdata`, and too_many.
  [[nodiscard]] static Result<Answer> from_message(const Message& message);

  /// Sections are added in order. `rdata` has its names in full and at most 65,535 bytes.
  void add(Section section, const Name& owner, Type type, Class klass, std::uint32_t ttl_s, ByteView rdata);

  /// Something small in place of all records of `owner` (RFC 8482, 4.2).
  void add_any(const Name& owner);

  [[nodiscard]] RecordReader records() const noexcept { return {records_, 0, counts_}; }
  [[nodiscard]] std::uint16_t count(Section section) const noexcept {
    return counts_[static_cast<std::size_t>(section)];
  }
  /// Bytes of records.
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

  /// How long a cache may keep this as the answer to `type`, seconds: the least TTL of all records, for a negative
  /// answer also the SOA's MINIMUM (RFC 2308, 5). 0 when it must not be kept: a zero TTL, or a negative answer that
  /// brings no SOA. Only for no_error and nx_domain.
  [[nodiscard]] std::uint32_t lifetime_s(Type type) const;
  /// True when no record of `type` is in the answer section (NXDOMAIN or no data).
  [[nodiscard]] bool is_negative(Type type) const;
  /// Lowers every TTL to at most `limit_s`.
  void cap_ttl(std::uint32_t limit_s);

 private:
  std::vector<std::uint8_t> records_;
  std::array<std::uint16_t, kSections> counts_{};
};

}  // namespace vnet::dns
