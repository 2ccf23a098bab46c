#include "adapter/vm/console.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace vnet::adapter {
namespace {

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

dgram::Fd fresh_log(const std::string& path) {
  return dgram::Fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
}

}  // namespace

Console::Console(dgram::Fd guest, std::string log, bool foreground, dgram::Poller& poller,
                 std::function<void()> on_escape)
    : guest_(std::move(guest)),
      log_path_(std::move(log)),
      log_(fresh_log(log_path_)),
      shown_(foreground),
      poller_(poller),
      on_escape_(std::move(on_escape)) {
  (void)dgram::adopt(guest_);
  poller_.watch(guest_.get(), true, false, *this);
  if (foreground) keyboard_.emplace(*this, poller);
}

Console::~Console() {
  if (guest_) poller_.forget(guest_.get());
}

void Console::on_ready(bool readable, bool writable) {
  if (writable) flush();
  if (!readable || !guest_) return;
  std::array<char, 16384> bytes{};
  const ssize_t size = ::recv(guest_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size > 0) return keep({bytes.data(), static_cast<std::size_t>(size)});
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  poller_.forget(guest_.get());
  guest_ = {};
}

void Console::keep(std::string_view bytes) {
  if (shown_) shown_ = write_all(STDOUT_FILENO, bytes);
  if (log_ && logged_ + bytes.size() > kMaxConsoleLog) {
    (void)std::rename(log_path_.c_str(), (log_path_ + ".1").c_str());
    log_ = fresh_log(log_path_);
    logged_ = 0;
  }
  if (log_ && !write_all(log_.get(), bytes)) log_ = {};
  logged_ += bytes.size();
}

void Console::type(std::string_view bytes) {
  typed_ += bytes.substr(0, kMaxConsoleTyped - std::min(kMaxConsoleTyped, typed_.size()));
  flush();
}

void Console::flush() {
  while (guest_ && !typed_.empty()) {
    const ssize_t size = ::send(guest_.get(), typed_.data(), typed_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    typed_.erase(0, static_cast<std::size_t>(size));
  }
  if (guest_) poller_.watch(guest_.get(), true, !typed_.empty(), *this);
}

Console::Keyboard::Keyboard(Console& console, dgram::Poller& poller) : console_(console), poller_(poller) {
  poller_.watch(STDIN_FILENO, true, false, *this);
  termios mode{};
  if (::isatty(STDIN_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &mode) != 0) return;
  before_ = mode;
  ::cfmakeraw(&mode);
  mode.c_oflag |= OPOST;  // our own lines end in a line feed alone
  (void)::tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

Console::Keyboard::~Keyboard() {
  if (open_) poller_.forget(STDIN_FILENO);
  if (before_) (void)::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

void Console::Keyboard::on_ready(bool /*readable*/, bool /*writable*/) {
  std::array<char, 1024> bytes{};
  const ssize_t size = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) {
    poller_.forget(STDIN_FILENO);
    open_ = false;
    return;
  }
  std::string_view typed{bytes.data(), static_cast<std::size_t>(size)};
  // A terminal's key only: what is piped in may hold any byte.
  if (before_ && typed.find(kConsoleEscape) != std::string_view::npos) {
    typed = typed.substr(0, typed.find(kConsoleEscape));
    console_.on_escape_();
  }
  console_.type(typed);
}

}  // namespace vnet::adapter
