// Assignment without the network: the words, which address a NIC is told, and who is told what, at real sockets on
// virtual time.
#include <gmock/gmock.h>

#include "daemon/assign_server.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"
#include "tests/daemon/operations_testing.hpp"
#include "tests/dhcp/client.hpp"

namespace vnet::daemon {
namespace {

using network::EventKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const MacAddress kAlice = mac(1);
const MacAddress kBob = mac(2);

TEST(AssignProtocol, WhatALineAsks) {
  EXPECT_EQ(parse_assign_request(""), AssignRequest{});
  EXPECT_EQ(parse_assign_request("address, please"), AssignRequest{}) << "a serial port's guest just asks";
  EXPECT_EQ(parse_assign_request(R"({"mac": "52:CC:cc:cc:00:01", "later": 1})"), (AssignRequest{kAlice, false}));
  EXPECT_EQ(parse_assign_request(R"({"stay": true})"), (AssignRequest{{}, true}));
  for (const char* bad : {"{", "{}}", R"({"mac": 1})", R"({"mac": "alice"})", R"({"mac": ""})", R"({"stay": "yes"})"})
    EXPECT_EQ(parse_assign_request(bad), std::nullopt) << bad;
  std::string deep = R"({"mac":)";
  while (deep.size() < AssignLines::kMaxLine) deep += '[';
  EXPECT_EQ(parse_assign_request(deep), std::nullopt);
}

TEST(AssignProtocol, TheAnswerIsOneLine) {
  Assignment all;
  all.ipv4 = Ipv4Prefix::parse("192.168.1.101/24");
  all.gateway = ip4("192.168.1.1");
  all.ipv6 = Ipv6Prefix::parse("2052::5/64");
  all.gateway6 = *Ipv6Address::parse("2052::1");
  all.mac = kAlice;
  all.dns = {ip4("192.168.1.1")};
  all.mtu = 1400;
  all.hostname = "alice";
  EXPECT_EQ(to_line(all),
            R"({"ip":"192.168.1.101","mask":"255.255.255.0","gw":"192.168.1.1","mac":"52:cc:cc:cc:00:01",)"
            R"("ip6":"2052::5/64","gw6":"2052::1","dns":["192.168.1.1"],"mtu":1400,"hostname":"alice"})"
            "\n");
  Assignment least;
  least.mac = kBob;
  least.ipv6 = Ipv6Prefix::parse("2052::6/64");
  EXPECT_EQ(to_line(least), R"({"mac":"52:cc:cc:cc:00:02","ip6":"2052::6/64","gw6":"::","dns":[],"mtu":1500})"
                            "\n")
      << "no words for what there is none of";
}

TEST(AssignProtocol, LinesAreCutAndBounded) {
  AssignLines lines;
  std::vector<std::string> got;
  EXPECT_TRUE(lines.take("a\r\nb", got));
  EXPECT_TRUE(lines.take("c\n\n", got));
  EXPECT_THAT(got, ElementsAre("a", "bc", ""));
  EXPECT_TRUE(lines.take(std::string(AssignLines::kMaxLine, 'x'), got));
  EXPECT_FALSE(lines.take("x", got));
  AssignLines others;
  EXPECT_FALSE(others.take("d\n" + std::string(AssignLines::kMaxLine + 1, 'x') + "\n", got));
  EXPECT_EQ(got.back(), "d") << "what was whole before it";
}

/// A plant whose assignments can be asked for at sockets. Of its clocks, the one of assignments stands still.
class Desk {
 public:
  Desk() {
    serve(R"([{"path": "alice", "nic": "alice"}, {"path": "bob", "nic": "bob"}, "all",
              {"path": "port", "nic": "alice", "serial": true}, {"path": "elsewhere", "network": "office"}])");
    plant.loop.on_sleep([] { return Instant{}; });
    plant.loop.on_deadline([this] { plant.loop.stop(); });
  }

