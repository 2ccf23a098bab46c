// Base64 (RFC 4648, section 4): how vnet-agent's lines carry bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vnet::adapter {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Nothing where `text` is not whole groups of four with their padding.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace vnet::adapter
