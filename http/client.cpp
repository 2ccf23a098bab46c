#include "http/client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "http/sockets.hpp"

namespace vnet::http {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;

std::string failure(std::string_view what, int code) { return std::string{what} + ": " + std::strerror(code); }

timeval to_timeval(Duration duration) {
  // A zero would mean no limit.
  const auto micros =
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
  return {static_cast<time_t>(micros / 1'000'000), static_cast<suseconds_t>(micros % 1'000'000)};
}

std::string format_request(std::string_view method, std::string_view target, const Fields& headers,
                           std::string_view body) {
  std::string text;
  text.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  for (const auto& [name, value] : headers) text.append(name).append(": ").append(value).append("\r\n");
  if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  return text.append("\r\n").append(body);
}

}  // namespace

dgram::SystemResult<Client> Client::connect(const std::string& unix_path, Duration timeout) {
  const auto address = dgram::UnixAddress::from_path(unix_path);
  if (!address) return fail(address.error());
  auto fd = dgram::make_socket(SOCK_STREAM);
  if (!fd) return fail(fd.error());
  // A non-blocking connect to a listener with a full backlog fails, and nothing tells when to try again; a blocking one
  // waits, for as long as a send would.
  const timeval limit = to_timeval(timeout);
  const int flags = ::fcntl(fd->get(), F_GETFL);
  if ((timeout != kForever && ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) ||
      ::fcntl(fd->get(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return fail(dgram::SystemError{"connect to " + unix_path, errno});
  }
  if (const int code = dgram::connect_to(*fd, *address); code != 0) {
    return fail(dgram::SystemError{"connect to " + unix_path, code == EAGAIN ? ETIMEDOUT : code});
  }
  if (const auto adopted = dgram::adopt(*fd); !adopted) return fail(adopted.error());
  return Client{std::move(*fd), timeout};
}

Result<Reply, std::string> Client::exchange(std::string_view method, std::string_view target, std::string_view body,
                                            std::span<const int> fds, std::string_view content_type) {
  const Deadline until = deadline_in(timeout_);
  Fields headers;
  if (!body.empty()) headers.emplace_back("Content-Type", content_type);
  auto reply = begin(method, target, headers, body, fds);
  while (reply && !parser_.complete()) {
    if (const auto read = read_some(until); !read) return fail(read.error());
    if (body_.size() > kMaxReplyBody) {
      usable_ = false;
      return fail("the reply is longer than " + std::to_string(kMaxReplyBody) + " bytes");
    }
  }
  if (reply) reply->body = std::exchange(body_, {});
  return reply;
}

Result<Reply, std::string> Client::begin(std::string_view method, std::string_view target, const Fields& headers,
                                         std::string_view body, std::span<const int> fds) {
  if (parser_.has_head() && (!parser_.complete() || !parser_.head().persistent)) usable_ = false;
  if (!usable_ || !fd_) return fail(std::string{"the connection carries no further request"});
  if (fds.size() > kMaxFds) return fail("more than " + std::to_string(kMaxFds) + " descriptors with one request");
  const Deadline until = deadline_in(timeout_);
  parser_ = ReplyParser{method == "HEAD"};
  body_.clear();
  if (auto sent = send_request(format_request(method, target, headers, body), fds, until); !sent) {
    return fail(std::move(sent.error()));
  }
  if (auto read = read_head(until); !read) return fail(std::move(read.error()));
  return Reply{parser_.head().status, parser_.head().fields, {}};
}

Result<std::size_t, std::string> Client::read_body(std::span<std::uint8_t> into, Duration timeout) {
  const Deadline until = deadline_in(timeout);
  while (body_.empty() && !parser_.complete()) {
    if (auto read = read_some(until); !read) return fail(std::move(read.error()));
  }
  const std::size_t count = std::min(into.size(), body_.size());
  std::copy_n(body_.begin(), count, into.begin());
  body_.erase(0, count);
  return count;
}

std::pair<dgram::Fd, std::string> Client::release() {
  usable_ = false;
  return {std::move(fd_), body_ + std::exchange(inbox_, {})};
}

Client::Deadline Client::deadline_in(Duration timeout) {
  return timeout == kForever ? Deadline::max() : Clock::now() + timeout;
}

Result<void, std::string> Client::send_request(std::string_view bytes, std::span<const int> fds, Deadline until) {
  while (!bytes.empty()) {
    const Transfer taken = send(fd_, bytes, fds);
    if (taken.kind == Transfer::Kind::failed) {
      usable_ = false;
      // A server that turns a request away without reading it has left an answer that says why.
      if (taken.code == EPIPE || taken.code == ECONNRESET) return {};
      return fail(failure("cannot send the request", taken.code));
    }
    if (taken.kind == Transfer::Kind::moved) {
      bytes.remove_prefix(taken.count);
      fds = {};
      continue;
    }
    const auto events = wait(POLLIN | POLLOUT, until);
    if (!events) return fail(events.error());
    if ((*events & POLLIN) == 0) continue;
    usable_ = false;  // an answer before the request is whole: no more of it is wanted
    return {};
  }
  return {};
}

Result<void, std::string> Client::read_head(Deadline until) {
  while (!parser_.has_head()) {
    if (auto read = read_some(until); !read) return read;
  }
  return {};
}

Result<void, std::string> Client::read_some(Deadline until) {
  if (!inbox_.empty()) return feed();
  std::array<char, kReadSize> buffer;
  const Transfer got = receive(fd_, buffer);
  switch (got.kind) {
    case Transfer::Kind::moved: inbox_.assign(buffer.data(), got.count); return feed();
    case Transfer::Kind::ended: usable_ = false; return parser_.finish();
    case Transfer::Kind::failed: usable_ = false; return fail(failure("cannot read the reply", got.code));
    case Transfer::Kind::blocked: break;
  }
  const auto events = wait(POLLIN, until);
  if (!events) return fail(events.error());
  return {};
}

Result<void, std::string> Client::feed() {
  const auto used = parser_.feed(inbox_, body_);
  if (!used) {
    usable_ = false;
    return fail(used.error());
  }
  inbox_.erase(0, *used);
  return {};
}

Result<short, std::string> Client::wait(short events, Deadline until) const {
  while (true) {
    int milliseconds = -1;
    if (until != Deadline::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      milliseconds = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
    }
    pollfd entry{fd_.get(), events, 0};
    const int ready = ::poll(&entry, 1, milliseconds);
    if (ready > 0) return entry.revents;
    if (ready == 0) return fail(std::string{"no answer in time"});
    if (errno != EINTR) return fail(failure("poll", errno));
  }
}

}  // namespace vnet::http