  void serve(std::string_view entries) {
    const Config config = plant.config(R"({"networks": [{"name": "home"}, {"name": "office", "ipv4": "10.1.0.1/24"}],
        "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01"}, {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
        "listen": {"assign": )" + std::string{entries} +
                                       "}}");
    for (const AssignServer::Problem& problem : server.serve(config.listen.assign)) ADD_FAILURE() << problem.text;
  }
  /// Lets the server do all that it can do now.
  void settle() {
    do {
      served = 0;
      plant.loop.run();
    } while (served > 0);
  }
  void pass(Duration time) {
    now += time;
    server.expire(now);
  }
  void change(const char* name, const NicChange& changes) {
    EXPECT_TRUE(plant.operations.change_nic(plant.port(name), changes, "a test"));
    server.refresh();
  }
  void set(const char* name, Assign assign) {
    NicChange changes;
    changes.assign = assign;
    change(name, changes);
  }
  [[nodiscard]] network::AddressService& addresses() { return *plant.fabric.gateway(0).addresses(); }
  /// What a client of the station, whose identifier is not its MAC address, is answered.
  Ipv4Address dhcp(dhcp::test::Packet message) {
    message.option(61, dhcp::test::Bytes{0xff, 1, 2, 3, message.chaddr.octets().back()});
    Outbox out;
    EXPECT_EQ(addresses().handle(message.chaddr, message.bytes(), now, out), std::nullopt);
    if (out.frames().size() != 1) return {};
    const auto ethernet = EthernetFrame::parse(out.frames().front()).value();
    const auto packet = Ipv4Packet::parse(ethernet.payload()).value();
    const auto datagram = UdpDatagram::parse(packet.payload()).value();
    return dhcp::Message::parse(datagram.payload()).value().header().yiaddr;
  }
  [[nodiscard]] std::vector<std::string> events() {
    std::vector<std::string> told;
    for (const network::Event& event : plant.fabric.events().take()) {
      if (to_string(event.kind).starts_with("assign."))
        told.push_back(std::string{to_string(event.kind)} + " " + event.nic + " " + event.detail());
    }
    return told;
  }

  Plant plant;
  Instant now = plant.loop.now();
  int served = 0;
  std::function<void()> on_commit = [] {};
  Assignments assignments{
      {plant.fabric, [this]() -> const Config& { return plant.operations.config(); }, [this] { return now; }}};
  AssignServer server{{plant.loop, assignments, [this] { return now; }, [this] { on_commit(); }, [this] { ++served; }}};
};

/// Somebody who asks at a socket.
class Caller {
 public:
  Caller(Desk& desk, const std::string& path) : desk_(desk), fd_(*dgram::make_socket(SOCK_STREAM)) {
    EXPECT_EQ(dgram::connect_to(fd_, *dgram::UnixAddress::from_path(desk.plant.folder.path(path))), 0);
  }
  /// False: it is not taken, for the other end does not read.
  bool try_say(std::string_view text) const {
    return ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(text.size());
  }
  void say(std::string_view text) const { EXPECT_TRUE(try_say(text)); }
  /// What it is told until nothing more comes by itself, and `<closed>` behind it.
  [[nodiscard]] std::string hear() const {
    std::string text;
    while (true) {
      desk_.settle();
      std::array<char, 4096> bytes{};
      const ssize_t size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size <= 0) return size < 0 && errno == EAGAIN ? text : text + "<closed>";
      text.append(bytes.data(), static_cast<std::size_t>(size));
    }
  }
  /// All that it is told if it says nothing.
  [[nodiscard]] std::string hear_all() const {
    std::string text = hear();
    for (const Duration time : {AssignServer::kPatience, AssignServer::kLinger}) {
      if (text.ends_with("<closed>")) break;
      desk_.pass(time);
      text += hear();
    }
    return text;
  }
  [[nodiscard]] bool has_been_told() const {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
  }

 private:
  Desk& desk_;
  dgram::Fd fd_;
};

constexpr const char* kAboutAlice = R"({"mac": "52:cc:cc:cc:00:01"})"
                                    "\n";
