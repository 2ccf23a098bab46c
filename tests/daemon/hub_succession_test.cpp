// One hub succeeds another while its clients talk, whatever the kind of their sockets: no frame is lost, none comes
// twice, and no client notices.
#include <memory>

#include "daemon/hub.hpp"
#include "tests/daemon/hub_testing.hpp"

namespace vnet::daemon::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = HandedSocket::Kind;

dgram::Fd copy_of(int fd) { return dgram::Fd{::fcntl(fd, F_DUPFD_CLOEXEC, 0)}; }

class HubSuccession : public testing::Test {
 protected:
  /// What two daemons do: the sockets are copied over, then the first lets go.
  void succeed() {
    auto next = std::make_unique<Switch>();
    for (const HandedSocket& handed : now->hub.hand_over()) {
      const auto taken = next->hub.take_over(handed, copy_of(handed.fd));
      EXPECT_TRUE(taken) << taken.error().to_string();
    }
    now->hub.disown();
    now = std::move(next);
  }
  [[nodiscard]] HandedSocket handed(Kind kind) const {
    for (HandedSocket& socket : now->hub.hand_over()) {
      if (socket.kind == kind) return std::move(socket);
    }
    ADD_FAILURE() << "no such socket";
    return {};
  }

  TempFolder folder;
  const std::string shared = folder / "vnet.sock";
  const std::string streams = folder / "stream.sock";
  const std::string own = folder / "own.sock";
  std::unique_ptr<Switch> now = std::make_unique<Switch>();
};

/// A guest of any kind.
struct AnyGuest {
  std::function<void(const std::string&)> send;
  std::function<std::vector<std::string>()> receive;
};

AnyGuest any(std::shared_ptr<Guest> guest, const std::string& to) {
  const auto send = [guest, to](const std::string& frame) {
    ASSERT_EQ(to.empty() ? guest->send(frame) : guest->send_to(to, frame), 0);
  };
  return {send, [guest] { return guest->receive(); }};
}

AnyGuest any(std::shared_ptr<StreamGuest> guest) {
  return {[guest](const std::string& frame) { guest->write(StreamGuest::record(frame)); },
          [guest] { return guest->receive(); }};
}

enum class Way { shared, shared_connected, own, passed_dgram, passed_seqpacket, passed_stream, connection };

class EveryWay : public HubSuccession, public testing::WithParamInterface<Way> {
 protected:
  AnyGuest alice() {
    const auto pass = [this](int type) {
      auto pair = dgram::make_pair(type).value();
      EXPECT_TRUE(now->hub.attach(std::move(pair.first), now->alice()));
      return std::move(pair.second);
    };
    const auto bound = [this] { return std::make_shared<Guest>(folder / "alice"); };
    switch (GetParam()) {
      case Way::shared: return any(bound(), shared);
      case Way::shared_connected: {
        auto guest = bound();
        EXPECT_EQ(guest->connect(shared), 0);
        return any(guest, {});
      }
      case Way::own: {
        EXPECT_TRUE(now->hub.listen_own(own, now->alice()));
        auto guest = bound();
        EXPECT_EQ(guest->connect(own), 0);
        return any(guest, {});
      }
      case Way::passed_dgram: return any(std::make_shared<Guest>(pass(SOCK_DGRAM)), {});
      case Way::passed_seqpacket: return any(std::make_shared<Guest>(pass(SOCK_SEQPACKET)), {});
      case Way::passed_stream: return any(std::make_shared<StreamGuest>(pass(SOCK_STREAM)));
      case Way::connection: return any(std::make_shared<StreamGuest>(streams));
    }
    return {};
  }
};

TEST_P(EveryWay, NoFrameIsLostAndNoneComesTwice) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  const AnyGuest alice = this->alice();
  const Guest bob{folder / "bob"};
  alice.send(text(plain(mac(9), mac(1))));
  bob.send_to(shared, text(plain(mac(9), mac(2))));
  now->turn();
  const std::string peer = now->nic(mac(1)).attachment.peer;
  const auto kind = now->nic(mac(1)).attachment.kind;
  ASSERT_TRUE(now->nic(mac(1)).is_attached());
  (void)alice.receive();
  (void)bob.receive();

  std::vector<std::string> to_alice;
  std::vector<std::string> to_bob;
  std::vector<std::string> heard_by_alice;
  std::vector<std::string> heard_by_bob;
  int number = 0;
  const auto collect = [&] {
    for (std::string& frame : alice.receive()) heard_by_alice.push_back(std::move(frame));
    for (std::string& frame : bob.receive()) heard_by_bob.push_back(std::move(frame));
  };
  for (int round = 0; round < 10; ++round) {
    // Some frames are in the sockets of either side when the switch is succeeded.
    for (int i = 0; i < 8; ++i, ++number) {
      to_bob.push_back(numbered_frame(mac(2), mac(1), number));
      to_alice.push_back(numbered_frame(mac(1), mac(2), number));
      alice.send(to_bob.back());
      ASSERT_EQ(bob.send_to(shared, to_alice.back()), 0);
      if (i == 3) now->turn(1ms);
    }
    succeed();
    EXPECT_TRUE(now->nic(mac(1)).is_attached()) << "before it has sent anything";
    EXPECT_EQ(now->nic(mac(1)).attachment.kind, kind);
    now->turn(2ms);
    collect();
  }
  EXPECT_EQ(heard_by_alice, to_alice);
  EXPECT_EQ(heard_by_bob, to_bob);
  if (kind == network::AttachmentKind::shared_path) {
    EXPECT_EQ(now->nic(mac(1)).attachment.peer, peer);
  }
}

