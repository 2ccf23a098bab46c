#include "adapter/switch_link.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "dgram/file_times.hpp"

namespace vnet::adapter {
namespace {

std::string cause_of(int code) {
  switch (code) {
    case ENOENT: return "there is no such socket";
    case ECONNREFUSED: return "nobody listens there";
    case EPERM: return "another client has it";
    case EPROTOTYPE: return "it is a stream socket, and a datagram socket is needed";
    case EACCES: return "this user may not write to it";
    default: return std::strerror(code);
  }
}

bool is_about_the_frame(int code) noexcept { return code == EMSGSIZE || code == ENOBUFS || code == ENOMEM; }

}  // namespace

dgram::SystemResult<std::unique_ptr<SwitchLink>> SwitchLink::open(std::string switch_path,
                                                                  std::span<const std::string> own_paths,
                                                                  dgram::Poller& poller, Owner& owner) {
  const auto address = dgram::UnixAddress::from_path(switch_path);
  if (!address) return fail(address.error());
  dgram::SystemError error{"no path to bind", ENOENT};
  for (const std::string& own_path : own_paths) {
    auto fd = dgram::make_socket(SOCK_DGRAM);
    if (!fd) return fail(fd.error());
    const auto bound = dgram::bind_replacing_stale(*fd, own_path);
    if (bound) {
      return std::unique_ptr<SwitchLink>{
          new SwitchLink(std::move(switch_path), own_path, *address, std::move(*fd), poller, owner)};
    }
    error = bound.error();
  }
  return fail(error);
}

SwitchLink::SwitchLink(std::string switch_path, std::string own_path, const dgram::UnixAddress& address, dgram::Fd fd,
                       dgram::Poller& poller, Owner& owner)
    : switch_path_(std::move(switch_path)),
      own_path_(std::move(own_path)),
      address_(address),
      fd_(std::move(fd)),
      poller_(poller),
      watch_(poller),
      owner_(owner) {
  received_.reserve(dgram::kBatch);
  dgram::enlarge_buffers(fd_, dgram::kBufferBytes);
  poller_.watch(fd_.get(), true, false, *this);
}

SwitchLink::~SwitchLink() {
  poller_.forget(fd_.get());
  ::unlink(own_path_.c_str());
}

void SwitchLink::expire(Instant now) {
  if (now < next_check_) return;
  struct stat info {};
  const int code = dgram::connect_to(fd_, address_);
  const bool there = code == 0 && ::stat(switch_path_.c_str(), &info) == 0;
  const Identity found{info.st_dev, info.st_ino, dgram::nanoseconds(dgram::changed(info))};
  if (there && !suspected_) {
    if (attached() && found == identity_) {
      retry_ = kFirstRetry;
      next_check_ = now + kProbeInterval;
      return;
    }
    if (attached()) detach("it was replaced");
    admit_switch(info.st_uid, info.st_gid);
    attach(found, now);
    return;
  }
  // A switch that lets us connect and takes nothing gets a pause, too: else the two states would alternate at full
  // speed.
  next_check_ = now + retry_;
  retry_ = std::min(2 * retry_, kLongestRetry);
  if (state_ != State::detached) detach(there ? "it takes no frames from us" : cause_of(code != 0 ? code : ENOENT));
  suspected_ = false;
}

void SwitchLink::attach(const Identity& found, Instant now) {
  identity_ = found;
  state_ = State::attached;
  next_check_ = now + kProbeInterval;
  watch_.remove(handle_);
  handle_ = watch_.add(switch_path_, [this] {
    // Removed, replaced, or merely given other permissions: a check tells.
    handle_ = -1;
    next_check_ = Instant{};
  });
  owner_.on_attached();
}

void SwitchLink::detach(std::string_view cause) {
  state_ = State::detached;
  watch_.remove(handle_);
  handle_ = -1;
  want_room(false);
  owner_.on_detached(cause);
}

/// The switch may run as somebody else: as an ordinary user while we are root, as a rule.
void SwitchLink::admit_switch(uid_t user, gid_t group) const {
  if (user == ::geteuid()) return;
  // Who may not give files away opens the path to all; being connected, the socket still hears the switch alone.
  if (::chown(own_path_.c_str(), user, group) != 0) std::ignore = ::chmod(own_path_.c_str(), 0666);
}

void SwitchLink::suspect() noexcept {
  suspected_ = true;
  next_check_ = Instant{};
}

std::size_t SwitchLink::send(std::span<const ByteView> frames) {
  std::size_t done = 0;
  while (done < frames.size() && attached() && !suspected_) {
    const dgram::SendResult result = dgram::send_batch(fd_.get(), frames.subspan(done));
    done += result.sent;
    if (result.error == 0 || result.error == EINTR) continue;
    if (result.error == EAGAIN || result.error == EWOULDBLOCK) {
      want_room(true);
      break;
    }
    if (is_about_the_frame(result.error)) {
      ++done;
      ++refused_;
    } else {
      suspect();
    }
  }
  return done;
}

void SwitchLink::want_room(bool wanted) {
  if (wants_room_ == wanted) return;
  wants_room_ = wanted;
  poller_.watch(fd_.get(), true, wanted, *this);
}

void SwitchLink::on_ready(bool readable, bool writable) {
  for (int turn = 0; readable && turn < dgram::kBatchesPerTurn; ++turn) {
    if (!receive_batch()) break;
  }
  if (writable && wants_room_) {
    want_room(false);
    if (attached()) owner_.on_room();
  }
}

bool SwitchLink::receive_batch() {
  const int count = batch_.receive(fd_.get(), false);
  if (count < 0) {
    if (attached()) suspect();
    return false;
  }
  received_.clear();
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    if (!batch_.truncated(i) && !batch_.frame(i).empty()) received_.push_back(batch_.frame(i));
  }
  if (attached() && !received_.empty()) owner_.on_frames(received_);
  return static_cast<std::size_t>(count) == dgram::kBatch;
}

}  // namespace vnet::adapter
