#include "dgram/own_path.hpp"

#include <unistd.h>

#include <cerrno>

namespace vnet::dgram {

SystemResult<std::unique_ptr<OwnPath>> OwnPath::open(std::string path, std::uint32_t origin, Poller& poller,
                                                     PathWatch& watch, Switchboard& switchboard, ReceiveBatch& batch) {
  auto fd = make_socket(SOCK_DGRAM);
  if (!fd) return fail(fd.error());
  if (const auto bound = bind_replacing_stale(*fd, path); !bound) return fail(bound.error());
  return std::unique_ptr<OwnPath>{
      new OwnPath(SocketFile{std::move(path)}, origin, std::move(*fd), poller, watch, switchboard, batch)};
}

SystemResult<std::unique_ptr<OwnPath>> OwnPath::inherit(Fd fd, SocketFile file, std::uint32_t origin, Poller& poller,
                                                        PathWatch& watch, Switchboard& switchboard,
                                                        ReceiveBatch& batch) {
  if (const auto fits = check_inherited(fd, SOCK_DGRAM); !fits) return fail(fits.error());
  std::unique_ptr<OwnPath> path{new OwnPath(std::move(file), origin, std::move(fd), poller, watch, switchboard, batch)};
  if (const auto peer = peer_of(path->fd_)) path->remember_peer(std::string{peer->name()}, *peer);
  return path;
}

SystemResult<std::unique_ptr<OwnPath>> OwnPath::adopt(Fd fd, std::uint32_t origin, Poller& poller, PathWatch& watch,
                                                      Switchboard& switchboard, ReceiveBatch& batch,
                                                      std::function<void()> ended) {
  const auto type = type_of_passed_end(fd);
  if (!type) return fail(type.error());
  if (*type != SOCK_DGRAM && *type != SOCK_SEQPACKET) {
    return fail(SystemError{"the passed descriptor is no datagram socket", EPROTOTYPE});
  }
  if (const auto adopted = dgram::adopt(fd); !adopted) return fail(adopted.error());
  std::unique_ptr<OwnPath> end{new OwnPath({}, origin, std::move(fd), poller, watch, switchboard, batch)};
  end->on_ended_ = std::move(ended);
  end->connected_ = true;
  end->seqpacket_ = *type == SOCK_SEQPACKET;
  return end;
}

OwnPath::OwnPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, PathWatch& watch,
                 Switchboard& switchboard, ReceiveBatch& batch)
    : Client(file.path().empty() ? "fd " + std::to_string(fd.get()) : file.path(), origin),
      file_(std::move(file)),
      fd_(std::move(fd)),
      poller_(poller),
      watch_(watch),
      switchboard_(switchboard),
      batch_(batch) {
  enlarge_buffers(fd_, kBufferBytes);
  sender_.use(fd_.get());
  poller_.watch(fd_.get(), true, false, *this);
}

OwnPath::~OwnPath() {
  watch_.remove(handle_);
  poller_.forget(fd_.get());
}

void OwnPath::send(std::span<const ByteView> frames, Delivery& delivery) {
  if (!connected_) {
    for (const ByteView frame : frames) delivery.delivered(tag, frame, DropReason::detached);
    return;
  }
  sender_.send(frames, tag, delivery);
  if (sender_.lost() != 0 && !std::exchange(lost_, true) && !busy_) switchboard_.on_trouble(*this);
  update_watch();
}

void OwnPath::discard(DropReason reason, Delivery& delivery) {
  sender_.abandon(tag, delivery, reason);
  update_watch();
}

void OwnPath::on_ready(bool readable, bool writable) {
  busy_ = true;
  if (writable) {
    sender_.drain(tag, switchboard_);
    if (sender_.lost() != 0) lost_ = true;
    update_watch();
  }
  if (readable) receive(kBatchesPerTurn);
  busy_ = false;
  settle();
}

void OwnPath::pull() {
  busy_ = true;
  receive(kBatchesPerPull);
  busy_ = false;
  settle();
}

void OwnPath::hang_up() {
  if (!on_ended_) return dissolve();
  const auto ended = std::move(on_ended_);
  ended();
}

