// Services that end in sockets of the host: SystemSockets' connections to them, and a guest's way there through egress.
#include <sys/stat.h>

#include <tuple>

#include "daemon/host_tcp.hpp"
#include "nat/egress.hpp"
#include "tests/daemon/host_sockets_fixture.hpp"
#include "tests/network/frames.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {
namespace {

namespace wire = network::test;

/// A program of the host's that listens at a path.
class UnixServer {
 public:
  UnixServer(const std::string& path, int type, int backlog = 16) : fd_(dgram::make_socket(type).value()) {
    EXPECT_TRUE(dgram::bind_replacing_stale(fd_, path));
    EXPECT_TRUE(type != SOCK_STREAM || ::listen(fd_.get(), backlog) == 0);
  }
  [[nodiscard]] dgram::Fd accept() const {
    dgram::Fd fd{::accept(fd_.get(), nullptr, nullptr)};
    const timeval patience{10, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
  }

 private:
  dgram::Fd fd_;
};

class HostServices : public HostSocketsFixture {
 protected:
  Result<std::unique_ptr<nat::TcpSocket>, HostError> to(const nat::HostTarget& target, std::string_view preamble = {}) {
    flow_ = next_flow();
    return sockets_.connect_to_service(flow_, target, as_bytes(preamble));
  }
  [[nodiscard]] nat::HostPath path() const { return {folder_.path("service.sock")}; }

