#include "daemon/edge_poll.hpp"

#include <array>
#include <cassert>
#include <cerrno>
#include <stdexcept>
#include <tuple>

#if defined(__linux__)
#include <sys/epoll.h>
#endif

namespace vnet::daemon {

#if defined(__linux__)

EdgePoll::EdgePoll(dgram::Poller& poller, HostListener& listener)
    : poller_(poller), listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::runtime_error(dgram::SystemError{"epoll_create1", errno}.to_string());
  poller_.watch(epoll_.get(), true, false, *this);
}

EdgePoll::~EdgePoll() { poller_.forget(epoll_.get()); }

bool EdgePoll::add(nat::FlowId flow, int fd, EdgeSocket& socket) {
  assert(!sockets_.contains(flow));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLET;
  event.data.u64 = static_cast<std::uint64_t>(flow);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  sockets_.emplace(flow, &socket);
  return true;
}

void EdgePoll::remove(nat::FlowId flow, int fd) {
  if (sockets_.erase(flow) == 0) return;
  // Closing would do, were the descriptor's only holder always us: an adopted one may have another.
  std::ignore = ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EdgePoll::on_ready(bool, bool) {
  std::array<epoll_event, kMaxEvents> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  if (count <= 0) return;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const auto is = [what = events[i].events](std::uint32_t event) { return (what & event) != 0; };
    tell(nat::FlowId{events[i].data.u64}, {.readable = is(EPOLLIN),
                                           .writable = is(EPOLLOUT),
                                           .failed = is(EPOLLERR),
                                           .ended = is(EPOLLRDHUP),
                                           .urgent = is(EPOLLPRI)});
  }
  listener_.on_host_batch_end();
}

EdgeSocket* EdgePoll::find(nat::FlowId flow) const {
  const auto found = sockets_.find(flow);
  return found != sockets_.end() ? found->second : nullptr;
}

#else

/// One socket's level-triggered interest. Errors show in the call that they make ready.
class EdgePoll::Level final : public dgram::Watched {
 public:
  Level(EdgePoll& owner, nat::FlowId flow, int fd, EdgeSocket& socket)
      : owner_(owner), flow_(flow), fd_(fd), socket_(socket) {}
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  ~Level() override { owner_.poller_.forget(fd_); }

  void want(bool readable, bool writable) {
    readable_ = readable_ || readable;
    writable_ = writable_ || writable;
    owner_.poller_.watch(fd_, readable_, writable_, *this);
  }
  void on_ready(bool readable, bool writable) override {
    readable_ = readable_ && !readable;
    writable_ = writable_ && !writable;
    owner_.poller_.watch(fd_, readable_, writable_, *this);
    EdgePoll& owner = owner_;  // this may be destroyed by what comes
    owner.tell(flow_, {.readable = readable, .writable = writable});
    owner.listener_.on_host_batch_end();
  }
  [[nodiscard]] EdgeSocket& socket() const noexcept { return socket_; }

 private:
  EdgePoll& owner_;
  nat::FlowId flow_;
  int fd_;
  EdgeSocket& socket_;
  bool readable_ = false;
  bool writable_ = false;
};

EdgePoll::EdgePoll(dgram::Poller& poller, HostListener& listener) : poller_(poller), listener_(listener) {}

EdgePoll::~EdgePoll() = default;

bool EdgePoll::add(nat::FlowId flow, int fd, EdgeSocket& socket) {
  assert(!sockets_.contains(flow));
  const auto added = sockets_.emplace(flow, std::make_unique<Level>(*this, flow, fd, socket)).first;
  added->second->want(true, true);
  return true;
}

void EdgePoll::remove(nat::FlowId flow, int) { sockets_.erase(flow); }

void EdgePoll::rearm(nat::FlowId flow, bool readable, bool writable) {
  if (const auto found = sockets_.find(flow); found != sockets_.end()) found->second->want(readable, writable);
}

void EdgePoll::on_ready(bool, bool) {}

EdgeSocket* EdgePoll::find(nat::FlowId flow) const {
  const auto found = sockets_.find(flow);
  return found != sockets_.end() ? &found->second->socket() : nullptr;
}

#endif

void EdgePoll::tell(nat::FlowId flow, const Edges& edges) {
  EdgeSocket* const socket = find(flow);
  if (socket == nullptr) return;
  const nat::HostEvents events = socket->on_edges(edges);
  if (events.readable || events.writable || events.failed) listener_.on_host(flow, events);
}

}  // namespace vnet::daemon