void OwnPath::receive(int batches) {
  for (int turn = 0; turn < batches; ++turn) {
    if (!receive_batch()) break;
  }
}

bool OwnPath::receive_batch() {
  const bool learning = !connected_;
  const int count = batch_.receive(fd_.get(), learning);
  if (count < 0) lost_ = connected_;
  if (count <= 0) return false;
  bool open = true;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && open; ++i) open = take(i, learning);
  if (!run_.empty()) switchboard_.on_frames(*this, run_);
  run_.clear();
  switchboard_.end_batch();
  if (!open) lost_ = true;
  return open && static_cast<std::size_t>(count) == kBatch;
}

/// Judges one datagram. False when it is the end of all.
bool OwnPath::take(std::size_t slot, bool learning) {
  const ByteView frame = batch_.frame(slot);
  if (learning && !accept_peer(slot)) return true;
  if (batch_.truncated(slot)) {
    switchboard_.on_refused(this, frame, DropReason::oversize);
  } else if (frame.empty()) {
    if (seqpacket_) return false;
    switchboard_.on_refused(this, frame, DropReason::empty);
  } else if (!is_vfkit_magic(frame)) {
    run_.push_back(frame);
  }
  return true;
}

bool OwnPath::accept_peer(std::size_t slot) {
  const std::string_view name = batch_.sender_name(slot);
  if (connected_) {
    if (name == remote_) return true;
    switchboard_.on_refused(this, batch_.frame(slot), DropReason::too_many_clients);
    return false;
  }
  if (name.empty()) {
    switchboard_.on_refused(this, batch_.frame(slot), DropReason::unbound_sender);
    if (!std::exchange(said_unbound_, true)) {
      switchboard_.on_notice("the client of " + file_.path() + " is bound to no path; it cannot be answered");
    }
    return false;
  }
  if (connect_peer(name, batch_.sender(slot))) return true;
  // It has gone already, or hears somebody else.
  switchboard_.on_refused(this, batch_.frame(slot), DropReason::unbound_sender);
  return false;
}

bool OwnPath::recall(std::string_view name) {
  const auto address = UnixAddress::from_name(name);
  return address && !connected_ && connect_peer(name, *address);
}

bool OwnPath::connect_peer(std::string_view name, const UnixAddress& address) {
  if (connect_to(fd_, address) != 0) return false;
  remember_peer(name, address);
  return true;
}

void OwnPath::remember_peer(std::string_view name, const UnixAddress& address) {
  remote_address_ = address;
  remote_ = name;
  connected_ = true;
  sender_.use(fd_.get());
  handle_ = watch_.add(remote_, [this] { check_peer(); });
}

void OwnPath::check_peer() {
  // Called when the peer's file was touched: renamed, removed, replaced, or merely given other permissions.
  handle_ = -1;
  if (!connected_) return;
  if (connect_to(fd_, remote_address_) == 0) {
    handle_ = watch_.add(remote_, [this] { check_peer(); });
  } else {
    lose_peer();
  }
}

void OwnPath::settle() {
  if (lost_ && !busy_) lose_peer();
}

void OwnPath::probe() {
  if (connected_ && !file_.path().empty() && connect_to(fd_, remote_address_) != 0) lose_peer();
}

void OwnPath::lose_peer() {
  // What it has sent and we have not read is discarded by the kernel with the connection: its last words come first.
  lost_ = true;
  busy_ = true;
  receive(kBatchesPerTurn);
  busy_ = false;
  discard(DropReason::detached, switchboard_);
  dissolve();
  switchboard_.on_gone(*this, "the client's socket is gone");
  if (on_ended_) hang_up();
}

/// Parts from the peer.
void OwnPath::dissolve() {
  watch_.remove(handle_);
  handle_ = -1;
  connected_ = false;
  lost_ = false;
  remote_.clear();
  if (!file_.path().empty()) disconnect(fd_);
}

void OwnPath::update_watch() {
  if (sender_.backlogged() == watching_writable_) return;
  watching_writable_ = sender_.backlogged();
  poller_.watch(fd_.get(), true, watching_writable_, *this);
}

}  // namespace vnet::dgram