TEST_P(EveryWay, ASuccessorThatFailsChangesNothing) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  const AnyGuest alice = this->alice();
  const Guest bob{folder / "bob"};
  alice.send(text(plain(mac(9), mac(1))));
  bob.send_to(shared, text(plain(mac(9), mac(2))));
  now->turn();
  (void)alice.receive();
  (void)bob.receive();
  (void)now->fabric.events().take();
  const std::string before = numbered_frame(mac(2), mac(1), 1);
  alice.send(before);
  {
    Switch next;
    for (const HandedSocket& handed : now->hub.hand_over()) {
      EXPECT_TRUE(next.hub.take_over(handed, copy_of(handed.fd)));
    }
    next.hub.disown();
  }
  const std::string frame = numbered_frame(mac(1), mac(2), 2);
  bob.send_to(shared, frame);
  now->turn();
  EXPECT_THAT(alice.receive(), ElementsAre(frame));
  EXPECT_THAT(bob.receive(), ElementsAre(before));
  EXPECT_THAT(now->fabric.events().take(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(shared) && std::filesystem::exists(streams));
}
INSTANTIATE_TEST_SUITE_P(OfAttaching, EveryWay,
                         testing::Values(Way::shared, Way::shared_connected, Way::own, Way::passed_dgram,
                                         Way::passed_seqpacket, Way::passed_stream, Way::connection));

TEST_F(HubSuccession, AConnectionGoesOnInTheMiddleOfARecordBothWays) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  StreamGuest alice{streams};
  const Guest bob{folder / "bob"};
  alice.write(StreamGuest::record(text(plain(mac(9), mac(1)))));
  bob.send_to(shared, text(plain(mac(9), mac(2))));
  now->turn();
  (void)alice.receive();
  (void)bob.receive();
  // Out: the kernel takes a large frame in several parts, and sooner or later only some of them.
  std::vector<std::string> sent;
  while (handed(Kind::connection).pending_out.empty()) {
    ASSERT_LT(sent.size(), 1000U);
    sent.push_back(numbered_frame(mac(1), mac(2), static_cast<int>(sent.size()), 60'000));
    ASSERT_EQ(bob.send_to(shared, sent.back()), 0);
    now->turn(1ms);
  }
  EXPECT_EQ(now->nic(mac(1)).counters.frames_out, sent.size()) << "none waits but the half of the last";
  // In: cut within the length, and within the frame.
  for (const std::size_t cut : {2U, 30U}) {
    const std::string said = numbered_frame(mac(2), mac(1), static_cast<int>(cut));
    const std::string record = StreamGuest::record(said);
    alice.write(record.substr(0, cut));
    now->turn(1ms);
    EXPECT_EQ(handed(Kind::connection).pending_in.size(), cut);
    succeed();
    EXPECT_EQ(handed(Kind::connection).pending_in.size(), cut) << "and could be handed on again";
    alice.write(record.substr(cut));
    now->turn(1ms);
    EXPECT_THAT(bob.receive(), ElementsAre(said));
  }
  std::vector<std::string> received;
  for (int turn = 0; turn < 100 && received.size() < sent.size(); ++turn) {
    for (std::string& frame : alice.receive()) received.push_back(std::move(frame));
    now->turn(1ms);
  }
  EXPECT_EQ(received, sent);
  EXPECT_THAT(handed(Kind::connection).pending_out, IsEmpty());
}

TEST_F(HubSuccession, WhoComesLaterFindsTheSameSockets) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  ASSERT_TRUE(now->hub.listen_own(own, now->alice()));
  StreamGuest carol{streams};  // not accepted yet
  succeed();
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  alice.send_to(own, text(plain(mac(9), mac(1))));
  bob.send_to(shared, text(plain(mac(9), mac(2))));
  carol.write(StreamGuest::record(text(plain(mac(9), mac(3)))));
  now->turn();
  for (const std::uint64_t n : {1U, 2U, 3U}) EXPECT_TRUE(now->nic(mac(n)).is_attached()) << n;
}

TEST_F(HubSuccession, TheLastOneRemovesTheFilesThatTheFirstHasMade) {
  auto inherited = dgram::make_socket(SOCK_DGRAM).value();
  ASSERT_TRUE(dgram::bind_replacing_stale(inherited, folder / "systemd.sock"));
  ASSERT_TRUE(now->hub.listen_dgram(folder / "systemd.sock", 0, std::move(inherited)));
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  ASSERT_TRUE(now->hub.listen_own(own, now->alice()));
  succeed();
  for (const std::string& path : {shared, streams, own}) EXPECT_TRUE(std::filesystem::exists(path)) << path;
  now.reset();
  for (const std::string& path : {shared, streams, own}) EXPECT_FALSE(std::filesystem::exists(path)) << path;
  EXPECT_TRUE(std::filesystem::exists(folder / "systemd.sock")) << "it is another's";
}

