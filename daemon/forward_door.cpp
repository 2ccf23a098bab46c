#include "daemon/forward_door.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "daemon/socket_address.hpp"
#include "nat/proxy_header.hpp"

namespace vnet::daemon {
namespace {

constexpr int kBacklog = 128;
/// Connections that are accepted before others have their turn.
constexpr int kAcceptsPerTurn = 64;

dgram::Fd open_spare() { return dgram::Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

/// Closes with a reset, as far as the socket knows such.
void reset(dgram::Fd fd) {
  const linger at_once{1, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::optional<nat::Endpoint> endpoint_of(const SocketAddress& address) {
  if (address.family() != AF_INET && address.family() != AF_INET6) return std::nullopt;
  return nat::Endpoint{address.address(), address.port()};
}

class TcpDoor final : public ForwardDoor, public dgram::Watched {
 public:
  TcpDoor(Forwards::Parts& parts, Forwards::Running running, ForwardSocket socket)
      : ForwardDoor(parts, std::move(running), std::move(socket)), spare_(open_spare()) {
    parts_.poller.watch(socket_.fd.get(), true, false, *this);
  }
  TcpDoor(const TcpDoor&) = delete;
  TcpDoor& operator=(const TcpDoor&) = delete;
  ~TcpDoor() override {
    parts_.poller.forget(socket_.fd.get());
    for (Waiting& one : waiting_) reset(std::move(one.fd));
  }

  void on_ready(bool readable, bool) override {
    const Instant now = parts_.clock();
    for (int i = 0; readable && i < kAcceptsPerTurn; ++i) {
      dgram::Fd fd{::accept(socket_.fd.get(), nullptr, nullptr)};
      if (!fd && !turn_away()) break;
      if (!fd) continue;
      if (waiting_.size() >= Forwards::kMaxWaiting || !dgram::adopt(fd)) {
        refuse(std::move(fd));
        continue;
      }
      ++running_.accepted;
      waiting_.push_back({std::move(fd), now + Forwards::kPatience});
      // One by one, or those that need not wait would count as waiting.
      carry_on(now);
    }
    if (!waiting_.empty()) ask(now);
    parts_.fabric.end_host_events(now);
    parts_.after_frames();
  }

  [[nodiscard]] Forwards::Running look() const override {
    Forwards::Running now = running_;
    now.waiting = waiting_.size();
    now.ready = locate().has_value();
    return now;
  }

  bool retry(Instant now) override {
    const std::size_t before = waiting_.size();
    if (before != 0) carry_on(now);
    return waiting_.size() != before;
  }

  [[nodiscard]] Instant next_deadline() const override {
    return waiting_.empty() ? kNever : std::min(waiting_.front().until, next_question());
  }

  void expire(Instant now) override {
    while (!waiting_.empty() && waiting_.front().until <= now) {
      refuse(std::move(waiting_.front().fd));
      waiting_.pop_front();
    }
    if (!waiting_.empty()) ask(now);
  }

 private:
  struct Waiting {
    dgram::Fd fd;
    Instant until{};
  };

  void refuse(dgram::Fd fd) {
    ++running_.refused;
    reset(std::move(fd));
  }

  /// Out of descriptors: one is kept for telling so, or the loop would be woken by the same connection for ever.
  bool turn_away() {
    if ((errno != EMFILE && errno != ENFILE) || !spare_) return false;
    spare_.close();
    dgram::Fd fd{::accept(socket_.fd.get(), nullptr, nullptr)};
    const bool accepted = static_cast<bool>(fd);
    if (accepted) refuse(std::move(fd));
    spare_ = open_spare();
    return accepted;
  }

  /// The connections that wait go on to the guest, if it is known where that is.
  void carry_on(Instant now) {
    const auto mac = locate();
    if (egress() == nullptr || !mac) return;
    while (!waiting_.empty()) {
      dgram::Fd fd = std::move(waiting_.front().fd);
      waiting_.pop_front();
      carry_on(std::move(fd), *mac, now);
    }
  }

  void carry_on(dgram::Fd fd, const MacAddress& mac, Instant now) {
    SocketAddress peer;
    SocketAddress local;
    (void)::getpeername(fd.get(), peer.get(), &peer.size);
    (void)::getsockname(fd.get(), local.get(), &local.size);
    const auto real = endpoint_of(peer);
    const auto client = egress()->client_for(real, guest());
    if (!client) return refuse(std::move(fd));
    std::optional<nat::ProxiedConnection> proxied;
    if (const auto here = endpoint_of(local); real && here) proxied = {*real, *here};
    const auto prefix = nat::proxy_header(running_.forward.proxy_protocol, proxied);
    const nat::FlowId id = egress()->new_id();
    auto socket = parts_.sockets.adopt(id, std::move(fd), prefix);
    if (!socket || !egress()->call(id, *client, guest(), mac, std::move(*socket), now)) ++running_.refused;
  }

  dgram::Fd spare_;
  std::deque<Waiting> waiting_;  ///< oldest first
};

class UdpDoor final : public ForwardDoor {
 public:
  UdpDoor(Forwards::Parts& parts, Forwards::Running running, ForwardSocket socket)
      : ForwardDoor(parts, std::move(running), std::move(socket)) {
    attach();
  }
  UdpDoor(const UdpDoor&) = delete;
  UdpDoor& operator=(const UdpDoor&) = delete;
  ~UdpDoor() override {
    if (nat::Egress* const way = egress()) way->calls().close(flow_);
  }

  [[nodiscard]] Forwards::Running look() const override {
    Forwards::Running now = running_;
    now.ready = locate().has_value();
    if (const nat::Egress* const way = egress()) {
      const auto counters = way->calls().counters(flow_);
      now.accepted = counters.calls;
      now.refused = counters.refused;
      now.waiting = way->calls().waits(flow_) ? 1 : 0;
    }
    return now;
  }

  bool retry(Instant) override {
    attach();
    return false;
  }
  [[nodiscard]] Instant next_deadline() const override { return waits() ? next_question() : kNever; }
  void expire(Instant now) override {
    if (waits()) ask(now);
  }

 private:
  [[nodiscard]] bool waits() const {
    const nat::Egress* const way = egress();
    return way != nullptr && way->calls().waits(flow_);
  }

  /// Egress has the socket by a descriptor of its own, for a successor of the daemon is given ours.
  void attach() {
    nat::Egress* const way = egress();
    if (way == nullptr || way->calls().has(flow_)) return;
    dgram::Fd own{::fcntl(socket_.fd.get(), F_DUPFD_CLOEXEC, 0)};
    const nat::FlowId id = way->new_id();
    auto socket = parts_.sockets.adopt_udp(id, std::move(own));
    if (!socket) return;  // out of descriptors; it is tried again
    way->calls().open(id, guest(), std::move(*socket));
    flow_ = id;
  }

  nat::FlowId flow_{};
};

}  // namespace

dgram::SystemResult<ForwardSocket> ForwardSocket::open(const Forward& forward) {
  const auto failed = [&] { return fail(dgram::SystemError{"forward " + to_string(forward.listen), errno}); };
  const bool udp = forward.proto == Protocol::udp;
  ForwardSocket made;
  if (const auto* const path = std::get_if<UnixPath>(&forward.listen)) {
    auto fd = dgram::make_socket(SOCK_STREAM);
    if (!fd) return fail(fd.error());
    if (const auto bound = dgram::bind_replacing_stale(*fd, path->path); !bound) return fail(bound.error());
    made = {std::move(*fd), dgram::SocketFile{path->path}};
  } else {
    const auto& endpoint = std::get<Endpoint>(forward.listen);
    const SocketAddress address{endpoint.address, endpoint.port};
    made.fd = make_inet_socket(address.family(), udp ? SOCK_DGRAM : SOCK_STREAM);
    if (!made.fd) return failed();
    if (udp) {
      set_option(made.fd.get(), SOL_SOCKET, SO_RCVBUF, HostDatagram::kReceiveBuffer);
    } else {
      set_option(made.fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (::bind(made.fd.get(), address.get(), address.size) != 0) return failed();
  }
  if (!udp && ::listen(made.fd.get(), kBacklog) != 0) return failed();
  return made;
}

std::unique_ptr<ForwardDoor> ForwardDoor::make(Forwards::Parts& parts, Forwards::Running running,
                                               ForwardSocket socket) {
  if (running.forward.proto == Protocol::udp) {
    return std::make_unique<UdpDoor>(parts, std::move(running), std::move(socket));
  }
  return std::make_unique<TcpDoor>(parts, std::move(running), std::move(socket));
}

nat::Egress* ForwardDoor::egress() const {
  return parts_.fabric.has_network(running_.network) ? parts_.fabric.egress(running_.network) : nullptr;
}

std::optional<MacAddress> ForwardDoor::locate() const {
  return parts_.fabric.guest_at(running_.network, running_.forward.to.address);
}

void ForwardDoor::ask(Instant now) {
  if (now < next_question_) return;
  next_question_ = now + Forwards::kAskInterval;
  parts_.fabric.solicit(running_.network, running_.forward.to.address, now);
}

}  // namespace vnet::daemon
