// Domain names in wire form, as values.
//
// RFC 1035, 3.1: labels of 1 to 63 octets, each behind its length, closed by the empty root label; 255 octets in
// all. The octets may be anything (RFC 2181, 11). Names compare without regard to ASCII case and keep the case
// that they came with (RFC 4343). A `Name` holds the longest name in place, so copying one allocates nothing.
//
// Compression (RFC 1035, 4.1.4): a pointer must aim below the start of the run of labels that it ends, so each hop
// goes strictly backwards and a loop cannot be written; hops per name are limited as well, because a long chain is
// work that a guest can order for two bytes a step. Pointers into the message header are refused.
//
// Not supported: internationalised names are only their ASCII form; there are no relative names.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

class Name {
 public:
  static constexpr std::size_t kMaxSize = 255;   ///< octets, with length octets and the root label
  static constexpr std::size_t kMaxLabel = 63;   ///< octets
  static constexpr unsigned kMaxPointers = 127;  ///< hops; a name has no more labels than that

  /// The root.
  Name() noexcept = default;

  /// Reads the name at `position` of `message` and moves `position` behind it (behind the first pointer, when there
  /// is one). Errors: truncated; bad_length (over 255 octets); bad_field (a pointer that does not go back, a
  /// reserved label type); too_many (pointers).
  [[nodiscard]] static Result<Name> read(ByteView message, std::size_t& position);

  /// Presentation form (RFC 1035, 5.1) with `\.` and `\DDD`; a final dot may be left out. Nothing for an empty
  /// text, an empty label, or one that is too long.
  [[nodiscard]] static std::optional<Name> parse(std::string_view text);
  /// Presentation form without the final dot; the root is `.`.
  [[nodiscard]] std::string to_string() const;

  /// Uncompressed, ending in the root label.
  [[nodiscard]] ByteView wire() const noexcept { return {wire_.data(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_root() const noexcept { return size_ == 1; }
  [[nodiscard]] std::size_t label_count() const noexcept;  ///< the root label not counted
  /// The leftmost label's octets; empty for the root.
  [[nodiscard]] ByteView first_label() const noexcept { return {wire_.data() + 1, wire_[0]}; }
  /// Without the leftmost label; the root is its own parent.
  [[nodiscard]] Name parent() const noexcept;
  /// The rightmost `count` labels; all of the name when it has no more.
  [[nodiscard]] Name last_labels(std::size_t count) const noexcept;
  /// `label` in front of this name, or nothing when either limit would be passed or the label is empty.
  [[nodiscard]] std::optional<Name> prepend(ByteView label) const noexcept;
  /// True for `ancestor` itself and all names below it.
  [[nodiscard]] bool is_under(const Name& ancestor) const noexcept;

  [[nodiscard]] bool operator==(const Name& other) const noexcept;
  /// Octet for octet, case included.
  [[nodiscard]] bool same_case(const Name& other) const noexcept;
  /// The same for names that compare equal. `seed` keeps guests from choosing names that collide.
  [[nodiscard]] std::uint64_t hash(std::uint64_t seed = 0) const noexcept;
  /// RFC 4034, 6.1: by labels from the right, so that a name is directly followed by the names below it.
  [[nodiscard]] bool canonical_less(const Name& other) const noexcept;

  /// The same name with each letter's case taken from one bit of `next()` (draft-vixie-dnsext-dns0x20).
  [[nodiscard]] Name with_random_case(const std::function<std::uint64_t()>& next) const;

 private:
  bool append(ByteView label) noexcept;
  [[nodiscard]] Name from(std::size_t at) const noexcept;

  std::array<std::uint8_t, kMaxSize> wire_{};
  std::uint8_t size_ = 1;
};

/// Orders names for std::map; see `canonical_less`.
struct CanonicalLess {
  bool operator()(const Name& left, const Name& right) const noexcept { return left.canonical_less(right); }
};

/// `4.3.2.1.in-addr.arpa` (RFC 1035, 3.5) or the nibbles under `ip6.arpa` (RFC 3596, 2.5).
[[nodiscard]] Name reverse_name(const IpAddress& address);

}  // namespace vnet::dns
