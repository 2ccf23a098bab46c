// The hub with a real loop and real sockets: clients become NICs, move, and go; what nobody can be found for is counted
// at the door.
#include "daemon/hub.hpp"

#include "tests/daemon/hub_testing.hpp"

namespace vnet::daemon::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HubTest : public testing::Test, protected Switch {
 protected:
  HubTest() { EXPECT_TRUE(hub.listen_dgram(at, 0)); }

  TempFolder folder;
  const std::string at = folder / "vnet.sock";
};

TEST_F(HubTest, AClientsFirstFrameSaysWhichNicItIs) {
  const Guest alice{folder / "alice"};
  EXPECT_FALSE(nic(mac(1)).is_attached());
  alice.send_to(at, text(plain(MacAddress::broadcast(), mac(1))));
  turn();
  EXPECT_EQ(nic(mac(1)).attachment.kind, network::AttachmentKind::shared_path);
  EXPECT_EQ(nic(mac(1)).attachment.peer, folder / "alice");
}

TEST_F(HubTest, FramesPassBetweenClientsOfDifferentKinds) {
  const std::string own = folder / "own.sock";
  ASSERT_TRUE(hub.listen_own(own, fabric.find(mac(1))));
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  alice.send_to(own, text(plain(MacAddress::broadcast(), mac(1))));
  turn();
  const std::string hello = text(plain(mac(1), mac(2)));
  bob.send_to(at, hello);
  turn();
  EXPECT_THAT(alice.receive(), ElementsAre(hello));
  const std::string answer = text(plain(mac(2), mac(1)));
  alice.send_to(own, answer);
  turn();
  EXPECT_THAT(bob.receive(), ElementsAre(answer));
  EXPECT_EQ(nic(mac(1)).counters.frames_out, 1U);
  EXPECT_EQ(nic(mac(2)).counters.frames_in, 1U);
}

TEST_F(HubTest, ANicThatShowsUpAtAnotherClientMovesThere) {
  const Guest before{folder / "before"};
  const Guest after{folder / "after"};
  const Guest bob{folder / "bob"};
  before.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  after.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  EXPECT_EQ(nic(mac(1)).attachment.peer, folder / "after");
  const std::string frame = text(plain(mac(1), mac(2)));
  bob.send_to(at, frame);
  turn();
  EXPECT_THAT(after.receive(), ElementsAre(frame));
  EXPECT_THAT(before.receive(), IsEmpty());
}

TEST_F(HubTest, ANicIsNotTakenFromAClientThatIsThereByOneInAnotherNetwork) {
  ASSERT_TRUE(hub.listen_dgram(folder / "other.sock", 1));
  const Guest first{folder / "first"};
  const Guest second{folder / "second"};
  first.send_to(at, text(plain(mac(9), mac(2))));
  turn();
  second.send_to(folder / "other.sock", text(plain(mac(9), mac(2))));
  turn();
  EXPECT_EQ(nic(mac(2)).config.network, 0U);
  EXPECT_EQ(nic(mac(2)).attachment.peer, folder / "first");
  EXPECT_EQ(hub.door_drops()[DropReason::not_member], 1U);
}

TEST_F(HubTest, AClientThatWasKilledIsNoObstacleToItsSuccessorInAnotherNetwork) {
  ASSERT_TRUE(hub.listen_dgram(folder / "other.sock", 1));
  Guest before{folder / "before"};
  before.send_to(at, text(plain(mac(9), mac(2))));
  turn();
  before.close();  // its file stays
  const Guest after{folder / "after"};
  after.send_to(folder / "other.sock", text(plain(mac(9), mac(2))));
  turn();
  EXPECT_EQ(nic(mac(2)).config.network, 1U);
  EXPECT_EQ(nic(mac(2)).attachment.peer, folder / "after");
  EXPECT_EQ(hub.door_drops().total(), 0U);
}

