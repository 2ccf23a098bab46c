// What is changed while the switch runs: attachments by descriptor, links, networks, sockets. Frames sent before a
// change are judged as things were, and those that wait are dropped and counted.
#include <malloc.h>

#include "daemon/hub.hpp"
#include "tests/daemon/hub_testing.hpp"

namespace vnet::daemon::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HubChange : public testing::Test, protected Switch {
 protected:
  HubChange() { EXPECT_TRUE(hub.listen_dgram(at, 0)); }

  /// Our end is attached to alice; the other is the guest's.
  dgram::Fd pass(int type) {
    auto pair = dgram::make_pair(type).value();
    EXPECT_TRUE(hub.attach(std::move(pair.first), alice()));
    return std::move(pair.second);
  }
  /// Bob says something that everybody hears.
  void say(const Guest& bob, int number) {
    EXPECT_EQ(bob.send_to(at, numbered_frame(MacAddress::broadcast(), mac(2), number)), 0);
    turn(2ms);
  }
  [[nodiscard]] std::string said(int number) const { return numbered_frame(MacAddress::broadcast(), mac(2), number); }
  /// Frames for alice until some of them wait in our queue; how many were sent.
  std::uint64_t stall(const Guest& bob) {
    const std::string frame = numbered_frame(mac(1), mac(2), 0, 1000);
    std::uint64_t sent = 0;
    while (nic(mac(1)).counters.drops_out[DropReason::queue_full] == 0) {
      while (bob.send_to(at, frame) == 0) ++sent;
      turn(1ms);
    }
    return sent;
  }
  const network::NicCounters& counters() { return nic(mac(1)).counters; }

  TempFolder folder;
  const std::string at = folder / "vnet.sock";
};

// Descriptors.

TEST_F(HubChange, AnEndOfAStreamPairCarriesRecords) {
  StreamGuest guest{pass(SOCK_STREAM)};
  EXPECT_EQ(nic(mac(1)).attachment.kind, network::AttachmentKind::passed_fd);
  const Guest bob{folder / "bob"};
  say(bob, 1);
  EXPECT_THAT(guest.receive(), ElementsAre(said(1)));
  const std::string answer = text(plain(mac(2), mac(1)));
  guest.write(StreamGuest::record(answer));
  turn();
  EXPECT_THAT(bob.receive(), ElementsAre(answer));
}

TEST_F(HubChange, AnEndOfASequencedPacketPairCarriesFramesAndItsEndIsNoticedAtOnce) {
  {
    const Guest guest{pass(SOCK_SEQPACKET)};
    const Guest bob{folder / "bob"};
    say(bob, 1);
    EXPECT_THAT(guest.receive(), ElementsAre(said(1)));
    EXPECT_EQ(guest.send(text(plain(mac(9), mac(1)))), 0);
  }
  turn();
  EXPECT_EQ(counters().frames_in, 1U) << "its last words";
  EXPECT_FALSE(nic(mac(1)).is_attached());
  EXPECT_THAT(hub.hand_over(), testing::SizeIs(1)) << "the listening socket alone";
}

TEST_F(HubChange, AnythingElseThanAnEndOfAPairIsRefusedAndLeavesWhatIsThere) {
  const Guest guest{pass(SOCK_DGRAM)};
  const std::size_t open = open_descriptors();
  const auto refusal = [&](int fd) {
    const auto attached = hub.attach(dgram::Fd{fd}, alice());
    return attached ? std::string{} : attached.error().to_string();
  };
  EXPECT_THAT(refusal(::open("/dev/null", O_RDWR)), HasSubstr("no socket"));
  EXPECT_THAT(refusal(::socket(AF_UNIX, SOCK_DGRAM, 0)), HasSubstr("connected to nobody"));
  EXPECT_THAT(refusal(::socket(AF_UNIX, SOCK_STREAM, 0)), HasSubstr("connected to nobody"));
  EXPECT_THAT(refusal(::socket(AF_INET, SOCK_STREAM, 0)), HasSubstr("no UNIX socket"));
  auto listening = dgram::make_socket(SOCK_STREAM).value();
  ASSERT_TRUE(dgram::bind_replacing_stale(listening, folder / "listening"));
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  EXPECT_THAT(refusal(listening.release()), HasSubstr("listens"));
  EXPECT_THAT(refusal(-1), HasSubstr("no socket"));
  EXPECT_EQ(open_descriptors(), open);
  const Guest bob{folder / "bob"};
  say(bob, 1);
  EXPECT_THAT(guest.receive(), ElementsAre(said(1)));
}

