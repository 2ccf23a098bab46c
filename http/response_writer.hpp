// Turns a Response into the bytes on the wire, a bounded piece at a time and without any I/O: RFC 9112 sections 4, 6.3
// and 7.1 from the sender's side.
//
// There is no Date field: RFC 9110 section 6.6.1 wants one only of servers with a clock, and time is an argument here.
// Every response whose headers do not say otherwise is `Cache-Control: no-store`, because what it describes changes
// under the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/head.hpp"
#include "http/message.hpp"

namespace vnet::http {

/// application/problem+json (RFC 9457) for an error that the server finds by itself.
[[nodiscard]] Response problem(const Fault& fault);

class ResponseWriter {
 public:
  /// What of the request decides about the form of the response.
  struct Form {
    bool to_head = false;    ///< the head only
    bool to_http10 = false;  ///< no chunks
    bool persistent = true;  ///< the connection may stay
  };

  ResponseWriter(Response response, Form form);

  /// Asks for the answer where it is put off, or the stream for its next piece; call it when nothing is pending and the
  /// response is not complete.
  void produce();
  /// Bytes to be sent now.
  [[nodiscard]] std::string_view pending() const noexcept { return std::string_view{bytes_}.substr(sent_); }
  void sent(std::size_t count);

  /// All has been sent.
  [[nodiscard]] bool complete() const noexcept { return pending().empty() && !response_.stream && !response_.later; }
  /// The stream ended before its length: the connection is to end, too, when nothing is pending.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// Nothing is to be sent until wake().
  [[nodiscard]] bool waiting() const noexcept { return waiting_ && pending().empty(); }
  void wake() noexcept {
    waiting_ = false;
    woken_ = true;
  }
  /// The connection may carry another response.
  [[nodiscard]] bool persistent() const noexcept { return form_.persistent; }
  [[nodiscard]] bool is_stream() const noexcept { return response_.stream != nullptr; }
  [[nodiscard]] bool hands_over() const noexcept { return response_.hand_over != nullptr; }
  /// Gives the socket away, when complete.
  void hand_over(dgram::Fd fd, std::string rest) { response_.hand_over(std::move(fd), std::move(rest)); }

 private:
  void begin();
  void take_answer();
  void write_head();
  void limit_piece(bool last);

  Response response_;
  Form form_;
  bool chunked_ = false;
  bool broken_ = false;
  bool waiting_ = false;
  bool woken_ = false;  ///< since the answer or the stream was last asked for
  std::string bytes_;
  std::size_t sent_ = 0;
  std::string piece_;
};

}  // namespace vnet::http