TEST_F(HubTest, AClientThatBindsItsPathAnewIsItsOwnSuccessorInAnotherNetwork) {
  ASSERT_TRUE(hub.listen_dgram(folder / "other.sock", 1));
  Guest before{folder / "same"};
  ASSERT_EQ(before.connect(at), 0);
  before.send(text(plain(mac(9), mac(2))));
  turn();
  before.quit();
  const Guest after{folder / "same"};
  ASSERT_EQ(after.connect(folder / "other.sock"), 0);
  turn();  // a look at the path finds somebody, whom nobody but the other socket may ask
  after.send(text(plain(mac(9), mac(2))));
  turn();
  EXPECT_EQ(nic(mac(2)).config.network, 1U);
  EXPECT_EQ(nic(mac(2)).attachment.peer, folder / "same");
  EXPECT_EQ(hub.door_drops().total(), 0U);
}

TEST_F(HubTest, SuccessorsOfClientsThatWereKilledAreNotTakenForTwoWithOneAddress) {
  for (unsigned i = 0; i < 2 * network::Fabric::kMaxMoves; ++i) {
    Guest each{folder / std::to_string(i)};
    each.send_to(at, text(plain(mac(9), mac(1))));
    turn(2ms);
    EXPECT_EQ(nic(mac(1)).attachment.peer, folder / std::to_string(i));
    each.close();
  }
  EXPECT_EQ(hub.door_drops().total(), 0U);
}

TEST_F(HubTest, TwoClientsWithOneAddressDoNotTakeItFromEachOtherForEver) {
  const Guest first{folder / "first"};
  const Guest second{folder / "second"};
  for (int i = 0; i < 30; ++i) {
    (i % 2 == 0 ? first : second).send_to(at, text(plain(mac(9), mac(1))));
    turn(2ms);
  }
  EXPECT_GT(hub.door_drops()[DropReason::mac_flapping], 0U);
}

TEST_F(HubTest, FramesOfNobodyAreCountedAtTheDoor) {
  const Guest stranger{folder / "stranger"};
  stranger.send_to(at, "runt");
  stranger.send_to(at, text(plain(mac(9), quiet().mac)));
  stranger.send_to(at, text(plain(mac(9), MacAddress::broadcast())));
  turn();
  EXPECT_EQ(hub.door_drops().total(), 3U);
  EXPECT_THAT(fabric.events().take(), IsEmpty()) << "no NIC was made";
}

TEST_F(HubTest, AClientThatEndsLeavesItsNicDetached) {
  {
    Guest alice{folder / "alice"};
    alice.send_to(at, text(plain(mac(9), mac(1))));
    turn();
    ASSERT_TRUE(nic(mac(1)).is_attached());
    alice.quit();
  }
  turn();
  EXPECT_FALSE(nic(mac(1)).is_attached());
}

TEST_F(HubTest, APassedDescriptorIsAttachedAtOnce) {
  auto pair = dgram::make_pair(SOCK_DGRAM).value();
  const Guest alice{std::move(pair.second)};
  ASSERT_TRUE(hub.attach(std::move(pair.first), fabric.find(mac(1))));
  EXPECT_EQ(nic(mac(1)).attachment.kind, network::AttachmentKind::passed_fd);
  const Guest bob{folder / "bob"};
  const std::string frame = text(plain(MacAddress::broadcast(), mac(2)));
  bob.send_to(at, frame);
  turn();
  EXPECT_THAT(alice.receive(), ElementsAre(frame)) << "before alice has said anything";
}

TEST_F(HubTest, LeasesAreWrittenBeforeTheFramesOfTheirBatchAreSent) {
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  alice.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  (void)alice.receive();
  std::vector<std::string> order;
  hub.before_send([&] { order.push_back("commit " + std::to_string(alice.receive().size())); });
  hub.after_send([&] { order.push_back("sent " + std::to_string(alice.receive().size())); });
  bob.send_to(at, text(plain(mac(1), mac(2))));
  turn(5ms);
  EXPECT_THAT(order, testing::Contains("sent 1"));
  EXPECT_THAT(order, testing::Not(testing::Contains("commit 1"))) << "a frame was ahead of its lease";
}

}  // namespace
}  // namespace vnet::daemon::test
