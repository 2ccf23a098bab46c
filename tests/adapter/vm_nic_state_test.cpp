#include <gmock/gmock.h>

#include <vector>

#include "adapter/vm/nic_state.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Carrier = NicState::Carrier;

constexpr Duration ms(int count) { return std::chrono::milliseconds{count}; }

/// Writes down the effects; each is answered by the test, as what it says.
class NicStateTest : public ::testing::Test, protected NicEffects {
 protected:
  void set_carrier(bool up) override { effects_.emplace_back(up ? "raise" : "lower"); }
  void attach(const std::string& network) override { effects_.push_back("attach " + network); }
  void detach() override { effects_.emplace_back("detach"); }
  void announce() override { effects_.emplace_back("announce"); }

  std::vector<std::string> effects() { return std::exchange(effects_, {}); }
  void carrier_done() { state_.carrier_done(true, now_); }
  void attached(const std::string& network = "home", bool link_up = true) {
    state_.switch_done(SwitchView{network, link_up, true}, now_);
  }
  void detached() { state_.switch_done(SwitchView{"home", true, false}, now_); }
  void refused(const std::string& text) { state_.switch_done(fail(SwitchRefusal{text, false}), now_); }

  /// As a VM starts: carrier down, switch there, held.
  void begin() {
    state_.switch_back(now_);
    state_.hold(now_);
    EXPECT_THAT(effects(), ElementsAre("lower"));
    carrier_done();
  }
  void begin_attached() {
    begin();
    state_.release(now_);
    EXPECT_THAT(effects(), ElementsAre("attach home"));
    attached();
    EXPECT_THAT(effects(), ElementsAre("raise"));
    carrier_done();
    EXPECT_THAT(effects(), ElementsAre("announce"));
    EXPECT_TRUE(state_.settled());
    now_ += NicState::kNotice;  // long ago
  }

  Instant now_{std::chrono::seconds{100}};
  std::vector<std::string> effects_;
  NicState state_{*this, "home", true};
};

TEST_F(NicStateTest, BeginsByLoweringTheCarrierWhateverItWas) {
  EXPECT_EQ(state_.carrier(), Carrier::unknown);
  begin();
  EXPECT_THAT(effects(), IsEmpty()) << "held";
  EXPECT_EQ(state_.carrier(), Carrier::down);
}

TEST_F(NicStateTest, AttachesFirstAndRaisesTheCarrierLast) { begin_attached(); }

TEST_F(NicStateTest, DetachesOnlyWithTheCarrierDown) {
  begin_attached();
  state_.detach(now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  EXPECT_THAT(effects(), ElementsAre("detach"));
  detached();
  EXPECT_TRUE(state_.settled());
  EXPECT_FALSE(state_.attached());
}

TEST_F(NicStateTest, AMoveIsACarrierThatGoesAndComes) {
  begin_attached();
  state_.attach("lab", now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  EXPECT_THAT(effects(), ElementsAre("attach lab"));
  attached("lab");
  EXPECT_THAT(effects(), IsEmpty()) << "the guest needs time to see it";
  EXPECT_FALSE(state_.settled());
  EXPECT_EQ(state_.next_deadline(), now_ + NicState::kDwell);
  now_ += NicState::kDwell;
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("raise"));
  carrier_done();
  EXPECT_THAT(effects(), ElementsAre("announce"));
  EXPECT_EQ(state_.network(), "lab");
}

TEST_F(NicStateTest, ACarrierThatHasJustComeGoesForLongEnoughToBeTold) {
  begin_attached();
  state_.attach("lab", now_);
  carrier_done();
  attached("lab");
  now_ += NicState::kDwell;
  state_.expire(now_);
  carrier_done();
  const Instant raised = now_;
  state_.attach("home", now_);
  carrier_done();
  attached("home");
  (void)effects();
  EXPECT_EQ(state_.next_deadline(), raised + NicState::kNotice);
  now_ = raised + NicState::kNotice;
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("raise"));
}

TEST_F(NicStateTest, AttachingWhereItIsChangesNothing) {
  begin_attached();
  state_.attach("home", now_);
  state_.attach("", now_);
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_TRUE(state_.settled());
}

TEST_F(NicStateTest, ADaemonThatComesBackSoonCostsOnlyTheGap) {
  begin_attached();
  state_.switch_gone(now_);
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_EQ(state_.carrier(), Carrier::up);
  now_ += ms(300);
  state_.switch_back(now_);
  EXPECT_THAT(effects(), ElementsAre("attach home"));
  attached();
  EXPECT_THAT(effects(), ElementsAre("announce"));
  EXPECT_TRUE(state_.settled());
}

