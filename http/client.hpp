// An HTTP/1.1 client for the command line: one connection to a UNIX path, one exchange after the other, blocking, each
// with a time limit.
//
// Errors are sentences for people. Not supported: TCP, redirects, sending a body in pieces.
// Limits: kMaxReplyBody bytes of a reply that is read whole, those of reply_parser.hpp, and kMaxFds descriptors.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dgram/socket.hpp"
#include "http/message.hpp"
#include "http/reply_parser.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::http {

inline constexpr std::size_t kMaxReplyBody = 64 * 1024 * 1024;
/// A time limit that is none.
inline constexpr Duration kForever = Duration::max();

struct Reply {
  int status = 0;
  Fields headers;  ///< names in lower case
  std::string body;

  [[nodiscard]] const std::string* header(std::string_view name) const { return find_field(headers, name); }
};

class Client {
 public:
  /// `timeout` is for connecting and for every exchange. The error's `code` is errno: ENOENT and ECONNREFUSED mean that
  /// nobody listens there.
  [[nodiscard]] static dgram::SystemResult<Client> connect(const std::string& unix_path, Duration timeout);
  /// Speaks over a connected stream socket that somebody else made.
  Client(dgram::Fd connected, Duration timeout) : fd_(std::move(connected)), timeout_(timeout) {}

  /// Sends a request, with `fds` (at most kMaxFds, kept open here), and reads the whole reply. An empty body is sent as
  /// none, except with POST, PUT and PATCH.
  [[nodiscard]] Result<Reply, std::string> exchange(std::string_view method, std::string_view target,
                                                    std::string_view body = {}, std::span<const int> fds = {},
                                                    std::string_view content_type = "application/json");
  /// Sends a request and reads the reply's head only; its body is for read_body(). Header values hold no line break.
  [[nodiscard]] Result<Reply, std::string> begin(std::string_view method, std::string_view target,
                                                 const Fields& headers = {}, std::string_view body = {},
                                                 std::span<const int> fds = {});
  /// The next bytes of the body, without their framing. 0: the body has ended.
  [[nodiscard]] Result<std::size_t, std::string> read_body(std::span<std::uint8_t> into, Duration timeout);

  /// To be polled. Bytes may have been read from it that read_body() has not given yet: poll only after `has_body()`
  /// says no.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// read_body() would return at once.
  [[nodiscard]] bool has_body() const noexcept { return !body_.empty() || !inbox_.empty() || parser_.complete(); }
  /// The connection (non-blocking), and what was read behind the reply's head.
  [[nodiscard]] std::pair<dgram::Fd, std::string> release();

 private:
  using Clock = std::chrono::steady_clock;
  using Deadline = Clock::time_point;

  [[nodiscard]] static Deadline deadline_in(Duration timeout);
  [[nodiscard]] Result<void, std::string> send_request(std::string_view bytes, std::span<const int> fds,
                                                       Deadline until);
  [[nodiscard]] Result<void, std::string> read_head(Deadline until);
  /// Feeds what was read, or reads once more when there is nothing, and feeds that.
  [[nodiscard]] Result<void, std::string> read_some(Deadline until);
  [[nodiscard]] Result<void, std::string> feed();
  /// Waits for `events` of poll(2); the events that came, or an error when the time is over.
  [[nodiscard]] Result<short, std::string> wait(short events, Deadline until) const;

  dgram::Fd fd_;
  Duration timeout_;
  ReplyParser parser_;
  std::string inbox_;   ///< read, and not yet parsed
  std::string body_;    ///< parsed, and not yet given away
  bool usable_ = true;  ///< another request may be sent
};

}  // namespace vnet::http
