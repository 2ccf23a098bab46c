// A NIC in a small world on virtual time: a QEMU that answers late or not at all, a switch that is killed and started,
// a person at the switch and one at the VM, a snapshot now and then. Whatever happens, in whatever order: when it is
// quiet again, the guest's carrier, the switch's link and the attachment agree, and are what was wished last.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "adapter/vm/nic_state.hpp"

namespace vnet::adapter {
namespace {

constexpr Duration millis(int count) { return std::chrono::milliseconds{count}; }

std::uint64_t seed_of_run() {
  const char* text = std::getenv("VNET_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

class World final : public NicEffects {
 public:
  explicit World(std::uint64_t seed) : random_(seed), state_(*this, chance(2) ? "home" : "", chance(2)) {
    state_.hold(now_);
    state_.switch_back(now_);
    run_for(millis(100));
    state_.release(now_);
  }

  /// One thing happens, and a while goes by.
  void step() {
    switch (random_() % 10) {
      case 0:
      case 1: return wish_attach();
      case 2:
        note("detach");
        wanted_ = false;
        state_.detach(now_);
        break;
      case 3: return snapshot();
      case 4: return kill_daemon();
      case 5:
        link_up_ = !link_up_;
        note(link_up_ ? "link up at the switch" : "link down at the switch");
        return tell_seen();
      case 6: return move_at_switch();
      case 7: return detach_at_switch();
      case 8:
        qemu_fails_ = 1 + random_() % 3;
        note("QEMU fails for a while");
        break;
      default: break;
    }
    pass();
  }

  /// Until nothing is left to do; then everything must agree.
  void settle() {
    if (!alive_) start_daemon();
    if (held_) {
      held_ = false;
      state_.release(now_);
    }
    qemu_fails_ = 0;
    run_for(std::chrono::seconds{60});
  }

  void check() const {
    const bool attached = alive_ && attached_;
    const std::string story = tell();
    ASSERT_TRUE(state_.settled()) << story;
    ASSERT_EQ(carrier_, attached && link_up_) << story;
    ASSERT_EQ(state_.carrier() == NicState::Carrier::up, carrier_) << story;
    ASSERT_EQ(state_.attached(), attached) << story;
    ASSERT_EQ(state_.wanted(), attached) << story;
    ASSERT_EQ(wanted_, attached) << story;
    if (attached) {
      ASSERT_EQ(state_.network(), network_) << story;
    }
    ASSERT_EQ(state_.link_up() || !attached, link_up_ || !attached) << story;
  }
  /// True at every moment: what a guest must never see.
  void check_always() const { ASSERT_EQ(violation_, "") << ::testing::PrintToString(story_); }

 private:
  /// The last things that happened, and what is so now.
  [[nodiscard]] std::string tell() const {
    std::string text;
    for (const std::string& line : story_) text += line + "; ";
    constexpr std::size_t kShown = 1500;
    if (text.size() > kShown) text = "..." + text.substr(text.size() - kShown);
    return text + "\nthe switch: " + (alive_ ? "alive, " : "gone, ") + (attached_ ? "attached, " : "not attached, ") +
           network_ + (link_up_ ? ", link up" : ", link down") + "; the state: " + (state_.wanted() ? "wanted, " : "") +
           (state_.attached() ? "attached, " : "not attached, ") + state_.network() +
           (state_.link_up() ? ", link up" : ", link down") + (state_.settled() ? ", settled" : ", not settled") +
           "; problem: " + state_.problem();
  }
  bool chance(unsigned of) { return random_() % of == 0; }
  void note(const std::string& what) { story_.push_back(what); }
  void later(Duration at_most, std::function<void()> what) {
    const Duration wait = chance(3)
                              ? Duration::zero()
                              : millis(static_cast<int>(random_() % 1000)) * at_most.count() / millis(1000).count();
    pending_.emplace(now_ + wait, std::move(what));
  }
  void pass() {
    run_for(chance(2) ? millis(static_cast<int>(random_() % 50)) : millis(static_cast<int>(random_() % 20'000)));
  }

  void run_for(Duration time) {
    const Instant end = now_ + time;
    while (true) {
      const Instant next = std::min(pending_.empty() ? kNever : pending_.begin()->first, state_.next_deadline());
      if (next > end) break;
      now_ = std::max(now_, next);
      if (!pending_.empty() && pending_.begin()->first <= now_) {
        const auto what = std::move(pending_.begin()->second);
        pending_.erase(pending_.begin());
        what();
      } else {
        state_.expire(now_);
      }
    }
    now_ = end;
  }

  // QEMU
  void set_carrier(bool up) override {
    if (up && held_) violation_ = "carrier raised while held";
    later(millis(200), [this, up] {
      if (qemu_fails_ > 0) {
        --qemu_fails_;
        return state_.carrier_done(false, now_);
      }
      carrier_ = up;
      seen_down_ = seen_down_ || !up;
      state_.carrier_done(true, now_);
    });
  }
  void announce() override {
    if (!carrier_) violation_ = "announced without carrier";
  }

  // The switch
  void attach(const std::string& network) override {
    const auto work = [this, network, life = life_] {
      if (!alive_ || life != life_) return state_.switch_done(fail(SwitchRefusal{"nobody answers", true}), now_);
      if (network == "nowhere") {
        wanted_ = attached_;
        return state_.switch_done(fail(SwitchRefusal{"there is no network nowhere", false}), now_);
      }
      if (!network.empty()) network_ = network;
      attached_ = true;
      state_.switch_done(SwitchView{network_, link_up_, true}, now_);
    };
    chance(2) ? work() : later(millis(100), work);
  }
  void detach() override {
    if (carrier_) violation_ = "detached under a carrier";
    const auto work = [this, life = life_] {
      if (!alive_ || life != life_) return state_.switch_done(fail(SwitchRefusal{"nobody answers", true}), now_);
      attached_ = false;
      state_.switch_done(SwitchView{network_, link_up_, false}, now_);
    };
    chance(2) ? work() : later(millis(100), work);
  }
  /// The event arrives later, and then the state is told what is so at that time.
  void tell_seen() {
    later(millis(50), [this, life = life_] {
      if (alive_ && life == life_) state_.seen({network_, link_up_, attached_}, now_);
    });
    pass();
  }
  void kill_daemon() {
    if (!alive_) return start_daemon();
    note("daemon killed");
    alive_ = attached_ = false;
    ++life_;
    state_.switch_gone(now_);
    pass();
    if (chance(2)) start_daemon();
    pass();
  }
  void start_daemon() {
    note("daemon started");
    alive_ = true;
    attached_ = false;
    network_ = "home";
    link_up_ = true;
    ++life_;
    state_.switch_back(now_);
  }

  // People
  void wish_attach() {
    const char* const networks[] = {"", "home", "lab", "nowhere"};
    const std::string network = networks[random_() % 4];
    note("attach " + network);
    // A refusal leaves what was: see attach().
    wanted_ = true;
    state_.attach(network, now_);
    run_for(std::chrono::seconds{2});
    if (network == "nowhere") {
      // It may not have been tried yet (no daemon, a hold): then the last word is an ordinary one.
      state_.attach("home", now_);
      wanted_ = true;
    }
    pass();
  }
  void snapshot() {
    note(held_ ? "released" : "held");
    held_ = !held_;
    held_ ? state_.hold(now_) : state_.release(now_);
    pass();
  }
  void move_at_switch() {
    if (!alive_) return;
    network_ = network_ == "home" ? "lab" : "home";
    note("moved at the switch to " + network_);
    tell_seen();
  }
  void detach_at_switch() {
    run_for(std::chrono::seconds{5});
    if (!alive_ || !attached_ || !state_.settled()) return;
    note("detached at the switch");
    attached_ = false;
    wanted_ = false;
    tell_seen();
    run_for(millis(100));
  }

  std::mt19937_64 random_;
  Instant now_{std::chrono::seconds{1000}};
  std::multimap<Instant, std::function<void()>> pending_;
  std::vector<std::string> story_;
  std::string violation_;
  bool carrier_ = true;  ///< as QEMU starts
  bool seen_down_ = false;
  bool alive_ = true;
  bool attached_ = false;
  bool link_up_ = true;
  bool held_ = false;
  bool wanted_ = false;
  std::uint64_t qemu_fails_ = 0;
  int life_ = 0;  ///< of the daemon
  std::string network_ = "home";
  NicState state_;

 public:
  void begin() { wanted_ = state_.wanted(); }
};

TEST(NicModel, CarrierLinkAndAttachmentAgreeAfterFiveHundredRandomLives) {
  const std::uint64_t base = seed_of_run();
  for (std::uint64_t i = 0; i < 500; ++i) {
    const std::uint64_t seed = base * 1000 + i;
    SCOPED_TRACE("VNET_SEED=" + std::to_string(base) + ", life " + std::to_string(i));
    World world{seed};
    world.begin();
    for (int step = 0; step < 60; ++step) {
      world.step();
      world.check_always();
      if (::testing::Test::HasFatalFailure()) return;
      if (step % 6 != 5) continue;
      world.settle();
      world.check();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace vnet::adapter
