// The writer thread: takes finished blocks out of the ring and hands them to the kernel.
//
// Each pass writes all that is in the ring, in large pieces that end where a block ends. So whatever happens to this
// process, what was written is a readable capture; only a kill in the very middle of a write(2) can leave one
// block cut short, which Wireshark and tshark report after showing everything before it.
//
// The thread needs no clock of its own for the file: all times come with the blocks. It looks at each block's type to
// do three things: remember the interface descriptions, which every file of a rotation must begin with; count packets
// for the statistics at the end of a file; and start the next file at a block boundary.
//
// Waiting: after data it waits 1 ms for more before it declares itself asleep, so that the producer pays for at most
// a thousand wake-ups per second; asleep it costs nothing. A reader that does not read makes this thread wait, never
// the producer. Once told to stop, it writes what is left for at most `kDrainLimit`, then gives up. A regular file on a
// disk that hangs is the one thing it cannot give up on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pcap/block.hpp"
#include "pcap/file_series.hpp"
#include "pcap/output.hpp"
#include "pcap/ring.hpp"

namespace vnet::capture {

/// How long the rest may take to be written after `stop()`.
inline constexpr std::chrono::milliseconds kDrainLimit{2000};

/// What the producer counts for one interface, since the capture began. It alone writes; anyone may read.
struct InterfaceCounters {
  std::atomic<std::uint64_t> received{0};  ///< offered
  std::atomic<std::uint64_t> accepted{0};  ///< passed the filter
  std::atomic<std::uint64_t> lost{0};      ///< passed the filter, but the ring was full
};

class Drain {
 public:
  struct Limits {
    std::uint64_t rotate_bytes = 0;  ///< a file ends before it grows beyond this, unless one packet does; 0: never
    std::uint32_t keep = 0;          ///< see FileSeries
  };

  /// `section` is the section header block. `counters` has an element for every interface that can occur in `ring`.
  Drain(Ring& ring, const InterfaceCounters* counters, Output output, std::vector<std::uint8_t> section, Limits limits);

  /// The thread. Returns when told to stop, or when the output failed.
  void run();

  // For the producer's thread.
  void wake() const noexcept { wake_.wake(); }
  void stop() noexcept;

  // For any thread.
  [[nodiscard]] bool ok() const noexcept { return wake_.ok(); }
  [[nodiscard]] bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }
  /// Why the output failed; empty if it did not. Only to be read when `finished()`.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  /// Packets handed to the kernel.
  [[nodiscard]] std::uint64_t written() const noexcept { return written_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;

  /// Some whole blocks, as they lie in the ring.
  struct Piece {
    std::size_t size = 0;       ///< bytes
    std::uint64_t packets = 0;  ///< how many of the blocks are packets
    bool ends_file = false;     ///< the next block belongs into the next file
  };

  [[nodiscard]] bool drain();
  [[nodiscard]] Piece next_piece(ByteView run);
  void note(std::uint32_t type, ByteView block);
  [[nodiscard]] bool write(ByteView bytes);
  [[nodiscard]] bool wait_for_room();
  [[nodiscard]] bool wait(int timeout_ms);
  [[nodiscard]] bool rotate();
  [[nodiscard]] bool write_statistics();
  [[nodiscard]] bool fail_with(std::string reason);

  Ring& ring_;
  const InterfaceCounters* counters_;
  Output output_;
  std::uint64_t rotate_bytes_;
  FileSeries series_;
  WakePipe wake_;

  std::vector<std::uint8_t> preamble_;    ///< the section header and each interface description so far
  std::vector<std::uint64_t> delivered_;  ///< packets written, for each interface described so far
  std::uint64_t file_size_ = 0;           ///< bytes in the current file
  bool file_has_packets_ = false;
  WallTime last_at_{};  ///< of the packet written last
  std::optional<Clock::time_point> give_up_at_;

  std::atomic<std::uint64_t> written_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> finished_{false};
  std::string error_;
};

}  // namespace vnet::capture
