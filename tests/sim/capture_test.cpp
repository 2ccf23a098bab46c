// A world's capture, read back block by block.
#include "sim/capture.hpp"

#include <gmock/gmock.h>

namespace vnet::sim {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

struct Blocks {
  std::vector<std::string> interfaces;
  std::vector<std::string> packets;
};

/// Throws where lengths do not add up.
Blocks read(ByteView file) {
  Blocks blocks;
  ByteReader in{file};
  while (in.remaining() > 0) {
    const std::uint32_t type = in.be32();
    const std::uint32_t length = in.be32();
    const std::string body{as_text(in.bytes(length - 12))};
    if (in.be32() != length || length % 4 != 0 || !in.ok()) throw std::runtime_error{"a block's length"};
    if (type == 1) blocks.interfaces.push_back(body);
    if (type == 6) blocks.packets.push_back(body);
  }
  return blocks;
}

TEST(Capture, HasEveryFrameAtBothEndsAndWhyItWasDropped) {
  World world;
  Capture capture{world};
  Home& home = world.add_home("home", NatPreset::easy);
  UdpSocket& alice = home.add_host("alice").udp(4000);
  UdpSocket& server = world.add_server("server").udp(3478);
  alice.send(server.local(), "it goes through");
  world.run_for(1s);
  home.blackhole({*parse_ip_prefix("203.0.113.0/24")});
  alice.send(server.local(), "it goes nowhere");
  world.run_for(1s);
  const Blocks blocks = read(capture.bytes());
  for (const char* name : {"alice", "server", "gateway of home", "outside of home"}) {
    EXPECT_THAT(blocks.interfaces, Contains(HasSubstr(name)));
  }
  const auto count = [&](const char* text) {
    return std::ranges::count_if(blocks.packets,
                                 [&](const std::string& packet) { return packet.find(text) != std::string::npos; });
  };
  EXPECT_EQ(count("it goes through"), 6)
      << "sent, to its gateway, out of its router, into the server's, from the server's gateway, arrived";
  EXPECT_GE(count("it goes nowhere"), 2) << "sent, and once more with its end";
  EXPECT_GE(count("drop: blackhole"), 1);
}

TEST(Capture, EndsWhenItDoes) {
  World world;
  Host& alice = world.add_home("home", NatPreset::easy).add_host("alice");
  { const Capture capture{world}; }
  alice.udp().send({*world.add_server("server").ipv4(), 1}, "nobody watches");
  world.run_for(1s);
}

}  // namespace
}  // namespace vnet::sim
