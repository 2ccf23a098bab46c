// What one daemon leaves to another: over the wire, and as a document written and read back. Whatever is damaged is a
// sentence and closes every descriptor that came.
#include "daemon/take_over.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <nlohmann/json.hpp>

#include "packet/bytes.hpp"
#include "tests/daemon/operations_testing.hpp"
#include "tests/support/descriptors.hpp"
#include "tests/support/poll_loop.hpp"

namespace vnet::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using vnet::test::open_descriptors;

// The wire.

class TakeOverWire : public testing::Test {
 protected:
  /// What the successor gets when the old daemon does `old`.
  Result<Estate, std::string> receive(const std::function<void(const dgram::Fd&)>& old) {
    auto pair = dgram::make_pair(SOCK_STREAM);
    auto other = std::async(std::launch::async, [&] {
      const dgram::Fd end = std::move(pair->first);
      old(end);
    });
    auto estate = receive_estate(pair->second);
    pair->second.close();
    other.get();
    return estate;
  }
  /// Waits for the word and writes a document as it is.
  static void write_raw(const dgram::Fd& end, std::string_view text, std::optional<std::size_t> length = {}) {
    EXPECT_TRUE(hear_first_word(end));
    std::array<std::uint8_t, 4> prefix{};
    store_be(prefix.data(), static_cast<std::uint32_t>(length.value_or(text.size())));
    EXPECT_EQ(::send(end.get(), prefix.data(), prefix.size(), MSG_NOSIGNAL), 4);
    (void)::send(end.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }
};

TEST_F(TakeOverWire, ADocumentAndManyDescriptorsArriveInOrder) {
  std::vector<dgram::Fd> ends;
  std::vector<int> fds;
  for (int i = 0; i < 150; ++i) {
    ends.emplace_back(::dup(0));
    fds.push_back(ends.back().get());
  }
  auto marked = dgram::make_pair(SOCK_DGRAM);
  fds[149] = marked->first.get();
  const auto estate = receive([&](const dgram::Fd& end) {
    EXPECT_TRUE(hear_first_word(end));
    const auto sent = send_estate(end, {{"fds", fds.size()}, {"padding", std::string(1'000'000, 'x')}}, fds);
    EXPECT_TRUE(sent) << sent.error();
  });
  ASSERT_TRUE(estate) << estate.error();
  ASSERT_THAT(estate->fds, SizeIs(150));
  EXPECT_EQ(estate->document.at("padding").get<std::string>().size(), 1'000'000U);
  EXPECT_EQ(::send(marked->second.get(), "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(::recv(estate->fds[149].get(), &byte, 1, MSG_DONTWAIT), 1) << "the last one is the last one";
}

TEST_F(TakeOverWire, BothHearEachOthersWords) {
  auto pair = dgram::make_pair(SOCK_STREAM);
  auto old = std::async(std::launch::async, [&] {
    return hear_first_word(pair->first) && send_estate(pair->first, {{"fds", 0}}, {}) &&
           wait_for_confirmation(pair->first);
  });
  ASSERT_TRUE(receive_estate(pair->second));
  ASSERT_TRUE(confirm(pair->second));
  EXPECT_TRUE(old.get());
}

TEST_F(TakeOverWire, ASuccessorThatGoesOrSaysSomethingElseIsNoSuccessor) {
  auto gone = dgram::make_pair(SOCK_STREAM);
  gone->second.close();
  EXPECT_THAT(hear_first_word(gone->first).error(), HasSubstr("gone"));
  EXPECT_FALSE(send_estate(gone->first, {{"fds", 0}}, {}));
  auto strange = dgram::make_pair(SOCK_STREAM);
  EXPECT_EQ(::send(strange->second.get(), "no\n", 3, 0), 3);
  EXPECT_THAT(hear_first_word(strange->first).error(), HasSubstr("unexpected"));
  auto silent = dgram::make_pair(SOCK_STREAM);
  ASSERT_TRUE(send_estate(silent->first, {{"fds", 0}}, {}));
  silent->second.close();
  EXPECT_FALSE(wait_for_confirmation(silent->first));
}

TEST_F(TakeOverWire, WhatIsNoDocumentOfOursIsRefused) {
  const std::size_t before = open_descriptors();
  for (const char* const text : {"", "x", "[]", "{}", R"({"fds": -1})", R"({"fds": "1"})", R"({"fds": 16385})",
                                 R"({"fds": 1.5})", R"({"fds": 0, "fds": 0})", "null"}) {
    const auto estate = receive([&](const dgram::Fd& end) { write_raw(end, text); });
    ASSERT_FALSE(estate) << text;
    EXPECT_THAT(estate.error(), HasSubstr("not one of ours")) << text;
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(TakeOverWire, AnEndInTheMiddleIsAnError) {
  EXPECT_THAT(receive([](const dgram::Fd& end) { write_raw(end, "{", 100); }).error(), HasSubstr("gone"));
  EXPECT_THAT(receive([](const dgram::Fd& end) { write_raw(end, R"({"fds": 3})"); }).error(), HasSubstr("gone"));
  EXPECT_THAT(receive([](const dgram::Fd&) {}).error(), HasSubstr("take-over"));
}

TEST_F(TakeOverWire, ALengthBeyondTheLimitIsNotAwaited) {
  EXPECT_THAT(receive([](const dgram::Fd& end) { write_raw(end, "", kMaxEstateBytes + 1); }).error(),
              HasSubstr("too long"));
}

TEST_F(TakeOverWire, BytesWithoutDescriptorsAreNotWaitedForForever) {
  const auto estate =
      receive([](const dgram::Fd& end) { write_raw(end, R"({"fds": 1})" + std::string(100, 'F'), 10); });
  ASSERT_FALSE(estate);
  EXPECT_THAT(estate.error(), HasSubstr("did not come"));
}

TEST_F(TakeOverWire, NobodyIsHeldUpByASuccessorThatHasNotSpoken) {
  vnet::test::PollLoop loop;
  auto pair = dgram::make_pair(SOCK_STREAM);
  int ready = 0;
  {
    WaitingSuccessor waiting{std::move(pair->first), loop, [&] { ++ready; }};
    EXPECT_FALSE(loop.turn(0));
    EXPECT_EQ(::send(pair->second.get(), "go\n", 3, 0), 3);
    EXPECT_TRUE(loop.turn(1000));
    EXPECT_EQ(ready, 1);
    const dgram::Fd connection = waiting.release();
    EXPECT_EQ(loop.watched(), 0U);
    EXPECT_TRUE(hear_first_word(connection));
  }
  auto gone = dgram::make_pair(SOCK_STREAM);
  const WaitingSuccessor left{std::move(gone->first), loop, [&] { ++ready; }};
  gone->second.close();
  EXPECT_TRUE(loop.turn(1000));
  EXPECT_EQ(ready, 2) << "its end is told as well";
}

// The document.

class TakeOverDocument : public testing::Test, protected Plant {
 protected:
  TakeOverDocument() {
    EXPECT_TRUE(hub.listen_own(folder.path("own.sock"), port("bob")));
    EXPECT_TRUE(hub.listen_stream(folder.path("stream.sock"), 1));
    auto pair = dgram::make_pair(SOCK_DGRAM);
    EXPECT_TRUE(operations.attach(port("alice"), std::move(pair->first)));
    guest_ = std::move(pair->second);
    dhcp::Lease lease;
    lease.ip = ip4("10.0.0.60");
    lease.mac = mac(2);
    lease.client = std::string{"\0\xff\n", 3};
    lease.hostname = "\xc3";
    lease.state = dhcp::LeaseState::bound;
    lease.expires = loop.now() + 100s;
    EXPECT_TRUE(operations.restore_lease(0, lease));
    RuntimeChanges changes = operations.changes();
    changes.zones = {{"z", {}, ""}};
    std::vector<int> fds;
    document = {{"version", 1}, {"runtime", to_json(changes)}};
    document["leases"] = leases_to_json(fabric, loop.now());
    document["sockets"] = sockets_to_json(fabric, hub.hand_over(), fds);
    document["control"] = fds.size();
    document["owns_control_file"] = true;
    document["next_event"] = 4711U;
    document["fds"] = fds.size() + 1;
  }

  /// As many descriptors as it speaks of.
  [[nodiscard]] Estate estate(const Json& text) const {
    Estate estate{text, {}};
    for (std::size_t i = 0; i < document.at("fds").get<std::size_t>(); ++i) estate.fds.emplace_back(::dup(0));
    return estate;
  }

  Json document;
  dgram::Fd guest_;
};

TEST_F(TakeOverDocument, AllOfItComesBack) {
  const Instant now{500s};
  const auto left = read_estate(estate(document), now);
  ASSERT_TRUE(left) << left.error();
  EXPECT_THAT(left->changes.zones, SizeIs(1));
  EXPECT_EQ(left->next_event, 4711U);
  EXPECT_EQ(left->first_event, 4711U);
  EXPECT_TRUE(left->owns_control_file);
  EXPECT_TRUE(left->control);
  EXPECT_FALSE(left->control_tcp);
  ASSERT_THAT(left->leases, SizeIs(1));
  const dhcp::Lease& lease = left->leases[0].lease;
  EXPECT_EQ(left->leases[0].network, "home");
  EXPECT_EQ(lease.ip, ip4("10.0.0.60"));
  EXPECT_EQ(lease.mac, mac(2));
  EXPECT_EQ(lease.client, (std::string{"\0\xff\n", 3}));
  EXPECT_EQ(lease.hostname, "\xc3");
  EXPECT_GT(lease.expires, now + 98s);
  EXPECT_LE(lease.expires, now + 100s);
  const auto handed = hub.hand_over();
  ASSERT_EQ(left->sockets.size(), handed.size());
  for (std::size_t i = 0; i < handed.size(); ++i) {
    const HandedSocket& socket = left->sockets[i].socket;
    EXPECT_EQ(socket.kind, handed[i].kind);
    EXPECT_EQ(socket.path, handed[i].path);
    EXPECT_EQ(socket.owns_file, handed[i].owns_file);
    EXPECT_EQ(socket.mac, handed[i].mac);
    EXPECT_EQ(socket.attached, handed[i].attached);
    EXPECT_EQ(left->sockets[i].network, fabric.network_config(handed[i].network).name);
    EXPECT_TRUE(left->sockets[i].fd);
  }
}

TEST_F(TakeOverDocument, WithoutAnyPartItIsRefusedAndNothingStaysOpen) {
  const std::size_t before = open_descriptors();
  for (const auto& part : document.items()) {
    if (part.key() == "fds") continue;  // the wire's
    Json damaged = document;
    damaged["first_event"] = part.value();
    EXPECT_EQ(read_estate(estate(damaged), {}).has_value(), part.value().is_number_unsigned()) << part.key();
    damaged = document;
    damaged.erase(part.key());
    EXPECT_FALSE(read_estate(estate(damaged), {})) << part.key();
    for (const Json& value :
         {Json(nullptr), Json("x"), Json(-1), Json::array({1}), Json::object({{"a", 1}}), Json(1e300)}) {
      damaged[part.key()] = value;
      const auto left = read_estate(estate(damaged), {});
      EXPECT_FALSE(left) << part.key() << " " << value;
    }
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(TakeOverDocument, EveryMemberOfItsPartsIsLookedAt) {
  for (const char* const list : {"sockets", "leases"}) {
    for (std::size_t i = 0; i < document.at(list).size(); ++i) {
      const Json element = document.at(list)[i];
      for (const auto& member : element.items()) {
        Json damaged = document;
        damaged[list][i][member.key()] = Json::object();
        EXPECT_FALSE(read_estate(estate(damaged), {})) << list << "/" << i << "/" << member.key();
        damaged[list][i].erase(member.key());
        EXPECT_EQ(read_estate(estate(damaged), {}).has_value(), member.key() == "mac" && std::string{list} == "sockets")
            << list << "/" << i << "/" << member.key();
      }
    }
  }
}

TEST_F(TakeOverDocument, ServicesThatAreDownAreNamedByThoseWhoKnowServices) {
  EXPECT_THAT(read_estate(estate(document), {})->services_down, IsEmpty());
  Json more = document;
  more["services_down"] = {"a.test"};
  EXPECT_EQ(read_estate(estate(more), {})->services_down, std::vector<std::string>{"a.test"});
  for (const Json& value : {Json(nullptr), Json("x"), Json::array({1})}) {
    more["services_down"] = value;
    EXPECT_FALSE(read_estate(estate(more), {})) << value;
  }
}

TEST_F(TakeOverDocument, ADescriptorIsGivenOnceAndMustHaveCome) {
  Json twice = document;
  twice["control"] = 0U;
  EXPECT_THAT(read_estate(estate(twice), {}).error(), HasSubstr("a descriptor that did not come"));
  Json beyond = document;
  beyond["control"] = 1000U;
  EXPECT_FALSE(read_estate(estate(beyond), {}));
  Json negative = document;
  negative["control"] = -1;
  EXPECT_FALSE(read_estate(estate(negative), {}));
}

TEST_F(TakeOverDocument, TextThatMeansNothingIsRefused) {
  const auto with = [&](const char* list, const char* member, const Json& value) {
    Json damaged = document;
    damaged[list][0][member] = value;
    const auto left = read_estate(estate(damaged), {});
    return left ? std::string{"(read)"} : left.error();
  };
  EXPECT_THAT(with("leases", "ip", "10.0.0"), HasSubstr("IPv4"));
  EXPECT_THAT(with("leases", "mac", "nonsense"), HasSubstr("MAC"));
  EXPECT_THAT(with("leases", "client", "xyz"), HasSubstr("hexadecimal"));
  EXPECT_THAT(with("sockets", "kind", "carrier pigeon"), HasSubstr("carrier pigeon"));
  EXPECT_THAT(with("sockets", "peer", "0"), HasSubstr("hexadecimal"));
}

TEST_F(TakeOverDocument, ALeaseOfAnyLengthEndsAtSomeTime) {
  for (const std::int64_t left_ms :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    Json strange = document;
    strange["leases"][0]["remaining_ms"] = left_ms;
    const auto left = read_estate(estate(strange), Instant{500s});
    ASSERT_TRUE(left);
    EXPECT_GE(left->leases[0].lease.expires, Instant{500s});
    EXPECT_LE(left->leases[0].lease.expires, Instant{500s} + 4'294'967'295s);
  }
}

TEST(TakeOver, WithoutADaemonThereIsNoPredecessor) {
  const TempFolder folder;
  EXPECT_FALSE(find_predecessor(folder.path("control.sock")));
  const auto bound = dgram::make_socket(SOCK_STREAM).value();
  ASSERT_TRUE(dgram::bind_replacing_stale(bound, folder.path("control.sock")));
  EXPECT_FALSE(find_predecessor(folder.path("control.sock"))) << "nobody listens";
}

TEST(TakeOver, SomebodyElseAtTheSocketIsAnError) {
  const TempFolder folder;
  const auto listening = dgram::make_socket(SOCK_STREAM).value();
  ASSERT_TRUE(dgram::bind_replacing_stale(listening, folder.path("control.sock")));
  ASSERT_EQ(::listen(listening.get(), 1), 0);
  auto server = std::async(std::launch::async, [&] {
    pollfd knock{listening.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&knock, 1, 10'000), 1);
    const dgram::Fd client{::accept(listening.get(), nullptr, nullptr)};
    std::array<char, 1000> request{};
    EXPECT_GT(::recv(client.get(), request.data(), request.size(), 0), 0);
    const std::string_view reply = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    EXPECT_GT(::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL), 0);
  });
  try {
    (void)find_predecessor(folder.path("control.sock"));
    ADD_FAILURE() << "it was taken for one of ours";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("status 404"));
  }
  server.get();
}

}  // namespace
}  // namespace vnet::daemon
