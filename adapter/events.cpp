#include "adapter/events.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/event_text.hpp"
#include "adapter/printable.hpp"
#include "adapter/signal_pipe.hpp"

namespace vnet::adapter {
namespace {

/// How a connection ended.
enum class End {
  told_all,  ///< the stream ended
  broken,    ///< the connection did
  asked_to,  ///< by a signal, or nobody reads any more
  refused,   ///< the daemon does not answer this question; it has been said why
};

class Follower {
 public:
  Follower(const Common& common, const EventsOptions& options, const SignalPipe& signals)
      : options_(options),
        path_(control_path(common)),
        style_{wants_color(common.color, STDOUT_FILENO)},
        signals_(signals) {}

  ExitCode run() {
    auto client = connect_control(path_);
    if (!client) {
      complain(client.error());
      return ExitCode::failed;
    }
    while (true) {
      switch (follow(std::move(*client))) {
        case End::asked_to: return ExitCode::ok;
        case End::refused: return ExitCode::failed;
        case End::told_all:
          if (!options_.follow) return ExitCode::ok;
          break;
        case End::broken:
          if (!options_.follow) {
            complain("the events broke off: the connection to vnetd was lost");
            return ExitCode::failed;
          }
          break;
      }
      complain("vnetd at " + printable(path_) + " is gone; waiting for it");
      do {
        if (signals_.wait(kReconnectInterval)) return ExitCode::ok;
        client = connect_control(path_);
      } while (!client);
      reconnected_ = true;
      complain("connected again");
    }
  }

 private:
  [[nodiscard]] std::string target() const {
    Query query = options_.filter;
    if (!options_.follow) query.emplace_back("follow", "false");
    // A follower that has seen nothing begins with now; the first time only, because what a new daemon did while we
    // were waiting is news too.
    if (last_id_.empty()) {
      const bool from_start = !options_.follow || reconnected_;
      if (options_.since || from_start) query.emplace_back("since", std::to_string(options_.since.value_or(0)));
    }
    return api_target({"events"}, query);
  }

  End follow(http::Client client) {
    http::Fields headers = {{"Accept", "text/event-stream"}};
    if (!last_id_.empty()) headers.emplace_back("Last-Event-ID", last_id_);
    const auto head = client.begin("GET", target(), headers);
    if (!head) return End::broken;
    std::string problem;
    http::EventStreamDecoder decoder;
    std::array<std::uint8_t, 16384> piece{};
    while (true) {
      if (!client.has_body() && !wait(client)) return End::asked_to;
      const auto size = client.read_body(piece, kControlTimeout);
      if (!size) return End::broken;
      const std::string_view bytes{reinterpret_cast<const char*>(piece.data()), *size};
      if (head->status >= 400) {
        problem += bytes;
        if (!bytes.empty() && problem.size() < http::kMaxReplyBody) continue;
        complain(problem_text(head->status, problem));
        return End::refused;
      }
      if (bytes.empty()) return End::told_all;
      if (!show(decoder.feed(bytes))) return End::asked_to;
    }
  }

  /// False: a signal came.
  [[nodiscard]] bool wait(const http::Client& client) const {
    while (true) {
      std::array<pollfd, 3> polled = {{{client.fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
      if (::poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[1].revents != 0 || (polled[2].revents & POLLERR) != 0) return false;
      if (polled[0].revents != 0) return true;
    }
  }

  /// False: nobody reads what we write.
  bool show(const std::vector<http::Event>& events) {
    for (const http::Event& event : events) {
      if (!event.id.empty()) last_id_ = event.id;
      const std::string line = options_.json ? event_json(event) : event_line(event, style_);
      (void)std::fprintf(stdout, "%s\n", line.c_str());
    }
    return std::fflush(stdout) == 0;
  }

  const EventsOptions& options_;
  std::string path_;
  Style style_;
  const SignalPipe& signals_;
  std::string last_id_;
  bool reconnected_ = false;
};

}  // namespace

ExitCode run_events(const Common& common, const EventsOptions& options) {
  ::signal(SIGPIPE, SIG_IGN);
  const SignalPipe signals{SIGINT, SIGTERM, SIGHUP};
  return Follower{common, options, signals}.run();
}

}  // namespace vnet::adapter
