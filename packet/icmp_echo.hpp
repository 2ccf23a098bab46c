// The answer to a ping (RFC 792; RFC 4443, 4.2).
#pragma once

#include "packet/bytes.hpp"
#include "packet/frame_builder.hpp"
#include "packet/ip_address.hpp"

namespace vnet {

/// The reply to `request`, a whole echo request message, and its IP header in the fresh `frame`. `source` and
/// `destination` are of one family.
void build_echo_reply(FrameBuilder& frame, const IpAddress& source, const IpAddress& destination,
                      ByteView request) noexcept;

}  // namespace vnet
