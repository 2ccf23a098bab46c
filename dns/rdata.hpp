// Where names lie inside record data, so that data can leave its message.
//
// A record's data is opaque, except that some types hold domain names which may point into the message around them
// (RFC 1035, 4.1.4; RFC 3597, 4). Taking such data out of a message writes those names in full; putting it into one
// may compress them again, for the types of RFC 1035 only. Every other type passes through octet for octet.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dns/types.hpp"
#include "packet/bytes.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

/// `prefix` octets, `strings` character-strings, `names` names, `suffix` octets: together the whole of the data.
struct RdataLayout {
  std::uint8_t prefix;
  std::uint8_t strings;
  std::uint8_t names;
  std::uint8_t suffix;
  bool may_compress;  ///< RFC 3597, 4: types defined in RFC 1035 only
};

/// The layout of a type whose data holds names that its senders may have compressed; nothing for all others.
[[nodiscard]] std::optional<RdataLayout> rdata_layout(Type type) noexcept;

/// Appends the data at `message[offset, offset + length)` to `out` with its names in full. `out` is unspecified after
/// an error: the errors of `Name::read`, and bad_length when the names and the length disagree.
[[nodiscard]] Result<void> expand_rdata(Type type, ByteView message, std::size_t offset, std::size_t length,
                                        std::vector<std::uint8_t>& out);

}  // namespace vnet::dns
