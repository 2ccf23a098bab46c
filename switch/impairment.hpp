// Impairments: one direction of a link made bad on purpose, and the queue in which its frames wait.
//
// A frame goes through these in this order, as through a cable behind a slow interface:
//   loss        lost at random, or in bursts by the Gilbert-Elliott model: the link is in a good or a bad state, enters
//               the bad one before a frame with probability `enter`, leaves it with `leave`, and loses the share
//               `loss` of the frames in the good one and `burst.loss` in the bad one. Bursts are 1/leave frames long on
//               average, and enter/(enter+leave) of all frames fall into one (Gilbert 1960, Elliott 1963; RFC 6534)
//   duplication the second one takes its own turn in all that follows
//   rate        one frame after the other, each for its bytes at that rate; those that wait for their turn fill at most
//               `queue_kb`, and what does not fit is dropped at the tail. An idle link takes a frame of any size
//   delay       latency, give or take a uniform jitter. Frames stay in order, so that jitter bunches them, unless
//               `jitter_reorders`
//   reordering  a frame that is chosen skips the delay and so overtakes those that are in it, as in Linux' netem.
//               Without a latency there is nobody to overtake
//   corruption  one bit flipped behind the Ethernet header: the frame arrives where it should and is wrong
//
// A frame that need not wait is passed on as it is; only one that waits, or that is to have a wrong bit, is copied.
// The random numbers are the queue's own, so what happens to the frames of one link depends on its seed and its
// frames, not on what others send.
//
// When the rules change, frames that are in the delay keep their time, those that wait for their turn go at the new
// rate, and what comes afterwards may overtake them.
//
// Limits: kMaxFrames and kMaxBytes wait in one direction of one link, and FrameStore::kMaxBytes in all.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/drop_reason.hpp"
#include "packet/random.hpp"
#include "packet/time.hpp"
#include "switch/frame_store.hpp"

namespace vnet::l2 {

/// The bad state of the Gilbert-Elliott model.
struct LossBurst {
  double enter = 0;  ///< 0: there are no bursts
  double leave = 1;
  double loss = 1;
  bool operator==(const LossBurst&) const = default;
};

/// What is asked of one direction. Shares and probabilities are from 0 to 1.
struct Impairment {
  Duration latency{};
  Duration jitter{};
  bool jitter_reorders = false;
  double loss = 0;
  LossBurst loss_burst{};
  double duplicate = 0;
  double reorder = 0;
  double corrupt = 0;
  double rate_mbps = 0;          ///< 0: no limit
  std::uint32_t queue_kb = 256;  ///< in units of 1024 bytes
  bool operator==(const Impairment&) const = default;

  /// Whether a frame passes as if this were not there.
  [[nodiscard]] bool is_none() const noexcept;
};

/// Both directions of a link, as the NIC sees them: `up` is what it sends.
struct Impairments {
  Impairment up;
  Impairment down;
  bool operator==(const Impairments&) const = default;

  [[nodiscard]] bool is_none() const noexcept { return up.is_none() && down.is_none(); }
};

/// One behind the other, as one: delays add up, what survives is what survives both, and the slower rate counts with
/// its queue. Of two kinds of bursts those of `nearer` hold.
[[nodiscard]] Impairment compose(const Impairment& nearer, const Impairment& farther);
[[nodiscard]] Impairments compose(const Impairments& nearer, const Impairments& farther);

class ImpairmentQueue {
 public:
  static constexpr std::size_t kMaxFrames = 32'768;
  static constexpr std::size_t kMaxBytes = std::size_t{32} << 20U;

  ImpairmentQueue(const Impairment& rules, Random random) : rules_(rules), random_(random) {}

  /// What becomes of a frame at once. Neither dropped nor passed on: it waits.
  class Outcome {
   public:
    [[nodiscard]] std::optional<DropReason> dropped() const noexcept { return dropped_; }
    /// To be passed on now: the frame itself, twice where it was duplicated, or a copy that the store has lent.
    [[nodiscard]] std::span<const ByteView> passed() const noexcept { return {passed_.data(), count_}; }

   private:
    friend class ImpairmentQueue;
    std::optional<DropReason> dropped_;
    std::array<ByteView, 2> passed_{};
    std::size_t count_ = 0;
  };
  [[nodiscard]] Outcome offer(ByteView frame, Instant now, FrameStore& store);

  /// The next frame whose time has come, lent by the store; nothing: there is none.
  [[nodiscard]] std::optional<ByteView> take_due(Instant now, FrameStore& store);
  [[nodiscard]] Instant next_deadline() const noexcept { return waiting_.empty() ? kNever : waiting_.front().due; }
  /// Takes all that waits, in the order in which it came, lent by the store.
  [[nodiscard]] std::vector<ByteView> take_all(FrameStore& store);

  void change(const Impairment& rules, Instant now);
  [[nodiscard]] const Impairment& rules() const noexcept { return rules_; }
  /// Frames that wait.
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

 private:
  struct Waiting {
    Instant due{};
    Instant on_wire{};  ///< when its turn at the rate is over
    std::uint64_t number = 0;
    FrameStore::Buffer frame;
  };

  /// The first of a heap is the one due next; of two that are due at once, the one that came first.
  struct Later {
    bool operator()(const Waiting& a, const Waiting& b) const noexcept {
      return a.due != b.due ? a.due > b.due : a.number > b.number;
    }
  };

  [[nodiscard]] bool chance(double share) noexcept { return share > 0 && random_.chance(share); }
  [[nodiscard]] bool is_lost() noexcept;
  [[nodiscard]] Duration transmission_time(std::size_t bytes) const noexcept;
  [[nodiscard]] Duration delay() noexcept;
  [[nodiscard]] bool has_room(std::size_t bytes, Instant now) const noexcept;
  [[nodiscard]] std::optional<DropReason> take_in(ByteView frame, Instant now, FrameStore& store, Outcome& outcome);

  Impairment rules_;
  Random random_;
  bool in_burst_ = false;
  Instant free_at_{};   ///< when the interface has sent all that it was given
  Instant last_due_{};  ///< of those that stay in order
  std::uint64_t next_number_ = 0;
  std::size_t bytes_ = 0;
  std::vector<Waiting> waiting_;  ///< a heap
};

/// The link of one NIC.
struct ImpairedLink {
  ImpairedLink(const Impairments& rules, std::uint64_t seed)
      : up(rules.up, Random{mix64(seed, 1)}), down(rules.down, Random{mix64(seed, 2)}) {}

  /// It passes everything on, and nothing waits in it.
  [[nodiscard]] bool is_idle() const noexcept {
    return up.rules().is_none() && down.rules().is_none() && up.size() + down.size() == 0;
  }

  ImpairmentQueue up;
  ImpairmentQueue down;
};

}  // namespace vnet::l2