constexpr const char* kAboutBob = R"({"mac": "52:cc:cc:cc:00:02"})"
                                  "\n";
constexpr const char* kStays = R"({"stay": true})"
                               "\n";

TEST(Assign, ASocketOfANicAnswersAtOnceAndCloses) {
  Desk desk;
  const Caller first(desk, "alice");
  EXPECT_EQ(first.hear(), "wait\n");
  desk.pass(AssignServer::kLinger - 1ns);
  EXPECT_EQ(first.hear(), "") << "it may still say that it stays";
  desk.pass(1ns);
  EXPECT_EQ(first.hear(), "<closed>");
  EXPECT_EQ(Caller(desk, "alice").hear_all(), "wait\n<closed>");
  EXPECT_THAT(desk.events(), ElementsAre("assign.waiting alice 52:cc:cc:cc:00:01: for vnet assign alice ready"))
      << "once";
  desk.set("alice", Assign::ready);
  EXPECT_THAT(Caller(desk, "alice").hear(), StartsWith(R"({"ip":"10.0.0.50","mask":"255.255.255.0",)"));
  EXPECT_THAT(desk.events(), ElementsAre("assign.given alice 10.0.0.50"));
  EXPECT_EQ(Caller(desk, "bob").hear(), "wait\n") << "he is told about himself";
}

TEST(Assign, NobodyIsToldAboutAnotherNic) {
  Desk desk;
  desk.set("alice", Assign::ready);
  const Caller bob(desk, "bob");
  bob.say(R"({"mac": "52:cc:cc:cc:00:01", "stay": true})"
          "\n");
  EXPECT_EQ(bob.hear(), "wait\n<closed>") << "the answer about himself, and no more";
  const Caller elsewhere(desk, "elsewhere");
  elsewhere.say(kAboutAlice);
  EXPECT_EQ(elsewhere.hear(), "<closed>") << "she is in another network";
  const Caller several(desk, "all");
  several.say(R"({"mac": "52:cc:cc:cc:00:09"})"
              "\n" +
              std::string{kAboutAlice});
  EXPECT_EQ(several.hear(), "<closed>") << "one of the lines is about a stranger";
  const Caller port(desk, "port");
  port.say(kAboutBob);
  EXPECT_EQ(port.hear(), "") << "nothing, and the port is no worse for it";
  port.say("?\n");
  EXPECT_THAT(port.hear(), HasSubstr("10.0.0.50"));
  NicChange moves;
  moves.network = "office";
  desk.change("alice", moves);
  const Caller home(desk, "all");
  home.say(kAboutAlice);
  EXPECT_EQ(home.hear(), "<closed>") << "no longer at home";
}

TEST(Assign, OnASharedSocketOneSaysWhoItIsAbout) {
  Desk desk;
  desk.set("alice", Assign::ready);
  const Caller asking(desk, "all");
  asking.say(kAboutAlice);
  EXPECT_THAT(asking.hear(), HasSubstr("10.0.0.50"));
  EXPECT_EQ(Caller(desk, "all").hear_all(), "wait\n<closed>") << "there are two";
  desk.plant.operations.remove_nic(desk.plant.port("bob"), "a test");
  const Caller silent(desk, "all");
  EXPECT_EQ(silent.hear(), "") << "it may say whom it is about";
  desk.pass(AssignServer::kPatience);
  EXPECT_THAT(silent.hear(), HasSubstr("10.0.0.50")) << "now it can be about one only";
}

