#include "http/request_parser.hpp"

#include <algorithm>
#include <cassert>

#include "http/url.hpp"

namespace vnet::http {
namespace {

std::ptrdiff_t count_of(const Fields& fields, std::string_view name) {
  return std::ranges::count(fields, name, [](const auto& field) { return std::string_view{field.first}; });
}

}  // namespace

std::size_t RequestParser::feed(std::string_view bytes) {
  assert(state_ == State::head || state_ == State::body);
  const bool in_head = state_ == State::head;
  const auto used = in_head ? head_reader_.feed(bytes) : body_.feed(bytes, request_.body);
  if (!used) {
    fail_with(used.error());
    return bytes.size();
  }
  if (in_head && head_reader_.complete()) end_head();
  if (state_ == State::body && body_.complete()) state_ = State::complete;
  if (request_.body.size() > limits_.max_body) {
    fail_with({413, "the body is longer than " + std::to_string(limits_.max_body) + " bytes"});
  }
  return *used;
}

void RequestParser::fail_with(Fault fault) {
  fault_ = std::move(fault);
  state_ = State::failed;
}

void RequestParser::end_head() {
  auto head = parse_request_head(head_reader_.text());
  if (!head) return fail_with(std::move(head.error()));
  state_ = State::body;
  if (auto taken = take_head(std::move(*head)); !taken) fail_with(std::move(taken.error()));
}

Result<void, Fault> RequestParser::take_head(Head head) {
  if (auto checked = check_fields(head); !checked) return checked;
  if (head.method == "CONNECT") return refuse(501, "this is no proxy");
  auto target = parse_target(head.target);
  if (!target || (head.target == "*" && head.method != "OPTIONS")) {
    return refuse(400, "the request target is malformed");
  }
  const auto framing = request_framing(head);
  if (!framing) return fail(framing.error());
  if (framing->length > limits_.max_body) {
    return refuse(413, "the body is longer than " + std::to_string(limits_.max_body) + " bytes");
  }
  body_ = BodyDecoder{*framing};
  is_head_ = head.method == "HEAD";
  is_http10_ = head.minor == 0;
  persistent_ = head.persistent && !is_http10_;
  request_.method = is_head_ ? "GET" : std::move(head.method);
  request_.head = is_head_;
  request_.target = std::move(head.target);
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  request_.headers = std::move(head.fields);
  return {};
}

Result<void, Fault> RequestParser::check_fields(const Head& head) {
  const auto hosts = count_of(head.fields, "host");
  if (hosts > 1 || (hosts == 0 && head.minor != 0)) return refuse(400, "there must be one Host field");
  if (count_of(head.fields, "authorization") > 1) return refuse(400, "Authorization is there twice");
  const std::string* const expectation = find_field(head.fields, "expect");
  if (expectation == nullptr || head.minor == 0) return {};
  if (!is_word(*expectation, "100-continue")) return refuse(417, "the only expectation known here is 100-continue");
  expects_continue_ = true;
  return {};
}

}  // namespace vnet::http
