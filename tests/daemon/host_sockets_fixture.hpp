// SystemSockets under test: its loop, a listener that keeps what it hears, and the loopback to talk to.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/host_sockets.hpp"
#include "tests/support/loopback_server.hpp"
#include "tests/support/poll_loop.hpp"

namespace vnet::daemon {

using nat::FlowId;
using nat::HostError;
using nat::HostEvents;
using test::LoopbackServer;
using test::receive;
using test::transmit;

class HostSocketsFixture : public testing::Test, public HostListener {
 protected:
  explicit HostSocketsFixture(PeekOffset has = probe_peek_offset()) : sockets_(loop_, *this, 4096, has) {
    spdlog::set_level(spdlog::level::warn);  // what is told at every start would hide what a test says
  }

  void on_host(FlowId flow, HostEvents events) override {
    ++told_;
    Heard& heard = heard_[flow];
    heard.readable += events.readable ? 1 : 0;
    heard.writable += events.writable ? 1 : 0;
    heard.failed += events.failed ? 1 : 0;
    if (then_) then_(flow);
  }
  void on_host_batch_end() override { batches_.push_back(std::exchange(told_, 0)); }

  struct Heard {
    int readable = 0;
    int writable = 0;
    int failed = 0;
  };
  /// Waits for one more event of a kind.
  bool hears(FlowId flow, int Heard::*kind) {
    const int before = heard_[flow].*kind;
    return loop_.run_until([&] { return heard_[flow].*kind > before; });
  }
  [[nodiscard]] FlowId next_flow() { return FlowId{++last_flow_}; }

  test::PollLoop loop_;
  SystemSockets sockets_;
  std::map<FlowId, Heard> heard_;
  std::vector<std::size_t> batches_;  ///< events told in each
  std::size_t told_ = 0;
  std::function<void(FlowId)> then_;
  std::uint64_t last_flow_ = 0;
};

/// A flow's connection, with the far end in hand.
struct Call {
  FlowId flow{};
  std::unique_ptr<nat::TcpSocket> socket;
  dgram::Fd far;

  [[nodiscard]] std::size_t send(std::string_view text) const {
    const ByteView piece = as_bytes(text);
    const auto sent = socket->send({&piece, 1});
    EXPECT_TRUE(sent.has_value());
    return sent.value_or(0);
  }
  /// What there is from `offset` on, at most `size` bytes of it, then '.' when there is no more now and '$' at the end;
  /// "!" and the error where there is one.
  [[nodiscard]] std::string peek(std::size_t offset, std::size_t size) const {
    std::vector<std::uint8_t> bytes(size);
    const ByteSpan room{bytes};
    const auto got = socket->peek(offset, {&room, 1});
    if (!got) return "!" + std::string{to_string(got.error())};
    std::string text{as_text(ByteView{bytes}.first(got->bytes))};
    return text + (got->ended ? "$" : got->drained ? "." : "");
  }
};

}  // namespace vnet::daemon