TEST_F(HubChange, AnotherDescriptorReplacesTheFirst) {
  StreamGuest first{pass(SOCK_STREAM)};
  first.write(StreamGuest::record(text(plain(mac(9), mac(1)))));
  (void)fabric.events().take();
  const Guest second{pass(SOCK_DGRAM)};
  EXPECT_EQ(counters().frames_in, 1U) << "what the first had said is heard";
  EXPECT_THAT(first.receive(), IsEmpty());
  EXPECT_TRUE(first.closed);
  const auto events = fabric.events().take();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, network::EventKind::nic_detached);
  EXPECT_EQ(events[1].kind, network::EventKind::nic_attached);
  const Guest bob{folder / "bob"};
  say(bob, 1);
  EXPECT_THAT(second.receive(), ElementsAre(said(1)));
}

TEST_F(HubChange, AThousandDescriptorsComeAndGoAndLeaveNothing) {
  const auto cycle = [this](int type, bool guest_goes_first) {
    dgram::Fd guest = pass(type);
    if (guest_goes_first) {
      guest.close();
      turn(1us);
    }
    (void)hub.detach(alice(), "test");
    turn(1us);
    (void)fabric.events().take();
  };
  for (int i = 0; i < 10; ++i) cycle(i % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM, i % 3 == 0);
  const std::size_t descriptors = open_descriptors();
  const std::size_t bytes = ::mallinfo2().uordblks;
  for (int i = 0; i < 1000; ++i) cycle(i % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM, i % 3 == 0);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_LT(::mallinfo2().uordblks, bytes + 20'000) << "twenty bytes an attachment";
}

TEST_F(HubChange, DetachingEndsADescriptorWithItsCauseAndTellsWhetherThereWasOne) {
  StreamGuest guest{pass(SOCK_STREAM)};
  (void)fabric.events().take();
  EXPECT_TRUE(hub.detach(alice(), "because"));
  EXPECT_THAT(guest.receive(), IsEmpty());
  EXPECT_TRUE(guest.closed);
  const auto events = fabric.events().take();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, network::EventKind::nic_detached);
  EXPECT_EQ(events[0].cause, "because");
  EXPECT_FALSE(hub.detach(alice(), "again"));
  EXPECT_THAT(fabric.events().take(), IsEmpty());
}

TEST_F(HubChange, ADescriptorThatAnotherClientHasReplacedGoesWithADetachToo) {
  const Guest first{pass(SOCK_DGRAM)};
  const Guest second{folder / "second"};
  second.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  ASSERT_EQ(nic(mac(1)).attachment.kind, network::AttachmentKind::shared_path);
  EXPECT_TRUE(hub.detach(alice(), "test"));
  EXPECT_EQ(first.send(text(plain(mac(9), mac(1)))), ECONNREFUSED) << "or it would take the NIC back";
}

TEST_F(HubChange, AClientOfTheSharedPathThatWasDetachedIsBackWhenItSends) {
  const Guest client{folder / "alice"};
  client.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  ASSERT_TRUE(hub.detach(alice(), "test"));
  EXPECT_FALSE(nic(mac(1)).is_attached());
  const Guest bob{folder / "bob"};
  say(bob, 1);
  EXPECT_THAT(client.receive(), IsEmpty());
  client.send_to(at, text(plain(mac(9), mac(1))));
  turn();
  EXPECT_TRUE(nic(mac(1)).is_attached());
  say(bob, 2);
  EXPECT_THAT(client.receive(), ElementsAre(said(2)));
}