TEST(Assign, WhoStaysIsToldEveryOtherAnswer) {
  Desk desk;
  const Caller alice(desk, "alice");
  alice.say(kStays);
  EXPECT_EQ(alice.hear(), "wait\n") << "once";
  const Caller port(desk, "port");
  EXPECT_EQ(port.hear(), "") << "a port speaks when it is asked";
  for (int i = 0; i < 2; ++i) {
    port.say("\n");
    EXPECT_EQ(port.hear(), "wait\n") << "each line has its answer";
  }
  desk.pass(10 * AssignServer::kMaxTime);
  EXPECT_EQ(alice.hear() + port.hear(), "") << "both stay";
  desk.set("alice", Assign::ready);
  EXPECT_THAT(alice.hear(), HasSubstr("10.0.0.50"));
  EXPECT_THAT(port.hear(), HasSubstr("10.0.0.50"));
  desk.set("bob", Assign::ready);
  EXPECT_EQ(alice.hear() + port.hear(), "") << "theirs is what it was";
  NicChange moved;
  moved.ip = ip4("10.0.0.51");
  desk.change("alice", moved);
  EXPECT_THAT(alice.hear(), HasSubstr("10.0.0.51"));
  desk.set("alice", Assign::wait);
  EXPECT_EQ(alice.hear(), "wait\n");
  desk.plant.operations.remove_nic(desk.plant.port("alice"), "a test");
  desk.server.refresh();
  EXPECT_EQ(alice.hear(), "<closed>") << "it is about nobody now";
}

TEST(Assign, AnEntryThatIsAsItWasKeepsItsConnections) {
  Desk desk;
  const Caller alice(desk, "alice");
  const Caller bob(desk, "bob");
  alice.say(kStays);
  bob.say(kStays);
  EXPECT_EQ(alice.hear() + bob.hear(), "wait\nwait\n");
  desk.serve(R"([{"path": "alice", "nic": "alice"}, {"path": "bob", "nic": "alice"}])");
  EXPECT_EQ(alice.hear(), "");
  EXPECT_EQ(bob.hear(), "<closed>") << "another's from now on";
  EXPECT_EQ(Caller(desk, "bob").hear(), "wait\n");
  EXPECT_FALSE(std::filesystem::exists(desk.plant.folder.path("all")));
}

TEST(Assign, ALeaseIsStoredBeforeItIsToldAndRenewed) {
  Desk desk;
  desk.set("bob", Assign::ready);
  const Caller bob(desk, "bob");
  int stored = 0;
  desk.on_commit = [&] {
    stored += desk.addresses().take_changes().size() == 1;
    EXPECT_FALSE(bob.has_been_told());
  };
  const std::string line = bob.hear();
  desk.on_commit = [] {};
  EXPECT_EQ(stored, 1);
  const dhcp::Lease* lease = desk.addresses().lease_of(kBob);
  ASSERT_NE(lease, nullptr);
  EXPECT_THAT(line, HasSubstr(lease->ip.to_string()));
  const Duration time = lease->expires - desk.now;
  for (int renewals = 0; renewals < 5; ++renewals) {
    EXPECT_EQ(desk.assignments.next_deadline(), desk.now + time / 2);
    desk.pass(time / 2);
    EXPECT_EQ(desk.addresses().lease_of(kBob)->expires, desk.now + time);
  }
  EXPECT_EQ(Caller(desk, "bob").hear(), line);
  desk.set("bob", Assign::wait);
  desk.pass(time / 2);
  EXPECT_EQ(desk.assignments.next_deadline(), kNever) << "the lease is left to end";
}

TEST(Assign, DhcpAndAssignmentHaveOneAddress) {
  Desk desk;
  desk.set("bob", Assign::ready);
  const std::string assigned = Caller(desk, "bob").hear();
  const Ipv4Address offered = desk.dhcp(dhcp::test::discover(kBob));
  EXPECT_THAT(assigned, HasSubstr("\"" + offered.to_string() + "\""));
  EXPECT_EQ(desk.dhcp(dhcp::test::selecting(kBob, offered, ip4("10.0.0.1"))), offered);
  EXPECT_EQ(Caller(desk, "bob").hear(), assigned);

  EXPECT_EQ(desk.dhcp(dhcp::test::discover(kAlice)), ip4("10.0.0.50"));
  EXPECT_EQ(desk.dhcp(dhcp::test::selecting(kAlice, ip4("10.0.0.50"), ip4("10.0.0.1"))), ip4("10.0.0.50"));
  desk.set("alice", Assign::ready);
  EXPECT_THAT(Caller(desk, "alice").hear(), HasSubstr("10.0.0.50"));
  EXPECT_EQ(desk.addresses().server().lease_count(), 2U) << "one each";
}