TEST_F(HubSuccession, AfterItTheFirstHasNothingOpen) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  alice.send_to(shared, text(plain(mac(9), mac(1))));
  bob.send_to(shared, text(plain(mac(1), mac(2))));
  const std::size_t open = open_descriptors();
  now->turn();
  const dgram::Fd kept = copy_of(handed(Kind::dgram).fd);
  now->hub.disown();
  now->turn();
  EXPECT_EQ(open_descriptors(), open) << "one was closed and one is the copy";
  EXPECT_THAT(now->hub.hand_over(), IsEmpty());
  EXPECT_FALSE(now->hub.listens(shared));
}

TEST_F(HubSuccession, WhatDoesNotFitIsRefused) {
  const auto refusal = [this](const HandedSocket& handed, dgram::Fd fd) {
    const auto taken = now->hub.take_over(handed, std::move(fd));
    return taken ? std::string{} : taken.error().to_string();
  };
  const auto end = [](int type) { return std::move(dgram::make_pair(type).value().first); };
  const auto stream_with = [](Kind kind, std::string in, std::string out) {
    HandedSocket socket{.kind = kind, .mac = mac(1), .attached = true};
    socket.pending_in = std::move(in);
    socket.pending_out = std::move(out);
    return socket;
  };
  const std::size_t open = open_descriptors();
  EXPECT_NE(refusal({.kind = Kind::dgram, .path = shared}, end(SOCK_STREAM)), "");
  EXPECT_NE(refusal({.kind = Kind::dgram, .path = shared}, {}), "");
  EXPECT_NE(refusal({.kind = Kind::stream, .path = streams}, end(SOCK_STREAM)), "") << "it does not listen";
  EXPECT_NE(refusal({.kind = Kind::own, .path = own, .mac = mac(7)}, end(SOCK_DGRAM)), "") << "no such NIC";
  EXPECT_NE(refusal({.kind = Kind::own, .path = own}, end(SOCK_DGRAM)), "");
  EXPECT_NE(refusal({.kind = Kind::connection, .path = streams}, end(SOCK_STREAM)), "") << "no such path";
  EXPECT_NE(refusal({.kind = Kind::passed}, end(SOCK_STREAM)), "");
  EXPECT_NE(refusal(stream_with(Kind::passed, "\xff\xff\xff\xff", {}), end(SOCK_STREAM)), "");
  EXPECT_NE(refusal(stream_with(Kind::passed, StreamGuest::record("whole"), {}), end(SOCK_STREAM)), "");
  EXPECT_NE(refusal(stream_with(Kind::passed, {}, std::string(70'000, 'x')), end(SOCK_STREAM)), "");
  now->turn(1ms);
  EXPECT_EQ(open_descriptors(), open);
  EXPECT_THAT(now->hub.hand_over(), IsEmpty());
  EXPECT_FALSE(now->nic(mac(1)).is_attached());
}

TEST_F(HubSuccession, KnownClientsAreThoseThatHaveAPath) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  ASSERT_TRUE(now->hub.listen_stream(streams, 0));
  ASSERT_TRUE(now->hub.listen_own(own, now->alice()));
  const Guest alice{folder / "alice"};
  const Guest bob{folder / "bob"};
  StreamGuest carol{streams};
  alice.send_to(own, text(plain(mac(9), mac(1))));
  now->turn(1ms);
  bob.send_to(shared, text(plain(mac(9), mac(2))));
  carol.write(StreamGuest::record(text(plain(mac(9), mac(3)))));
  now->turn();
  EXPECT_THAT(now->hub.known_clients(), testing::UnorderedElementsAre(KnownClient{own, folder / "alice", mac(1)},
                                                                      KnownClient{shared, folder / "bob", mac(2)}));
}

TEST_F(HubSuccession, AfterARestartAClientThatHearsUsIsRecalledAndOneThatHearsThePredecessorIsNot) {
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  const Guest qemu{folder / "qemu"};
  const Guest vfkit{folder / "vfkit"};
  ASSERT_EQ(vfkit.connect(shared), 0);
  qemu.send_to(shared, text(plain(mac(9), mac(1))));
  vfkit.send(text(plain(mac(9), mac(2))));
  now->turn();
  const auto known = now->hub.known_clients();
  ASSERT_THAT(known, SizeIs(2));
  now = std::make_unique<Switch>();
  ASSERT_TRUE(now->hub.listen_dgram(shared, 0));
  for (const KnownClient& client : known) now->hub.recall(client);
  EXPECT_TRUE(now->nic(mac(1)).is_attached());
  EXPECT_EQ(now->fabric.find(mac(2)), l2::kNoPort);
}

}  // namespace
}  // namespace vnet::daemon::test
