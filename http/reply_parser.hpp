// One reply out of a stream of bytes, without any I/O: the client's counterpart of RequestParser.
//
// Interim replies (RFC 9110 section 15.2) are passed over, but for a 101, which ends HTTP on the connection.
// Limits: kMaxReplyHead bytes of head, kMaxInterim interim replies. A body has no limit here: it is taken out as it
// comes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "http/framing.hpp"
#include "http/head.hpp"
#include "packet/result.hpp"

namespace vnet::http {

inline constexpr std::size_t kMaxReplyHead = 64 * 1024;
inline constexpr int kMaxInterim = 16;

class ReplyParser {
 public:
  /// `to_head`: the request was a HEAD.
  explicit ReplyParser(bool to_head = false) : to_head_(to_head), head_reader_(kMaxReplyHead) {}

  /// Uses bytes up to the end of the head or of the reply, whichever comes first, and says how many; call it again for
  /// the rest until complete. Bytes of the body are appended to `body`. Error: a sentence; the connection is of no
  /// further use.
  [[nodiscard]] Result<std::size_t, std::string> feed(std::string_view bytes, std::string& body);
  /// The connection ended. Error: too early.
  [[nodiscard]] Result<void, std::string> finish();

  [[nodiscard]] bool has_head() const noexcept { return has_head_; }
  [[nodiscard]] bool complete() const noexcept { return has_head_ && body_.complete(); }
  [[nodiscard]] const Head& head() const noexcept { return head_; }  ///< once there

 private:
  [[nodiscard]] Result<void, Fault> end_head();

  bool to_head_;
  HeadReader head_reader_;
  BodyDecoder body_;
  Head head_;
  int interim_ = 0;
  bool has_head_ = false;
};

}  // namespace vnet::http
