#include "dgram/shared_path.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#if defined(__linux__)
#include <linux/sockios.h>
#endif

namespace vnet::dgram {
namespace {

/// Whether nothing of what this socket has sent is still unread.
bool all_read(const Fd& fd) {
#if defined(__linux__)
  int unread = 0;
  return ::ioctl(fd.get(), SIOCOUTQ, &unread) == 0 && unread == 0;
#else
  std::ignore = fd;
  return true;
#endif
}

}  // namespace

/// A client of the shared path, known by the path that it has bound.
class SharedPath::Peer final : public Client, public Watched {
 public:
  Peer(SharedPath& owner, std::string name, const UnixAddress& address)
      : Client(std::move(name), owner.origin_),
        owner_(owner),
        address_(address),
        credit_(owner.poller_, [this] { retry(); }) {
    choose_way();
    watch();
  }
  ~Peer() override {
    owner_.watch_.remove(watch_);
    stop_waiting();
    set_shared(false);
  }

  /// Has the client's file watched until something happens to it, which is told once.
  void watch() {
    watch_ = owner_.watch_.add(peer(), [&shared = owner_, path = peer()] { shared.probe(path); });
  }

  void send(std::span<const ByteView> frames, Delivery& delivery) override {
    sender_.send(frames, tag, delivery);
    if (sender_.lost() != 0) recover(delivery);
    wait_if_backlogged();
  }

  void discard(DropReason reason, Delivery& delivery) override {
    sender_.abandon(tag, delivery, reason);
    wait_if_backlogged();
  }

  /// There is one socket at a path: a newcomer at ours is our successor, wherever it has connected itself to.
  [[nodiscard]] bool yields_to(const Client& newcomer) override {
    if (newcomer.remote() != peer() && choose_way()) return false;
    owner_.mark_gone(*this);
    return true;
  }

  void pull() override { owner_.receive(kBatchesPerPull); }
  void hang_up() override { owner_.forget(peer()); }
  [[nodiscard]] std::string_view remote() const noexcept override { return peer(); }

  void on_ready(bool, bool writable) override {
    if (!writable) return;
    SharedPath& owner = owner_;
    retry();
    owner.settle();  // this may be the end of us
  }

  void retry() {
    sender_.drain(tag, owner_.switchboard_);
    if (sender_.lost() != 0) recover(owner_.switchboard_);
    wait_if_backlogged();
  }

  /// Finds out whether the client is there, and by which way it can be answered. False when it is gone.
  bool choose_way() {
    if (!own_) {
      auto made = make_socket(SOCK_DGRAM);
      if (!made) return use_shared();
      own_ = std::move(*made);
      enlarge_buffers(own_, kBufferBytes);
    }
    switch (connect_to(own_, address_)) {
      case 0:
        if (shared_ || sender_.lost() != 0 || !chosen_) {
          set_shared(false);
          sender_.use(own_.get());
        }
        chosen_ = true;
        return true;
      case EPERM: stop_waiting(); return use_shared();
      default: return false;
    }
  }

  void give_up(Delivery& delivery) {
    stop_waiting();
    sender_.abandon(tag, delivery, DropReason::detached);
  }

  [[nodiscard]] bool backlogged_on_shared() const noexcept { return shared_ && sender_.backlogged(); }
  /// Whether its socket was there when it was looked for.
  [[nodiscard]] bool found() const noexcept { return chosen_; }
  [[nodiscard]] bool hears_anybody() const noexcept { return chosen_ && !shared_; }
  void set_share(std::size_t bytes) noexcept { credit_.set_limit(bytes); }
  void restore_credit() noexcept { credit_.reset(); }
  bool gone = false;

 private:
  bool use_shared() {
    if (!shared_ || sender_.lost() != 0) {
      set_shared(true);
      credit_.reset();
      sender_.use_shared(owner_.fd_.get(), address_, credit_);
    }
    chosen_ = true;
    return true;
  }

  void set_shared(bool shared) {
    if (shared_ == shared) return;
    shared_ = shared;
    owner_.share_out(shared ? 1 : -1);
  }

