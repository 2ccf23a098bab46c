#include "adapter/vm/nic_state.hpp"

#include <algorithm>
#include <utility>

namespace vnet::adapter {

void NicState::attach(const std::string& network, Instant now) {
  wanted_ = true;
  if (!network.empty()) network_ = network;
  problem_.clear();
  reconcile(now);
}

void NicState::detach(Instant now) {
  wanted_ = false;
  problem_.clear();
  reconcile(now);
}

void NicState::hold(Instant now) {
  held_ = true;
  reconcile(now);
}

void NicState::release(Instant now) {
  held_ = false;
  reconcile(now);
}

void NicState::carrier_done(bool done, Instant now) {
  const Effect effect = std::exchange(running_, Effect::none);
  if (!done) {
    carrier_ = Carrier::unknown;
    retry_at_ = now + kRetry;
  } else if (effect == Effect::lower) {
    carrier_ = Carrier::down;
    if (std::exchange(raised_, false)) lowered_ = now;
    bounce_ = false;
  } else {
    carrier_ = Carrier::up;
    raised_ = true;
    raised_at_ = now;
    if (std::exchange(announce_, false)) effects_.announce();
  }
  reconcile(now);
}

void NicState::switch_done(const SwitchAnswer& answer, Instant now) {
  const Effect effect = std::exchange(running_, Effect::none);
  if (answer) {
    attached_ = answer->attached && switch_here_;
    link_up_ = answer->link_up;
    const bool elsewhere = !actual_.empty() && answer->network != actual_;
    actual_ = answer->network;
    if (effect == Effect::attach) {
      problem_.clear();
      bounce_ = bounce_ || (elsewhere && carrier_ == Carrier::up);
      announce_ = carrier_ != Carrier::up || bounce_;
      if (!announce_) effects_.announce();
    }
    return reconcile(now);
  }
  if (answer.error().gone) {
    ask_at_ = now + kRetry;  // whether it is gone for good is told by switch_gone, and by nothing else
    return reconcile(now);
  }
  problem_ = answer.error().text;
  if (effect == Effect::detach) {
    attached_ = false;  // the switch knows of none
  } else if (attached_) {
    network_ = actual_;
  } else {
    wanted_ = false;
    if (!actual_.empty()) network_ = actual_;
  }
  reconcile(now);
}

void NicState::switch_back(Instant now) {
  switch_here_ = true;
  attached_ = false;  // a new daemon knows nothing of us
  ask_at_ = kAtOnce;
  reconcile(now);
}

void NicState::switch_gone(Instant now) {
  // An effect under way is answered all the same, by a failure.
  if (std::exchange(switch_here_, false)) grace_until_ = now + kGrace;
  attached_ = false;
  reconcile(now);
}

void NicState::seen(const SwitchView& view, Instant now) {
  if (running_ == Effect::attach || running_ == Effect::detach) return;  // its answer is newer than this
  if (attached_ && !view.attached) wanted_ = false;
  if (attached_ && view.attached && view.network != actual_) {
    bounce_ = bounce_ || carrier_ != Carrier::down || running_ == Effect::raise;
    network_ = view.network;
  }
  attached_ = view.attached;
  link_up_ = view.link_up;
  actual_ = view.network;
  reconcile(now);
}

NicState::Effect NicState::next(Instant now) {
  const bool want = wanted_ && !held_;
  const bool gap = want && !switch_here_ && carrier_ == Carrier::up && now < grace_until_;
  const bool lit = want && link_up_ && !bounce_ && ((switch_here_ && attached_ && in_place()) || gap);
  // A daemon that has come back within the grace finds the carrier up, and passing our end comes first.
  const bool coming =
      want && switch_here_ && !attached_ && carrier_ == Carrier::up && link_up_ && in_place() && now < grace_until_;
  const bool may_retry = now >= retry_at_;
  wake_ = gap ? grace_until_ : may_retry ? kNever : retry_at_;

  if (carrier_ != Carrier::down && !lit && !coming) return may_retry ? Effect::lower : Effect::none;
  const bool ask = switch_here_ && (want ? !attached_ || !in_place() : attached_);
  if (ask && now >= ask_at_) return want ? Effect::attach : Effect::detach;
  if (ask) wake_ = std::min(wake_, ask_at_);
  if (lit && carrier_ != Carrier::up) {
    if (!may_retry) return Effect::none;
    const Instant noticed = lowered_ == Instant{} ? Instant{} : std::max(lowered_ + kDwell, raised_at_ + kNotice);
    if (now >= noticed) return Effect::raise;
    wake_ = std::min(wake_, noticed);
  }
  return Effect::none;
}

void NicState::start(Effect effect) {
  running_ = effect;
  switch (effect) {
    case Effect::lower: return effects_.set_carrier(false);
    case Effect::raise: return effects_.set_carrier(true);
    case Effect::attach: return effects_.attach(network_);
    case Effect::detach: return effects_.detach();
    case Effect::none: return;
  }
}

void NicState::reconcile(Instant now) {
  // An effect may be answered from within, and then this is entered again; the outer loop goes on.
  if (std::exchange(deciding_, true)) return;
  while (running_ == Effect::none) {
    const Effect effect = next(now);
    settled_ = effect == Effect::none && !(wake_ != kNever && switch_here_);
    if (effect == Effect::none) break;
    start(effect);
  }
  if (running_ != Effect::none) settled_ = false;
  deciding_ = false;
}

Instant NicState::next_deadline() const { return running_ == Effect::none ? wake_ : kNever; }

}  // namespace vnet::adapter
