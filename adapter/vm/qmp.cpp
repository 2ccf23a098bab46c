#include "adapter/vm/qmp.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vnet::adapter {
namespace {

/// Reads in one turn, so that a flood of events cannot hold up the rest.
constexpr int kReadsPerTurn = 8;

std::uint64_t id_of(const Json& document) { return count_at(document, "id"); }

Result<QmpMessage, std::string> read_message(std::string_view line) {
  auto document = parse_json(line);
  if (!document || !document->is_object()) return fail(std::string{"a line that is no JSON object"});
  if (document->contains("QMP")) {
    return QmpMessage{QmpMessage::Kind::greeting, 0, {}, member(member(*document, "QMP"), "version")};
  }
  if (document->contains("return")) {
    return QmpMessage{QmpMessage::Kind::answer, id_of(*document), {}, member(*document, "return")};
  }
  if (document->contains("error")) {
    std::string text = text_at(member(*document, "error"), "desc");
    if (text.empty()) text = "an error without a description";
    return QmpMessage{QmpMessage::Kind::failure, id_of(*document), std::move(text), {}};
  }
  if (std::string name = text_at(*document, "event"); !name.empty()) {
    return QmpMessage{QmpMessage::Kind::event, 0, std::move(name), member(*document, "data")};
  }
  return fail(std::string{"a message that is no greeting, answer, error or event"});
}

/// What the kernel takes of `bytes`, with descriptor `fd` unless that is -1; or -1 and errno.
ssize_t send_some(int socket, std::string& bytes, int fd) {
  iovec piece{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Result<std::vector<QmpMessage>, std::string> QmpReader::feed(std::string_view bytes) {
  std::vector<QmpMessage> messages;
  while (broken_.empty() && !bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > kMaxQmpLine) {
      broken_ = "a line of more than " + std::to_string(kMaxQmpLine) + " bytes";
      break;
    }
    line_ += piece;
    if (end == std::string_view::npos) return messages;
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto message = read_message(line);
    if (message) {
      messages.push_back(std::move(*message));
    } else {
      broken_ = message.error();
    }
  }
  if (!broken_.empty()) return fail(broken_);
  return messages;
}

QmpClient::QmpClient(dgram::Fd connected, dgram::Poller& poller, Clock clock, Owner& owner)
    : fd_(std::move(connected)), poller_(poller), clock_(std::move(clock)), owner_(owner) {
  (void)dgram::adopt(fd_);
  poller_.watch(fd_.get(), true, false, *this);
}

QmpClient::~QmpClient() {
  if (fd_) poller_.forget(fd_.get());
}

void QmpClient::ask(const std::string& command, Json arguments, Done done, Duration limit) {
  if (!fd_ || open_.size() >= kMaxQmpOpen) {
    // Answered at the next turn, like everything else.
    open_[next_id_++] = {command, std::move(done), kAtOnce};
    return;
  }
  put(ready_ ? unsent_ : waiting_, command, std::move(arguments), std::move(done), limit);
  flush();
}

void QmpClient::give(dgram::Fd fd, const std::string& name, Done done) {
  to_give_ = std::move(fd);
  ask("getfd", {{"fdname", name}}, std::move(done));
}

std::uint64_t QmpClient::put(std::string& out, const std::string& command, Json arguments, Done done, Duration limit) {
  const std::uint64_t id = next_id_++;
  Json document = {{"execute", command}, {"id", id}};
  if (!arguments.is_null()) document["arguments"] = std::move(arguments);
  out += compact(document) + "\n";
  open_[id] = {command, std::move(done), clock_() + limit};
  return id;
}

void QmpClient::on_ready(bool readable, bool writable) {
  if (writable) flush();
  if (readable && fd_) read();
}

void QmpClient::read() {
  std::array<char, 65536> bytes{};
  for (int i = 0; i < kReadsPerTurn && fd_; ++i) {
    const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) return end(std::string{"its QMP connection failed: "} + std::strerror(errno));
    if (size == 0) return end("its QMP connection ended");
    const auto messages = reader_.feed({bytes.data(), static_cast<std::size_t>(size)});
    if (!messages) return end("its QMP connection carried " + messages.error());
    for (const QmpMessage& message : *messages) take(message);
  }
}

void QmpClient::take(const QmpMessage& message) {
  switch (message.kind) {
    case QmpMessage::Kind::greeting:
      if (std::exchange(greeted_, true)) return;
      put(
          unsent_, "qmp_capabilities", nullptr,
          [this](const QmpAnswer& answer) {
            if (!answer) return end("QMP could not be negotiated: " + answer.error());
            ready_ = true;
            unsent_ += std::exchange(waiting_, {});
            flush();
          },
          kQmpTimeout);
      return flush();
    case QmpMessage::Kind::answer: return answer(message.id, message.data);
    case QmpMessage::Kind::failure: return answer(message.id, fail(message.text));
    case QmpMessage::Kind::event: return owner_.on_qmp_event(message.text, message.data);
  }
}

void QmpClient::answer(std::uint64_t id, const QmpAnswer& what) {
  auto found = open_.extract(id);
  if (!found.empty() && found.mapped().done) found.mapped().done(what);
}

void QmpClient::flush() {
  while (fd_ && !unsent_.empty()) {
    const ssize_t size = send_some(fd_.get(), unsent_, ready_ ? to_give_.get() : -1);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0) return end(std::string{"its QMP connection failed: "} + std::strerror(errno));
    if (ready_) to_give_.close();
    unsent_.erase(0, static_cast<std::size_t>(size));
  }
  if (unsent_.size() > kMaxQmpUnsent) return end("it does not read its QMP connection");
  if (fd_) poller_.watch(fd_.get(), true, !unsent_.empty(), *this);
}

void QmpClient::end(const std::string& cause) {
  if (!fd_) return;
  poller_.forget(fd_.get());
  fd_ = {};
  cause_ = cause;
  for (auto& [id, open] : open_) open.until = kAtOnce;
  owner_.on_qmp_gone(cause);
}

Instant QmpClient::next_deadline() const {
  Instant least = kNever;
  for (const auto& [id, open] : open_) least = std::min(least, open.until);
  return least;
}

void QmpClient::expire(Instant now) {
  std::vector<std::uint64_t> late;
  for (const auto& [id, open] : open_) {
    if (open.until <= now) late.push_back(id);
  }
  for (const std::uint64_t id : late) {
    const auto open = open_.find(id);
    if (open == open_.end()) continue;
    const std::string why = !fd_                            ? cause_
                            : open->second.until == kAtOnce ? "too many questions are open"
                                                            : "no answer in time";
    answer(id, fail("QEMU, " + open->second.command + ": " + why));
  }
}

}  // namespace vnet::adapter
