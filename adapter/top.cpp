#include "adapter/top.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/rates.hpp"
#include "adapter/screen.hpp"
#include "adapter/signal_pipe.hpp"

namespace vnet::adapter {
namespace {

Instant now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

class Top {
 public:
  Top(const Common& common, const TopOptions& options, const SignalPipe& signals)
      : path_(control_path(common)),
        interval_(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.interval_s))),
        count_(options.count),
        signals_(signals),
        style_{wants_color(common.color, STDOUT_FILENO)} {}

  ExitCode run() {
    if (!look()) {
      complain(error_);
      return ExitCode::failed;
    }
    if (::isatty(STDOUT_FILENO) == 1) screen_.emplace();
    show();
    Instant due = now();
    for (std::uint32_t shown = 0; count_ == 0 || shown < count_; ++shown) {
      // By the clock, not by how long the last look took.
      due = std::max(due + interval_, now());
      if (!wait_until(due)) break;
      if (!look() && !screen_) {
        complain(error_);
        return ExitCode::failed;
      }
      if (!show()) break;
    }
    return ExitCode::ok;
  }

 private:
  /// Asks for the counters; error_ says why that failed. The daemon ends a connection that is idle for long, and may
  /// have been started again, so a second try is with a new one.
  bool look() {
    error_.clear();
    for (int attempt = 0; attempt < 2; ++attempt) {
      const bool is_new = !client_;
      if (is_new) {
        auto client = connect_control(path_);
        if (!client) {
          error_ = client.error();
          return false;
        }
        client_ = std::move(*client);
      }
      const auto reply = client_->exchange("GET", "/v1/nics");
      if (reply && reply->status < 400) {
        const auto nics = parse_json(reply->body);
        if (nics && nics->is_array()) {
          rates_ = rates_of_.update(*nics, now());
          return true;
        }
      }
      error_ = !reply ? printable(reply.error()) : problem_text(reply->status, reply->body);
      client_.reset();
      if (is_new) return false;
    }
    return false;
  }

  /// False: nobody reads.
  bool show() {
    std::vector<std::string> lines = rate_lines(rates_, style_);
    if (screen_) {
      if (!error_.empty()) lines.front() = painted(error_, Tone::bad, style_);
      screen_->draw(lines);
      return true;
    }
    // The first look has no rates: a screen shows who is there, a list waits for the next.
    if (!std::exchange(begun_, true)) return true;
    for (const std::string& line : lines) (void)std::fprintf(stdout, "%s\n", line.c_str());
    (void)std::fputc('\n', stdout);
    return std::fflush(stdout) == 0;
  }

  /// False: it is time to end.
  bool wait_until(Instant due) {
    while (true) {
      const Duration left = due - now();
      if (left <= Duration::zero()) return true;
      const auto timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
      std::array<pollfd, 2> polled = {{{signals_.fd(), POLLIN, 0}, {screen_ ? STDIN_FILENO : -1, POLLIN, 0}}};
      if (::poll(polled.data(), polled.size(), timeout) <= 0) continue;
      if (const auto signal = signals_.take(); signal && *signal != SIGWINCH) return false;
      if (polled[1].revents != 0) {
        char key = 0;
        if (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q') return false;
      }
      if (screen_) show();
    }
  }

  std::string path_;
  Duration interval_;
  std::uint32_t count_;
  const SignalPipe& signals_;
  Style style_;
  std::optional<http::Client> client_;
  Rates rates_of_;
  std::vector<NicRate> rates_;
  std::string error_;
  std::optional<Screen> screen_;
  bool begun_ = false;
};

}  // namespace

ExitCode run_top(const Common& common, const TopOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const SignalPipe signals{SIGINT, SIGTERM, SIGHUP, SIGWINCH};
  return Top{common, options, signals}.run();
}

}  // namespace vnet::adapter
