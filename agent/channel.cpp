#include "agent/channel.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/json.hpp"

namespace vnet::agent {
namespace {

int connect_vsock(unsigned port) {
  sockaddr_vm host{};
  host.svm_family = AF_VSOCK;
  host.svm_cid = VMADDR_CID_HOST;
  host.svm_port = port;
  const int fd = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&host), sizeof host) == 0 || errno == EINPROGRESS) return fd;
  ::close(fd);
  return -1;
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return -1;
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

/// A virtio port by its name, as udev would link it: a small guest has no udev. `name` itself where there is none.
std::string port_of(const std::string& name) {
  const std::string root = "/sys/class/virtio-ports";
  DIR* const ports = ::opendir(root.c_str());
  if (ports == nullptr) return name;
  std::string found = name;
  while (const dirent* const entry = ::readdir(ports)) {
    std::array<char, 256> text{};
    const int fd = ::open((root + "/" + entry->d_name + "/name").c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? 0 : ::read(fd, text.data(), text.size());
    if (fd >= 0) ::close(fd);
    if (size > 0 && std::string_view{text.data(), static_cast<std::size_t>(size)} == name + "\n") {
      found = std::string{"/dev/"} + entry->d_name;
    }
  }
  ::closedir(ports);
  return found;
}

int open_serial(const std::string& where) {
  const std::string path = where.find('/') == std::string::npos ? port_of(where) : where;
  const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  termios settings{};
  // A terminal would change what passes; a virtio port is none.
  if (fd >= 0 && ::tcgetattr(fd, &settings) == 0) {
    ::cfmakeraw(&settings);
    ::tcsetattr(fd, TCSANOW, &settings);
  }
  return fd;
}

}  // namespace

Millis now_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void Channel::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  in_.clear();
  out_.clear();
}

void Channel::open() {
  switch (where_.kind) {
    case Kind::serial: fd_ = open_serial(where_.path); break;
    case Kind::vsock: fd_ = connect_vsock(where_.port); break;
    case Kind::unix_path: fd_ = connect_unix(where_.path); break;
    case Kind::none: break;
  }
}

void Channel::ask() {
  // What could not leave is asked already, and a guest that nobody listens to does not pile up questions.
  if (!out_.empty()) return;
  send(R"({"stay":true)" + (where_.mac.empty() ? "" : R"(,"mac":)" + quoted(where_.mac)) + "}");
}

void Channel::tend(Millis now, bool settled) {
  if (where_.kind == Kind::none || now < next_) return;
  next_ = now + (settled ? kLookEvery : kAskEvery);
  if (fd_ < 0) {
    open();
    if (fd_ >= 0) ask();
  } else if (!settled) {
    ask();
  }
}

std::vector<std::string> Channel::read() {
  std::vector<std::string> lines;
  std::array<char, 16384> bytes;
  const ssize_t size = ::read(fd_, bytes.data(), bytes.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return lines;
  if (size > 0) in_.append(bytes.data(), static_cast<std::size_t>(size));
  std::size_t begin = 0;
  for (std::size_t end = in_.find('\n'); end != std::string::npos; end = in_.find('\n', begin)) {
    lines.push_back(in_.substr(begin, end - begin));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    begin = end + 1;
  }
  in_.erase(0, begin);
  if (size <= 0 || in_.size() > kMaxLine) close();
  return lines;
}

void Channel::write() {
  const ssize_t size = ::write(fd_, out_.data(), out_.size());
  if (size > 0) out_.erase(0, static_cast<std::size_t>(size));
  if (size < 0 && errno != EAGAIN && errno != EINTR) close();
}

void Channel::send(std::string_view line) {
  if (fd_ < 0) return;
  out_.append(line).append("\n");
}

}  // namespace vnet::agent
