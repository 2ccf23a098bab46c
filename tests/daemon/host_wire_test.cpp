// What SystemSockets put on the wire and take from it, seen from the other end of a TUN device in a namespace of the
// test's own: TTLs, echo by ping sockets and by raw ones, and the ICMP errors of routers on the way.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>

#include <array>
#include <fstream>
#include <string>

#include "packet/checksum.hpp"
#include "tests/daemon/host_sockets_fixture.hpp"
#include "tests/support/in_namespace.hpp"
#endif

namespace vnet::daemon {
namespace {

#if defined(__linux__)

using nat::OutDatagram;

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

struct Family {
  bool v6 = false;
  [[nodiscard]] IpAddress address(std::uint8_t host) const {
    if (!v6) return Ipv4Address{10, 7, 0, host};
    return *Ipv6Address::parse("fd00:7::" + std::to_string(host));
  }
  [[nodiscard]] IpAddress ours() const { return address(1); }
  [[nodiscard]] IpAddress peer() const { return address(9); }
  [[nodiscard]] IpAddress router() const { return address(8); }
  [[nodiscard]] std::uint8_t icmp() const { return v6 ? 58 : 1; }
  [[nodiscard]] std::size_t header() const { return v6 ? 40 : 20; }
};

/// A header of IP before `body`, whose checksum at `checksum_at` is made where it is ICMPv6.
Bytes packet(Family family, const IpAddress& from, std::uint8_t protocol, Bytes body) {
  Bytes bytes(family.header());
  const auto length = static_cast<std::uint16_t>(body.size());
  if (family.v6) {
    bytes[0] = 0x60;
    store_be(bytes.data() + 4, length);
    bytes[6] = protocol;
    bytes[7] = 64;
    const auto source = std::get<Ipv6Address>(from);
    const auto destination = std::get<Ipv6Address>(family.ours());
    std::copy_n(source.octets().begin(), 16, bytes.begin() + 8);
    std::copy_n(destination.octets().begin(), 16, bytes.begin() + 24);
    Checksum sum;
    sum.add_pseudo(source, destination, protocol, length);
    if (protocol == family.icmp()) store_be(body.data() + 2, sum.add(body).finish());
  } else {
    bytes[0] = 0x45;
    store_be(bytes.data() + 2, static_cast<std::uint16_t>(length + 20));
    bytes[8] = 64;
    bytes[9] = protocol;
    std::get<Ipv4Address>(from).store(bytes.data() + 12);
    std::get<Ipv4Address>(family.ours()).store(bytes.data() + 16);
    store_be(bytes.data() + 10, checksum(bytes));
    if (protocol == family.icmp()) store_be(body.data() + 2, checksum(body));
  }
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

/// The far end of a TUN device that has our address.
class Wire {
 public:
  explicit Wire(Family family) : family_(family), fd_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
    ifreq request{};
    std::strcpy(request.ifr_name, "wire");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    up_ = fd_ && ::ioctl(fd_.get(), TUNSETIFF, &request) == 0 && set_address() && test::set_up("wire") && is_ours();
  }

  [[nodiscard]] bool up() const { return up_; }
  /// The next packet of `protocol` to the peer; empty: none came.
  [[nodiscard]] Bytes read(std::uint8_t protocol) const {
    Bytes bytes(65'536);
    for (pollfd entry{fd_.get(), POLLIN, 0}; ::poll(&entry, 1, 10'000) == 1;) {
      const ssize_t size = ::read(fd_.get(), bytes.data(), bytes.size());
      if (size <= 0) break;
      if (bytes[0] >> 4U != (family_.v6 ? 6 : 4) || bytes[family_.v6 ? 6 : 9] != protocol) continue;
      const IpAddress to = family_.v6 ? IpAddress{Ipv6Address::load(bytes.data() + 24)}
                                      : IpAddress{Ipv4Address::load(bytes.data() + 16)};
      if (to != family_.peer()) continue;
      bytes.resize(static_cast<std::size_t>(size));
      return bytes;
    }
    ADD_FAILURE() << "no packet came";
    return {};
  }
  void write(const Bytes& bytes) const {
    EXPECT_EQ(::write(fd_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  /// A router's word about a packet of ours.
  void write_error(std::uint8_t type, std::uint8_t code, std::uint32_t info, const Bytes& about) const {
    Bytes body{type, code, 0, 0, 0, 0, 0, 0};
    store_be(body.data() + 4, info);
    body.insert(body.end(), about.begin(), about.end());
    write(packet(family_, family_.router(), family_.icmp(), body));
  }
  [[nodiscard]] std::uint8_t ttl_of(const Bytes& bytes) const { return bytes.empty() ? 0 : bytes[family_.v6 ? 7 : 8]; }
  /// Behind the header of IP.
  [[nodiscard]] Bytes body_of(const Bytes& bytes) const {
    if (bytes.size() < family_.header()) return {};
    return {bytes.begin() + static_cast<std::ptrdiff_t>(family_.header()), bytes.end()};
  }

 private:
  [[nodiscard]] bool set_address() const {
    const dgram::Fd fd{::socket(family_.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)};
    if (family_.v6) {
      struct {
        in6_addr address;
        std::uint32_t prefix;
        int index;
      } request{{}, 64, static_cast<int>(::if_nametoindex("wire"))};
      std::copy_n(std::get<Ipv6Address>(family_.ours()).octets().begin(), 16, request.address.s6_addr);
      return ::ioctl(fd.get(), SIOCSIFADDR, &request) == 0;
    }
    ifreq request{};
    std::strcpy(request.ifr_name, "wire");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(std::get<Ipv4Address>(family_.ours()).to_u32());
    std::memcpy(&request.ifr_addr, &address, sizeof address);
    if (::ioctl(fd.get(), SIOCSIFADDR, &request) != 0) return false;
    address.sin_addr.s_addr = htonl(0xffff'ff00U);
    std::memcpy(&request.ifr_netmask, &address, sizeof address);
    return ::ioctl(fd.get(), SIOCSIFNETMASK, &request) == 0;
  }

  /// Waits for the route that makes an address of IPv6 ours, which the kernel adds in its own time.
  [[nodiscard]] bool is_ours() const {
    if (!family_.v6) return true;
    for (int tries = 0; tries < 10'000; ++tries) {
      std::ifstream file{"/proc/net/ipv6_route"};
      for (std::string line; std::getline(file, line);) {
        if (line.starts_with("fd000007000000000000000000000001 80 ")) return true;
      }
      ::poll(nullptr, 0, 1);
    }
    return false;
  }

  Family family_;
  dgram::Fd fd_;
  bool up_ = false;
};

/// Everything that a test has inside its namespace.
struct Host final : HostListener {
  explicit Host(Family of) : family(of), wire(of) {}

  void on_host(FlowId, HostEvents events) override {
    readable = readable || events.readable;
    failed = failed || events.failed;
  }
  void on_host_batch_end() override {}
  bool wait(bool Host::*event) {
    this->*event = false;
    return loop.run_until([&] { return this->*event; });
  }

  Family family;
  Wire wire;
  test::PollLoop loop;
  SystemSockets sockets{loop, *this, 100};
  bool readable = false;
  bool failed = false;
};

/// Nobody may have ping sockets in a new namespace, until this.
void permit_ping_sockets() { EXPECT_TRUE(test::write_file("/proc/sys/net/ipv4/ping_group_range", "0 0")); }

class HostWireTest : public testing::TestWithParam<bool> {
 protected:
  /// Runs `body` beside a wire in a namespace.
  template <typename Body>
  void with_wire(Body body) {
    test::in_namespace([&] {
      spdlog::set_level(spdlog::level::warn);
      Host host{Family{GetParam()}};
      if (host.wire.up()) body(host);
      return host.wire.up();
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Families, HostWireTest, testing::Bool(),
                         [](const auto& v6) { return std::string{v6.param ? "IPv6" : "IPv4"}; });

TEST_P(HostWireTest, EachDatagramHasItsOwnTtl) {
  with_wire([](Host& host) {
    const auto socket = host.sockets.open_udp(FlowId{1}, host.family.ours());
    ASSERT_TRUE(socket.has_value());
    std::vector<OutDatagram> datagrams;
    for (const std::uint8_t ttl : std::array<std::uint8_t, 5>{1, 64, 2, 255, 64}) {
      datagrams.push_back({{host.family.peer(), 33'434}, as_bytes("probe"), ttl});
    }
    EXPECT_EQ((*socket)->send(datagrams).count, 5U);
    for (const OutDatagram& each : datagrams) EXPECT_EQ(host.wire.ttl_of(host.wire.read(kUdp)), each.ttl);
  });
}

TEST_P(HostWireTest, ARouterThatEndsATracerouteIsNamed) {
  with_wire([](Host& host) {
    const auto socket = host.sockets.open_udp(FlowId{1}, host.family.ours());
    ASSERT_TRUE(socket.has_value());
    const OutDatagram probe{{host.family.peer(), 33'434}, as_bytes("probe"), 1};
    EXPECT_EQ((*socket)->send({&probe, 1}).count, 1U);
    host.wire.write_error(host.family.v6 ? 3 : 11, 0, 0, host.wire.read(kUdp));
    ASSERT_TRUE(host.wait(&Host::failed));
    const auto error = (*socket)->take_error();
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->error, HostError::host_unreachable);
    EXPECT_EQ(error->offender, host.family.router());
    EXPECT_EQ(error->to, probe.to);
    EXPECT_EQ(error->icmp_type, host.family.v6 ? 3 : 11);
    EXPECT_EQ(error->icmp_code, 0);
    EXPECT_EQ(as_text(error->payload), "probe");
  });
}

TEST_P(HostWireTest, RFC1191_RFC8201_ALesserPathMtuIsTold) {
  with_wire([](Host& host) {
    const auto socket = host.sockets.open_udp(FlowId{1}, host.family.ours());
    ASSERT_TRUE(socket.has_value());
    const std::string text(1'400, 'x');
    const OutDatagram datagram{{host.family.peer(), 443}, as_bytes(text)};
    EXPECT_EQ((*socket)->send({&datagram, 1}).count, 1U);
    Bytes about = host.wire.read(kUdp);
    about.resize(600);  // routers do not quote all of it
    host.wire.write_error(host.family.v6 ? 2 : 3, host.family.v6 ? 0 : 4, 1'300, about);
    ASSERT_TRUE(host.wait(&Host::failed));
    const auto error = (*socket)->take_error();
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->error, HostError::too_big);
    EXPECT_EQ(error->icmp_info, 1'300U);
    EXPECT_EQ(error->payload.size(), 600 - host.family.header() - 8);
    EXPECT_EQ((*socket)->send({&datagram, 1}).count, 1U) << "in fragments now";
  });
}

TEST_P(HostWireTest, ARouterThatKnowsNoWayEndsAConnectionInTheMaking) {
  with_wire([](Host& host) {
    const auto socket = host.sockets.connect(FlowId{1}, {host.family.peer(), 80});
    ASSERT_TRUE(socket.has_value());
    host.wire.write_error(host.family.v6 ? 1 : 3, host.family.v6 ? 3 : 1, 0, host.wire.read(kTcp));
    ASSERT_TRUE(host.wait(&Host::failed));
    EXPECT_EQ((*socket)->take_error(), HostError::host_unreachable);
  });
}

TEST_P(HostWireTest, WhereThereIsNoRouteItIsToldAtOnce) {
  with_wire([](Host& host) {
    const nat::Endpoint far{*parse_ip(host.family.v6 ? "2001:db8::1" : "192.0.2.1"), 80};
    const auto tcp = host.sockets.connect(FlowId{1}, far);
    ASSERT_FALSE(tcp.has_value());
    EXPECT_EQ(tcp.error(), HostError::net_unreachable);
    const auto udp = host.sockets.open_udp(FlowId{2}, far.address);
    ASSERT_TRUE(udp.has_value());
    const std::array<OutDatagram, 2> datagrams{OutDatagram{{host.family.peer(), 80}, as_bytes("near")},
                                               OutDatagram{far, as_bytes("far")}};
    const auto sent = (*udp)->send(datagrams);
    EXPECT_EQ(sent.count, 1U);
    EXPECT_EQ(sent.error, HostError::net_unreachable);
  });
}

/// A request goes out, a stranger's reply and ours come in, then a router's error about a second request.
void exchange_echoes(Host& host) {
  const auto socket = host.sockets.open_echo(FlowId{1}, host.family.ours());
  ASSERT_TRUE(socket.has_value());
  const Bytes payload{0x12, 0x34, 'd', 'a', 't', 'a', '!'};  // an odd length, for the checksum
  const OutDatagram request{{host.family.peer(), 0}, payload, 7};
  EXPECT_EQ((*socket)->send({&request, 1}).count, 1U);
  const Bytes sent = host.wire.read(host.family.icmp());
  EXPECT_EQ(host.wire.ttl_of(sent), 7);
  Bytes body = host.wire.body_of(sent);
  ASSERT_EQ(body.size(), 6 + payload.size());
  EXPECT_EQ(body[0], host.family.v6 ? 128 : 8);
  EXPECT_EQ(body[1], 0);
  EXPECT_EQ(Bytes(body.begin() + 6, body.end()), payload);
  Checksum sum;
  if (host.family.v6) {
    sum.add_pseudo(std::get<Ipv6Address>(host.family.ours()), std::get<Ipv6Address>(host.family.peer()), 58,
                   body.size());
  }
  EXPECT_EQ(sum.add(body).finish(), 0);
  body[0] = host.family.v6 ? 129 : 0;
  body[2] = body[3] = 0;
  Bytes foreign = body;
  foreign[4] ^= 0xffU;
  host.wire.write(packet(host.family, host.family.peer(), host.family.icmp(), foreign));
  host.wire.write(packet(host.family, host.family.peer(), host.family.icmp(), body));
  ASSERT_TRUE(host.wait(&Host::readable));
  const auto replies = (*socket)->receive();
  ASSERT_EQ(replies.size(), 1U) << "not the stranger's";
  EXPECT_EQ(replies[0].from.address, host.family.peer());
  EXPECT_EQ(Bytes(replies[0].payload.begin(), replies[0].payload.end()), payload);
  EXPECT_TRUE((*socket)->receive().empty());

  EXPECT_EQ((*socket)->send({&request, 1}).count, 1U);
  Bytes about = host.wire.read(host.family.icmp());
  Bytes of_another = about;
  of_another[host.family.header() + 4] ^= 0xffU;
  host.wire.write_error(host.family.v6 ? 3 : 11, 0, 0, of_another);
  host.wire.write_error(host.family.v6 ? 3 : 11, 0, 0, about);
  ASSERT_TRUE(host.wait(&Host::failed));
  const auto error = (*socket)->take_error();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->error, HostError::host_unreachable);
  EXPECT_EQ(error->offender, host.family.router());
  EXPECT_EQ(error->to.address, host.family.peer());
  EXPECT_EQ(Bytes(error->payload.begin(), error->payload.end()), payload);
  EXPECT_FALSE((*socket)->take_error().has_value()) << "not the stranger's";
}

TEST_P(HostWireTest, EchoByPingSockets) {
  with_wire([](Host& host) {
    permit_ping_sockets();
    exchange_echoes(host);
  });
}

TEST_P(HostWireTest, EchoByRawSockets) {
  with_wire([](Host& host) { exchange_echoes(host); });
}

TEST_P(HostWireTest, RawSocketsOfManyFlowsHearTheirOwnRepliesOnly) {
  with_wire([](Host& host) {
    std::vector<std::unique_ptr<nat::DatagramSocket>> all;
    const Bytes payload{0, 1};
    const IpAddress loopback = host.family.v6 ? *parse_ip("::1") : *parse_ip("127.0.0.1");
    for (std::uint64_t i = 0; i < 50; ++i) {
      auto socket = host.sockets.open_echo(FlowId{i + 1}, loopback);
      ASSERT_TRUE(socket.has_value());
      all.push_back(std::move(*socket));
    }
    const OutDatagram request{{loopback, 0}, payload};
    for (const auto& each : all) EXPECT_EQ(each->send({&request, 1}).count, 1U);
    for (const auto& each : all) {
      EXPECT_EQ(each->receive().size(), 1U);
      EXPECT_TRUE(each->receive().empty());
    }
  });
}

TEST_P(HostWireTest, EchoWithoutAnyPermissionIsProhibited) {
  with_wire([](Host& host) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    ASSERT_EQ(::syscall(SYS_capset, &header, none.data()), 0);
    const auto socket = host.sockets.open_echo(FlowId{1}, host.family.ours());
    ASSERT_FALSE(socket.has_value());
    EXPECT_EQ(socket.error(), HostError::prohibited);
    EXPECT_EQ(host.sockets.open(), 0U);
  });
}

#else

TEST(HostWire, IsAboutLinux) { GTEST_SKIP() << "namespaces are Linux's"; }

#endif

}  // namespace
}  // namespace vnet::daemon
