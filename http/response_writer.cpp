#include "http/response_writer.hpp"

#include <http_parser.h>

#include <algorithm>
#include <charconv>

namespace vnet::http {
namespace {

std::string_view reason_of(int status) {
  const char* const reason = http_status_str(static_cast<http_status>(status));
  return reason == nullptr ? "" : reason;
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  // A value may hold a name that came from outside; a line break in it would start a field of its own.
  for (const char c : value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  out += "\r\n";
}

void append_hex(std::string& out, std::size_t value) {
  char digits[2 * sizeof value];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  out.append(digits, end);
}

/// RFC 8259, section 7; bytes above 0x7e cannot be trusted to be UTF-8 and are left out.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c >= ' ' && c <= '~' ? c : '?';
  }
  return result + '"';
}

/// RFC 9110, sections 8.6, 15.2 and 15.3.5: these have neither a body nor a length.
bool is_bodiless(int status) { return status / 100 == 1 || status == 204 || status == 304; }

}  // namespace

Response problem(const Fault& fault) {
  Response response;
  response.status = fault.status;
  response.type = "application/problem+json";
  response.body = "{\"status\":" + std::to_string(fault.status) + ",\"title\":" + quoted(reason_of(fault.status)) +
                  ",\"detail\":" + quoted(fault.detail) + ",\"pointer\":\"\"}\n";
  return response;
}

ResponseWriter::ResponseWriter(Response response, Form form) : response_(std::move(response)), form_(form) {
  if (!response_.later) begin();
}

/// The head, and the body where it is there already.
void ResponseWriter::begin() {
  if (is_bodiless(response_.status)) {
    response_.stream.reset();
    response_.body.clear();
  }
  if (form_.to_head) response_.hand_over = nullptr;
  if (response_.hand_over) {
    response_.stream.reset();
    response_.body.clear();
    form_.persistent = false;
  }
  const bool endless = response_.stream && !response_.length;
  chunked_ = endless && !form_.to_http10;
  if (endless && form_.to_http10) form_.persistent = false;
  write_head();
  if (form_.to_head) {
    response_.stream.reset();
  } else if (!response_.stream) {
    bytes_ += response_.body;
  }
  response_.body.clear();
}

void ResponseWriter::write_head() {
  bytes_ = "HTTP/1.1 " + std::to_string(response_.status) + ' ';
  bytes_.append(reason_of(response_.status)).append("\r\n");
  for (const auto& [name, value] : response_.headers) append_field(bytes_, name, value);
  const bool bodiless = is_bodiless(response_.status);
  if (!bodiless && !response_.type.empty()) append_field(bytes_, "Content-Type", response_.type);
  if (chunked_) {
    append_field(bytes_, "Transfer-Encoding", "chunked");
  } else if (!bodiless && !response_.hand_over && (!response_.stream || response_.length)) {
    const std::uint64_t length = response_.stream ? *response_.length : response_.body.size();
    append_field(bytes_, "Content-Length", std::to_string(length));
  }
  if (response_.status != 101) {
    const auto is_own = [](const auto& field) { return is_word(field.first, "cache-control"); };
    if (std::ranges::none_of(response_.headers, is_own)) append_field(bytes_, "Cache-Control", "no-store");
    if (!form_.persistent) append_field(bytes_, "Connection", "close");
  }
  bytes_ += "\r\n";
}

void ResponseWriter::take_answer() {
  woken_ = false;
  std::optional<Response> answer = response_.later->take();
  waiting_ = !answer && !woken_;
  if (!answer) return;
  response_ = std::move(*answer);
  response_.later.reset();
  begin();
}

void ResponseWriter::produce() {
  if (response_.later) return take_answer();
  bytes_.clear();
  sent_ = 0;
  piece_.clear();
  woken_ = false;
  const Body::More more = response_.stream->produce(piece_);
  // A wake() that came while the stream was making up its mind must not be lost.
  waiting_ = more == Body::More::wait && !woken_;
  if (response_.length) limit_piece(more == Body::More::no);
  if (!chunked_) {
    bytes_.swap(piece_);
  } else if (!piece_.empty()) {
    append_hex(bytes_, piece_.size());
    bytes_.append("\r\n").append(piece_).append("\r\n");
  }
  const bool all_there = response_.length == std::uint64_t{0};
  if (more != Body::More::no && !all_there) return;
  if (chunked_) bytes_ += "0\r\n\r\n";
  response_.stream.reset();
}

/// No more than was promised, and no less at the end.
void ResponseWriter::limit_piece(bool last) {
  std::uint64_t& left = *response_.length;
  if (piece_.size() > left) piece_.resize(static_cast<std::size_t>(left));
  left -= piece_.size();
  broken_ = last && left != 0;
}

void ResponseWriter::sent(std::size_t count) {
  sent_ += count;
  if (sent_ < bytes_.size()) return;
  bytes_.clear();
  sent_ = 0;
}

}  // namespace vnet::http