TEST_F(NicStateTest, ADaemonThatStaysAwayTakesTheCarrier) {
  begin_attached();
  state_.switch_gone(now_);
  EXPECT_EQ(state_.next_deadline(), now_ + NicState::kGrace);
  now_ += NicState::kGrace;
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  now_ += ms(5000);
  state_.switch_back(now_);
  EXPECT_THAT(effects(), ElementsAre("attach home"));
  attached();
  EXPECT_THAT(effects(), ElementsAre("raise"));
}

TEST_F(NicStateTest, ANewDaemonThatPutsItElsewhereIsAnotherCable) {
  NicState anywhere{*this, "", true};
  anywhere.switch_back(now_);
  anywhere.carrier_done(true, now_);
  anywhere.release(now_);
  anywhere.switch_done(SwitchView{"home", true, true}, now_);
  anywhere.carrier_done(true, now_);
  (void)effects();
  anywhere.switch_gone(now_);
  anywhere.switch_back(now_ + ms(10));
  EXPECT_THAT(effects(), ElementsAre("attach "));
  anywhere.switch_done(SwitchView{"lab", true, true}, now_ + ms(20));
  EXPECT_THAT(effects(), ElementsAre("lower"));
}

TEST_F(NicStateTest, TheSwitchsLinkIsTheGuestsCarrier) {
  begin_attached();
  state_.seen({"home", false, true}, now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  EXPECT_TRUE(state_.settled());
  now_ += ms(1000);
  state_.seen({"home", true, true}, now_);
  EXPECT_THAT(effects(), ElementsAre("raise"));
}

TEST_F(NicStateTest, AMoveAtTheSwitchIsAnotherCableToo) {
  begin_attached();
  state_.seen({"lab", true, true}, now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  now_ += NicState::kDwell;
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("raise"));
  EXPECT_EQ(state_.network(), "lab");
}

TEST_F(NicStateTest, WhoDetachesItAtTheSwitchHasDecided) {
  begin_attached();
  state_.seen({"home", true, false}, now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
  carrier_done();
  EXPECT_TRUE(state_.settled());
  EXPECT_FALSE(state_.wanted());
}

TEST_F(NicStateTest, ARefusedMoveGoesBackAndSaysWhy) {
  begin_attached();
  state_.attach("nowhere", now_);
  carrier_done();
  EXPECT_THAT(effects(), ElementsAre("lower", "attach nowhere"));
  refused("there is no network nowhere");
  now_ += NicState::kDwell;
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("raise"));
  carrier_done();
  EXPECT_TRUE(state_.settled());
  EXPECT_EQ(state_.network(), "home");
  EXPECT_EQ(state_.problem(), "there is no network nowhere");
}

TEST_F(NicStateTest, ARefusedAttachLeavesItDisconnected) {
  begin();
  state_.release(now_);
  (void)effects();
  refused("the MAC address is another's");
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_TRUE(state_.settled());
  EXPECT_FALSE(state_.wanted());
  state_.attach("", now_);
  EXPECT_THAT(effects(), ElementsAre("attach home")) << "whoever asks again gets another try";
}

TEST_F(NicStateTest, HeldItIsDisconnectedAndReleasedItIsAsItWas) {
  begin_attached();
  state_.hold(now_);
  carrier_done();
  detached();
  EXPECT_THAT(effects(), ElementsAre("lower", "detach"));
  EXPECT_TRUE(state_.settled());
  now_ += ms(750);
  state_.release(now_);
  attached();
  carrier_done();
  EXPECT_THAT(effects(), ElementsAre("attach home", "raise", "announce"));
}

TEST_F(NicStateTest, WhatIsWishedMeanwhileHappensAfterTheHold) {
  begin_attached();
  state_.hold(now_);
  carrier_done();
  detached();
  state_.detach(now_);
  (void)effects();
  state_.release(now_);
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_FALSE(state_.attached());
}

TEST_F(NicStateTest, ACarrierThatQemuDidNotSetIsTriedAgain) {
  begin_attached();
  state_.detach(now_);
  (void)effects();
  state_.carrier_done(false, now_);
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_EQ(state_.carrier(), Carrier::unknown);
  now_ = state_.next_deadline();
  state_.expire(now_);
  EXPECT_THAT(effects(), ElementsAre("lower"));
}

TEST_F(NicStateTest, TheDaemonMayGoInTheMiddleOfAnything) {
  begin();
  state_.release(now_);
  EXPECT_THAT(effects(), ElementsAre("attach home"));
  state_.switch_done(fail(SwitchRefusal{"nobody answers", true}), now_);
  EXPECT_THAT(effects(), IsEmpty());
  EXPECT_TRUE(state_.wanted()) << "gone is not refused";
  EXPECT_FALSE(state_.settled());
  EXPECT_EQ(state_.next_deadline(), now_ + NicState::kRetry);
  state_.switch_gone(now_);
  EXPECT_TRUE(state_.settled());
  state_.switch_back(now_);
  EXPECT_THAT(effects(), ElementsAre("attach home"));
}

}  // namespace
}  // namespace vnet::adapter
