// What the agent makes of the host's lines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "agent/assignment.hpp"
#include "agent/json.hpp"

namespace vnet::agent {
namespace {

using testing::ElementsAre;

TEST(AgentJson, ReadsWhatTheHostSends) {
  const auto line = Json::parse(R"( {"id": -3, "exec": ["a b", "\u00e9\ud83d\ude00\n\"\\"], "on": true, "no": null} )");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->number_at("id", 0), -3);
  EXPECT_EQ(line->find("exec")->items[1].text, "\xc3\xa9\xf0\x9f\x98\x80\n\"\\");
  EXPECT_TRUE(line->find("on")->truth);
  EXPECT_EQ(line->find("no")->kind, Json::Kind::null);
  EXPECT_EQ(line->find("other"), nullptr);
  EXPECT_EQ(Json::parse("[]")->items.size(), 0U);
}

TEST(AgentJson, RefusesWhatIsNone) {
  for (const char* bad : {"", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "1.5", "1e3", "\"\\x\"", "\"\\ud800\"", "\"a",
                          "\"\x01\"", "[1] 2", "nul", "99999999999999999999", "{1:2}"}) {
    EXPECT_FALSE(Json::parse(bad)) << bad;
  }
  EXPECT_FALSE(Json::parse(std::string(1000, '[')));
}

TEST(AgentJson, QuotedTextIsReadBack) {
  std::string all;
  for (int c = 1; c < 128; ++c) all += static_cast<char>(c);
  EXPECT_EQ(Json::parse(agent::quoted(all))->text, all);
}

TEST(AgentBase64, Rfc4648Vectors) {
  for (const auto& [bytes, text] : {std::pair{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"fooba", "Zm9vYmE="},
                                    {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  for (const char* bad : {"Zg", "Z===", "Zg=a", "Zm9*"}) EXPECT_FALSE(from_base64(bad)) << bad;
}

TEST(AgentAssignment, TheOldFormAndTheNew) {
  const Answer old = parse_answer(R"({"ip":"192.168.1.101","mask":"255.255.255.0","gw":"192.168.1.1"})");
  ASSERT_EQ(old.kind, Answer::Kind::assignment);
  EXPECT_EQ(old.assignment.ip.prefix, 24);
  EXPECT_EQ(old.assignment.mtu, 0U);
  const Answer all = parse_answer(
      R"({"ip":"10.0.0.2","mask":"255.0.0.0","gw":"10.0.0.1","mac":"52:cc:cc:cc:cc:01","ip6":"2052::5/64",)"
      R"("gw6":"2052::1","dns":["10.0.0.1","2052::1"],"mtu":1400,"hostname":"alice","later":{"a":[1]}})");
  ASSERT_EQ(all.kind, Answer::Kind::assignment);
  EXPECT_EQ(all.assignment.ip6.family, AF_INET6);
  EXPECT_EQ(all.assignment.ip6.prefix, 64);
  EXPECT_EQ(to_string(*all.assignment.mac), "52:cc:cc:cc:cc:01");
  EXPECT_THAT(all.assignment.dns, ElementsAre("10.0.0.1", "2052::1"));
  EXPECT_EQ(resolv_conf(all.assignment), "# by vnet-agent\nnameserver 10.0.0.1\nnameserver 2052::1\n");
  EXPECT_EQ(parse_answer(R"({"ip6":"2052::5/64"})").kind, Answer::Kind::assignment) << "IPv6 alone";
}

TEST(AgentAssignment, WhatMakesNoSenseIsNone) {
  EXPECT_EQ(parse_answer("wait").kind, Answer::Kind::wait);
  for (const char* bad : {"", "what", "{}", R"({"ip":"10.0.0.2"})", R"({"ip":"10.0.0.2","mask":"255.0.255.0"})",
                          R"({"ip":"10.0.0"})", R"({"ip":"2052::1"})", R"({"ip6":"2052::5/129"})",
                          R"({"ip6":"2052::5/64","mtu":70000})", R"({"ip6":"2052::5/64","dns":["; rm -rf /"]})",
                          R"({"ip6":"2052::5/64","mac":"52:cc"})", R"({"id":1,"exec":[]})"}) {
    EXPECT_EQ(parse_answer(bad).kind, Answer::Kind::other) << bad;
  }
}

}  // namespace
}  // namespace vnet::agent
