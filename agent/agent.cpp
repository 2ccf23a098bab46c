#include "agent/agent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "agent/wake.hpp"

namespace vnet::agent {
namespace {

/// How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time that the machine has slept.
Millis time_asleep() {
  timespec boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return boot.tv_sec * 1000 + boot.tv_nsec / 1'000'000 - now_ms();
}

void complain(const std::string& text) { std::fprintf(stderr, "vnet-agent: %s\n", text.c_str()); }

std::string text_of(const Address& address) {
  std::string text;
  for (std::size_t i = 0; address.family == AF_INET && i < address.size(); ++i) {
    text += (i == 0 ? "" : ".") + std::to_string(address.bytes[i]);
  }
  return text;
}

}  // namespace

Agent::Agent(Settings settings)
    : settings_(std::move(settings)),
      channel_(settings_.host),
      commands_([this](std::string_view line) { channel_.send(line); }),
      dialer_(settings_.dial, settings_.dial_port),
      slept_(time_asleep()) {}

int Agent::run() {
  sigset_t awaited;
  sigemptyset(&awaited);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&awaited, number);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const int signals = ::signalfd(-1, &awaited, SFD_NONBLOCK | SFD_CLOEXEC);
  interface_.find(settings_.interface, settings_.mac);
  links_.ask();
  while (!ends_) turn(signals);
  ::close(signals);
  return 0;
}

int Agent::time_left(Millis now) const {
  constexpr Millis kLongest = 1000;  // a sleep is to be noticed
  const Millis due = std::min(channel_.deadline(), dialer_.deadline());
  return static_cast<int>(std::clamp<Millis>(due == kNoTime ? kLongest : due - now, 0, kLongest));
}

void Agent::turn(int signals) {
  channel_.tend(now_ms(), interface_.assignment().has_value());
  dialer_.tend(now_ms());
  // A descriptor of -1 is passed over.
  std::vector<pollfd> polled = {
      {signals, POLLIN, 0}, {links_.fd(), POLLIN, 0}, {channel_.fd(), POLLIN, 0}, {dialer_.fd(), POLLIN, 0}};
  constexpr std::size_t kOurs = 4;
  if (channel_.wants_to_write()) polled[2].events |= POLLOUT;
  if (dialer_.wants_to_write()) polled[3].events |= POLLOUT;
  if (channel_.waiting() < kMaxWaiting) commands_.add_to(polled);
  if (::poll(polled.data(), polled.size(), time_left(now_ms())) < 0) return;
  look_at_clocks();
  for (std::size_t i = kOurs; i < polled.size(); ++i) {
    if (polled[i].revents != 0) commands_.on_ready(polled[i].fd);
  }
  if (polled[0].revents != 0) on_signal(signals);
  if (polled[3].revents != 0) {
    const bool bad = (polled[3].revents & (POLLERR | POLLHUP)) != 0;
    dialer_.on_ready(bad || (polled[3].revents & POLLIN) != 0, (polled[3].revents & POLLOUT) != 0, now_ms());
  }
  if ((polled[2].revents & POLLOUT) != 0) channel_.write();
  if ((polled[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && channel_.is_open()) hear_host();
  if (polled[1].revents == 0) return;
  if (interface_.index() == 0) interface_.find(settings_.interface, settings_.mac);
  if (const auto up = links_.read(interface_.index())) on_carrier(*up);
}

void Agent::on_signal(int signals) {
  signalfd_siginfo what{};
  while (::read(signals, &what, sizeof what) == static_cast<ssize_t>(sizeof what)) {
    if (what.ssi_signo != SIGCHLD) ends_ = true;
  }
  commands_.reap();
}

void Agent::hear_host() {
  for (const std::string& line : channel_.read()) {
    const Answer answer = parse_answer(line);
    if (answer.kind == Answer::Kind::assignment) assign(answer.assignment);
    if (answer.kind != Answer::Kind::other || !channel_.takes_commands()) continue;
    const auto command = Json::parse(line);
    if (command && !wake(*command)) commands_.hear(*command);
  }
  if (!channel_.is_open()) commands_.end_all();
}

bool Agent::wake(const Json& command) {
  const Json* const restored = command.find("restored");
  if (restored == nullptr) return false;
  const std::string problem = wake_up(*restored);
  channel_.send(R"({"id":)" + std::to_string(command.number_at("id", 0)) +
                (problem.empty() ? R"(,"exit":0})" : R"(,"error":)" + quoted(problem) + "}"));
  interface_.find(settings_.interface, settings_.mac);
  slept_ = time_asleep();
  return true;
}

void Agent::assign(const Assignment& wanted) {
  if (interface_.assignment() == wanted) return;
  const bool is_another = wanted.mac && *wanted.mac != interface_.mac();
  if (interface_.index() == 0 || is_another) {
    interface_.find(settings_.interface, settings_.mac ? settings_.mac : wanted.mac);
  }
  if (interface_.index() == 0) return complain("there is no interface for the assignment, or more than one");
  if (wanted.mac && *wanted.mac != interface_.mac())
    return complain("the assignment is for " + to_string(*wanted.mac) + ", not for " + interface_.name());
  if (const std::string problem = interface_.set(wanted); !problem.empty()) complain(problem);
  write_resolv_conf(resolv_conf(wanted));
  std::fprintf(stderr, "vnet-agent: %s has %s/%d\n", interface_.name().c_str(), text_of(wanted.ip).c_str(),
               wanted.ip.prefix);
  dialer_.introduce(R"("interface":)" + quoted(interface_.name()) + R"(,"mac":")" + to_string(interface_.mac()) +
                    R"(","ip":")" + text_of(wanted.ip) + "\"");
  if (!wanted.hostname.empty() && ::sethostname(wanted.hostname.data(), wanted.hostname.size()) != 0) {
    complain("hostname: " + std::string{std::strerror(errno)});
  }
  links_.ask();
  // Without a carrier nothing leaves, and the driver is dialled as soon as it comes.
  if (carrier_.value_or(true)) dialer_.dial("assignment", now_ms());
}

void Agent::on_carrier(bool up) {
  if (carrier_ == up) return;
  const bool is_change = carrier_.has_value();
  carrier_ = up;
  if (!is_change || !interface_.assignment()) return;
  dialer_.report(R"({"event":"link","up":)" + std::string{up ? "true" : "false"} + R"(,"ms":)" +
                 std::to_string(now_ms()) + "}");
  if (up) {
    // Routes are gone where the interface itself was down.
    const Assignment again = *interface_.assignment();
    if (const std::string problem = interface_.set(again); !problem.empty()) complain(problem);
    dialer_.dial("link up", now_ms());
  } else {
    dialer_.hold();
  }
}

void Agent::look_at_clocks() {
  constexpr Millis kMeans = 1000;
  const Millis asleep = time_asleep();
  const bool woke = asleep - slept_ > kMeans;
  slept_ = asleep;
  if (woke && interface_.assignment()) dialer_.dial("the machine slept", now_ms());
}

/// Another in its place: whoever reads it has the old one or the new.
void Agent::write_resolv_conf(const std::string& text) const {
  if (text.empty() || settings_.resolv_conf.empty()) return;
  const std::string fresh = settings_.resolv_conf + ".vnet-agent";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int code = errno;
  if (fd >= 0) ::close(fd);
  if (written && ::rename(fresh.c_str(), settings_.resolv_conf.c_str()) == 0) return;
  complain(settings_.resolv_conf + ": " + std::strerror(written ? errno : code));
  ::unlink(fresh.c_str());
}

}  // namespace vnet::agent
