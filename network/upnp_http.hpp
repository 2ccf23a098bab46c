// As much HTTP as UPnP asks of a device (UPnP Device Architecture 1.0, 2 and 3): one request on a connection, one
// answer, and the connection ends.
//
// It is not http/'s parser because that brings the sockets of dgram/ with it, for the descriptors that its requests may
// carry, and this room has no sockets. What is needed here is little, and held to the grammar of RFC 9112: CRLF ends a
// line, field names are tokens, nothing is folded, no control characters, Content-Length once and of digits alone.
//
// Not supported: transfer codings (501), persistent connections, several requests one after the other.
// Limits: kMaxHead bytes of head (431), kMaxBody of body (413).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vnet::network {

inline constexpr std::string_view kLineEnd = "\r\n";

/// Without spaces and tabs at its ends.
[[nodiscard]] inline std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

struct UpnpRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case
  std::string body;

  /// Null: there is none of that name. Of several, the first.
  [[nodiscard]] const std::string* find(std::string_view name) const;
};

struct UpnpResponse {
  int status = 200;
  std::string type = "text/xml; charset=\"utf-8\"";
  std::string body = {};
};

class UpnpRequestReader {
 public:
  static constexpr std::size_t kMaxHead = 4096;
  static constexpr std::size_t kMaxBody = 16 * 1024;
  enum class State : std::uint8_t { head, body, complete, failed };

  /// Bytes behind the request are ignored.
  void feed(std::string_view bytes);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] const UpnpRequest& request() const noexcept { return request_; }
  [[nodiscard]] int status() const noexcept { return status_; }  ///< once failed: what to answer
  /// True once: the client waits to be told to send the body (RFC 9110, 10.1.1).
  [[nodiscard]] bool take_expectation() noexcept { return std::exchange(expects_continue_, false); }

 private:
  void fail_with(int status) noexcept;
  void end_head();
  [[nodiscard]] int read_head(std::string_view text);
  [[nodiscard]] int read_request_line(std::string_view line);
  [[nodiscard]] int read_field(std::string_view line);
  [[nodiscard]] int read_framing();

  State state_ = State::head;
  UpnpRequest request_;
  std::string head_;
  std::size_t length_ = 0;  ///< of the body
  int status_ = 0;
  bool expects_continue_ = false;
};

/// The whole answer, as it goes to the wire.
[[nodiscard]] std::string to_wire(const UpnpResponse& response, std::string_view server);

}  // namespace vnet::network
