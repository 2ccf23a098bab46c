// Request targets and percent-encoding: RFC 3986 sections 2 and 3.3, RFC 9112 section 3.2.
//
// A path is taken apart before it is decoded, so an encoded slash stays inside its segment. Nothing is normalised:
// empty and dot segments stay, and mean nothing to whoever looks them up. In queries '+' is a space, as forms send it.
// Not supported: authority-form (CONNECT), schemes other than http in absolute-form, fragments.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace vnet::http {

/// `text` as one path segment or query value: all but RFC 3986's unreserved characters percent-encoded.
[[nodiscard]] std::string encode(std::string_view text);

enum class Plus { plus, space };  ///< what a '+' stands for
/// Nothing where an escape is malformed or stands for NUL.
[[nodiscard]] std::optional<std::string> decode(std::string_view text, Plus plus = Plus::plus);

struct Target {
  std::vector<std::string> path;
  Fields query;
};
/// Reads origin-form ("/v1/nics?x=1"), absolute-form ("http://host/v1/nics") and asterisk-form ("*", an empty path).
/// Nothing where it is none of these, or has a byte that a URI may not have.
[[nodiscard]] std::optional<Target> parse_target(std::string_view target);

}  // namespace vnet::http
