#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "adapter/poll_loop.hpp"
#include "adapter/vm/qmp.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = QmpMessage::Kind;

constexpr const char* kGreeting = R"({"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}})"
                                  "\r\n";

TEST(QmpReader, TellsTheFourKindsOfMessagesApart) {
  QmpReader reader;
  const auto read =
      reader.feed(std::string{kGreeting} + R"({"return": {"running": true}, "id": 7})"
                                           "\r\n\r\n"
                                           R"({"error": {"class": "GenericError", "desc": "no such device"}, "id": 8})"
                                           "\n"
                                           R"({"event": "STOP", "timestamp": {"seconds": 1}, "data": {"a": 1}})"
                                           "\n");
  ASSERT_TRUE(read.has_value()) << read.error();
  EXPECT_THAT(*read, ElementsAre(QmpMessage{Kind::greeting, 0, "", Json{{"qemu", {{"major", 7}}}}},
                                 QmpMessage{Kind::answer, 7, "", Json{{"running", true}}},
                                 QmpMessage{Kind::failure, 8, "no such device", nullptr},
                                 QmpMessage{Kind::event, 0, "STOP", Json{{"a", 1}}}));
}

TEST(QmpReader, TheStreamMayBeCutAnywhere) {
  const std::string text = std::string{kGreeting} + "{\"return\": {}, \"id\": 1}\r\n";
  QmpReader reader;
  std::size_t messages = 0;
  for (const char c : text) {
    const auto read = reader.feed({&c, 1});
    ASSERT_TRUE(read.has_value());
    messages += read->size();
  }
  EXPECT_EQ(messages, 2U);
}

TEST(QmpReader, WhatIsNoMessageBreaksTheStreamForGood) {
  for (const char* bad : {"nonsense\n", "[1]\n", "{}\n", "{\"event\": 7}\n", "\xff\xfe\n"}) {
    QmpReader reader;
    EXPECT_FALSE(reader.feed(bad).has_value()) << bad;
    EXPECT_FALSE(reader.feed(kGreeting).has_value()) << bad;
  }
}

TEST(QmpReader, ALineThatNeverEndsIsGivenUp) {
  QmpReader reader;
  const std::string piece(65536, 'x');
  std::size_t taken = 0;
  while (reader.feed(piece)) {
    taken += piece.size();
    ASSERT_LE(taken, kMaxQmpLine);
  }
  EXPECT_GE(taken, kMaxQmpLine - piece.size());
}

TEST(QmpReader, DeepNestingIsRefused) {
  QmpReader reader;
  EXPECT_FALSE(reader.feed("{\"return\": " + std::string(100000, '[') + "\n").has_value());
}

/// A client with the other end of its connection in the test's hand, and a clock of the test's own.
class QmpClientTest : public ::testing::Test, public QmpClient::Owner {
 protected:
  QmpClientTest() {
    auto pair = dgram::make_pair(SOCK_STREAM);
    qemu_ = std::move(pair->second);
    client_ = std::make_unique<QmpClient>(
        std::move(pair->first), loop_, [this] { return now_; }, *this);
  }

  void on_qmp_event(const std::string& name, const Json& data) override { events_.push_back(name + compact(data)); }
  void on_qmp_gone(const std::string& cause) override { gone_.push_back(cause); }

