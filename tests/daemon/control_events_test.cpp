// /v1/events: order, where a reader goes on, what it has lost, and filters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "http/event_stream.hpp"
#include "tests/daemon/api_testing.hpp"

namespace vnet::daemon {
namespace {

using More = http::Body::More;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class EventsTest : public testing::Test, protected ApiPlant {
 protected:
  void happen(std::string nic, network::EventKind kind = network::EventKind::nic_link, std::string network = "home") {
    network::Event event;
    event.kind = kind;
    event.network = std::move(network);
    event.nic = std::move(nic);
    event.subject = "up";
    backlog.add(std::move(event), kUnixMs);
  }
  /// The names of NICs in the events that a request gets, and `lost N` or `lost ?` where some were.
  std::vector<std::string> told(std::string_view query, http::Fields headers = {}) {
    const Answer answer = call("GET", "/v1/events?" + std::string{query}, {}, std::move(headers));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.type, "text/event-stream");
    return names(answer.body);
  }
  static std::vector<std::string> names(std::string_view text) {
    std::vector<std::string> names;
    http::EventStreamDecoder decoder;
    for (const http::Event& event : decoder.feed(text)) {
      const Json data = Json::parse(event.data);
      if (event.event == "lost") {
        names.push_back("lost " + (data.contains("lost") ? data.at("lost").dump() : "?"));
      } else {
        names.push_back(data.at("nic").get<std::string>());
      }
    }
    return names;
  }
};

TEST_F(EventsTest, AnEventHasItsNumberTimeKindAndMembers) {
  network::Event event;
  event.kind = network::EventKind::nic_attached;
  event.network = "home";
  event.nic = "alice";
  event.mac = mac(1);
  event.subject = "/tmp/a\nb";
  event.cause = "\xff";
  backlog.add(std::move(event), kUnixMs);
  http::EventStreamDecoder decoder;
  const auto events = decoder.feed(call("GET", "/v1/events?follow=false").body);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].id, "1000");
  EXPECT_EQ(events[0].event, "nic.attached");
  EXPECT_EQ(Json::parse(events[0].data), Json::parse(R"({"id": 1000, "time": "2026-11-22T16:54:09.123Z",
    "event": "nic.attached", "network": "home", "nic": "alice", "mac": "52:cc:cc:cc:00:01", "subject": "/tmp/a\nb",
    "cause": "\ufffd"})"));
}

TEST_F(EventsTest, AFollowerHearsWhatHappensFromNowOn) {
  happen("before");
  http::Response response = respond("GET", "/v1/events");
  std::string text;
  EXPECT_EQ(response.stream->produce(text), More::wait);
  EXPECT_THAT(text, HasSubstr(":")) << "a word at once, so that the client knows that it is connected";
  EXPECT_THAT(names(text), IsEmpty());
  happen("one");
  happen("two");
  text.clear();
  EXPECT_EQ(response.stream->produce(text), More::wait);
  EXPECT_THAT(names(text), ElementsAre("one", "two"));
  text.clear();
  EXPECT_EQ(response.stream->produce(text), More::wait);
  EXPECT_EQ(text, "");
}

TEST_F(EventsTest, WithoutFollowingAllThatIsRememberedIsTold) {
  happen("one");
  happen("two");
  EXPECT_THAT(told("follow=false"), ElementsAre("one", "two"));
  EXPECT_THAT(told("follow=false&since=1000"), ElementsAre("two"));
  EXPECT_THAT(told("follow=false&since=1001"), IsEmpty());
}

TEST_F(EventsTest, AReaderGoesOnBehindTheLastThatItSaw) {
  for (const char* const nic : {"one", "two", "three"}) happen(nic);
  EXPECT_THAT(told("", {{"last-event-id", "1000"}}), ElementsAre("two", "three"));
  EXPECT_THAT(told("since=1001"), ElementsAre("three"));
  EXPECT_THAT(told("since=1001", {{"last-event-id", "1000"}}), ElementsAre("two", "three")) << "the header is newer";
  EXPECT_THAT(told("since=1001", {{"last-event-id", ""}}), ElementsAre("three"));
  EXPECT_THAT(told("since=0"), ElementsAre("one", "two", "three"));
}

