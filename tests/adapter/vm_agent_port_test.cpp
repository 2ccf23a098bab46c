#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "adapter/base64.hpp"
#include "adapter/poll_loop.hpp"
#include "adapter/vm/agent_port.hpp"

namespace vnet::adapter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Said = AgentLine::Kind;

TEST(Base64, Rfc4648VectorsBothWays) {
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
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(from_base64(to_base64(all)), all);
  for (const char* bad : {"Zg", "Z===", "Zg=a", "Zm9*", "Zg==Zg==", "===="}) EXPECT_EQ(from_base64(bad), std::nullopt);
}

TEST(AgentReader, TellsLinesApartAndPassesOverWhatIsNone) {
  AgentReader reader;
  EXPECT_THAT(
      reader.feed("half of something\n{\"stay\":true}\n{\"id\":7,\"out\":\"aGk=\"}\n{\"id\":7,\"err\":\"\"}\n"
                  "[1]\n{\"id\":\"7\",\"exit\":0}\n{\"id\":7}\n{\"id\":7,\"exit\":3}\n{\"id\":8,\"signal\":9}\n"
                  "{\"id\":9,\"error\":\"no\"}\n\n"),
      ElementsAre(AgentLine{Said::asks}, AgentLine{Said::out, 7, "aGk="}, AgentLine{Said::err, 7},
                  AgentLine{Said::exit, 7, "", 3}, AgentLine{Said::signal, 8, "", 9}, AgentLine{Said::error, 9, "no"}));
}

TEST(AgentReader, ALineThatIsTooLongIsPassedOverToItsEnd) {
  AgentReader reader;
  const std::string piece(65536, 'x');
  for (int i = 0; i < 100; ++i) EXPECT_THAT(reader.feed(piece), IsEmpty());
  EXPECT_THAT(reader.feed("{\"stay\":true}\n{\"stay\":true}\n"), ElementsAre(AgentLine{Said::asks}));
}

class AgentPortTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kFirst = 1000;

  AgentPortTest() {
    auto pair = dgram::make_pair(SOCK_STREAM).value();
    guest_ = std::move(pair.second);
    port_.emplace(std::move(pair.first), loop_, kFirst);
  }
  /// The guest says something, and the port has heard it.
  void say(const std::string& text) {
    ASSERT_EQ(::send(guest_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    ASSERT_TRUE(loop_.turn(PollLoop::now() + std::chrono::seconds{5}).has_value());
  }
  std::string heard() {
    std::array<char, 65536> bytes;
    const ssize_t size = ::recv(guest_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return size < 0 ? "" : std::string{bytes.data(), static_cast<std::size_t>(size)};
  }

  PollLoop loop_;
  dgram::Fd guest_;
  std::optional<AgentPort> port_;
};

TEST_F(AgentPortTest, BeginsWithALinesEndAndAPing) {
  EXPECT_EQ(heard(), "\n{\"id\":1000,\"ping\":true}\n");
  EXPECT_FALSE(port_->heard());
  say("{\"id\":1000,\"exit\":0}\n");
  EXPECT_TRUE(port_->heard());
}

TEST_F(AgentPortTest, AnAssignmentIsSentOnceAndToWhoeverAsks) {
  (void)heard();
  port_->assign("{\"ip\":\"1\"}");
  EXPECT_EQ(heard(), "{\"ip\":\"1\"}\n");
  port_->assign("{\"ip\":\"1\"}");
  EXPECT_EQ(heard(), "");
  say("{\"stay\":true}\n");
  EXPECT_EQ(heard(), "{\"ip\":\"1\"}\n");
  port_->assign("{\"ip\":\"2\"}");
  EXPECT_EQ(heard(), "{\"ip\":\"2\"}\n");
}

TEST_F(AgentPortTest, WhoAsksBeforeThereIsAnAssignmentWaits) {
  (void)heard();
  say("{\"stay\":true}\n");
  EXPECT_EQ(heard(), "wait\n");
}

TEST_F(AgentPortTest, OfAssignmentsThatNobodyReadsTheNewestIsKept) {
  (void)heard();
  const std::string filler(4096, ' ');
  int last = 0;
  for (; last < 2000; ++last) port_->assign(std::to_string(last) + filler);
  std::string all;
  for (std::string more; !(more = heard()).empty();) {
    all += more;
    ASSERT_TRUE(loop_.turn(PollLoop::now() + std::chrono::milliseconds{1}).has_value());
  }
  EXPECT_LT(all.size(), std::size_t{4096} * 1000);
  EXPECT_THAT(all, ::testing::EndsWith("\n" + std::to_string(last - 1) + filler + "\n"));
}

TEST_F(AgentPortTest, LinesGoToWhoeverAskedUntilTheLast) {
  (void)heard();
  std::vector<AgentLine> lines;
  const auto id = port_->ask({{"exec", {"true"}}}, [&](const AgentLine& line) { lines.push_back(line); });
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(heard(), "{\"exec\":[\"true\"],\"id\":1001}\n");
  say("{\"id\":1001,\"out\":\"aGk=\"}\n{\"id\":7,\"exit\":0}\n{\"id\":1001,\"exit\":0}\n{\"id\":1001,\"exit\":1}\n");
  EXPECT_THAT(lines, ElementsAre(AgentLine{Said::out, 1001, "aGk="}, AgentLine{Said::exit, 1001}));
}

TEST_F(AgentPortTest, WhatNobodyWaitsForIsKilledAndWhatIsLostHasFailed) {
  (void)heard();
  std::vector<AgentLine> lines;
  const auto hear = [&](const AgentLine& line) { lines.push_back(line); };
  const auto dropped = port_->ask({{"exec", {"a"}}}, hear);
  const auto open = port_->ask({{"exec", {"b"}}}, hear);
  (void)heard();
  port_->drop(*dropped);
  EXPECT_EQ(heard(), "{\"id\":1001,\"kill\":15}\n");
  say("{\"id\":1001,\"signal\":15}\n");
  EXPECT_THAT(lines, IsEmpty());
  port_->lost("the agent has gone");
  EXPECT_THAT(lines, ElementsAre(AgentLine{Said::error, *open, "the agent has gone"}));
  EXPECT_FALSE(port_->heard());
}

TEST_F(AgentPortTest, HasNoMoreAtOnceThanTheAgentTakes) {
  for (std::size_t i = 0; i < kMaxAgentCommands; ++i) ASSERT_TRUE(port_->ask({{"ping", true}}, {}).has_value());
  EXPECT_FALSE(port_->ask({{"ping", true}}, {}).has_value());
}

TEST_F(AgentPortTest, DoesNotReadWhileNobodyTakesWhatComes) {
  port_->read_on(false);
  ASSERT_EQ(::send(guest_.get(), "{\"stay\":true}\n", 14, 0), 14);
  ASSERT_TRUE(loop_.turn(PollLoop::now() + std::chrono::milliseconds{10}).has_value());
  EXPECT_FALSE(port_->heard());
  port_->read_on(true);
  ASSERT_TRUE(loop_.turn(PollLoop::now() + std::chrono::seconds{5}).has_value());
  EXPECT_TRUE(port_->heard());
}

TEST_F(AgentPortTest, APortThatQemuHasClosedHasFailedAll) {
  std::vector<AgentLine> lines;
  ASSERT_TRUE(port_->ask({{"ping", true}}, [&](const AgentLine& line) { lines.push_back(line); }).has_value());
  (void)heard();
  guest_.close();
  ASSERT_TRUE(loop_.turn(PollLoop::now() + std::chrono::seconds{5}).has_value());
  EXPECT_THAT(lines, ElementsAre(AgentLine{Said::error, 1001, "QEMU has closed the agent's port"}));
}

}  // namespace
}  // namespace vnet::adapter
