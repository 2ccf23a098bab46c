// The forms of the API's answers: a document, a list made while it is sent, or what was wrong.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "daemon/json_text.hpp"
#include "daemon/operations.hpp"
#include "http/message.hpp"

namespace vnet::daemon {

[[nodiscard]] http::Response answer(const Json& document, int status = 200);
/// 204: done, and nothing to say.
[[nodiscard]] http::Response no_content();

/// application/problem+json (RFC 9457). `pointer` leads into the request's document.
[[nodiscard]] http::Response problem(int status, std::string_view detail, std::string_view pointer = {});
[[nodiscard]] http::Response problem(int status, const Problems& problems);
[[nodiscard]] http::Response problem(const Refusal& refusal);

/// An error that is an answer; `fail` would copy it, which an answer does not allow.
[[nodiscard]] inline tl::unexpected<http::Response> refuse(http::Response answer) {
  return tl::unexpected<http::Response>(std::move(answer));
}

/// Gives one element after the other; nothing is the end.
using NextElement = std::function<std::optional<Json>()>;
/// A JSON array whose elements are made as the client reads them, some kilobytes at a time: a list of thousands holds
/// up no frame. What changes meanwhile may or may not be in it.
[[nodiscard]] http::Response list(NextElement next);

}  // namespace vnet::daemon