TEST_F(EventsTest, WhatTheBacklogNoLongerHasIsCounted) {
  for (std::size_t i = 0; i < EventBacklog::kCapacity + 50; ++i) happen(std::to_string(i));
  const auto heard = told("since=1009");
  ASSERT_THAT(heard, SizeIs(EventBacklog::kCapacity + 1));
  EXPECT_EQ(heard[0], "lost 40");
  EXPECT_EQ(heard[1], "50");
  EXPECT_THAT(told("since=0").front(), "50") << "who asks for all that there is misses nothing";
}

TEST_F(EventsTest, ASlowReaderLosesTheOldestWhileItReads) {
  http::Response response = respond("GET", "/v1/events");
  std::string text;
  ASSERT_EQ(response.stream->produce(text), More::wait);
  for (std::size_t i = 0; i < EventBacklog::kCapacity + 7; ++i) happen(std::to_string(i));
  text.clear();
  EXPECT_EQ(response.stream->produce(text), More::yes);
  const auto heard = names(text);
  EXPECT_EQ(heard[0], "lost 7");
  EXPECT_EQ(heard[1], "7");
}

TEST_F(EventsTest, ANumberOfAnotherDaemonIsToldThatItMissedSomething) {
  happen("one");
  for (const char* const id : {"5", "998", "1002", "99999999999999999", "18446744073709551615"}) {
    EXPECT_THAT(told("since=" + std::string{id}), ElementsAre("lost ?", "one")) << id;
  }
  EXPECT_THAT(told("since=999"), ElementsAre("one")) << "the one before the first";
}

TEST_F(EventsTest, WhatIsNoNumberIsRefused) {
  happen("one");
  for (const char* const id : {"x", "-1", "1.0", "%201", "0x10", "18446744073709551616"}) {
    EXPECT_EQ(call("GET", "/v1/events?since=" + std::string{id}).status, 400) << id;
  }
  EXPECT_EQ(call("GET", "/v1/events?follow=yes").status, 400);
}

TEST_F(EventsTest, FiltersChooseByNicNetworkAndKind) {
  using network::EventKind;
  happen("alice");
  happen("alice", EventKind::dhcp_granted);
  happen("bob", EventKind::nic_attached);
  happen("carol", EventKind::nic_attached, "office");
  EXPECT_THAT(told("follow=false&nic=alice"), ElementsAre("alice", "alice"));
  EXPECT_THAT(told("follow=false&network=office"), ElementsAre("carol"));
  EXPECT_THAT(told("follow=false&kind=nic."), ElementsAre("alice", "bob", "carol"));
  EXPECT_THAT(told("follow=false&kind=nic.attached,dhcp.granted"), ElementsAre("alice", "bob", "carol"));
  EXPECT_THAT(told("follow=false&kind=nic"), IsEmpty()) << "a beginning ends in a dot";
  EXPECT_THAT(told("follow=false&kind=nic.&nic=alice&network=home"), ElementsAre("alice"));
  EXPECT_THAT(told("follow=false&kind=,"), SizeIs(4)) << "none named: any";
}

TEST_F(EventsTest, PiecesAreSmallAndLooksAreBounded) {
  for (std::size_t i = 0; i < EventBacklog::kCapacity; ++i) happen(std::to_string(i));
  const Answer all = call("GET", "/v1/events?follow=false");
  EXPECT_THAT(names(all.body), SizeIs(EventBacklog::kCapacity));
  EXPECT_LE(all.largest_piece, 20U * 1024);
  http::Response nobody = respond("GET", "/v1/events?follow=false&nic=nobody");
  int pieces = 0;
  for (auto more = More::yes; more == More::yes; ++pieces) {
    std::string piece;
    more = nobody.stream->produce(piece);
  }
  EXPECT_GE(pieces, 16) << "looking at all of them at once would hold up frames";
}

}  // namespace
}  // namespace vnet::daemon