TEST_F(HubChange, AfterADetachTheOwnPathWaitsForWhoeverComesNext) {
  const std::string own = folder / "own.sock";
  ASSERT_TRUE(hub.listen_own(own, alice()));
  const Guest first{folder / "first"};
  first.send_to(own, text(plain(mac(9), mac(1))));
  turn();
  ASSERT_TRUE(hub.detach(alice(), "test"));
  const Guest second{folder / "second"};
  EXPECT_EQ(second.send_to(own, text(plain(mac(9), mac(1)))), 0);
  turn();
  ASSERT_TRUE(nic(mac(1)).is_attached());
  const Guest bob{folder / "bob"};
  say(bob, 1);
  EXPECT_THAT(second.receive(), ElementsAre(said(1)));
  EXPECT_THAT(first.receive(), IsEmpty());
}

TEST_F(HubChange, DetachingAConnectionClosesItAndLeavesTheOthers) {
  const std::string streams = folder / "stream.sock";
  ASSERT_TRUE(hub.listen_stream(streams, 0));
  StreamGuest first{streams};
  StreamGuest second{streams};
  first.write(StreamGuest::record(text(plain(mac(9), mac(1)))));
  second.write(StreamGuest::record(text(plain(mac(9), mac(3)))));
  turn();
  ASSERT_TRUE(hub.detach(alice(), "test"));
  (void)first.receive();
  (void)second.receive();
  EXPECT_TRUE(first.closed);
  EXPECT_FALSE(second.closed);
  EXPECT_TRUE(nic(mac(3)).is_attached());
}

// Links and networks.

class StalledReader : public HubChange, public testing::WithParamInterface<int> {};

TEST_P(StalledReader, WhatWaitsWhenTheLinkGoesDownIsCountedAndNeverArrives) {
  dgram::Fd end = pass(GetParam());
  const bool stream = GetParam() == SOCK_STREAM;
  StreamGuest records{stream ? std::move(end) : dgram::Fd{}};
  Guest datagrams{stream ? dgram::Fd{} : std::move(end)};
  const auto receive = [&] { return stream ? records.receive() : datagrams.receive(); };
  const Guest bob{folder / "bob"};
  const std::uint64_t sent = stall(bob);
  hub.set_link(alice(), false, "test");
  const std::uint64_t waited = counters().drops_out[DropReason::link_down];
  EXPECT_GT(waited, 0U);
  EXPECT_EQ(counters().frames_out + counters().drops_out.total(), sent) << "each frame has one fate";
  std::uint64_t received = 0;
  for (int i = 0; i < 10; ++i, turn(1ms)) received += receive().size();
  EXPECT_EQ(received, counters().frames_out);
  say(bob, 1);
  EXPECT_THAT(receive(), IsEmpty());
  hub.set_link(alice(), true, "test");
  say(bob, 2);
  EXPECT_THAT(receive(), ElementsAre(said(2)));
}
INSTANTIATE_TEST_SUITE_P(ByType, StalledReader, testing::Values(SOCK_DGRAM, SOCK_STREAM));

TEST_F(HubChange, WhatWaitsForAClientOfTheSharedPathIsDroppedToo) {
  for (const bool connected : {false, true}) {
    const Guest client{folder / (connected ? "vfkit" : "qemu")};
    if (connected) {
      ASSERT_EQ(client.connect(at), 0);
    }
    ASSERT_EQ(client.send_to(at, text(plain(mac(9), mac(1)))), 0);
    turn();
    const Guest bob{folder / (connected ? "bob-1" : "bob-2")};
    const std::uint64_t before = counters().frames_out;
    const std::uint64_t already = counters().drops_out[DropReason::link_down];
    for (int i = 0; counters().drops_out[DropReason::link_down] == already && i < 1000; ++i) {
      hub.set_link(alice(), true, "test");
      while (bob.send_to(at, numbered_frame(mac(1), mac(2), i, 1000)) == 0) {
      }
      turn(1ms);
      hub.set_link(alice(), false, "test");
    }
    EXPECT_GT(counters().drops_out[DropReason::link_down], already);
    std::uint64_t received = 0;
    for (int i = 0; i < 10; ++i, turn(2ms)) received += client.receive().size();
    EXPECT_EQ(received, counters().frames_out - before);
    hub.set_link(alice(), true, "test");
  }
}

