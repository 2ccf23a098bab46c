// A model of the guest's TCP for the property tests: an active opener with its own idea of time.
//
// It is written apart from the server's code and as differently as is sensible: it repeats everything from its first
// unacknowledged byte at a fixed interval, keeps segments that arrive early, and reads at its own pace from a small
// buffer, so that its window closes now and then. It sends a text, then its FIN, and reads to the server's FIN.
#pragma once

#include <map>

#include "tests/network/tcp_bench.hpp"

namespace vnet::network::test {

class ModelGuest {
 public:
  struct Plan {
    std::string text;  ///< what to send
    std::uint32_t isn = 0;
    std::uint16_t mss = 1460;
    std::size_t buffer = 8192;  ///< bytes that it keeps unread
    Duration repeat = 700ms;
    Duration pause = 3ms;  ///< between two reads of its application
  };
  using Send = std::function<void(const TcpHeader&, ByteView)>;

  ModelGuest(Plan plan, Send send) : plan_(std::move(plan)), send_(std::move(send)) {}

  void start(Instant now) { repeat_all(now); }

  void receive(const TcpSegment& segment, Instant now) {
    if (segment.has(kRst)) {
      reset = true;
      return;
    }
    if (segment.has(kSyn)) {
      if (!server_isn_) {
        server_isn_ = segment.sequence();
        server_window_ = segment.window();
        acked_ = 0;
      }
      return acknowledge(now);
    }
    if (!server_isn_) return;
    hear_acknowledgment(segment, now);
    const std::uint64_t at = offset(segment.sequence() - *server_isn_ - 1);
    const std::string_view data = as_text(segment.payload());
    if (!data.empty() && at + data.size() <= received.size() + window())
      early_[at] = std::max(early_[at], std::string{data});
    if (segment.has(kFin)) fin_at_ = at + data.size();
    take_in();
    if (!data.empty() || segment.has(kFin)) acknowledge(now);
  }

  [[nodiscard]] Instant next_deadline() const { return std::min(repeat_at_, read_at_); }
  void expire(Instant now) {
    if (now >= read_at_) {
      read_at_ = kNever;
      const bool was_closed = window() < plan_.mss;
      unread_ -= std::min<std::size_t>(unread_, 3000);
      if (unread_ > 0) read_at_ = now + plan_.pause;
      if (was_closed && window() >= plan_.mss) acknowledge(now);
    }
    if (now >= repeat_at_) repeat_all(now);
  }

  /// Both directions have ended and the guest owes nothing.
  [[nodiscard]] bool done() const { return ended && acked_ > plan_.text.size(); }

  std::string received;
  bool ended = false;  ///< the server's FIN has been taken, after all its data
  bool reset = false;

 private:
  [[nodiscard]] std::size_t window() const { return plan_.buffer - std::min(plan_.buffer, unread_); }
  /// Positions in the server's stream are below 2^31 here, so one wrap is resolved by nearness.
  [[nodiscard]] static std::uint64_t offset(std::uint32_t distance) { return distance; }

  void hear_acknowledgment(const TcpSegment& segment, Instant now) {
    const std::uint32_t acked = segment.acknowledgment() - plan_.isn - 1;
    if (acked > plan_.text.size() + 1) return;
    if (acked > acked_) {
      acked_ = acked;
      next_ = std::max(next_, acked_);
    }
    if (acked == acked_) server_window_ = segment.window();
    send_new(now);
    repeat_at_ = acked_ > plan_.text.size() ? kNever : std::max(repeat_at_, now + plan_.repeat / 4);
  }

  void take_in() {
    for (auto at = early_.begin(); at != early_.end() && at->first <= received.size(); at = early_.erase(at)) {
      const std::size_t seen = received.size() - at->first;
      if (seen >= at->second.size()) continue;
      received += at->second.substr(seen);
      unread_ += at->second.size() - seen;
    }
    if (unread_ > 0 && read_at_ == kNever) read_at_ = now_ + plan_.pause;
    if (fin_at_ && *fin_at_ == received.size()) ended = true;
  }

  void repeat_all(Instant now) {
    now_ = now;
    repeat_at_ = now + plan_.repeat;
    if (!server_isn_) return send_({plan_.isn, 0, kSyn, static_cast<std::uint16_t>(window()), plan_.mss}, {});
    next_ = acked_;
    // One segment regardless of the window, which serves as its probe.
    if (acked_ < plan_.text.size())
      send_piece(std::max<std::size_t>(std::min<std::size_t>(server_window_, plan_.mss), 1));
    send_new(now);
    if (acked_ > plan_.text.size()) repeat_at_ = kNever;
  }

  void send_new(Instant now) {
    now_ = now;
    while (next_ < plan_.text.size() && next_ - acked_ < server_window_) {
      send_piece(std::min<std::size_t>(plan_.mss, server_window_ - (next_ - acked_)));
    }
    if (next_ == plan_.text.size()) {
      emit(next_, kAck | kFin, {});
      ++next_;
    }
  }

  void send_piece(std::size_t limit) {
    const std::string piece = plan_.text.substr(next_, limit);
    emit(next_, kAck | kPsh, piece);
    next_ += static_cast<std::uint32_t>(piece.size());
  }

  void acknowledge(Instant now) {
    now_ = now;
    emit(next_, kAck, {});
    if (next_ == 0) send_new(now);
  }

  void emit(std::uint32_t at, std::uint8_t flags, std::string_view data) {
    const auto ack = static_cast<std::uint32_t>(*server_isn_ + 1 + received.size() + (ended ? 1 : 0));
    send_({plan_.isn + 1 + at, ack, flags, static_cast<std::uint16_t>(window()), 0}, as_bytes(data));
  }

  Plan plan_;
  Send send_;
  Instant now_{};
  std::optional<std::uint32_t> server_isn_;
  std::uint32_t acked_ = 0;  ///< positions in `text`; one past its end is the FIN
  std::uint32_t next_ = 0;
  std::size_t server_window_ = 0;
  std::size_t unread_ = 0;
  std::map<std::uint64_t, std::string> early_;
  std::optional<std::uint64_t> fin_at_;
  Instant repeat_at_ = kNever;
  Instant read_at_ = kNever;
};

}  // namespace vnet::network::test
