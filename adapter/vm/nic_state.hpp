// NicState: one NIC of a VM, moved between disconnected and attached, in the one order that is safe.
//
// Three things have to agree: the carrier that the guest sees, the switch's link, and the attachment between the two.
// Nobody can change all three at once, and each may be changed or lost behind our back (`vnet nic NAME link down`, a
// daemon that is killed). So there is a wish, there is what is known, and `reconcile` takes the next step from what is
// to what is wished, one effect at a time. Its rules:
//
// * The carrier is up only while the switch carries frames for the guest: lower it first, raise it last. So a guest
// that
//   asks for an address when its carrier comes is heard.
// * Another network is another cable: the carrier goes down before the move and comes up after it, and is down for
//   kDwell at least: a guest whose host is busy, and which is told only when both have happened, sees no change at all.
//   Linux tells its programs of a carrier that goes at most once a second, so it stays down until kNotice after it had
//   last come, too.
// * A switch that is gone takes the attachment, and not at once the carrier: a daemon that is started again within
//   kGrace costs only the gap. After that the carrier goes down, since it leads nowhere.
// * Somebody who detaches the NIC at the switch, or plugs another client in, has decided: the wish follows.
// * What the switch refuses is not tried again: the NIC stays, or goes back to, what it was, and `problem` says why.
// * Held (for a snapshot, or by one that was just loaded), a NIC is disconnected whatever is wished.
//
// No I/O: effects go out through NicEffects, each answered by exactly one `..._done`, at once or later.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "packet/result.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

/// A NIC as the switch has it.
struct SwitchView {
  std::string network;
  bool link_up = true;
  bool attached = false;  ///< to the end that we passed, and nothing else

  bool operator==(const SwitchView&) const = default;
};

struct SwitchRefusal {
  std::string text;
  bool gone = false;  ///< no: the switch did not answer at all
};

using SwitchAnswer = Result<SwitchView, SwitchRefusal>;

class NicEffects {
 public:
  virtual ~NicEffects() = default;
  /// The guest's carrier. Answered by `carrier_done`.
  virtual void set_carrier(bool up) = 0;
  /// Makes sure that the switch has the NIC, in `network` unless that is empty, and passes our end. `switch_done`.
  virtual void attach(const std::string& network) = 0;
  /// Ends the attachment. `switch_done`.
  virtual void detach() = 0;
  /// Has the guest's MAC address told to the network. Needs no answer.
  virtual void announce() = 0;
};

class NicState {
 public:
  static constexpr Duration kDwell = std::chrono::milliseconds{250};
  static constexpr Duration kNotice = std::chrono::milliseconds{1250};
  static constexpr Duration kGrace = std::chrono::seconds{10};
  /// After QEMU has failed to set a carrier, or the switch to answer.
  static constexpr Duration kRetry = std::chrono::seconds{1};

  enum class Carrier : std::uint8_t { unknown, down, up };

  /// Begins held, with the switch away and the carrier unknown.
  NicState(NicEffects& effects, std::string network, bool wanted)
      : effects_(effects), network_(std::move(network)), wanted_(wanted) {}

  /// Wishes. An empty network is the one that the NIC is in.
  void attach(const std::string& network, Instant now);
  void detach(Instant now);
  void hold(Instant now);
  void release(Instant now);

  /// What came of an effect.
  void carrier_done(bool done, Instant now);
  void switch_done(const SwitchAnswer& answer, Instant now);

  /// News.
  void switch_back(Instant now);
  void switch_gone(Instant now);
  void seen(const SwitchView& view, Instant now);

  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now) { reconcile(now); }

  /// There is nothing to be done, or nothing can be done before something else happens.
  [[nodiscard]] bool settled() const noexcept { return settled_; }
  [[nodiscard]] bool wanted() const noexcept { return wanted_; }
  [[nodiscard]] bool attached() const noexcept { return attached_; }
  [[nodiscard]] bool link_up() const noexcept { return link_up_; }
  [[nodiscard]] bool switch_here() const noexcept { return switch_here_; }
  [[nodiscard]] Carrier carrier() const noexcept { return carrier_; }
  /// The one that it is in or goes to; empty: not known yet.
  [[nodiscard]] const std::string& network() const noexcept { return network_.empty() ? actual_ : network_; }
  /// Why the last wish could not be fulfilled; empty: it was, or may still be.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  enum class Effect : std::uint8_t { none, lower, raise, attach, detach };

  void reconcile(Instant now);
  /// The effect that comes next; none: see `wake_`.
  [[nodiscard]] Effect next(Instant now);
  void start(Effect effect);
  [[nodiscard]] bool in_place() const noexcept { return network_.empty() || network_ == actual_; }

  NicEffects& effects_;
  std::string network_;  ///< wished for
  std::string actual_;   ///< where the switch has it; empty: not known
  std::string problem_;
  bool wanted_;
  bool held_ = true;
  bool switch_here_ = false;
  bool attached_ = false;
  bool link_up_ = true;
  bool bounce_ = false;    ///< the network has changed under a carrier that is up
  bool announce_ = false;  ///< when the carrier is up
  bool raised_ = false;    ///< the guest has had a carrier since it was last lowered
  Carrier carrier_ = Carrier::unknown;
  Effect running_ = Effect::none;
  bool deciding_ = false;
  bool settled_ = false;
  Instant lowered_{};
  Instant raised_at_{};
  Instant grace_until_{};
  Instant retry_at_{};  ///< for QEMU
  Instant ask_at_{};    ///< for the switch
  Instant wake_ = kNever;
};

}  // namespace vnet::adapter