  /// The client may have closed its socket and bound another at the same path, or have connected itself to ours.
  void recover(Delivery& delivery) {
    if (choose_way()) {
      sender_.drain(tag, delivery);
      if (sender_.lost() == 0) return;
    }
    give_up(delivery);
    owner_.mark_gone(*this);
  }

  void wait_if_backlogged() {
    if (shared_) {
      if (sender_.backlogged()) {
        owner_.next_retry_ = std::min<Instant>(owner_.next_retry_, owner_.switchboard_.now() + owner_.retry_interval_);
      }
      return;
    }
    if (sender_.backlogged() == waiting_) return;
    if (waiting_) {
      stop_waiting();
    } else {
      waiting_ = true;
      owner_.poller_.watch(own_.get(), false, true, *this);
    }
  }

  void stop_waiting() {
    if (!waiting_) return;
    waiting_ = false;
    owner_.poller_.forget(own_.get());
  }

  SharedPath& owner_;
  UnixAddress address_;
  Fd own_;               ///< our socket for this client alone
  bool shared_ = false;  ///< the client is connected to the shared socket and hears no other
  bool waiting_ = false;
  bool chosen_ = false;  ///< the sender knows its way
  int watch_ = -1;
  ReadCredit credit_;
  DatagramSender sender_;
};

SystemResult<std::unique_ptr<SharedPath>> SharedPath::open(std::string path, std::uint32_t origin, Poller& poller,
                                                           PathWatch& watch, Switchboard& switchboard,
                                                           ReceiveBatch& batch) {
  auto fd = make_socket(SOCK_DGRAM);
  if (!fd) return fail(fd.error());
  if (const auto bound = bind_replacing_stale(*fd, path); !bound) return fail(bound.error());
  return std::unique_ptr<SharedPath>{
      new SharedPath(SocketFile{std::move(path)}, origin, std::move(*fd), poller, watch, switchboard, batch)};
}

SystemResult<std::unique_ptr<SharedPath>> SharedPath::inherit(Fd fd, SocketFile file, std::uint32_t origin,
                                                              Poller& poller, PathWatch& watch,
                                                              Switchboard& switchboard, ReceiveBatch& batch) {
  if (const auto fits = check_inherited(fd, SOCK_DGRAM); !fits) return fail(fits.error());
  return std::unique_ptr<SharedPath>{
      new SharedPath(std::move(file), origin, std::move(fd), poller, watch, switchboard, batch)};
}

SharedPath::SharedPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, PathWatch& watch,
                       Switchboard& switchboard, ReceiveBatch& batch)
    : file_(std::move(file)),
      origin_(origin),
      fd_(std::move(fd)),
      poller_(poller),
      watch_(watch),
      switchboard_(switchboard),
      batch_(batch),
      buffers_(enlarge_buffers(fd_, kBufferBytes)) {
  poller_.watch(fd_.get(), true, false, *this);
}

SharedPath::~SharedPath() {
  // A client that goes gives its share back to those in the table: there must be none any more.
  std::exchange(clients_, {}).clear();
  poller_.forget(fd_.get());
}

void SharedPath::on_ready(bool readable, bool) {
  if (readable) receive(kBatchesPerTurn);
}

void SharedPath::receive(int batches) {
  for (int turn = 0; turn < batches; ++turn) {
    if (!receive_batch()) break;
  }
}

bool SharedPath::receive_batch() {
  const int count = batch_.receive(fd_.get(), true);
  if (count <= 0) return false;
  Peer* from = nullptr;
  const auto flush = [&] {
    if (!run_.empty()) switchboard_.on_frames(*from, run_);
    run_.clear();
  };
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    Peer* const peer = peer_of(i);
    if (peer == nullptr) continue;
    if (peer != from) flush();
    from = peer;
    const ByteView frame = batch_.frame(i);
    if (batch_.truncated(i)) {
      switchboard_.on_refused(peer, frame, DropReason::oversize);
    } else if (frame.empty()) {
      switchboard_.on_refused(peer, frame, DropReason::empty);
    } else if (!is_vfkit_magic(frame)) {
      run_.push_back(frame);
    }
  }
  flush();
  switchboard_.end_batch();
  return static_cast<std::size_t>(count) == kBatch;
}

