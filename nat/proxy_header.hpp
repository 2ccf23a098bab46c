// The PROXY protocol's header, which tells a server behind a forward or a service who its client really is: version 1
// as a line of text, version 2 in binary (the HAProxy project's proxy-protocol.txt, sections 2.1 and 2.2).
//
// Only the sender's side, for TCP. A client of a UNIX socket has no address to tell: it is "unknown". Not supported:
// version 2's TLVs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nat/host_socket.hpp"

namespace vnet::nat {

/// Both ends of a connection that was made to us, of one family.
struct ProxiedConnection {
  Endpoint client;
  Endpoint local;  ///< where it came to
};

/// `version` is 1 or 2; 0 gives nothing. Without a connection the client is unknown.
[[nodiscard]] std::vector<std::uint8_t> proxy_header(unsigned version,
                                                     const std::optional<ProxiedConnection>& connection);

}  // namespace vnet::nat
