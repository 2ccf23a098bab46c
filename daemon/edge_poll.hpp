// EdgePoll: readiness of thousands of sockets behind one descriptor of the event loop.
//
// On Linux an epoll instance of its own in which each socket is registered once, edge-triggered, for everything; the
// loop watches the instance, level-triggered. So a socket costs no libuv handle and no call when its interest changes,
// and bytes that lie in the kernel, peeked at and not yet acknowledged by the guest, wake nobody (tests/platform/
// tcp_peek_test.cpp has the facts). Each turn takes a bounded number of events, so that frames get theirs.
//
// Elsewhere the loop watches each socket, level-triggered, and a direction that was told is not watched until the
// socket asks for it again by `want`, which is free on Linux. That is sound because a socket without the kernel's peek
// offset leaves nothing in the kernel once it has said "drained" (daemon/stream_peek.hpp).
//
// A socket may be destroyed by the listener, itself or another: events look their socket up by its flow, and flows
// are never used twice, so what was said of the dead in the same turn finds nobody.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "nat/host_socket.hpp"

namespace vnet::daemon {

/// Told what the host's sockets have to say. Both calls may open and destroy sockets.
class HostListener {
 public:
  virtual ~HostListener() = default;
  virtual void on_host(nat::FlowId flow, nat::HostEvents events) = 0;
  /// All of one turn's events have been told: send the frames that they made.
  virtual void on_host_batch_end() = 0;
};

/// What is so at a socket of which something has changed.
struct Edges {
  bool readable = false;
  bool writable = false;
  bool failed = false;
  bool ended = false;   ///< the other side has ended its half
  bool urgent = false;  ///< a byte is marked urgent
};

class EdgeSocket {
 public:
  virtual ~EdgeSocket() = default;
  /// Returns what of it is news to the flow.
  [[nodiscard]] virtual nat::HostEvents on_edges(const Edges& edges) = 0;
};

class EdgePoll final : public dgram::Watched {
 public:
  /// Events that one turn takes.
  static constexpr std::size_t kMaxEvents = 256;

  /// Both must outlive the object, and the object what is added to it. Throws a sentence where the system has no
  /// descriptor to give.
  EdgePoll(dgram::Poller& poller, HostListener& listener);
  ~EdgePoll() override;
  EdgePoll(const EdgePoll&) = delete;
  EdgePoll& operator=(const EdgePoll&) = delete;

  /// What is so already is told in the next turn. False: the system has no memory for it.
  [[nodiscard]] bool add(nat::FlowId flow, int fd, EdgeSocket& socket);
  /// Before the descriptor is closed. One that was not added is let pass.
  void remove(nat::FlowId flow, int fd);
  /// Tell of these again: the socket has found nothing to read, or no room to write.
  void want([[maybe_unused]] nat::FlowId flow, [[maybe_unused]] bool readable, [[maybe_unused]] bool writable) {
#if !defined(__linux__)
    rearm(flow, readable, writable);
#endif
  }

  [[nodiscard]] std::size_t size() const noexcept { return sockets_.size(); }
  void on_ready(bool readable, bool writable) override;

 private:
  [[nodiscard]] EdgeSocket* find(nat::FlowId flow) const;
  void tell(nat::FlowId flow, const Edges& edges);

  dgram::Poller& poller_;
  HostListener& listener_;
#if defined(__linux__)
  dgram::Fd epoll_;
  std::unordered_map<nat::FlowId, EdgeSocket*> sockets_;
#else
  class Level;
  void rearm(nat::FlowId flow, bool readable, bool writable);
  std::unordered_map<nat::FlowId, std::unique_ptr<Level> > sockets_;
#endif
};

}  // namespace vnet::daemon
