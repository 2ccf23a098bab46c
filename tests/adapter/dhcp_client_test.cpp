// Programs of the system's that stand for DHCP clients: what matters here is who is started and that it ends.
#include "adapter/dhcp_client.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "fake_switch.hpp"

namespace vnet::adapter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

void make_program(const std::string& path) {
  std::ofstream{path} << "#!/bin/sh\n";
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
}

std::optional<std::string> wait_for_end(DhcpClient& client) {
  for (int i = 0; i < 500; ++i) {
    if (auto end = client.ended()) return end;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return std::nullopt;
}

TEST(DhcpClient, UdhcpcIsPreferredToDhclientAndNoneIsNothing) {
  const TemporaryFolder folder;
  const std::string path = "/nowhere:" + folder / "";
  EXPECT_FALSE(DhcpClient::find("eth0", path));
  make_program(folder / "dhclient");
  ASSERT_TRUE(DhcpClient::find("eth0", path));
  EXPECT_THAT(*DhcpClient::find("eth0", path), Contains("eth0"));
  EXPECT_THAT(DhcpClient::find("eth0", path)->front(), ::testing::EndsWith("/dhclient"));
  make_program(folder / "udhcpc");
  EXPECT_THAT(*DhcpClient::find("eth0", path), ElementsAre(::testing::EndsWith("/udhcpc"), "-f", "-i", "eth0"));
}

TEST(DhcpClient, HowItEndsIsToldOnce) {
  auto client = DhcpClient::start({"/bin/sh", "-c", "exit 7"}, {});
  ASSERT_TRUE(client);
  EXPECT_EQ(wait_for_end(*client), "ended with code 7");
  EXPECT_FALSE(client->ended());
}

TEST(DhcpClient, ItEndsWithItsOwner) {
  const TemporaryFolder folder;
  const std::string note = folder / "pid";
  pid_t process = 0;
  {
    const auto client = DhcpClient::start(
        {"/bin/sh", "-c", "echo $$ > " + note + ".new; mv " + note + ".new " + note + "; exec sleep 60"}, {});
    ASSERT_TRUE(client);
    for (int i = 0; i < 500 && process == 0; ++i) {
      std::ifstream{note} >> process;
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    ASSERT_GT(process, 0);
    EXPECT_EQ(::kill(process, 0), 0);
  }
  EXPECT_NE(::kill(process, 0), 0);
}

TEST(DhcpClient, ItDoesNotChangeTheResolverOfTheHost) {
  if (may_skip()) GTEST_SKIP() << "only root can mount another file in its place";
  const auto read = [] {
    std::ifstream file{"/etc/resolv.conf"};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  const std::string before = read();
  auto client = DhcpClient::start(
      {"/bin/sh", "-c", "test ! -s /etc/resolv.conf && echo x > /etc/resolv.conf && exit 3"}, {true, ""});
  ASSERT_TRUE(client);
  EXPECT_EQ(wait_for_end(*client), "ended with code 3");
  EXPECT_EQ(read(), before);
}

}  // namespace
}  // namespace vnet::adapter