  test::TempFolder folder_;
  FlowId flow_{};
};

TEST_F(HostServices, AUnixSocketIsConnectedLikeAnyOther) {
  const UnixServer server{path().path, SOCK_STREAM};
  Call call{{}, std::move(*to(path())), server.accept()};
  ASSERT_TRUE(hears(flow_, &Heard::writable));
  EXPECT_EQ(call.send("ping"), 4U);
  EXPECT_EQ(receive(call.far, 4), "ping");
  transmit(call.far, "pong");
  ASSERT_TRUE(hears(flow_, &Heard::readable));
  EXPECT_EQ(call.peek(0, 9), "pong.");
  call.socket->shut_down();
  char none = 0;
  EXPECT_EQ(::recv(call.far.get(), &none, 1, 0), 0);
  transmit(call.far, "!");
  ASSERT_TRUE(hears(flow_, &Heard::readable));
  EXPECT_EQ(call.peek(0, 9), "pong!.");
}

TEST_F(HostServices, WhereNobodyListensIsARefusal) {
  EXPECT_EQ(to(path()).error(), HostError::refused) << "no file";
  folder_.write("service.sock", "a file");
  EXPECT_EQ(to(path()).error(), HostError::refused) << "no socket";
  EXPECT_EQ(to(nat::HostPath{folder_.path("service.sock/x")}).error(), HostError::refused);
  EXPECT_EQ(to(nat::HostPath{std::string(200, 'x')}).error(), HostError::refused);
  std::ignore = std::filesystem::remove(path().path);
  { const UnixServer gone{path().path, SOCK_STREAM}; }
  EXPECT_EQ(to(path()).error(), HostError::refused) << "a file that was left";
  const UnixServer datagrams{folder_.path("datagrams.sock"), SOCK_DGRAM};
  EXPECT_EQ(to(nat::HostPath{folder_.path("datagrams.sock")}).error(), HostError::refused);
  EXPECT_EQ(sockets_.open(), 0U);
}

#if defined(__linux__)
TEST_F(HostServices, AFullQueueIsToldApart) {
  const UnixServer server{path().path, SOCK_STREAM, 0};
  std::vector<std::unique_ptr<nat::TcpSocket>> waiting;
  for (int i = 0; i < 4; ++i) {
    auto socket = to(path());
    if (!socket) {
      EXPECT_EQ(socket.error(), HostError::timed_out);
      return;
    }
    waiting.push_back(std::move(*socket));
  }
  ADD_FAILURE() << "the queue is never full";
}
#endif

TEST_F(HostServices, APreambleGoesThoughTheGuestSaysNothing) {
  const UnixServer server{path().path, SOCK_STREAM};
  const LoopbackServer tcp{SOCK_STREAM};
  for (const nat::HostTarget& target :
       {nat::HostTarget{path()}, nat::HostTarget{nat::Endpoint{tcp.address, tcp.port}}}) {
    Call call{{}, std::move(*to(target, "PROXY\r\n")), {}};
    call.far = std::holds_alternative<nat::HostPath>(target) ? server.accept() : tcp.accept();
    ASSERT_TRUE(hears(flow_, &Heard::writable));
    EXPECT_EQ(receive(call.far, 7), "PROXY\r\n");
    EXPECT_EQ(call.send("hello"), 5U);
    EXPECT_EQ(receive(call.far, 5), "hello");
    loop_.settle();
    EXPECT_EQ(heard_[flow_].writable, 1);
  }
}

TEST_F(HostServices, APreambleThatDoesNotFitAtOnceStaysBeforeAllElse) {
  const UnixServer server{path().path, SOCK_STREAM};
  const std::string preamble(std::size_t{4} << 20U, 'p');
  Call call{{}, std::move(*to(path(), preamble)), server.accept()};
  ASSERT_TRUE(hears(flow_, &Heard::writable));
  EXPECT_EQ(call.send("data"), 0U) << "no room yet";
  call.socket->shut_down();
  std::string got;
  std::vector<char> bytes(65'536);
  const bool ended = loop_.run_until([&] {
    const ssize_t count = ::recv(call.far.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) got.append(bytes.data(), static_cast<std::size_t>(count));
    return count == 0;
  });
  EXPECT_TRUE(ended) << "our half ends behind it";
  EXPECT_TRUE(got == preamble) << got.size();
}

TEST_F(HostServices, WhatIsSentAfterALongPreambleComesBehindIt) {
  const UnixServer server{path().path, SOCK_STREAM};
  const std::string preamble(std::size_t{1} << 20U, 'p');
  Call call{{}, std::move(*to(path(), preamble)), server.accept()};
  std::string got;
  std::size_t sent = 0;
  std::vector<char> bytes(65'536);
  then_ = [&](FlowId) {
    if (sent == 0) sent = call.send("data");
  };
  const bool all = loop_.run_until([&] {
    const ssize_t count = ::recv(call.far.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) got.append(bytes.data(), static_cast<std::size_t>(count));
    return got.size() == preamble.size() + 4;
  });
  EXPECT_TRUE(all);
  EXPECT_TRUE(got == preamble + "data") << got.size();
}

TEST_F(HostServices, AConnectionThatIsLostBeforeItsPreambleHasGoneFails) {
  const UnixServer server{path().path, SOCK_STREAM};
  Call call{{}, std::move(*to(path(), std::string(std::size_t{4} << 20U, 'p'))), server.accept()};
  ASSERT_TRUE(hears(flow_, &Heard::writable));
  call.far.close();
  ASSERT_TRUE(hears(flow_, &Heard::failed));
  EXPECT_TRUE(call.socket->take_error());
}

/// A guest with egress over real sockets, whose segments are made by hand.
class GuestOfServices : public HostServices, public nat::GuestPorts {
 protected:
  static constexpr std::uint8_t kFin = 1, kSyn = 2, kAck = 16;

  GuestOfServices() {
    shared_.sockets = &sockets_;
    nat::EgressConfig config;
    config.mac = wire::mac(9);
    config.ipv4 = wire::ip4("192.168.127.1");
    config.rules.enabled = false;
    egress_ = std::make_unique<nat::Egress>(config, 0, shared_, random_, *this);
  }
  ~GuestOfServices() override { egress_.reset(); }
  GuestOfServices(const GuestOfServices&) = delete;
  GuestOfServices& operator=(const GuestOfServices&) = delete;

  std::optional<MacAddress> locate(const IpAddress&) const override { return wire::mac(1); }
  std::size_t frames(const MacAddress&, std::size_t) const override { return 100; }
  void on_host(FlowId flow, HostEvents events) override { egress_->on_host(flow, events, now_); }
  void on_host_batch_end() override { egress_->end_batch(now_); }

  void lead(nat::EgressProtocol protocol, std::uint16_t port, const nat::HostTarget& to, std::uint8_t proxy = 0) {
    shared_.services.set({protocol, {kService, port}}, {.to = to, .proxy_protocol = proxy});
  }
  void give(const wire::Bytes& frame) {
    const auto packet = Ipv4Packet::parse(ByteView{frame}.subspan(14)).value();
    EXPECT_FALSE(egress_->handle(wire::mac(1), packet, now_));
    egress_->end_batch(now_);
  }
  void say(std::uint32_t sequence, std::uint32_t acknowledgment, std::uint8_t flags, std::string_view data = {}) {
    wire::Bytes segment;
    wire::put16(segment, 40'000);
    wire::put16(segment, 80);
    wire::put32(segment, sequence);
    wire::put32(segment, acknowledgment);
    wire::put8(segment, 5 << 4U);
    wire::put8(segment, flags);
    wire::put16(segment, 65'535);
    wire::put32(segment, 0);
    wire::put(segment, as_bytes(data));
    give(wire::ipv4(way(), 6, wire::with_checksum(way(), 6, segment, 16)));
  }
  [[nodiscard]] static wire::Way4 way() { return {wire::mac(1), wire::mac(9), wire::ip4("192.168.127.2"), kService}; }
  /// The next packet for the guest.
  wire::Bytes take() {
    EXPECT_TRUE(loop_.run_until([&] { return !egress_->outbox().frames().empty(); }));
    if (egress_->outbox().frames().empty()) return {};
    const ByteView frame = egress_->outbox().frames().front();
    wire::Bytes packet(frame.begin() + 14, frame.end());
    egress_->outbox().clear();
    return packet;
  }
  static TcpSegment segment_of(const wire::Bytes& packet) {
    return TcpSegment::parse(Ipv4Packet::parse(packet).value().payload()).value();
  }

  static constexpr Ipv4Address kService{52, 52, 0, 2};
  Instant now_{std::chrono::hours{1}};
  Random random_{1};
  nat::EgressShared shared_;
  std::unique_ptr<nat::Egress> egress_;
};

TEST_F(GuestOfServices, TalksToAUnixSocketThatKnowsWhoItIs) {
  const UnixServer server{path().path, SOCK_STREAM};
  lead(nat::EgressProtocol::tcp, 80, path(), 1);
  say(100, 0, kSyn);
  const wire::Bytes answer = take();
  const TcpSegment syn = segment_of(answer);
  ASSERT_EQ(syn.flags(), kSyn | kAck);
  const std::uint32_t isn = syn.sequence();
  const dgram::Fd far = server.accept();
  const std::string header = "PROXY TCP4 192.168.127.2 52.52.0.2 40000 80\r\n";
  EXPECT_EQ(receive(far, header.size()), header) << "though the guest has not even confirmed the connection";
  say(101, isn + 1, kAck, "GET /");
  EXPECT_EQ(receive(far, 5), "GET /");
  (void)take();
  transmit(far, "welcome");
  const wire::Bytes packet = take();
  EXPECT_EQ(as_text(segment_of(packet).payload()), "welcome");
  EXPECT_EQ(Ipv4Packet::parse(packet).value().source(), kService);
  say(106, isn + 8, kFin | kAck);
  char none = 0;
  EXPECT_EQ(::recv(far.get(), &none, 1, 0), 0);
}

TEST_F(GuestOfServices, IsResetWhereNobodyListens) {
  LoopbackServer server{SOCK_STREAM};
  lead(nat::EgressProtocol::tcp, 80, nat::Endpoint{server.address, server.port});
  server.fd.close();
  say(100, 0, kSyn);
  EXPECT_TRUE(segment_of(take()).has(TcpSegment::kRst));
}

TEST_F(GuestOfServices, ExchangesDatagramsWithAServerOfEitherFamily) {
  for (const bool v6 : {false, true}) {
    const LoopbackServer server{SOCK_DGRAM, v6};
    lead(nat::EgressProtocol::udp, 514, nat::Endpoint{server.address, server.port});
    egress_->services_changed({});
    give(wire::udp(way(), 40'000, 514, as_bytes("<14>hello")));
    std::string text(64, '\0');
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t count = ::recvfrom(server.fd.get(), text.data(), text.size(), 0, address, &size);
    ASSERT_EQ(count, 9);
    EXPECT_EQ(::sendto(server.fd.get(), "noted", 5, 0, address, size), 5);
    const wire::Bytes packet = take();
    const auto ip = Ipv4Packet::parse(packet).value();
    EXPECT_EQ(ip.source(), kService);
    const auto udp = UdpDatagram::parse(ip.payload()).value();
    EXPECT_EQ(udp.source_port(), 514);
    EXPECT_EQ(as_text(udp.payload()), "noted");
  }
}

TEST_F(GuestOfServices, IsToldOfAPortWhereNobodyListens) {
  LoopbackServer server{SOCK_DGRAM};
  lead(nat::EgressProtocol::udp, 514, nat::Endpoint{server.address, server.port});
  server.fd.close();
  give(wire::udp(way(), 40'000, 514, as_bytes("<14>hello")));
  const wire::Bytes packet = take();
  const auto ip = Ipv4Packet::parse(packet).value();
  EXPECT_EQ(ip.protocol(), ip_protocol::kIcmp);
  EXPECT_EQ(ip.source(), kService);
  EXPECT_EQ(int{ip.payload()[0]}, 3);
  EXPECT_EQ(int{ip.payload()[1]}, 3);
}

}  // namespace
}  // namespace vnet::daemon
