// A request as its handler sees it, and the response that it gives back: RFC 9110's messages, as values.
//
// Not supported: trailer fields (read and dropped), and content codings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dgram/socket.hpp"

namespace vnet::http {

/// Names with values, in the order in which they came.
using Fields = std::vector<std::pair<std::string, std::string>>;

/// The first value of that name, or null.
[[nodiscard]] const std::string* find_field(const Fields& fields, std::string_view name);

/// Whether `text` is `lower` when ASCII letters are taken for small ones.
[[nodiscard]] bool is_word(std::string_view text, std::string_view lower);

/// Descriptors that one request may bring; with more it is answered 400 and the connection ends.
inline constexpr std::size_t kMaxFds = 8;

struct Request {
  std::string method;             ///< "GET"; a HEAD request is shown as GET ...
  bool head = false;              ///< ... and this
  std::string target;             ///< as sent
  std::vector<std::string> path;  ///< decoded segments; "/v1/nics/a%2Fb" is {"v1", "nics", "a/b"}, "/" is {}
  Fields query;                   ///< decoded; a name without '=' has an empty value
  Fields headers;                 ///< names in lower case, values without the white space around them
  std::string body;
  std::vector<dgram::Fd> fds;  ///< came with this request's bytes by SCM_RIGHTS; close-on-exec

  [[nodiscard]] const std::string* header(std::string_view name) const { return find_field(headers, name); }
  [[nodiscard]] const std::string* parameter(std::string_view name) const { return find_field(query, name); }
};

/// A body made piece by piece while the client reads, so that a long list never holds up the loop. It is destroyed
/// after its last piece, or as soon as the client is known to be gone.
class Body {
 public:
  enum class More {
    yes,   ///< ask again when the piece is sent
    wait,  ///< nothing now; ask again after Server::wake()
    no,    ///< that was the last
  };
  virtual ~Body() = default;
  /// Appends the next piece, best about 16 KiB; an empty one is allowed.
  virtual More produce(std::string& out) = 0;
};

struct Response;

/// An answer that is not there yet, and of which not even the status is known. It is destroyed when it has given the
/// answer, or as soon as the client is known to be gone.
class Later {
 public:
  virtual ~Later() = default;
  /// The answer, which is not put off again; nothing: ask again after Server::wake().
  virtual std::optional<Response> take() = 0;
};

/// Every member has an initialiser so that one may name only those that it sets.
struct Response {
  int status = 200;
  std::string type = "application/json";  ///< empty: no Content-Type
  Fields headers{};                       ///< further ones; line breaks in values are sent as spaces
  std::string body{};
  /// If set, `body` is ignored; sent chunked, or to an HTTP/1.0 client until the connection closes.
  std::unique_ptr<Body> stream{};
  /// Of the stream, in bytes: it is sent with its length and not chunked, and no more of it than that. A stream that
  /// ends before ends the connection, by which the client sees that there is something missing.
  std::optional<std::uint64_t> length{};
  /// If set, there is no body: once the head has been sent whole, the connection's socket is given away (non-blocking,
  /// close-on-exec, watched by nobody) with the bytes that were read behind the request. Not called for a HEAD request,
  /// nor when the client is gone before. The head says `Connection: close`; that of a 101 says what `headers` say.
  std::function<void(dgram::Fd, std::string rest)> hand_over{};
  /// If set, all the others are ignored, and nothing is sent before it has the answer.
  std::unique_ptr<Later> later{};
};

/// Answers a request; called from the event loop, so it must not block. It may call Server::wake(), but must not
/// destroy the server.
using Handler = std::function<Response(Request&)>;

}  // namespace vnet::http
