// Where a message's body ends: RFC 9112 sections 6 and 7.
//
// A server judges more strictly than section 6 asks it to: a request with both Content-Length and Transfer-Encoding, or
// with either of them twice, is refused and not repaired, and so is Transfer-Encoding in HTTP/1.0. Nothing else keeps
// two parsers in a row from disagreeing on where the next request starts (section 11.2).
//
// Not supported: transfer codings other than chunked (501), chunk extensions and trailer fields (checked and dropped).
// Limits: a chunk-size line of kMaxChunkLine bytes, trailers of kMaxTrailers bytes; beyond, the message is malformed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/head.hpp"

namespace vnet::http {

inline constexpr std::size_t kMaxChunkLine = 256;
inline constexpr std::size_t kMaxTrailers = 4096;

struct Framing {
  enum class Kind : std::uint8_t { length, chunked, until_close };
  Kind kind = Kind::length;
  std::uint64_t length = 0;  ///< bytes, with Kind::length
};

[[nodiscard]] Result<Framing, Fault> request_framing(const Head& head);
/// `to_head`: the request was a HEAD, whose reply has no body whatever it says.
[[nodiscard]] Result<Framing, Fault> reply_framing(const Head& head, bool to_head);

/// Takes a body out of its framing. The stream may be cut anywhere.
class BodyDecoder {
 public:
  /// A body without a byte.
  BodyDecoder() : BodyDecoder(Framing{}) {}
  explicit BodyDecoder(Framing framing);

  /// Appends body bytes to `out`; returns how many of `bytes` were used, which is all of them unless the body ended.
  [[nodiscard]] Result<std::size_t, Fault> feed(std::string_view bytes, std::string& out);
  [[nodiscard]] bool complete() const noexcept { return state_ == State::complete; }
  /// The connection ended. True: so did the body, as it should.
  [[nodiscard]] bool finish() noexcept;

 private:
  enum class State : std::uint8_t { data, chunk_size, chunk_data, chunk_end, trailers, until_close, complete };

  /// Collects up to the CRLF; true once `line_` is a whole line without it.
  [[nodiscard]] Result<bool, Fault> read_line(std::string_view& bytes, std::size_t limit);
  [[nodiscard]] Result<void, Fault> end_line();
  [[nodiscard]] Result<void, Fault> begin_chunk();

  State state_;
  std::uint64_t left_;  ///< bytes of the body, or of the chunk, that are still to come
  std::string line_;
  std::size_t trailers_ = 0;  ///< bytes of trailers so far
};

}  // namespace vnet::http
