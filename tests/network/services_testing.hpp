// What the tests of services share: an output that keeps what it is given, and bytes written as hex.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "network/services/datagram_service.hpp"
#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {

using Bytes = std::vector<std::uint8_t>;

inline const nat::Endpoint kGuest{Ipv4Address{203, 0, 113, 7}, 40'000};

inline Bytes from_hex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

inline std::string text_of(ByteView bytes) { return std::string{as_text(bytes)}; }

struct Sent {
  nat::Endpoint from;
  nat::Endpoint to;
  Bytes payload;
};

class SentDatagrams : public ServiceOutput {
 public:
  void send(const ServiceDatagram& datagram) override {
    sent.push_back({datagram.from, datagram.to, {datagram.payload.begin(), datagram.payload.end()}});
  }
  /// The next one, of which there is at least one.
  Sent take() {
    EXPECT_FALSE(sent.empty()) << "nothing was sent";
    if (sent.empty()) return {};
    Sent next = sent.front();
    sent.pop_front();
    return next;
  }

  std::deque<Sent> sent;
};

/// A guest's end of one connection to a handler at `port`, all acknowledged as it comes.
class StreamGuest {
 public:
  StreamGuest(Bench& bench, std::uint16_t port) : bench_(bench) {
    bench_.flow.local_port = port;
    bench_.connect();
  }

  void say(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); at += kMss) {
      const std::string_view piece = text.substr(at, kMss);
      bench_.in({.seq = next_, .ack = acked_, .data = std::string{piece}});
      next_ += static_cast<std::uint32_t>(piece.size());
    }
  }
  void say(const Bytes& bytes) { say(as_text(bytes)); }
  void end() { bench_.in({.seq = next_++, .ack = acked_, .flags = kAck | kFin}); }
  /// All that has come since, acknowledged until no more comes.
  std::string hear() {
    std::string text;
    while (!bench_.out.empty()) {
      const std::uint32_t before = acked_;
      while (!bench_.out.empty()) {
        const Line line = bench_.take();
        const bool fin = (line.flags & kFin) != 0;
        text += line.data;
        acked_ += static_cast<std::uint32_t>(line.data.size()) + (fin && !closed_ ? 1 : 0);
        closed_ = closed_ || fin;
        reset_ = reset_ || (line.flags & kRst) != 0;
      }
      if (acked_ != before) bench_.in({.seq = next_, .ack = acked_});
    }
    return text;
  }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] bool reset() const noexcept { return reset_; }

 private:
  static constexpr std::size_t kMss = 1400;

  Bench& bench_;
  std::uint32_t next_ = 1;
  std::uint32_t acked_ = 1;
  bool closed_ = false;
  bool reset_ = false;
};

}  // namespace vnet::network::test