  void say(const std::string& text) {
    ASSERT_EQ(::send(qemu_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    turn();
  }
  void turn() { ASSERT_TRUE(loop_.turn(kAtOnce).has_value()); }
  /// What QEMU has been sent since the last look.
  std::string heard() {
    std::string text(65536, '\0');
    const ssize_t size = ::recv(qemu_.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
  }
  void negotiate() {
    say(kGreeting);
    EXPECT_EQ(heard(), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
    say("{\"return\": {}, \"id\": 1}\r\n");
  }
  QmpClient::Done note() {
    return [this](const QmpAnswer& answer) { answers_.push_back(answer ? compact(*answer) : "! " + answer.error()); };
  }

  Instant now_{std::chrono::seconds{1000}};
  PollLoop loop_;
  dgram::Fd qemu_;
  std::unique_ptr<QmpClient> client_;
  std::vector<std::string> events_;
  std::vector<std::string> gone_;
  std::vector<std::string> answers_;
};

TEST_F(QmpClientTest, QuestionsWaitForTheNegotiation) {
  client_->ask("query-status", nullptr, note());
  EXPECT_EQ(heard(), "");
  say(kGreeting);
  EXPECT_EQ(heard(), "{\"execute\":\"qmp_capabilities\",\"id\":2}\n");
  say("{\"return\": {}, \"id\": 2}\r\n");
  EXPECT_EQ(heard(), "{\"execute\":\"query-status\",\"id\":1}\n");
  say("{\"return\": {\"running\": false}, \"id\": 1}\r\n");
  EXPECT_THAT(answers_, ElementsAre("{\"running\":false}"));
}

TEST_F(QmpClientTest, AnswersComeInAnyOrderAndEventsBetweenThem) {
  negotiate();
  client_->ask("set_link", {{"name", "net0"}, {"up", false}}, note());
  client_->ask("cont", nullptr, note());
  EXPECT_EQ(heard(),
            "{\"execute\":\"set_link\",\"id\":2,\"arguments\":{\"name\":\"net0\",\"up\":false}}\n"
            "{\"execute\":\"cont\",\"id\":3}\n");
  say("{\"return\": {\"of\": 3}, \"id\": 3}\n{\"event\": \"RESUME\"}\n");
  say("{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'net0' not found\"}, \"id\": 2}\n");
  EXPECT_THAT(answers_, ElementsAre("{\"of\":3}", "! Device 'net0' not found"));
  EXPECT_THAT(events_, ElementsAre("RESUMEnull"));
}

TEST_F(QmpClientTest, AnAnswerThatDoesNotComeIsGivenByTheClockAndALateOneIsDropped) {
  negotiate();
  client_->ask("cont", nullptr, note(), std::chrono::seconds{5});
  EXPECT_EQ(client_->next_deadline(), now_ + std::chrono::seconds{5});
  client_->expire(now_ + std::chrono::seconds{4});
  EXPECT_THAT(answers_, IsEmpty());
  client_->expire(now_ + std::chrono::seconds{5});
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("cont: no answer in time")));
  say("{\"return\": {}, \"id\": 2}\n");
  EXPECT_EQ(answers_.size(), 1U);
  EXPECT_EQ(client_->next_deadline(), kNever);
}

TEST_F(QmpClientTest, TheEndOfTheConnectionAnswersWhatIsOpenAndWhatIsAskedAfterwards) {
  negotiate();
  client_->ask("cont", nullptr, note());
  (void)heard();
  qemu_.close();
  turn();
  ASSERT_THAT(gone_, ElementsAre(HasSubstr("ended")));
  EXPECT_TRUE(client_->gone());
  client_->ask("stop", nullptr, note());
  client_->expire(now_);
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("cont"), HasSubstr("stop")));
}

TEST_F(QmpClientTest, AHostileStreamEndsTheConnection) {
  negotiate();
  say("{\"return\": \n");
  EXPECT_THAT(gone_, ElementsAre(HasSubstr("no JSON")));
}

TEST_F(QmpClientTest, AnswersWithoutAQuestionAreDropped) {
  negotiate();
  say("{\"return\": {}, \"id\": 99}\n{\"return\": {}}\n{\"error\": {\"desc\": \"x\"}, \"id\": \"one\"}\n");
  EXPECT_THAT(gone_, IsEmpty());
  EXPECT_THAT(answers_, IsEmpty());
}

TEST_F(QmpClientTest, AQemuThatDoesNotReadIsGivenUp) {
  negotiate();
  const Json big = {{"text", std::string(60000, 'x')}};
  for (int i = 0; i < 200 && gone_.empty(); ++i) client_->ask("human-monitor-command", big, note());
  EXPECT_THAT(gone_, ElementsAre(HasSubstr("does not read")));
}

TEST_F(QmpClientTest, OnlySoManyQuestionsAreOpen) {
  negotiate();
  for (std::size_t i = 0; i < kMaxQmpOpen + 3; ++i) client_->ask("query-status", nullptr, note());
  client_->expire(now_);
  EXPECT_THAT(answers_, ElementsAre(HasSubstr("too many"), HasSubstr("too many"), HasSubstr("too many")));
}

}  // namespace
}  // namespace vnet::adapter
