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
      new OwnPath(std::move(path), origin, std::move(*fd), false, poller, watch, switchboard, batch)};
}

SystemResult<std::unique_ptr<OwnPath>> OwnPath::adopt(Fd fd, std::uint32_t origin, Poller& poller, PathWatch& watch,
                                                      Switchboard& switchboard, ReceiveBatch& batch) {
  if (const auto adopted = dgram::adopt(fd); !adopted) return fail(adopted.error());
  return std::unique_ptr<OwnPath>{new OwnPath({}, origin, std::move(fd), true, poller, watch, switchboard, batch)};
}

OwnPath::OwnPath(std::string path, std::uint32_t origin, Fd fd, bool connected, Poller& poller, PathWatch& watch,
                 Switchboard& switchboard, ReceiveBatch& batch)
    : Client(path.empty() ? "fd " + std::to_string(fd.get()) : path, origin),
      file_(std::move(path)),
      fd_(std::move(fd)),
      connected_(connected),
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
  if (sender_.lost() != 0 && !std::exchange(lost_, true)) switchboard_.on_trouble(*this);
  update_watch();
}

void OwnPath::on_ready(bool readable, bool writable) {
  if (writable) {
    sender_.drain(tag, switchboard_);
    if (sender_.lost() != 0) lose_peer();
    update_watch();
  }
  for (int turn = 0; readable && turn < kBatchesPerTurn; ++turn) {
    if (!receive_batch()) break;
  }
}

bool OwnPath::receive_batch() {
  const bool learning = !connected_;
  const int count = batch_.receive(fd_.get(), learning);
  if (count < 0) {
    disconnect_peer();
    return false;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const ByteView frame = batch_.frame(i);
    if (learning && !accept_peer(i)) continue;
    if (batch_.truncated(i)) {
      switchboard_.on_refused(this, frame, DropReason::oversize);
    } else if (frame.empty()) {
      switchboard_.on_refused(this, frame, DropReason::empty);
    } else if (!is_vfkit_magic(frame)) {
      run_.push_back(frame);
    }
  }
  if (!run_.empty()) switchboard_.on_frames(*this, run_);
  run_.clear();
  switchboard_.end_batch();
  return static_cast<std::size_t>(count) == kBatch;
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
  const auto address = UnixAddress::from_path(name);
  return address && !connected_ && connect_peer(name, *address);
}

bool OwnPath::connect_peer(std::string_view name, const UnixAddress& address) {
  if (connect_to(fd_, address) != 0) return false;
  remote_address_ = address;
  remote_ = name;
  connected_ = true;
  sender_.use(fd_.get());
  handle_ = watch_.add(remote_, [this] { check_peer(); });
  return true;
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
  if (lost_) lose_peer();
}

void OwnPath::probe() {
  if (connected_ && !file_.path().empty() && connect_to(fd_, remote_address_) != 0) lose_peer();
}

void OwnPath::lose_peer() {
  // What it has sent and we have not read is discarded by the kernel with the connection: its last words come first.
  for (int turn = 0; turn < kBatchesPerTurn && connected_; ++turn) {
    if (!receive_batch()) break;
  }
  disconnect_peer();
}

void OwnPath::disconnect_peer() {
  if (!connected_) return;
  sender_.abandon(tag, switchboard_, DropReason::detached);
  update_watch();
  watch_.remove(handle_);
  handle_ = -1;
  connected_ = false;
  lost_ = false;
  if (!file_.path().empty()) disconnect(fd_);
  switchboard_.on_gone(*this, "the client's socket is gone");
}

void OwnPath::update_watch() {
  if (sender_.backlogged() == watching_writable_) return;
  watching_writable_ = sender_.backlogged();
  poller_.watch(fd_.get(), true, watching_writable_, *this);
}

}  // namespace vnet::dgram
