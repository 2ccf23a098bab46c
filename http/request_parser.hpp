// One request out of a stream of bytes: head, target and body, without any I/O.
//
// Beyond the grammar (head.hpp, framing.hpp, url.hpp) it asks what RFC 9112 section 3.2 asks of a server: exactly one
// Host field in HTTP/1.1. A second Authorization is refused too, so that nobody can judge another one than we do.
#pragma once

#include <cstddef>
#include <string_view>

#include "http/framing.hpp"
#include "http/head.hpp"
#include "http/message.hpp"

namespace vnet::http {

struct RequestLimits {
  std::size_t max_head = 16 * 1024;    ///< bytes; 431 beyond
  std::size_t max_body = 1024 * 1024;  ///< bytes, decoded; 413 beyond
};

class RequestParser {
 public:
  enum class State : std::uint8_t { head, body, complete, failed };

  explicit RequestParser(RequestLimits limits) : limits_(limits), head_reader_(limits.max_head) {}

  /// Uses bytes up to the end of the head or of the request, whichever comes first, and says how many: call it again
  /// for the rest while `state()` is head or body.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const Fault& fault() const noexcept { return fault_; }  ///< once failed

  /// The fields of the head, once it is there; of a failed one, perhaps none.
  [[nodiscard]] const Fields& headers() const noexcept { return request_.headers; }

  // From State::body on:
  [[nodiscard]] Request& request() noexcept { return request_; }
  [[nodiscard]] bool is_head() const noexcept { return is_head_; }  ///< the method was HEAD
  [[nodiscard]] bool persistent() const noexcept { return persistent_; }
  [[nodiscard]] bool is_http10() const noexcept { return is_http10_; }
  /// The client sends its body only after a 100 (RFC 9110, section 10.1.1).
  [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }

 private:
  void fail_with(Fault fault);
  void end_head();
  [[nodiscard]] Result<void, Fault> take_head(Head head);
  [[nodiscard]] Result<void, Fault> check_fields(const Head& head);

  RequestLimits limits_;
  HeadReader head_reader_;
  BodyDecoder body_;
  State state_ = State::head;
  Request request_;
  Fault fault_;
  bool is_head_ = false;
  bool persistent_ = false;
  bool is_http10_ = false;
  bool expects_continue_ = false;
};

}  // namespace vnet::http
