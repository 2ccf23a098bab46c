#include "dgram/stream.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace vnet::dgram {
namespace {

constexpr int kBacklog = 128;
constexpr std::size_t kFramesPerWrite = 64;

Fd open_spare() { return Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

}  // namespace

class StreamPath::Connection final : public Client, public Watched {
 public:
  Connection(StreamPath& owner, Fd fd, std::string name)
      : Client(std::move(name), owner.origin_), owner_(owner), fd_(std::move(fd)) {
    enlarge_buffers(fd_, kBufferBytes);
    owner_.poller_.watch(fd_.get(), true, false, *this);
  }
  ~Connection() override { owner_.poller_.forget(fd_.get()); }

  void send(std::span<const ByteView> frames, Delivery& delivery) override {
    std::size_t done = 0;
    while (done < frames.size() && rest_.empty() && queue_.empty() && !ended_) {
      const std::size_t taken = write_some(frames.subspan(done), delivery);
      if (taken == 0) break;
      done += taken;
    }
    for (; done < frames.size(); ++done) {
      if (ended_) {
        delivery.delivered(tag, frames[done], DropReason::detached);
      } else if (!queue_.push(frames[done])) {
        delivery.delivered(tag, frames[done], DropReason::queue_full);
      }
    }
    update_watch();
  }

  void on_ready(bool readable, bool writable) override {
    StreamPath& owner = owner_;
    owner.busy_ = true;  // a batch of ours may find our own end: not before we are done
    if (writable) drain();
    if (readable) read();
    update_watch();
    owner.busy_ = false;
    owner.settle();
  }

 private:
  /// Writes up to kFramesPerWrite frames with their prefixes; returns how many the kernel took, a last one in part.
  std::size_t write_some(std::span<const ByteView> frames, Delivery& delivery) {
    std::array<std::array<std::uint8_t, StreamDecoder::kPrefixBytes>, kFramesPerWrite> prefixes;
    std::array<iovec, 2 * kFramesPerWrite> vectors;
    const std::size_t count = std::min(frames.size(), kFramesPerWrite);
    for (std::size_t i = 0; i < count; ++i) {
      store_be(prefixes[i].data(), static_cast<std::uint32_t>(frames[i].size()));
      vectors[2 * i] = {prefixes[i].data(), prefixes[i].size()};
      vectors[2 * i + 1] = {const_cast<std::uint8_t*>(frames[i].data()), frames[i].size()};
    }
    std::size_t written = write(vectors.data(), 2 * count);
    std::size_t taken = 0;
    while (taken < count && written > 0) {
      const std::size_t record = prefixes[taken].size() + frames[taken].size();
      if (written < record) {
        keep_rest(prefixes[taken], frames[taken], written);
        written = record;
      }
      written -= record;
      delivery.delivered(tag, frames[taken++], std::nullopt);
    }
    return taken;
  }