TEST(Assign, WhoSaysTooMuchOrComesTooOftenIsClosed) {
  Desk desk;
  const Caller loud(desk, "port");
  loud.say(std::string(AssignLines::kMaxLine + 1, 'x'));
  EXPECT_EQ(loud.hear(), "<closed>");
  std::vector<std::unique_ptr<Caller>> crowd;
  for (std::size_t i = 0; i < AssignServer::kMaxConnections; ++i) {
    crowd.push_back(std::make_unique<Caller>(desk, "port"));
    EXPECT_EQ(crowd.back()->hear(), "");
  }
  EXPECT_EQ(Caller(desk, "port").hear(), "<closed>");
  EXPECT_EQ(Caller(desk, "alice").hear(), "wait\n") << "another entry has another limit";
  crowd.pop_back();
  desk.settle();
  const Caller next(desk, "port");
  next.say("?\n");
  EXPECT_EQ(next.hear(), "wait\n");
}

TEST(Assign, WhoDoesNotReadIsNotReadFrom) {
  Desk desk;
  const Caller deaf(desk, "port");
  const std::string question = std::string(AssignLines::kMaxLine, '?') + "\n";
  constexpr int kEnough = 10'000;
  int asked = 0;
  while (asked < kEnough && deaf.try_say(question)) {
    ++asked;
    desk.settle();
  }
  EXPECT_LT(asked, kEnough);
  const std::string told = deaf.hear();
  EXPECT_TRUE(told.ends_with("wait\n")) << "what was asked meanwhile has its answer";
  deaf.say("\n");
  EXPECT_EQ(deaf.hear(), "wait\n");
}

TEST(Assign, OverVsockTheCidDecides) {
  Desk desk;
  const auto add = [&](const char* name, int number, const char* network, std::uint32_t cid) {
    Nic nic;
    nic.name = nic.hostname = name;
    nic.mac = mac(static_cast<std::uint64_t>(number));
    nic.network = network;
    nic.cid = cid;
    EXPECT_TRUE(desk.plant.operations.add_nic(nic));
  };
  add("carol", 3, "home", 7);
  add("dave", 4, "home", 8);
  add("carol-2", 5, "office", 7);
  const AssignEntry home{"vsock:51011", "home", {}, false};
  EXPECT_EQ(desk.assignments.only({home, 7}), mac(3));
  EXPECT_TRUE(desk.assignments.may_ask({home, 7}, mac(3)));
  EXPECT_FALSE(desk.assignments.may_ask({home, 7}, mac(4))) << "another VM's";
  EXPECT_FALSE(desk.assignments.may_ask({home, 7}, mac(5))) << "at another entry";
  EXPECT_FALSE(desk.assignments.may_ask({home, 7}, kAlice)) << "she has no CID, so she is nobody's";
  EXPECT_FALSE(desk.assignments.knows({home, 9}));
  EXPECT_FALSE(desk.assignments.may_ask({home, std::nullopt}, mac(3)));
  EXPECT_FALSE(desk.assignments.knows({home, std::nullopt})) << "a NIC without a CID is not meant by none";
  const AssignEntry of_carol{"vsock:51012", "home", "carol", false};
  EXPECT_EQ(desk.assignments.only({of_carol, 7}), mac(3));
  EXPECT_FALSE(desk.assignments.knows({of_carol, 8})) << "the entry is hers, the CID is not";
  add("carol-3", 6, "home", 7);
  EXPECT_EQ(desk.assignments.only({home, 7}), std::nullopt) << "there are two";
  EXPECT_TRUE(desk.assignments.may_ask({home, 7}, mac(6)));
}

}  // namespace
}  // namespace vnet::daemon
