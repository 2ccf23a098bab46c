#include "http/reply_parser.hpp"

#include <cassert>

namespace vnet::http {

Result<std::size_t, std::string> ReplyParser::feed(std::string_view bytes, std::string& body) {
  assert(!complete());
  const auto used = has_head_ ? body_.feed(bytes, body) : head_reader_.feed(bytes);
  if (!used) return fail("the reply is malformed: " + used.error().detail);
  if (!has_head_ && head_reader_.complete()) {
    if (const auto ended = end_head(); !ended) return fail("the reply is malformed: " + ended.error().detail);
  }
  return *used;
}

Result<void, Fault> ReplyParser::end_head() {
  auto head = parse_reply_head(head_reader_.text());
  if (!head) return fail(std::move(head.error()));
  head_reader_ = HeadReader{kMaxReplyHead};
  if (head->status / 100 == 1 && head->status != 101) {
    if (++interim_ > kMaxInterim) return fail(Fault{400, "too many interim replies"});
    return {};
  }
  const auto framing = reply_framing(*head, to_head_);
  if (!framing) return fail(framing.error());
  if (framing->kind == Framing::Kind::until_close) head->persistent = false;
  body_ = BodyDecoder{*framing};
  head_ = std::move(*head);
  has_head_ = true;
  return {};
}

Result<void, std::string> ReplyParser::finish() {
  if (!has_head_) return fail(std::string{"the connection ended before a reply came"});
  if (!body_.finish()) return fail(std::string{"the connection ended in the middle of the reply"});
  return {};
}

}  // namespace vnet::http