  std::size_t write(iovec* vectors, std::size_t count) {
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
#if defined(MSG_NOSIGNAL)
    const ssize_t size = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
#else
    const ssize_t size = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT);
#endif
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) end();
    return 0;
  }

  void keep_rest(ByteView prefix, ByteView frame, std::size_t written) {
    rest_.assign(prefix.begin(), prefix.end());
    rest_.insert(rest_.end(), frame.begin(), frame.end());
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(written));
  }

  void drain() {
    if (!rest_.empty()) {
      iovec vector{rest_.data(), rest_.size()};
      const std::size_t written = write(&vector, 1);
      rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(written));
    }
    while (rest_.empty() && !queue_.empty() && !ended_) {
      std::array<ByteView, kFramesPerWrite> views;
      const std::size_t count = std::min(queue_.size(), kFramesPerWrite);
      for (std::size_t i = 0; i < count; ++i) views[i] = queue_[i];
      const std::size_t taken = write_some(std::span{views}.first(count), owner_.switchboard_);
      for (std::size_t i = 0; i < taken; ++i) queue_.pop();
      if (taken < count) break;
    }
  }

  void read() {
    const ssize_t size = ::recv(fd_.get(), owner_.buffer_.get(), kReadBytes, MSG_DONTWAIT);
    if (size <= 0) {
      if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) end();
      return;
    }
    owner_.frames_.clear();
    const ByteView bytes{owner_.buffer_.get(), static_cast<std::size_t>(size)};
    const bool whole = decoder_.feed(bytes, owner_.frames_);
    for (std::uint64_t i = decoder_.take_empty(); i > 0; --i) {
      owner_.switchboard_.on_refused(this, {}, DropReason::stream_length);
    }
    if (!owner_.frames_.empty()) owner_.switchboard_.on_frames(*this, owner_.frames_);
    owner_.switchboard_.end_batch();
    if (whole) return;
    owner_.switchboard_.on_refused(this, {}, DropReason::stream_length);
    owner_.switchboard_.on_notice(peer() + " sent a length beyond the largest frame; its connection is closed");
    end();
  }

  void end() {
    if (std::exchange(ended_, true)) return;
    owner_.ended_.push_back(fd_.get());
    owner_.switchboard_.on_trouble(owner_);
  }

  void update_watch() {
    const bool backlogged = !ended_ && (!rest_.empty() || !queue_.empty());
    if (backlogged == watching_writable_) return;
    watching_writable_ = backlogged;
    owner_.poller_.watch(fd_.get(), true, backlogged, *this);
  }

  StreamPath& owner_;
  Fd fd_;
  StreamDecoder decoder_;
  FrameQueue queue_;
  std::vector<std::uint8_t> rest_;  ///< what the kernel has not taken yet of a frame that it took half of
  bool ended_ = false;
  bool watching_writable_ = false;
};

SystemResult<std::unique_ptr<StreamPath>> StreamPath::open(std::string path, std::uint32_t origin, Poller& poller,
                                                           Switchboard& switchboard) {
  auto fd = make_socket(SOCK_STREAM);
  if (!fd) return fail(fd.error());
  if (const auto bound = bind_replacing_stale(*fd, path); !bound) return fail(bound.error());
  if (::listen(fd->get(), kBacklog) != 0) return fail(SystemError{"listen " + path, errno});
  return std::unique_ptr<StreamPath>{new StreamPath(std::move(path), origin, std::move(*fd), poller, switchboard)};
}

StreamPath::StreamPath(std::string path, std::uint32_t origin, Fd fd, Poller& poller, Switchboard& switchboard)
    : file_(std::move(path)),
      origin_(origin),
      fd_(std::move(fd)),
      poller_(poller),
      switchboard_(switchboard),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes)),
      spare_(open_spare()) {
  poller_.watch(fd_.get(), true, false, *this);
}

StreamPath::~StreamPath() {
  connections_.clear();
  poller_.forget(fd_.get());
}

void StreamPath::on_ready(bool readable, bool) {
  while (readable) {
    Fd fd{::accept(fd_.get(), nullptr, nullptr)};
    if (!fd && !turn_away()) return;
    if (!fd) continue;
    if (connections_.size() >= kMaxClients || !adopt(fd)) {
      switchboard_.on_refused(nullptr, {}, DropReason::too_many_clients);
      continue;
    }
    const int number = fd.get();
    std::string name = file_.path() + "#" + std::to_string(++accepted_);
    connections_[number] = std::make_unique<Connection>(*this, std::move(fd), std::move(name));
  }
}

bool StreamPath::turn_away() {
  if ((errno != EMFILE && errno != ENFILE) || !spare_) return false;
  spare_.close();
  const Fd refused{::accept(fd_.get(), nullptr, nullptr)};
  spare_ = open_spare();
  if (!refused) return false;
  switchboard_.on_refused(nullptr, {}, DropReason::too_many_clients);
  return true;
}

void StreamPath::settle() {
  if (busy_) return;
  for (const int fd : std::exchange(ended_, {})) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) continue;
    switchboard_.on_gone(*found->second, "the connection was closed");
    connections_.erase(found);
  }
}

}  // namespace vnet::dgram
