// The whole server under hostile bytes from both sides: the input is a query, a `0xff` byte, and what the upstream
// server answers. The answer is also tried with the right id and question, so that it gets past the first checks.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "dns/server.hpp"

namespace {

using namespace vnet;
using namespace vnet::dns;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_reply(ByteView reply, std::size_t limit) {
  require(reply.size() >= kHeaderSize && reply.size() <= limit);
  require(Header::parse(reply)->has(Header::kResponse));
  if (Header::parse(reply)->questions != 0) require(Message::parse(reply).has_value());
}

// The bytes behind the question of `query`, with the id and the question of `query` in front.
std::vector<std::uint8_t> made_to_fit(ByteView query, ByteView answer) {
  std::size_t end = kHeaderSize;
  (void)Name::read(query, end).value();
  end += 4;
  std::vector<std::uint8_t> bytes(query.begin(), query.begin() + static_cast<std::ptrdiff_t>(end));
  if (answer.size() > kHeaderSize) {
    std::copy(answer.begin() + 2, answer.begin() + kHeaderSize, bytes.begin() + 2);
    bytes.insert(bytes.end(), answer.begin() + kHeaderSize, answer.end());
  }
  bytes[2] = static_cast<std::uint8_t>((bytes[2] | 0x80U) & 0x87U);
  bytes[4] = 0;
  bytes[5] = 1;
  return bytes;
}

void feed(Server& server, ByteView answer, Instant now) {
  // A question may be asked again over TCP or without EDNS, but not for ever.
  for (int round = 0; round < 20; ++round) {
    const auto queries = server.take_upstream_queries();
    if (queries.empty()) return;
    for (const UpstreamQuery& query : queries) {
      require(Message::parse(query.bytes).has_value());
      server.on_upstream(query.handle, answer, now);
      server.on_upstream(query.handle, made_to_fit(query.bytes, answer), now);
    }
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input{data, size};
  const auto split = std::find(input.begin(), input.end(), 0xff);
  const ByteView query = input.first(static_cast<std::size_t>(split - input.begin()));
  const ByteView answer = input.subspan(std::min(size, query.size() + 1));

  Random random{1};
  Server server{{}, [&random] { return random.next(); }};
  server.set_upstreams({{Ipv4Address{9, 9, 9, 9}}, {Ipv4Address{9, 9, 9, 8}}});
  const std::array<IpAddress, 1> address{Ipv4Address{192, 168, 1, 2}};
  (void)server.local().set_host("alice", address);
  (void)server.local().put({.name = Name::parse("*.a.test").value(), .cname = Name::parse("out.example").value()});

  std::vector<std::uint8_t> out(kMaxMessageSize);
  for (const double second : {0.0, 1.0}) {
    const Instant now = Instant{} + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{second});
    for (const Transport transport : {Transport::udp, Transport::tcp}) {
      const std::size_t limit = transport == Transport::udp ? kDefaultUdpPayload : kMaxMessageSize;
      const ByteView reply = server.handle(query, {}, transport, now, out);
      if (!reply.empty()) check_reply(reply, limit);
    }
    feed(server, answer, now);
    for (const Reply& reply : server.take_replies()) check_reply(reply.bytes, kMaxMessageSize);
  }
  for (int second = 2; second < 20; ++second) server.expire(Instant{} + std::chrono::seconds{second});
  require(server.waiting() == 0 && server.next_deadline() == kNever);
  return 0;
}
