// The writer thread's loop. The order matters in one place: the wish to stop is read before the ring is emptied, so
// that what was recorded before the stop is written.
#include "pcap/drain.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>

namespace vnet::capture {
namespace {

constexpr std::size_t kPieceSize = 256 * 1024;  // bytes: beyond this a larger write gains nothing
constexpr int kLingerMs = 1;

std::uint32_t word(ByteView block, std::size_t index) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, block.data() + index * sizeof value, sizeof value);
  return value;
}

}  // namespace

Drain::Drain(Ring& ring, const InterfaceCounters* counters, Output output, std::vector<std::uint8_t> section,
             Limits limits)
    : ring_(ring),
      counters_(counters),
      output_(std::move(output)),
      rotate_bytes_(limits.rotate_bytes),
      series_(output_.name(), limits.keep),
      preamble_(std::move(section)) {}

void Drain::stop() noexcept {
  stop_.store(true, std::memory_order_release);
  wake_.wake();
}

void Drain::run() {
  bool going = write(preamble_);
  while (going) {
    const bool last = stop_.load(std::memory_order_acquire);  // before draining: what came before the stop is written
    const std::uint64_t before = file_size_;
    going = drain();
    if (!going) break;
    if (last) {
      going = write_statistics();
      break;
    }
    if (file_size_ != before) {
      going = wait(kLingerMs);
    } else if (ring_.prepare_sleep()) {
      going = wait(-1);
      ring_.awake();
    }
  }
  finished_.store(true, std::memory_order_release);
}

bool Drain::drain() {
  for (ByteView run = ring_.readable(); !run.empty(); run = ring_.readable()) {
    const Piece piece = next_piece(run);
    if (piece.size > 0) {
      if (!write(run.first(piece.size))) return false;
      ring_.consume(piece.size);
      written_.fetch_add(piece.packets, std::memory_order_relaxed);
    }
    if (piece.ends_file && !rotate()) return false;
  }
  return true;
}

/// Walks over the blocks at the front of `run` until they are enough for a write, or the file is full.
Drain::Piece Drain::next_piece(ByteView run) {
  Piece piece;
  while (piece.size < run.size() && piece.size < kPieceSize) {
    const ByteView rest = run.subspan(piece.size);
    const std::uint32_t type = word(rest, 0);
    const ByteView block = rest.first(word(rest, 1));
    const bool packet = type == block_type::kPacket;
    if (rotate_bytes_ > 0 && packet && file_has_packets_ && file_size_ + piece.size + block.size() > rotate_bytes_) {
      piece.ends_file = true;
      break;
    }
    note(type, block);
    piece.size += block.size();
    piece.packets += packet ? 1 : 0;
  }
  return piece;
}

void Drain::note(std::uint32_t type, ByteView block) {
  if (type == block_type::kInterface) {
    preamble_.insert(preamble_.end(), block.begin(), block.end());
    delivered_.push_back(0);
  } else if (type == block_type::kPacket) {
    ++delivered_[word(block, 2)];
    const std::uint64_t ns = (std::uint64_t{word(block, 3)} << 32U) | word(block, 4);
    last_at_ = WallTime{std::chrono::nanoseconds{static_cast<std::int64_t>(ns)}};
    file_has_packets_ = true;
  }
}

bool Drain::write(ByteView bytes) {
  while (!bytes.empty()) {
    const auto written = output_.write_some(bytes);
    if (!written) return fail_with(describe(output_.name(), written.error()));
    if (*written == 0 && !wait_for_room()) return false;
    file_size_ += *written;
    bytes = bytes.subspan(*written);
  }
  return true;
}

bool Drain::wait_for_room() {
  int timeout_ms = -1;
  if (stop_.load(std::memory_order_acquire)) {
    const auto now = Clock::now();
    if (!give_up_at_) give_up_at_ = now + kDrainLimit;
    if (now >= *give_up_at_) return fail_with(output_.name() + ": its reader did not read; the rest was given up");
    timeout_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*give_up_at_ - now).count());
  }
  pollfd fds[] = {{wake_.fd(), POLLIN, 0}, {output_.fd(), POLLOUT, 0}};
  ::poll(fds, 2, timeout_ms);
  wake_.clear();
  return true;
}

/// Waits to be woken. False when the reader has gone: a live capture of a silent network ends when its reader does.
bool Drain::wait(int timeout_ms) {
  pollfd fds[] = {{wake_.fd(), POLLIN, 0}, {output_.fd(), 0, 0}};
  ::poll(fds, output_.has_reader() ? 2 : 1, timeout_ms);
  wake_.clear();
  if ((fds[1].revents & (POLLERR | POLLHUP)) != 0) return fail_with(describe(output_.name(), EPIPE));
  return true;
}

bool Drain::rotate() {
  if (!write_statistics()) return false;
  auto next = series_.next(output_);
  if (!next) return fail_with(next.error());
  output_ = std::move(*next);
  file_size_ = 0;
  file_has_packets_ = false;
  return write(preamble_);
}

bool Drain::write_statistics() {
  std::vector<std::uint8_t> blocks;
  for (std::size_t i = 0; i < delivered_.size(); ++i) {
    append(blocks, StatisticsBlock{.interface = static_cast<std::uint32_t>(i),
                                   .at = last_at_,
                                   .received = counters_[i].received.load(std::memory_order_relaxed),
                                   .accepted = counters_[i].accepted.load(std::memory_order_relaxed),
                                   .lost = counters_[i].lost.load(std::memory_order_relaxed),
                                   .delivered = delivered_[i]});
  }
  return write(blocks);
}

bool Drain::fail_with(std::string reason) {
  error_ = std::move(reason);
  return false;
}

}  // namespace vnet::capture
