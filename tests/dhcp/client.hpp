// A DHCP client for tests. It makes its messages byte by byte, so that the code under test does not check itself, and
// keeps a server with a clock of its own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dhcp/message.hpp"
#include "dhcp/server.hpp"

namespace vnet::dhcp::test {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

inline constexpr Instant kStart{1000s};

inline MacAddress mac(std::uint64_t n) { return MacAddress::from_u64(0x52cccccc0000U + n); }
inline Ipv4Address ip(std::string_view text) { return Ipv4Address::parse(text).value(); }

/// 192.168.1.1/24 with the range .100 to .199 and every parameter but routes.
inline ServerConfig home() {
  ServerConfig config;
  config.gateway = {Ipv4Address{192, 168, 1, 1}, 24};
  config.range_first = Ipv4Address{192, 168, 1, 100};
  config.range_last = Ipv4Address{192, 168, 1, 199};
  config.router = Ipv4Address{192, 168, 1, 1};
  config.dns_servers = {Ipv4Address{192, 168, 1, 1}};
  config.domain = "vnet";
  config.mtu = 1500;
  return config;
}

/// One message to send; set what matters and take `bytes()`.
struct Packet {
  MacAddress chaddr = mac(1);
  std::uint8_t op = 1;
  std::uint8_t htype = 1;
  std::uint8_t hlen = 6;
  std::uint32_t xid = 0x3903f326;
  std::uint16_t flags = 0;
  Ipv4Address ciaddr;
  Ipv4Address giaddr;
  Bytes options;  ///< without END

  Packet& option(std::uint8_t code, const Bytes& value) {
    options.push_back(code);
    options.push_back(static_cast<std::uint8_t>(value.size()));
    options.insert(options.end(), value.begin(), value.end());
    return *this;
  }
  Packet& option(std::uint8_t code, std::string_view value) { return option(code, Bytes(value.begin(), value.end())); }
  Packet& option(std::uint8_t code, Ipv4Address value) { return option(code, be32(value.to_u32())); }
  Packet& seconds(std::uint8_t code, std::uint32_t value) { return option(code, be32(value)); }

  [[nodiscard]] Bytes bytes() const {
    Bytes out = {op, htype, hlen, 0};
    const auto append = [&out](const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); };
    append(be32(xid));
    append({0, 0, static_cast<std::uint8_t>(flags >> 8U), static_cast<std::uint8_t>(flags)});
    append(be32(ciaddr.to_u32()));
    append(Bytes(8, 0));  // yiaddr, siaddr
    append(be32(giaddr.to_u32()));
    append(Bytes(chaddr.octets().begin(), chaddr.octets().end()));
    append(Bytes(10 + 64 + 128, 0));  // the rest of chaddr, sname, file
    append({0x63, 0x82, 0x53, 0x63});
    append(options);
    out.push_back(255);
    return out;
  }

  static Bytes be32(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 24U), static_cast<std::uint8_t>(value >> 16U),
            static_cast<std::uint8_t>(value >> 8U), static_cast<std::uint8_t>(value)};
  }
};

inline Packet message(MessageType type, const MacAddress& chaddr = mac(1)) {
  Packet packet;
  packet.chaddr = chaddr;
  packet.option(53, Bytes{static_cast<std::uint8_t>(type)});
  return packet;
}
inline Packet discover(const MacAddress& chaddr = mac(1)) { return message(MessageType::discover, chaddr); }
inline Packet selecting(const MacAddress& chaddr, Ipv4Address requested, Ipv4Address server = {192, 168, 1, 1}) {
  return message(MessageType::request, chaddr).option(50, requested).option(54, server);
}
inline Packet init_reboot(const MacAddress& chaddr, Ipv4Address requested) {
  return message(MessageType::request, chaddr).option(50, requested);
}
inline Packet renewing(const MacAddress& chaddr, Ipv4Address ciaddr) {
  Packet packet = message(MessageType::request, chaddr);
  packet.ciaddr = ciaddr;
  return packet;
}
inline Packet release(const MacAddress& chaddr, Ipv4Address ciaddr, Ipv4Address server = {192, 168, 1, 1}) {
  Packet packet = message(MessageType::release, chaddr);
  packet.ciaddr = ciaddr;
  return packet.option(54, server);
}
inline Packet decline(const MacAddress& chaddr, Ipv4Address ip, Ipv4Address server = {192, 168, 1, 1}) {
  return message(MessageType::decline, chaddr).option(50, ip).option(54, server);
}

/// What came back, with the message that the reply holds.
struct Answer {
  std::optional<Refusal> refusal;
  std::optional<Reply> reply;
  Bytes bytes;
  std::optional<Message> message;  ///< borrows from `bytes`

  [[nodiscard]] bool is(MessageType type) const { return reply && reply->type == type; }
  [[nodiscard]] bool is_silent_for(Refusal why) const { return !reply && refusal == why; }
  [[nodiscard]] Ipv4Address yiaddr() const { return message ? message->header().yiaddr : Ipv4Address{}; }
  [[nodiscard]] std::optional<Bytes> option(std::uint8_t code) const {
    if (!message) return std::nullopt;
    const auto value = message->option(code);
    if (!value) return std::nullopt;
    return Bytes(value->begin(), value->end());
  }
  [[nodiscard]] std::uint32_t number(std::uint8_t code) const { return message ? message->be32(code).value_or(0) : 0; }
};

/// A server on virtual time.
struct Bench {
  explicit Bench(ServerConfig config = home()) : server(std::move(config)) {}

  /// The frame's source is chaddr unless told otherwise.
  Answer send(const Packet& packet, std::optional<MacAddress> source = {}, std::size_t room = 1472) {
    Answer answer;
    Bytes out(room, 0xa5);
    const auto result = server.handle(packet.bytes(), {source.value_or(packet.chaddr)}, now, out);
    if (!result) {
      answer.refusal = result.error();
    } else if (*result) {
      answer.reply = **result;
      EXPECT_LE(answer.reply->size, room);
      out.resize(answer.reply->size);
      answer.bytes = std::move(out);
      auto parsed = Message::parse(answer.bytes);
      EXPECT_TRUE(parsed) << "the reply is not a DHCP message";
      if (parsed) answer.message = *std::move(parsed);
    }
    return answer;
  }

  /// DISCOVER and REQUEST; the address, or 0.0.0.0.
  Ipv4Address lease(const MacAddress& chaddr, std::optional<Bytes> client_id = {}) {
    Packet first = discover(chaddr);
    if (client_id) first.option(61, *client_id);
    const Answer offer = send(first);
    if (!offer.is(MessageType::offer)) return {};
    Packet second = selecting(chaddr, offer.yiaddr());
    if (client_id) second.option(61, *client_id);
    const Answer ack = send(second);
    return ack.is(MessageType::ack) ? ack.yiaddr() : Ipv4Address{};
  }

  void pass(Duration time) {
    now += time;
    server.expire(now);
  }

  std::vector<std::string> events() {
    std::vector<std::string> texts;
    for (const LeaseEvent& event : server.events()) {
      texts.push_back(std::string(to_string(event.kind)) + " " + event.lease.ip.to_string());
    }
    server.clear_events();
    return texts;
  }

  Server server;
  Instant now = kStart;
};

}  // namespace vnet::dhcp::test
