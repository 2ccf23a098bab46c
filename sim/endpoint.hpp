// Endpoints as text, and back: `198.18.0.1:4000`, `[2001:db8::1]:4000`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nat/host_socket.hpp"

namespace vnet::sim {

using nat::Endpoint;

[[nodiscard]] std::string to_string(const Endpoint& endpoint);
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace vnet::sim
