// The head of a message: its start line and fields, RFC 9112 sections 2 to 5.
//
// Debian's http_parser reads the lines. Its library is built lax: it takes a bare LF for a line's end, spaces in field
// names, folded lines, several spaces in a request line and bytes above 0x7e in a target, each of which two parsers in
// a row can read differently (section 11.2). So a head is collected and held to the grammar first, and the parser sees
// only heads of which there is one reading.
//
// Not supported: folded fields (section 5.2; 400), HTTP/0.9 and HTTP/2 prefaces (505).
// Limits: the head's bytes as the caller says (431), kMaxFields fields (431), kMaxEmptyLines before it (400).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"
#include "packet/result.hpp"

namespace vnet::http {

/// Why a message cannot be read: the status that says so to a client, and a sentence.
struct Fault {
  int status = 400;
  std::string detail;
};

[[nodiscard]] inline tl::unexpected<Fault> refuse(int status, std::string detail) {
  return fail(Fault{status, std::move(detail)});
}

inline constexpr std::size_t kMaxFields = 128;
/// CRLFs in front of a start line, which section 2.2 asks to be ignored.
inline constexpr int kMaxEmptyLines = 4;

/// Collects one head from a stream that may be cut anywhere.
class HeadReader {
 public:
  explicit HeadReader(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Takes bytes up to the end of the head; returns how many, which is all of them while the head is incomplete.
  [[nodiscard]] Result<std::size_t, Fault> feed(std::string_view bytes);
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  /// All lines with their CRLF, the empty one at the end included.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::size_t max_bytes_;
  std::string text_;
  std::size_t line_ = 0;  ///< where the line that is being read begins
  int empty_lines_ = 0;
  bool complete_ = false;
};

struct Head {
  std::string method;       ///< of a request
  std::string target;       ///< of a request
  int status = 0;           ///< of a reply
  int minor = 1;            ///< HTTP/1.minor
  Fields fields;            ///< names in lower case
  bool persistent = false;  ///< section 9.3: the connection may carry another message after this one
};

/// Both take a complete HeadReader's text.
[[nodiscard]] Result<Head, Fault> parse_request_head(std::string_view text);
[[nodiscard]] Result<Head, Fault> parse_reply_head(std::string_view text);

}  // namespace vnet::http
