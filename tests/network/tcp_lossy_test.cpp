// Properties over bad links: whatever is lost, repeated or overtaken on the way, every byte arrives once and in
// order in both directions, the connection ends, and the server forgets it. Each case prints its seed.
#include <functional>

#include "tests/network/tcp_model_guest.hpp"

namespace vnet::network::test {
namespace {

struct Link {
  double loss = 0;
  double duplicate = 0;
  Duration latency = 1ms;
  Duration jitter = 0ms;  ///< more than the spacing of segments reorders them
};

/// Sends back what it reads, in pieces of its own, and reads no more than it can send.
class Echo : public TcpHandler {
 public:
  Echo(TcpServer& server, Random& random) : server_(server), random_(random) {}
  void on_open(ConnectionId, const TcpFlow&, Instant) override { ++opened; }
  std::size_t on_data(ConnectionId id, ByteView bytes, Instant now) override {
    const std::size_t count = std::min({bytes.size(), server_.send_room(id), std::size_t{1} + random_.below(5000)});
    if (random_.chance(0.1)) {
      paused = id;
      return 0;
    }
    EXPECT_TRUE(server_.send(id, {bytes.first(count)}, now));
    received += as_text(bytes.first(count));
    if (count < bytes.size()) paused = id;
    return count;
  }
  void on_sent(ConnectionId id, Instant now) override { server_.resume(id, now); }
  void on_end(ConnectionId id, Instant now) override { server_.close(id, now); }
  void on_closed(ConnectionId, Instant) override { ++closed; }

  std::string received;
  std::optional<ConnectionId> paused;
  int opened = 0;
  int closed = 0;

 private:
  TcpServer& server_;
  Random& random_;
};

class Simulation : public TcpOutput {
 public:
  Simulation(const Link& link, ModelGuest::Plan plan, std::uint64_t seed)
      : link_(link),
        random_(seed),
        server_({}, random_, *this),
        echo(server_, random_),
        guest(std::move(plan), [this](const TcpHeader& header, ByteView payload) {
          carry(true, build_packet(reversed(flow_), header, payload));
        }) {
    server_.listen(53, echo);
    // An hour of virtual time is far beyond what any of these connections needs.
  }

  void emit(const TcpFlow& flow, const TcpHeader& header, ByteView payload) override {
    carry(false, build_packet(flow, header, payload));
  }

  void run() {
    guest.start(now_);
    const Instant end = now_ + 1h;
    while (now_ < end && !guest.reset && !(guest.done() && server_.connection_count() == 0)) {
      const Instant travel = on_the_way_.empty() ? kNever : on_the_way_.begin()->first;
      const Instant next =
          std::min({travel, guest.next_deadline(), server_.next_deadline(), echo.paused ? now_ + 1ms : kNever});
      if (next > end) break;
      now_ = std::max(now_, next);
      if (now_ >= travel) {
        const auto [to_server, packet] = on_the_way_.begin()->second;
        on_the_way_.erase(on_the_way_.begin());
        if (to_server) {
          server_.handle(flow_, read_packet(packet), now_);
        } else {
          guest.receive(read_packet(packet), now_);
        }
      } else if (echo.paused) {
        server_.resume(*std::exchange(echo.paused, std::nullopt), now_);
      }
      server_.expire(now_);
      guest.expire(now_);
    }
  }

  [[nodiscard]] std::size_t connection_count() const { return server_.connection_count(); }

 private:
  void carry(bool to_server, const std::vector<std::uint8_t>& packet) {
    if (random_.chance(link_.loss)) return;
    const int copies = random_.chance(link_.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      const auto jitter = static_cast<std::uint32_t>(link_.jitter / 1us);
      on_the_way_.emplace(now_ + link_.latency + random_.below(jitter) * 1us, std::pair{to_server, packet});
    }
  }

  Link link_;
  Random random_;
  TcpFlow flow_ = ipv4_flow();
  Instant now_{1h};
  std::multimap<Instant, std::pair<bool, std::vector<std::uint8_t>>> on_the_way_;
  TcpServer server_;

 public:
  Echo echo;
  ModelGuest guest;
};

void every_byte_arrives(const Link& link, std::uint64_t first_seed, std::uint64_t cases) {
  for (std::uint64_t seed = first_seed; seed < first_seed + cases; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random{seed * 31};
    std::string text(random.below(60'000), ' ');
    for (char& letter : text) letter = static_cast<char>(random.next());
    const ModelGuest::Plan plan{.text = text,
                                .isn = static_cast<std::uint32_t>(random.next()),
                                .mss = static_cast<std::uint16_t>(300 + random.below(1160)),
                                .buffer = 1500 + random.below(20'000)};
    Simulation simulation{link, plan, seed};
    simulation.run();
    ASSERT_FALSE(simulation.guest.reset);
    ASSERT_EQ(simulation.echo.received.size(), text.size());
    ASSERT_TRUE(simulation.echo.received == text);
    ASSERT_EQ(simulation.guest.received.size(), text.size());
    ASSERT_TRUE(simulation.guest.received == text);
    ASSERT_TRUE(simulation.guest.done());
    ASSERT_EQ(simulation.echo.opened, 1);
    ASSERT_EQ(simulation.echo.closed, 1);
    ASSERT_EQ(simulation.connection_count(), 0U);
  }
}

TEST(TcpProperty, EveryByteArrivesOnAPerfectLink) { every_byte_arrives({}, 1, 30); }
TEST(TcpProperty, EveryByteArrivesDespiteLoss) { every_byte_arrives({.loss = 0.1}, 100, 40); }
TEST(TcpProperty, EveryByteArrivesDespiteDuplicates) { every_byte_arrives({.duplicate = 0.3, .jitter = 5ms}, 200, 30); }
TEST(TcpProperty, EveryByteArrivesDespiteReordering) { every_byte_arrives({.jitter = 20ms}, 300, 30); }
TEST(TcpProperty, EveryByteArrivesDespiteEverything) {
  every_byte_arrives({.loss = 0.15, .duplicate = 0.1, .latency = 20ms, .jitter = 40ms}, 400, 40);
}

}  // namespace
}  // namespace vnet::network::test
