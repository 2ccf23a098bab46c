// Opening, and the three ways to write: all at once, at most PIPE_BUF when poll(2) agrees, or MSG_DONTWAIT.
#include "pcap/output.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace vnet::capture {
namespace {

#ifdef PIPE_BUF
constexpr std::size_t kPipeWrite = PIPE_BUF;
#else
constexpr std::size_t kPipeWrite = 512;  // _POSIX_PIPE_BUF
#endif

bool would_block(int error_number) noexcept {
  return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

}  // namespace

std::string describe(const std::string& subject, int error_number) {
  return subject + ": " + std::generic_category().message(error_number);
}

Result<Output, std::string> Output::open(const std::string& path, bool fresh) {
  if (path == "-") {
    Descriptor copy{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)};
    if (!copy.valid()) return fail(describe("standard output", errno));
    return adopt(std::move(copy), "standard output");
  }
  // O_NONBLOCK means nothing to a regular file; it keeps a FIFO without a reader from blocking us for ever.
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (fresh ? O_EXCL : O_TRUNC);
  Descriptor fd{::open(path.c_str(), flags, 0600)};
  if (!fd.valid()) {
    if (errno == ENXIO) return fail(path + ": nobody reads this FIFO yet; start its reader first");
    return fail(describe(path, errno));
  }
  auto output = adopt(std::move(fd), path);
  if (output) output->opened_here_ = output->is_file();
  return output;
}

Result<Output, std::string> Output::adopt(Descriptor fd, std::string name) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return fail(describe(name, errno));
  auto kind = Kind::device;
  if (S_ISREG(status.st_mode)) kind = Kind::file;
  if (S_ISFIFO(status.st_mode)) kind = Kind::pipe;
  if (S_ISSOCK(status.st_mode)) kind = Kind::socket;
  if (kind == Kind::device && ::isatty(fd.get()) == 1) {
    return fail(name + ": is a terminal; captures are binary, so send it to a file or a pipe");
  }
  return Output{std::move(fd), std::move(name), kind};
}

Result<std::size_t, int> Output::write_some(ByteView bytes) noexcept {
  if (kind_ == Kind::file || kind_ == Kind::device) return write_all(bytes);
  ssize_t written = 0;
  if (kind_ == Kind::socket) {
    written = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  } else {
    pollfd room{fd_.get(), POLLOUT, 0};
    if (::poll(&room, 1, 0) < 1) return 0;
    written = ::write(fd_.get(), bytes.data(), std::min(bytes.size(), kPipeWrite));
  }
  if (written >= 0) return static_cast<std::size_t>(written);
  if (would_block(errno)) return 0;
  return fail(int{errno});
}

Result<std::size_t, int> Output::write_all(ByteView bytes) noexcept {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(fd_.get(), bytes.data() + done, bytes.size() - done);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written == 0 || errno != EINTR) {
      const int reason = written == 0 ? ENOSPC : errno;
      if (opened_here_) {
        // Should the cut fail as well, the first error is still the one to report.
        [[maybe_unused]] const int ignored = ::ftruncate(fd_.get(), static_cast<off_t>(length_));
      }
      return fail(int{reason});
    }
  }
  length_ += done;
  return done;
}

bool Output::is_at(const std::string& path) const noexcept {
  struct stat here {};
  struct stat there {};
  return ::fstat(fd_.get(), &here) == 0 && ::stat(path.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
         here.st_ino == there.st_ino;
}

}  // namespace vnet::capture
