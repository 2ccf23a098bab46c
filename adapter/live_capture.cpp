#include "adapter/live_capture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "adapter/control.hpp"
#include "adapter/pcapng_counter.hpp"
#include "adapter/printable.hpp"
#include "adapter/signal_pipe.hpp"

namespace vnet::adapter {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
/// What a pipe that is ready to be written to takes without blocking (POSIX, PIPE_BUF on Linux and macOS at least).
constexpr std::size_t kPipeBytes = 512;
#if defined(__linux__)
constexpr std::size_t kPieceBytes = 4096;
#else
constexpr std::size_t kPieceBytes = kPipeBytes;
#endif
static_assert(kPieceBytes >= kPipeBytes);

/// One run: from the daemon's answer to the end.
class Capture {
 public:
  Capture(http::Client client, int out, const SignalPipe& signals)
      : client_(std::move(client)), out_(out), signals_(signals) {
    struct stat info {};
    regular_ = ::fstat(out_, &info) == 0 && S_ISREG(info.st_mode);
  }

  /// What ended it, where that is an error; empty otherwise.
  std::string run() {
    std::vector<std::uint8_t> bytes(kReadBytes);
    while (!stopped_) {
      if (!client_.has_body() && !wait()) continue;
      const auto size = client_.read_body(bytes, kControlTimeout);
      if (!size) return "the capture broke off: " + printable(size.error());
      if (*size == 0) return {};
      const std::span<const std::uint8_t> read{bytes.data(), *size};
      counter_.feed(read);
      if (const int error = write_all(read); error != 0 && error != EPIPE) {
        return std::string{"cannot write the capture: "} + std::strerror(error);
      }
    }
    return {};
  }

  [[nodiscard]] std::uint64_t frames() const { return counter_.frames(); }

 private:
  /// Whether the daemon has sent something; it returns also when it is time to stop.
  bool wait() {
    // An output is asked for nothing, so that only its end wakes us.
    std::array<pollfd, 3> polled = {
        {{client_.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {regular_ ? -1 : out_, 0, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0) return false;
    stopped_ = polled[1].revents != 0 || (polled[2].revents & (POLLERR | POLLHUP)) != 0;
    return !stopped_ && polled[0].revents != 0;
  }

  /// 0, or errno. A reader that has stopped reading must not keep us from hearing Ctrl-C, so no write may block.
  int write_all(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      if (!regular_) {
        std::array<pollfd, 2> polled = {{{out_, POLLOUT, 0}, {signals_.fd(), POLLIN, 0}}};
        if (::poll(polled.data(), polled.size(), -1) < 0) return errno;
        stopped_ = polled[1].revents != 0;
        if (stopped_) return 0;
      }
      const std::size_t most = regular_ ? bytes.size() : std::min(bytes.size(), kPieceBytes);
      const ssize_t written = ::write(out_, bytes.data(), most);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        stopped_ = true;
        return errno;
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return 0;
  }

  http::Client client_;
  int out_;
  const SignalPipe& signals_;
  PcapngCounter counter_;
  bool regular_ = false;
  bool stopped_ = false;
};

/// Its body is the problem's document.
std::string refusal(http::Client& client, int status) {
  std::string body;
  std::array<std::uint8_t, 4096> piece{};
  while (body.size() < http::kMaxReplyBody) {
    const auto size = client.read_body(piece, kControlTimeout);
    if (!size || *size == 0) break;
    body.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*size));
  }
  return problem_text(status, body);
}

}  // namespace

ExitCode run_live_capture(const Common& common, const LiveCapture& capture) {
  const bool to_stdout = capture.file == "-";
  if (to_stdout && ::isatty(STDOUT_FILENO) == 1) {
    complain("a capture is no text for a terminal: name a file with -w FILE, or pipe it: vnet capture | tshark -r -");
    return ExitCode::usage;
  }
  ::signal(SIGPIPE, SIG_IGN);
  const SignalPipe signals{SIGINT, SIGTERM, SIGHUP};
  auto client = connect_control(control_path(common));
  if (!client) return failed(client.error());
  const auto head = client->begin("GET", capture.target);
  if (!head) return failed(printable(head.error()));
  if (head->status >= 400) return failed(refusal(*client, head->status));
  dgram::Fd file;
  if (!to_stdout) {
    file = dgram::Fd{::open(capture.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (!file) return failed("cannot write " + printable(capture.file) + ": " + std::strerror(errno));
  }
  const bool talks = ::isatty(STDERR_FILENO) == 1;
  const std::string to = to_stdout ? "stdout" : printable(capture.file);
  if (talks) std::fprintf(stderr, "vnet: capturing to %s; Ctrl-C ends it\n", to.c_str());
  Capture run{std::move(*client), to_stdout ? STDOUT_FILENO : file.get(), signals};
  const std::string error = run.run();
  if (talks)
    std::fprintf(stderr, "vnet: %llu frames to %s\n", static_cast<unsigned long long>(run.frames()), to.c_str());
  return error.empty() ? ExitCode::ok : failed(error);
}

}  // namespace vnet::adapter
