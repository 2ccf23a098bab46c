// A capture: frames of chosen NICs, filtered, into a pcapng file, pipe or socket.
//
// A capture observes and is never in the way. `record` runs on the switch's thread: it filters, formats the packet's
// block straight into a ring and returns; no lock, no allocation, and no system call but for one wake-up when the
// writer thread sleeps. When the writer thread cannot keep up, because a disk or a reader is slow, the ring fills and
// records are lost: counted, named in a comment on the next packet of that interface, and summed up in the
// statistics at the end. When the output fails the capture ends, `error()` says why, and nothing else happens.
//
// Several captures at once are several Writers. Interfaces go by ids of the caller's choosing, such as the switch's
// port numbers, so that one id serves all of them.
//
// `add_interface`, `record`, `note` and `stop` belong to one thread; the rest may be called from any.
//
// Limits: kMaxInterfaces interfaces per capture, kMaxInterfaceId for their ids, `ring_bytes` of memory; what does not
// fit is not recorded. See Drain for what a kill leaves behind, FileSeries for the names of a rotation's files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/drop_reason.hpp"
#include "packet/result.hpp"
#include "pcap/block.hpp"
#include "pcap/drain.hpp"
#include "pcap/filter.hpp"
#include "pcap/ring.hpp"

namespace vnet::capture {

/// Who a frame came from or went to: a NIC or the gateway. Chosen by the caller, small and dense.
enum class InterfaceId : std::uint32_t {};

/// Interfaces in one capture over its whole life, those that left included: a file cannot forget one.
inline constexpr std::size_t kMaxInterfaces = 4096;
inline constexpr std::uint32_t kMaxInterfaceId = 65535;
/// Memory of the ring, in bytes. Asked-for sizes are rounded up to a power of two within these bounds.
inline constexpr std::size_t kDefaultRingBytes = 8U << 20U;
inline constexpr std::size_t kMinRingBytes = 256U << 10U;
inline constexpr std::size_t kMaxRingBytes = 1U << 30U;

struct Options {
  std::string path{};         ///< a file, made or emptied; a FIFO that has a reader; "-" for standard output
  int fd = -1;                ///< if not negative: written to instead of `path`, and owned by `create` from the call on
  std::string filter{};       ///< libpcap expression; empty for everything
  std::uint32_t snaplen = 0;  ///< bytes kept of each frame; 0 is all
  std::uint64_t rotate_bytes = 0;  ///< begin a new file when this one would outgrow it; 0: never. Needs a regular file
  std::uint32_t keep = 0;          ///< full files kept beside the current one; 0: all
  /// A file that is there is put aside under a number, as a full one is in a rotation, and not emptied: for a capture
  /// that goes on after a restart.
  bool keep_existing = false;
  std::size_t ring_bytes = kDefaultRingBytes;
  std::vector<std::string> interfaces{};  ///< names of those to record; empty for all
  std::string application = "vnetd";      ///< the program and its version, for shb_userappl
};

/// Since the capture began, over all interfaces.
struct Counters {
  std::uint64_t received = 0;  ///< frames offered to `record`
  std::uint64_t accepted = 0;  ///< those that passed the filter
  std::uint64_t lost = 0;      ///< records lost, events among them, because the writer thread fell behind
  std::uint64_t written = 0;   ///< packets handed to the kernel
};

class Writer {
 public:
  /// Opens the output and starts the writer thread. The error is for people, and names the path or the filter.
  static Result<std::unique_ptr<Writer>, std::string> create(Options options);

  /// Stops and waits for the writer thread: at most `kDrainLimit` for a reader that does not read.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Names an interface; at any time. An id given before now means the new interface. False if it will not be
  /// recorded, because it was not asked for or because of a limit.
  bool add_interface(InterfaceId id, std::string_view name, std::string_view description);

  /// Whether frames of this interface are recorded, filter and luck permitting.
  [[nodiscard]] bool wants(InterfaceId id) const noexcept {
    const auto index = static_cast<std::size_t>(id);
    return index < numbers_.size() && numbers_[index] != kNotRecorded;
  }

  /// Records one frame; `drop` is why the switch gave up on it. A frame of an unwanted interface is ignored.
  void record(InterfaceId id, Direction direction, ByteView frame, WallTime at,
              std::optional<DropReason> drop = std::nullopt) noexcept;

  /// Records an event that is not a frame: "link down", "detached". Wireshark lists it as "NAME: TEXT".
  void note(InterfaceId id, std::string_view text, WallTime at) noexcept;

  /// Ends the capture without waiting; what was recorded so far is still written. Later records are ignored.
  void stop() noexcept;
  /// True once nothing more will be written: after `stop()`, or because the output failed.
  [[nodiscard]] bool stopped() const noexcept { return drain_.finished(); }
  /// Why the output failed; empty if it did not.
  [[nodiscard]] std::string error() const { return stopped() ? drain_.error() : std::string{}; }
  [[nodiscard]] Counters counters() const noexcept;

 private:
  static constexpr std::uint32_t kNotRecorded = ~std::uint32_t{0};

  struct Interface {
    std::string name{};
    std::string description{};
    std::uint64_t lost_since = 0;  ///< records lost since the last one that was not
  };

  Writer(Options options, Filter filter, Output output, std::size_t ring_bytes);
  [[nodiscard]] bool start();
  [[nodiscard]] bool announce() noexcept;
  template <typename Block>
  [[nodiscard]] bool push(const Block& block) noexcept;
  void lose(std::uint32_t number) noexcept;

  const Options options_;
  const Filter filter_;
  Ring ring_;
  std::unique_ptr<InterfaceCounters[]> counters_;  ///< kMaxInterfaces, by number in the file
  std::atomic<std::uint32_t> interface_count_{0};
  std::vector<Interface> interfaces_;   ///< by number in the file
  std::vector<std::uint32_t> numbers_;  ///< id to number in the file
  std::size_t announced_ = 0;           ///< how many of interfaces_ are described in the ring
  bool stopping_ = false;
  Drain drain_;
  std::thread thread_;
};

}  // namespace vnet::capture
