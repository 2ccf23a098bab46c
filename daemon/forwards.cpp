#include "daemon/forwards.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/proxy_header.hpp"
#include "daemon/socket_address.hpp"

namespace vnet::daemon {
namespace {

constexpr int kBacklog = 128;

dgram::Fd open_spare() { return dgram::Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

/// Closes with a reset, as far as the socket knows such.
void reset(dgram::Fd fd) {
  const linger at_once{1, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

struct Listening {
  dgram::Fd fd;
  dgram::SocketFile file;
};

dgram::SystemResult<Listening> listen_at(const EndpointOrUnix& where) {
  const auto failed = [&] { return fail(dgram::SystemError{"forward " + to_string(where), errno}); };
  Listening made;
  if (const auto* const path = std::get_if<UnixPath>(&where)) {
    auto fd = dgram::make_socket(SOCK_STREAM);
    if (!fd) return fail(fd.error());
    if (const auto bound = dgram::bind_replacing_stale(*fd, path->path); !bound) return fail(bound.error());
    made = {std::move(*fd), dgram::SocketFile{path->path}};
  } else {
    const auto& endpoint = std::get<Endpoint>(where);
    const SocketAddress address{endpoint.address, endpoint.port};
    made.fd = make_inet_socket(address.family(), SOCK_STREAM);
    if (!made.fd) return failed();
    set_option(made.fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(made.fd.get(), address.get(), address.size) != 0) return failed();
  }
  if (::listen(made.fd.get(), kBacklog) != 0) return failed();
  return made;
}

std::optional<nat::Endpoint> endpoint_of(const SocketAddress& address) {
  if (address.family() != AF_INET && address.family() != AF_INET6) return std::nullopt;
  return nat::Endpoint{address.address(), address.port()};
}

}  // namespace

/// One forward: its socket, and the connections that wait for the guest.
class Forwards::Door final : public dgram::Watched {
 public:
  struct Waiting {
    dgram::Fd fd;
    Instant until{};
  };

  Door(Forwards& owner, Running running, Listening listening)
      : owner_(owner), running_(std::move(running)), listening_(std::move(listening)), spare_(open_spare()) {
    owner_.parts_.poller.watch(listening_.fd.get(), true, false, *this);
  }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;
  ~Door() override {
    owner_.parts_.poller.forget(listening_.fd.get());
    for (Waiting& one : waiting_) reset(std::move(one.fd));
  }

  void on_ready(bool readable, bool) override {
    const Instant now = owner_.parts_.clock();
    for (int i = 0; readable && i < kAcceptsPerTurn; ++i) {
      dgram::Fd fd{::accept(listening_.fd.get(), nullptr, nullptr)};
      if (!fd && !turn_away()) break;
      if (!fd) continue;
      if (waiting_.size() >= kMaxWaiting || !dgram::adopt(fd)) {
        refuse(std::move(fd));
        continue;
      }
      ++running_.accepted;
      waiting_.push_back({std::move(fd), now + kPatience});
      // One by one, or those that need not wait would count as waiting.
      owner_.carry_on(*this, now);
    }
    if (!waiting_.empty()) ask(now);
    owner_.parts_.fabric.end_host_events(now);
    owner_.parts_.after_frames();
  }

  /// Has the network asked for the guest, not more often than kAskInterval.
  void ask(Instant now) {
    if (now < next_question_) return;
    next_question_ = now + kAskInterval;
    owner_.parts_.fabric.solicit(running_.network, running_.forward.to.address, now);
  }

  void count_refused() noexcept { ++running_.refused; }
  void refuse(dgram::Fd fd) {
    count_refused();
    reset(std::move(fd));
  }

  void expire(Instant now) {
    while (!waiting_.empty() && waiting_.front().until <= now) {
      refuse(std::move(waiting_.front().fd));
      waiting_.pop_front();
    }
    if (!waiting_.empty()) ask(now);
  }

  [[nodiscard]] Instant next_deadline() const {
    return waiting_.empty() ? kNever : std::min(waiting_.front().until, next_question_);
  }
  [[nodiscard]] const Running& running() const noexcept { return running_; }
  [[nodiscard]] std::deque<Waiting>& waiting() noexcept { return waiting_; }
  [[nodiscard]] Listening& listening() noexcept { return listening_; }

 private:
  /// Out of descriptors: one is kept for telling so, or the loop would be woken by the same connection for ever.
  bool turn_away() {
    if ((errno != EMFILE && errno != ENFILE) || !spare_) return false;
    spare_.close();
    dgram::Fd fd{::accept(listening_.fd.get(), nullptr, nullptr)};
    const bool accepted = static_cast<bool>(fd);
    if (accepted) refuse(std::move(fd));
    spare_ = open_spare();
    return accepted;
  }

  Forwards& owner_;
  Running running_;
  Listening listening_;
  dgram::Fd spare_;
  std::deque<Waiting> waiting_;  ///< oldest first
  Instant next_question_{};
};

Forwards::Forwards(Parts parts) : parts_(std::move(parts)) {}

Forwards::~Forwards() = default;

dgram::SystemResult<std::string> Forwards::open(std::size_t network, const Forward& forward, dgram::Fd inherited) {
  if (doors_.size() >= kMaxForwards) return fail(dgram::SystemError{"forward " + to_string(forward.listen), EMFILE});
  Listening listening;
  if (inherited) {
    listening.fd = std::move(inherited);
    if (const auto* const path = std::get_if<UnixPath>(&forward.listen)) {
      listening.file = dgram::SocketFile{path->path};
    }
  } else {
    auto made = listen_at(forward.listen);
    if (!made) return fail(made.error());
    listening = std::move(*made);
  }
  std::string id = std::to_string(next_id_++);
  Running running;
  running.id = id;
  running.network = network;
  running.forward = forward;
  doors_.push_back(std::make_unique<Door>(*this, std::move(running), std::move(listening)));
  return id;
}

dgram::SystemResult<void> Forwards::try_open(const Forward& forward) const {
  if (const auto made = listen_at(forward.listen); !made) return fail(made.error());
  return {};
}

bool Forwards::close(std::string_view id) {
  return std::erase_if(doors_, [&](const auto& door) { return door->running().id == id; }) != 0;
}

std::optional<std::string> Forwards::find(const EndpointOrUnix& listen) const {
  const auto is_it = [&](const auto& door) { return door->running().forward.listen == listen; };
  const auto found = std::ranges::find_if(doors_, is_it);
  return found == doors_.end() ? std::nullopt : std::optional{(*found)->running().id};
}

std::vector<Forwards::Running> Forwards::running() const {
  std::vector<Running> all;
  for (const auto& door : doors_) {
    Running one = door->running();
    one.waiting = door->waiting().size();
    one.ready = parts_.fabric.guest_at(one.network, one.forward.to.address).has_value();
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::pair<std::string, int>> Forwards::listening() const {
  std::vector<std::pair<std::string, int>> all;
  for (const auto& door : doors_) {
    all.emplace_back(forward_key(door->running().forward), door->listening().fd.get());
  }
  return all;
}

void Forwards::disown() noexcept {
  for (const auto& door : doors_) door->listening().file.disown();
}

/// The connections that wait at a door go on to the guest, if it is known where that is.
void Forwards::carry_on(Door& door, Instant now) {
  const Running& running = door.running();
  const nat::Endpoint guest{running.forward.to.address, running.forward.to.port};
  nat::Egress* const egress = parts_.fabric.egress(running.network);
  const auto mac = parts_.fabric.guest_at(running.network, guest.address);
  if (egress == nullptr || !mac) return;
  while (!door.waiting().empty()) {
    dgram::Fd fd = std::move(door.waiting().front().fd);
    door.waiting().pop_front();
    SocketAddress peer;
    SocketAddress local;
    (void)::getpeername(fd.get(), peer.get(), &peer.size);
    (void)::getsockname(fd.get(), local.get(), &local.size);
    const auto real = endpoint_of(peer);
    const auto client = egress->client_for(real, guest);
    if (!client) {
      door.refuse(std::move(fd));
      continue;
    }
    std::optional<ProxiedConnection> proxied;
    if (const auto here = endpoint_of(local); real && here) proxied = {*real, *here};
    const auto prefix = proxy_header(running.forward.proxy_protocol, proxied);
    const nat::FlowId id = egress->new_id();
    auto socket = parts_.sockets.adopt(id, std::move(fd), prefix);
    if (!socket || !egress->call(id, *client, guest, *mac, std::move(*socket), now)) door.count_refused();
  }
}

void Forwards::retry() {
  const Instant now = parts_.clock();
  bool carried = false;
  for (const auto& door : doors_) {
    const std::size_t before = door->waiting().size();
    if (before == 0) continue;
    carry_on(*door, now);
    carried = carried || door->waiting().size() != before;
  }
  if (carried) parts_.fabric.end_host_events(now);
}

Instant Forwards::next_deadline() const {
  Instant next = kNever;
  for (const auto& door : doors_) next = std::min(next, door->next_deadline());
  return next;
}

void Forwards::expire(Instant now) {
  if (now < next_deadline()) return;
  for (const auto& door : doors_) door->expire(now);
  parts_.after_frames();
}

}  // namespace vnet::daemon
