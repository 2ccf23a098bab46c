#include "http/framing.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace vnet::http {
namespace {

struct Lengths {
  const std::string* content_length = nullptr;
  const std::string* transfer_encoding = nullptr;
  bool repeated = false;
};

Lengths find_lengths(const Fields& fields) {
  Lengths found;
  const auto note = [&](const std::string*& known, const std::string& value) {
    if (known != nullptr) found.repeated = true;
    known = &value;
  };
  for (const auto& [name, value] : fields) {
    if (name == "content-length") note(found.content_length, value);
    if (name == "transfer-encoding") note(found.transfer_encoding, value);
  }
  return found;
}

template <typename T>
std::optional<T> parse_number(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The framing that the fields ask for; until_close where there are none.
Result<Framing, Fault> explicit_framing(const Head& head) {
  const Lengths lengths = find_lengths(head.fields);
  if (lengths.repeated) return refuse(400, "Content-Length or Transfer-Encoding is there twice");
  if (lengths.transfer_encoding != nullptr) {
    if (lengths.content_length != nullptr) return refuse(400, "both Content-Length and Transfer-Encoding");
    if (head.minor == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (!is_word(*lengths.transfer_encoding, "chunked"))
      return refuse(501, "the only transfer coding known here is chunked");
    return Framing{Framing::Kind::chunked, 0};
  }
  if (lengths.content_length == nullptr) return Framing{Framing::Kind::until_close, 0};
  // from_chars takes no sign and no space for an unsigned number.
  const auto length = parse_number<std::uint64_t>(*lengths.content_length, 10);
  if (!length) return refuse(400, "Content-Length is not a number");
  return Framing{Framing::Kind::length, *length};
}

}  // namespace

Result<Framing, Fault> request_framing(const Head& head) {
  auto framing = explicit_framing(head);
  if (framing && framing->kind == Framing::Kind::until_close) return Framing{};
  return framing;
}

Result<Framing, Fault> reply_framing(const Head& head, bool to_head) {
  if (to_head || head.status / 100 == 1 || head.status == 204 || head.status == 304) return Framing{};
  return explicit_framing(head);
}

BodyDecoder::BodyDecoder(Framing framing) : state_(State::data), left_(framing.length) {
  if (framing.kind == Framing::Kind::chunked) state_ = State::chunk_size;
  if (framing.kind == Framing::Kind::until_close) state_ = State::until_close;
  if (framing.kind == Framing::Kind::length && left_ == 0) state_ = State::complete;
}

Result<std::size_t, Fault> BodyDecoder::feed(std::string_view bytes, std::string& out) {
  const std::size_t given = bytes.size();
  while (!bytes.empty() && !complete()) {
    if (state_ == State::until_close) {
      out += bytes;
      return given;
    }
    if (state_ == State::data || state_ == State::chunk_data) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
      out += bytes.substr(0, count);
      bytes.remove_prefix(count);
      left_ -= count;
      if (left_ == 0) state_ = state_ == State::data ? State::complete : State::chunk_end;
      continue;
    }
    const auto whole = read_line(bytes, state_ == State::trailers ? kMaxTrailers : kMaxChunkLine);
    if (!whole) return fail(whole.error());
    if (!*whole) break;
    if (const auto ended = end_line(); !ended) return fail(ended.error());
    line_.clear();
  }
  return given - bytes.size();
}

bool BodyDecoder::finish() noexcept {
  if (state_ == State::until_close) state_ = State::complete;
  return complete();
}

Result<bool, Fault> BodyDecoder::read_line(std::string_view& bytes, std::size_t limit) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    bytes.remove_prefix(1);
    const bool after_return = !line_.empty() && line_.back() == '\r';
    if (after_return != (c == '\n')) return refuse(400, "a line of the chunked body does not end in CRLF");
    if (c == '\n') {
      line_.pop_back();
      return true;
    }
    line_ += c;
    if (line_.size() > limit) return refuse(400, "a line of the chunked body is too long");
  }
  return false;
}

Result<void, Fault> BodyDecoder::end_line() {
  if (state_ == State::chunk_size) return begin_chunk();
  if (state_ == State::chunk_end) {
    if (!line_.empty()) return refuse(400, "a chunk is longer than its size");
    state_ = State::chunk_size;
    return {};
  }
  trailers_ += line_.size();
  if (trailers_ > kMaxTrailers) return refuse(400, "the trailers are too long");
  if (line_.empty()) state_ = State::complete;
  return {};
}

Result<void, Fault> BodyDecoder::begin_chunk() {
  // Section 7.1.1: extensions that are not known are ignored, and none is known here.
  const std::string_view digits = std::string_view{line_}.substr(0, line_.find(';'));
  const auto size = parse_number<std::uint64_t>(digits, 16);
  if (!size) return refuse(400, "a chunk's size is not a hexadecimal number");
  left_ = *size;
  state_ = left_ == 0 ? State::trailers : State::chunk_data;
  return {};
}

}  // namespace vnet::http