TEST_F(HubChange, FramesSentBeforeTheLinkGoesDownAreForwardedAndThoseAfterAreNot) {
  const Guest guest{pass(SOCK_DGRAM)};
  const Guest bob{folder / "bob"};
  say(bob, 1);
  guest.send(numbered_frame(mac(2), mac(1), 1));
  hub.set_link(alice(), false, "test");
  guest.send(numbered_frame(mac(2), mac(1), 2));
  hub.set_link(alice(), true, "test");
  guest.send(numbered_frame(mac(2), mac(1), 3));
  turn();
  EXPECT_THAT(bob.receive(), ElementsAre(numbered_frame(mac(2), mac(1), 1), numbered_frame(mac(2), mac(1), 3)));
  EXPECT_EQ(counters().drops_in[DropReason::link_down], 1U);
}

TEST_F(HubChange, FramesSentBeforeAMoveAreJudgedInTheOldNetwork) {
  const std::string elsewhere = folder / "other.sock";
  ASSERT_TRUE(hub.listen_dgram(elsewhere, 1));
  const Guest guest{pass(SOCK_DGRAM)};
  const Guest bob{folder / "bob"};
  const Guest carol{folder / "carol"};
  say(bob, 1);
  carol.send_to(elsewhere, text(plain(mac(9), mac(3))));
  turn();
  (void)guest.receive();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(guest.send(numbered_frame(MacAddress::broadcast(), mac(1), i)), 0);
  hub.change(alice(), [this] {
    network::NicConfig wanted = nic(mac(1)).config;
    wanted.network = 1;
    EXPECT_TRUE(fabric.change(alice(), wanted, "test", loop.now()));
  });
  for (int i = 100; i < 200; ++i) ASSERT_EQ(guest.send(numbered_frame(MacAddress::broadcast(), mac(1), i)), 0);
  std::vector<std::string> heard_by_bob;
  std::vector<std::string> heard_by_carol;
  for (int i = 0; i < 50; ++i, turn(1ms)) {
    for (std::string& frame : bob.receive()) heard_by_bob.push_back(std::move(frame));
    for (std::string& frame : carol.receive()) heard_by_carol.push_back(std::move(frame));
  }
  ASSERT_EQ(heard_by_bob.size(), 100U);
  ASSERT_EQ(heard_by_carol.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    const int number = static_cast<int>(i);
    EXPECT_EQ(heard_by_bob[i], numbered_frame(MacAddress::broadcast(), mac(1), number));
    EXPECT_EQ(heard_by_carol[i], numbered_frame(MacAddress::broadcast(), mac(1), 100 + number));
  }
}

TEST_F(HubChange, WhatWaitsForANicThatMovesIsDroppedButARenamedOneKeepsIt) {
  const Guest guest{pass(SOCK_DGRAM)};
  const Guest bob{folder / "bob"};
  const std::uint64_t sent = stall(bob);
  const auto change = [this](std::string name, std::size_t network) {
    hub.change(alice(), [&] {
      network::NicConfig wanted = nic(mac(1)).config;
      wanted.name = std::move(name);
      wanted.network = network;
      EXPECT_TRUE(fabric.change(alice(), wanted, "test", loop.now()));
    });
  };
  change("alicia", 0);
  EXPECT_EQ(counters().drops_out[DropReason::detached], 0U);
  change("alicia", 1);
  EXPECT_GT(counters().drops_out[DropReason::detached], 0U);
  EXPECT_EQ(counters().frames_out + counters().drops_out.total(), sent);
  std::uint64_t received = 0;
  for (int i = 0; i < 10; ++i, turn(1ms)) received += guest.receive().size();
  EXPECT_EQ(received, counters().frames_out);
}

// Sockets.

