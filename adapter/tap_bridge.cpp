#include "adapter/tap_bridge.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "packet/arp.hpp"

namespace vnet::adapter {
namespace {

/// How the kernel says that the interface was deleted under us, or that the descriptor never was one.
bool is_final(int code) noexcept { return code == EBADFD || code == EBADF || code == ENODEV || code == ENXIO; }

}  // namespace

dgram::SystemResult<std::unique_ptr<TapBridge>> TapBridge::open(int interface, const MacAddress& mac,
                                                                std::string switch_path,
                                                                std::span<const std::string> own_paths,
                                                                dgram::Poller& poller, Observer& observer) {
  std::unique_ptr<TapBridge> bridge{new TapBridge(interface, mac, poller, observer)};
  auto link = SwitchLink::open(std::move(switch_path), own_paths, poller, *bridge);
  if (!link) return fail(link.error());
  bridge->link_ = std::move(*link);
  return bridge;
}

TapBridge::TapBridge(int interface, const MacAddress& mac, dgram::Poller& poller, Observer& observer)
    : interface_(interface),
      mac_(mac),
      poller_(poller),
      observer_(observer),
      buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kBufferBytes)) {
  frames_.reserve(dgram::kBatch);
  read_when_ready(false);
}

TapBridge::~TapBridge() { poller_.forget(interface_); }

BridgeCounters TapBridge::counters() const noexcept {
  BridgeCounters all = counters_;
  all.dropped += link_->refused();
  all.to_switch -= link_->refused();
  return all;
}

void TapBridge::read_when_ready(bool wanted) { poller_.watch(interface_, wanted, false, *this); }

void TapBridge::on_ready(bool readable, bool) {
  if (!readable) return;
  if (!link_->attached() || !frames_.empty()) {
    // Not asked for, so it is an error that the descriptor has: the interface is gone.
    interface_error_ = EBADFD;
    return;
  }
  for (int turn = 0; turn < dgram::kBatchesPerTurn; ++turn) {
    const bool more = read_frames();
    if (!send_pending()) {
      read_when_ready(false);
      return;
    }
    if (!more) return;
  }
}

/// False when the interface has no more, for now or for good.
bool TapBridge::read_frames() {
  std::size_t used = 0;
  while (frames_.size() < dgram::kBatch && kBufferBytes - used >= kMaxFrameSize) {
    const ssize_t size = ::read(interface_, buffer_.get() + used, kMaxFrameSize);
    if (size <= 0) {
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && is_final(errno)) interface_error_ = errno;
      return false;
    }
    frames_.emplace_back(buffer_.get() + used, static_cast<std::size_t>(size));
    used += static_cast<std::size_t>(size);
  }
  return true;
}

/// True when nothing is left to send.
bool TapBridge::send_pending() {
  const std::size_t taken = link_->send(std::span{frames_}.subspan(sent_));
  sent_ += taken;
  counters_.to_switch += taken;
  if (sent_ < frames_.size()) return false;
  frames_.clear();
  sent_ = 0;
  return true;
}

void TapBridge::on_room() {
  if (send_pending()) read_when_ready(true);
}

void TapBridge::on_frames(std::span<const ByteView> frames) {
  for (const ByteView frame : frames) {
    if (::write(interface_, frame.data(), frame.size()) >= 0) {
      ++counters_.from_switch;
      continue;
    }
    if (is_final(errno)) interface_error_ = errno;
    ++counters_.dropped;
  }
}

void TapBridge::on_attached() {
  discard_stale();
  announce();
  read_when_ready(true);
  observer_.on_attached();
}

void TapBridge::on_detached(std::string_view cause) {
  counters_.dropped += frames_.size() - sent_;
  frames_.clear();
  sent_ = 0;
  read_when_ready(false);
  observer_.on_detached(cause);
}

/// Nobody wants to hear what was said to a switch that is no more. The carrier is down, so that nothing is added.
void TapBridge::discard_stale() {
  constexpr int kAtMost = 10'000;  // frames: more than an interface's queue holds by default
  for (int i = 0; i<kAtMost&& ::read(interface_, buffer_.get(), kBufferBytes)> 0; ++i) ++counters_.dropped;
}

void TapBridge::announce() {
  constexpr std::size_t kSmallestFrame = 60;  // IEEE 802.3, 4A.2.3.2.4, without the FCS
  constexpr std::uint16_t kRequestReverse = 3;
  std::array<std::uint8_t, kSmallestFrame> frame{};
  ByteWriter out{frame};
  out.bytes(MacAddress::broadcast().bytes());
  out.bytes(mac_.bytes());
  out.be16(ethertype::kRarp);
  ArpPacket{kRequestReverse, mac_, {}, mac_, {}}.emit(out);
  const ByteView bytes{frame};
  // A switch with a full queue is a busy one, and learns the address from the next frame.
  std::ignore = link_->send({&bytes, 1});
}

}  // namespace vnet::adapter