SharedPath::Peer* SharedPath::peer_of(std::size_t slot) {
  const std::string_view name = batch_.sender_name(slot);
  if (last_ != nullptr && last_->peer() == name) return last_;
  if (name.empty()) {
    switchboard_.on_refused(nullptr, batch_.frame(slot), DropReason::unbound_sender);
    if (!std::exchange(said_unbound_, true)) {
      switchboard_.on_notice("a client sends to " + file_.path() +
                             " from a socket that is bound to no path; it cannot be answered and its frames are "
                             "refused (bind it to a path of its own first)");
    }
    return nullptr;
  }
  const auto found = clients_.find(name);
  last_ = found != clients_.end() ? found->second.get() : add_peer(name, batch_.sender(slot));
  if (last_ == nullptr) switchboard_.on_refused(nullptr, batch_.frame(slot), DropReason::too_many_clients);
  return last_;
}

SharedPath::Peer* SharedPath::add_peer(std::string_view name, const UnixAddress& address) {
  if (clients_.size() >= kMaxClients) return nullptr;
  if (next_probe_ == kNever) next_probe_ = switchboard_.now() + kProbeInterval;
  Peer* const peer = clients_.emplace(std::string{name}, std::make_unique<Peer>(*this, std::string{name}, address))
                         .first->second.get();
  share_out(0);
  return peer;
}

Client* SharedPath::recall(std::string_view name, bool same_socket) {
  const auto address = UnixAddress::from_name(name);
  if (!address || clients_.contains(name)) return nullptr;
  Peer* const peer = add_peer(name, *address);
  if (peer == nullptr) return nullptr;
  if (peer->hears_anybody() || (same_socket && peer->found())) return peer;
  forget(name);
  return nullptr;
}

void SharedPath::forget(std::string_view name) {
  const auto found = clients_.find(name);
  if (found == clients_.end()) return;
  if (last_ == found->second.get()) last_ = nullptr;
  // It gives its share back to those in the table: it must not be there any more.
  const auto leaving = clients_.extract(found);
}

void SharedPath::mark_gone(Peer& peer) {
  if (std::exchange(peer.gone, true)) return;
  gone_.push_back(peer.peer());
  switchboard_.on_trouble(*this);
}

void SharedPath::probe(std::string_view name) {
  const auto found = clients_.find(name);
  if (found == clients_.end()) return;
  if (found->second->choose_way()) {
    found->second->watch();  // the file was merely touched, or is a successor's
  } else {
    found->second->give_up(switchboard_);
    mark_gone(*found->second);
  }
  settle();
}

void SharedPath::settle() {
  for (const std::string& name : std::exchange(gone_, {})) {
    const auto found = clients_.find(name);
    if (found == clients_.end()) continue;
    switchboard_.on_gone(*found->second, "the client's socket is gone");
    forget(name);
  }
  if (clients_.empty()) next_probe_ = kNever;
}

void SharedPath::share_out(int newcomers) {
  sharers_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(sharers_) + newcomers);
  if (sharers_ == 0) return;
  // Even if nobody reads, half of the buffer is left for whoever comes next.
  const std::size_t share = static_cast<std::size_t>(buffers_.send) / 2 / sharers_;
  for (const auto& [name, peer] : clients_) peer->set_share(share);
}

void SharedPath::retry() {
  next_retry_ = kNever;
  const bool clean = all_read(fd_);
  retry_interval_ = clean ? kRetryInterval : std::min(2 * retry_interval_, kLongestRetryInterval);
  for (const auto& [name, peer] : clients_) {
    if (clean) peer->restore_credit();
    if (peer->backlogged_on_shared()) peer->retry();
  }
}

void SharedPath::expire(Instant now) {
  if (now >= next_retry_) retry();
  if (now >= next_probe_) {
    next_probe_ = now + kProbeInterval;
    for (const auto& [name, peer] : clients_) {
      if (peer->choose_way()) continue;
      peer->give_up(switchboard_);
      mark_gone(*peer);
    }
  }
  settle();
}

}  // namespace vnet::dgram