TEST_F(HubChange, SocketsOpenAndCloseWithTheirFilesAndClients) {
  const std::string streams = folder / "stream.sock";
  const std::string own = folder / "own.sock";
  ASSERT_TRUE(hub.listen_stream(streams, 0));
  ASSERT_TRUE(hub.listen_own(own, alice()));
  EXPECT_FALSE(hub.listen_own(folder / "second.sock", alice())) << "it has one";
  const Guest client{folder / "alice"};
  const Guest bob{folder / "bob"};
  StreamGuest carol{streams};
  client.send_to(own, text(plain(mac(9), mac(1))));
  say(bob, 1);
  carol.write(StreamGuest::record(text(plain(mac(9), mac(3)))));
  turn();
  for (const std::string& path : {at, streams, own}) EXPECT_TRUE(hub.listens(path)) << path;
  for (const std::uint64_t n : {1U, 2U, 3U}) EXPECT_TRUE(nic(mac(n)).is_attached()) << n;
  EXPECT_TRUE(hub.close_dgram(at, "test"));
  EXPECT_TRUE(hub.close_stream(streams, "test"));
  EXPECT_TRUE(hub.close_own(alice(), "test"));
  for (const std::string& path : {at, streams, own}) {
    EXPECT_FALSE(hub.listens(path)) << path;
    EXPECT_FALSE(std::filesystem::exists(path)) << path;
  }
  for (const std::uint64_t n : {1U, 2U, 3U}) EXPECT_FALSE(nic(mac(n)).is_attached()) << n;
  EXPECT_FALSE(hub.close_dgram(at, "test") || hub.close_stream(streams, "test") || hub.close_own(alice(), "test"));
  ASSERT_TRUE(hub.listen_dgram(at, 0));
  say(bob, 2);
  EXPECT_TRUE(nic(mac(2)).is_attached());
}

TEST_F(HubChange, ANicCanBeForgottenWithAllThatIsIts) {
  const std::string own = folder / "own.sock";
  ASSERT_TRUE(hub.listen_own(own, alice()));
  const Guest guest{pass(SOCK_DGRAM)};
  hub.forget(alice(), "test");
  fabric.remove(alice(), "test", loop.now());
  EXPECT_FALSE(std::filesystem::exists(own));
  EXPECT_EQ(guest.send("anybody?"), ECONNREFUSED);
  turn();
}

TEST_F(HubChange, AnInheritedSocketIsServedAndItsFileIsNotRemoved) {
  const auto bound = [this](int type, const char* name) {
    dgram::Fd fd = dgram::make_socket(type).value();
    EXPECT_TRUE(dgram::bind_replacing_stale(fd, folder / name));
    EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd.get(), 8) == 0);
    return fd;
  };
  ASSERT_TRUE(hub.listen_dgram(folder / "d", 0, bound(SOCK_DGRAM, "d")));
  ASSERT_TRUE(hub.listen_stream(folder / "s", 0, bound(SOCK_STREAM, "s")));
  ASSERT_TRUE(hub.listen_own(folder / "o", alice(), bound(SOCK_DGRAM, "o")));
  EXPECT_FALSE(hub.listen_dgram(folder / "wrong", 0, bound(SOCK_STREAM, "wrong")));
  const Guest client{folder / "alice"};
  const Guest bob{folder / "bob"};
  StreamGuest carol{folder / "s"};
  client.send_to(folder / "o", text(plain(mac(9), mac(1))));
  bob.send_to(folder / "d", text(plain(mac(9), mac(2))));
  carol.write(StreamGuest::record(text(plain(mac(9), mac(3)))));
  turn();
  for (const std::uint64_t n : {1U, 2U, 3U}) EXPECT_TRUE(nic(mac(n)).is_attached()) << n;
  EXPECT_TRUE(hub.close_dgram(folder / "d", "test"));
  EXPECT_TRUE(hub.close_stream(folder / "s", "test"));
  EXPECT_TRUE(hub.close_own(alice(), "test"));
  for (const char* name : {"d", "s", "o"}) EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
}

}  // namespace
}  // namespace vnet::daemon::test
