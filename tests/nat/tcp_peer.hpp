// A model of the guest's TCP for whole-network tests: it opens a connection or waits for one, with selective
// acknowledgment, window scaling, delayed acknowledgments, a receive buffer that its program empties in a rhythm, and
// recovery of its own.
//
// It is written apart from nat/ and differently: it counts in 64-bit positions of either stream, keeps what comes early
// in a map of strings, and repeats by one pointer that walks over the holes. It watches the other side: data beyond the
// window, acknowledgments of what was never sent, a window that shrinks, and SACK blocks of what was never sent are in
// `violation`.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "packet/tcp.hpp"
#include "packet/time.hpp"
#include "packet/transport.hpp"

namespace vnet::nat::test {

struct PeerPlan {
  std::uint32_t isn = 0;
  bool listens = false;
  std::uint16_t mss = 1460;
  std::optional<std::uint8_t> scale = std::uint8_t{7};
  bool sack = true;
  std::size_t buffer = 65'535;
  std::size_t read_bytes = SIZE_MAX;  ///< its program takes so many ...
  Duration read_every{};              ///< ... so often; zero: all at once
  std::size_t flight = 64 * 1024;     ///< its congestion window, which never changes
  std::string_view text;              ///< what it sends; outlives the peer
  bool ends_last = false;             ///< it waits for the other side's end with its own
  bool probes_with_data = false;      ///< a closed window, as BSD does; else with an old number, as Linux does
  Duration delay = std::chrono::milliseconds{40};  ///< of acknowledgments
};

class TcpPeer {
 public:
  using Send = std::function<void(const TcpHeader&, ByteView)>;
  static constexpr Duration kTimeout = std::chrono::milliseconds{300};
  static constexpr Duration kMaxTimeout = std::chrono::seconds{3};

  TcpPeer(const PeerPlan& plan, Send send) : plan_(plan), send_(std::move(send)) {}

  void start(Instant now) {
    if (plan_.listens) return;
    send_syn();
    repeat_at_ = now + timeout_;
  }

  void receive(const TcpSegment& segment, Instant now) {
    now_ = now;
    if (segment.has(TcpSegment::kRst)) {
      if (done()) return;
      // It waits for the acknowledgment of its FIN only, and the other side has left TIME-WAIT: nothing is lost.
      late_reset = ended && next_ > plan_.text.size();
      reset = !late_reset;
      if (late_reset) una_ = next_;
      repeat_at_ = ack_at_ = read_at_ = kNever;
      return;
    }
    if (segment.has(TcpSegment::kSyn)) return take_syn(segment);
    if (!their_isn_ || !segment.has(TcpSegment::kAck)) return;
    if (!open_) {
      if (segment.acknowledgment() != plan_.isn + 1) return;
      get_open();
    }
    hear_acknowledgment(segment);
    take_data(segment);
    push();
    if (ack_now_) acknowledge();
  }

  [[nodiscard]] Instant next_deadline() const { return std::min({repeat_at_, ack_at_, read_at_}); }
  void expire(Instant now) {
    now_ = now;
    if (now >= read_at_) read();
    if (now >= ack_at_) acknowledge();
    if (now < repeat_at_) return;
    repeat_at_ = kNever;
    timeout_ = std::min(2 * timeout_, kMaxTimeout);
    if (!open_) {
      send_syn();
      repeat_at_ = now + timeout_;
    } else if (una_ == next_) {
      probe();
    } else {
      ++timeouts;
      resend_at_ = una_;
      resend_end_ = next_;
      sacked_.clear();
      duplicate_acks_ = 0;
    }
    push();
  }

  /// Both directions have ended, and the guest knows it.
  [[nodiscard]] bool done() const { return ended && una_ == plan_.text.size() + 1; }
  [[nodiscard]] std::uint64_t acked() const { return una_; }

  std::string received;
  bool ended = false;  ///< the other side's FIN has come, after all its data
  bool reset = false;
  bool late_reset = false;
  std::string violation;
  std::size_t resent = 0;  ///< segments
  std::size_t timeouts = 0;
  std::size_t duplicates = 0;  ///< segments that brought nothing new
  std::size_t segments = 0;    ///< with data that came
  std::size_t bare = 0;        ///< acknowledgments without data that came

 private:
  using Ranges = std::map<std::uint64_t, std::uint64_t>;

  void require(bool condition, const char* what) {
    if (!condition && violation.empty()) violation = what;
  }
  /// A sequence number as a position, near to one that is known.
  static std::uint64_t position(std::uint32_t number, std::uint32_t first, std::uint64_t near) {
    const auto distance = static_cast<std::int32_t>(number - (first + static_cast<std::uint32_t>(near)));
    return near + static_cast<std::uint64_t>(std::int64_t{distance});
  }

  // --- What comes ---

  void take_syn(const TcpSegment& syn) {
    if (open_) return acknowledge();
    if (their_isn_) return send_syn();
    if (plan_.listens) {
      require(!syn.has(TcpSegment::kAck), "a SYN/ACK for nobody");
    } else {
      require(syn.has(TcpSegment::kAck) && syn.acknowledgment() == plan_.isn + 1, "a wrong SYN/ACK");
    }
    their_isn_ = syn.sequence();
    const TcpOptions options = TcpOptions::parse(syn.options());
    require(plan_.listens || !options.window_scale || plan_.scale, "scaling that was not offered");
    require(plan_.listens || !options.sack_permitted || plan_.sack, "SACK that was not offered");
    scaled_ = options.window_scale && plan_.scale;
    their_scale_ = scaled_ ? *options.window_scale : std::uint8_t{0};
    selective_ = options.sack_permitted && plan_.sack;
    mss_ = std::min<std::size_t>(options.mss.value_or(536), plan_.mss);
    window_edge_ = syn.window();
    if (plan_.listens) {
      send_syn();
      repeat_at_ = now_ + timeout_;
      return;
    }
    get_open();
    ack_now_ = true;
    push();
    if (ack_now_) acknowledge();
  }
  void get_open() {
    open_ = true;
    repeat_at_ = kNever;
    timeout_ = kTimeout;
  }

  void hear_acknowledgment(const TcpSegment& segment) {
    const std::uint64_t acked = position(segment.acknowledgment(), plan_.isn + 1, una_);
    require(acked <= next_ || acked + 0x4000'0000U < next_, "acknowledged what was never sent");
    if (acked < una_ || acked > next_) return;
    const std::uint64_t edge = acked + (std::uint64_t{segment.window()} << their_scale_);
    require(edge + (1U << their_scale_) > window_edge_ || acked == una_, "a window that shrinks");
    const bool repeats = acked == una_ && edge == window_edge_ && segment.payload().empty() &&
                         !segment.has(TcpSegment::kFin) && una_ != next_;
    window_edge_ = std::max(window_edge_, edge);
    if (segment.payload().empty()) ++bare;
    hear_blocks(segment);
    if (acked > una_) {
      una_ = acked;
      duplicate_acks_ = 0;
      timeout_ = kTimeout;
      while (!sacked_.empty() && sacked_.begin()->second <= una_) sacked_.erase(sacked_.begin());
      resend_at_ = std::max(resend_at_, una_);
      if (!selective_ && una_ < recover_) resend_end_ = std::max(resend_end_, std::min(una_ + mss_, next_));
      repeat_at_ = una_ == next_ ? kNever : now_ + timeout_;
    } else if (repeats) {
      ++duplicate_acks_;
    }
    const std::uint64_t sure = selective_ ? surely_lost_below() : duplicate_acks_ == 3 ? una_ + mss_ : 0;
    if (una_ >= recover_ && sure > una_) {
      recover_ = next_;
      resend_at_ = una_;
    }
    if (una_ < recover_) resend_end_ = std::max(resend_end_, std::min(sure, next_));
  }

  void hear_blocks(const TcpSegment& segment) {
    const TcpOptions options = TcpOptions::parse(segment.options());
    require(options.sack_count == 0 || selective_, "SACK blocks without agreement");
    for (std::size_t i = 0; i < options.sack_count; ++i) {
      std::uint64_t begin = position(options.sack[i].begin, plan_.isn + 1, una_);
      std::uint64_t end = position(options.sack[i].end, plan_.isn + 1, una_);
      if (end <= una_) continue;
      require(begin < end && end <= next_, "a SACK block of what was never sent");
      auto at = sacked_.lower_bound(begin);
      if (at != sacked_.begin() && std::prev(at)->second >= begin) --at;
      while (at != sacked_.end() && at->first <= end) {
        begin = std::min(begin, at->first);
        end = std::max(end, at->second);
        at = sacked_.erase(at);
      }
      sacked_[begin] = end;
    }
  }
  [[nodiscard]] std::uint64_t surely_lost_below() const {
    std::uint64_t above = 0;
    for (auto at = sacked_.rbegin(); at != sacked_.rend(); ++at) {
      above += at->second - at->first;
      if (above >= 3 * mss_) return at->first;
    }
    return 0;
  }

  void take_data(const TcpSegment& segment) {
    const std::string_view data = as_text(segment.payload());
    const bool fin = segment.has(TcpSegment::kFin);
    const std::uint64_t at = position(segment.sequence(), *their_isn_ + 1, come_);
    if (data.empty() && !fin) {
      if (at < come_) ack_now_ = true;  // a keep-alive
      return;
    }
    const std::uint64_t end = at + data.size();
    require(end <= promised_ || end <= come_, "data beyond the window");
    if (!data.empty()) ++segments;
    if (end < come_ + (fin && !ended ? 0 : 1)) {
      ++duplicates;
      ack_now_ = true;
      return;
    }
    if (fin) {
      require(!fin_at_ || *fin_at_ == end, "two ends");
      fin_at_ = end;
    }
    const bool had_holes = !early_.empty();
    if (!data.empty()) {
      std::string& kept = early_[at];
      if (kept.size() < data.size()) kept = data;
      latest_ = at;
    }
    while (!early_.empty() && early_.begin()->first <= come_) {
      const auto& [begin, bytes] = *early_.begin();
      if (begin + bytes.size() > come_) {
        const std::size_t seen = come_ - begin;
        received.append(bytes, seen);
        unread_ += bytes.size() - seen;
        owed_ += bytes.size() - seen;
        come_ = begin + bytes.size();
      }
      early_.erase(early_.begin());
    }
    if (fin_at_ && come_ == *fin_at_ && !ended) {
      ended = ack_now_ = true;
      ++come_;
    }
    if (had_holes || !early_.empty() || owed_ >= 2 * std::size_t{plan_.mss}) ack_now_ = true;
    if (!ack_now_ && ack_at_ == kNever) ack_at_ = now_ + plan_.delay;
    if (plan_.read_every == Duration::zero()) {
      unread_ = 0;
    } else if (read_at_ == kNever && unread_ > 0) {
      read_at_ = now_ + plan_.read_every;
    }
  }

  void read() {
    const std::size_t before = window();
    unread_ -= std::min(unread_, plan_.read_bytes);
    read_at_ = unread_ > 0 ? now_ + plan_.read_every : kNever;
    const std::size_t worth = std::min<std::size_t>(2 * std::size_t{plan_.mss}, plan_.buffer / 2);
    if (before < worth && window() >= worth) acknowledge();
  }

  // --- What goes ---

  void push() {
    if (!open_) return;
    resend_holes();
    const bool may_end = !plan_.ends_last || ended;
    while (next_ < plan_.text.size() && next_ - una_ < plan_.flight) {
      const std::uint64_t room = window_edge_ > next_ ? window_edge_ - next_ : 0;
      const std::size_t size = std::min<std::size_t>({mss_, plan_.text.size() - next_, room});
      if (size == 0 || (size < mss_ && next_ + size < plan_.text.size() && next_ != una_)) break;
      emit(next_, size, may_end && next_ + size == plan_.text.size());
    }
    if (next_ == plan_.text.size() && may_end) emit(next_, 0, true);
    const bool waits = una_ != next_ || next_ < plan_.text.size();
    if (waits && repeat_at_ == kNever) repeat_at_ = now_ + timeout_;
  }

  void resend_holes() {
    std::size_t allowed = plan_.flight / 2 + mss_;
    while (resend_at_ < std::min(resend_end_, next_) && allowed >= mss_) {
      auto above = sacked_.upper_bound(resend_at_);
      if (above != sacked_.begin() && std::prev(above)->second > resend_at_) {
        resend_at_ = std::prev(above)->second;
        continue;
      }
      const std::uint64_t limit = std::min({next_, resend_end_, above == sacked_.end() ? next_ : above->first});
      const bool fin = limit == plan_.text.size() + 1;
      const std::size_t size = std::min<std::size_t>(mss_, limit - resend_at_ - (fin ? 1 : 0));
      const bool with_fin = fin && resend_at_ + size == plan_.text.size();
      ++resent;
      const std::uint64_t at = resend_at_;
      resend_at_ += size + (with_fin ? 1 : 0);
      emit(at, size, with_fin);
      allowed -= std::min(allowed, mss_);
      repeat_at_ = now_ + timeout_;
    }
  }

  void probe() {
    if (next_ >= plan_.text.size()) return;
    if (plan_.probes_with_data) {
      emit(next_, 1, false);
    } else {
      TcpHeader header = fields(TcpSegment::kAck);
      header.sequence = plan_.isn + static_cast<std::uint32_t>(una_);
      send_(header, {});
    }
    repeat_at_ = now_ + timeout_;
  }

  void emit(std::uint64_t at, std::size_t size, bool fin) {
    TcpHeader header = fields(static_cast<std::uint8_t>(TcpSegment::kAck | (fin ? TcpSegment::kFin : 0)));
    header.sequence = plan_.isn + 1 + static_cast<std::uint32_t>(at);
    next_ = std::max(next_, at + size + (fin ? 1 : 0));
    if (!early_.empty()) ack_now_ = true;  // the blocks go alone, because they would not fit
    send_(header, as_bytes(plan_.text.substr(static_cast<std::size_t>(at), size)));
  }

  void acknowledge() {
    TcpHeader header = fields(TcpSegment::kAck);
    header.sequence = plan_.isn + 1 + static_cast<std::uint32_t>(next_);
    const std::vector<SequenceRange> blocks = selective_ ? make_blocks() : std::vector<SequenceRange>{};
    header.sack = blocks;
    send_(header, {});
  }
  [[nodiscard]] std::vector<SequenceRange> make_blocks() const {
    std::vector<SequenceRange> blocks;
    Ranges merged;
    for (const auto& [at, bytes] : early_) {
      if (!merged.empty() && merged.rbegin()->second >= at) {
        merged.rbegin()->second = std::max(merged.rbegin()->second, at + bytes.size());
      } else {
        merged[at] = at + bytes.size();
      }
    }
    for (const auto& [begin, end] : merged) {
      const auto number = [&](std::uint64_t of) { return *their_isn_ + 1 + static_cast<std::uint32_t>(of); };
      const SequenceRange block{number(begin), number(end)};
      blocks.insert(begin <= latest_ && latest_ < end ? blocks.begin() : blocks.end(), block);
    }
    if (blocks.size() > kMaxSackBlocks) blocks.resize(kMaxSackBlocks);
    return blocks;
  }

  [[nodiscard]] std::size_t window() const { return plan_.buffer - std::min(plan_.buffer, unread_); }
  /// With every segment goes an acknowledgment.
  TcpHeader fields(std::uint8_t flags) {
    const std::uint64_t edge = std::max(come_ + window(), edge_);
    const unsigned shift = scaled_ ? *plan_.scale : 0;
    const std::uint64_t field = std::min<std::uint64_t>((edge - std::min(edge, come_)) >> shift, 0xffff);
    edge_ = come_ + (field << shift);
    promised_ = std::max(promised_, edge_);
    ack_now_ = false;
    ack_at_ = kNever;
    owed_ = 0;
    TcpHeader header;
    header.flags = flags;
    header.acknowledgment = *their_isn_ + 1 + static_cast<std::uint32_t>(come_);
    header.window = static_cast<std::uint16_t>(field);
    return header;
  }
  void send_syn() {
    TcpHeader syn;
    syn.sequence = plan_.isn;
    syn.flags = TcpSegment::kSyn;
    syn.window = static_cast<std::uint16_t>(std::min<std::size_t>(plan_.buffer, 0xffff));
    promised_ = edge_ = syn.window;
    syn.mss = plan_.mss;
    syn.window_scale = plan_.scale;
    syn.sack_permitted = plan_.sack;
    if (their_isn_) {
      syn.flags |= TcpSegment::kAck;
      syn.acknowledgment = *their_isn_ + 1;
      if (!scaled_) syn.window_scale.reset();
      syn.sack_permitted = selective_;
    }
    send_(syn, {});
  }

  PeerPlan plan_;
  Send send_;
  Instant now_{};
  std::size_t mss_ = 536;
  bool open_ = false;
  bool scaled_ = false;
  bool selective_ = false;
  std::uint8_t their_scale_ = 0;
  std::optional<std::uint32_t> their_isn_;

  // Toward the other side, in positions of `text`; one behind its end is the FIN.
  std::uint64_t una_ = 0;
  std::uint64_t next_ = 0;
  std::uint64_t window_edge_ = 0;
  std::uint64_t recover_ = 0;
  std::uint64_t resend_at_ = 0;
  std::uint64_t resend_end_ = 0;
  Ranges sacked_;
  int duplicate_acks_ = 0;
  Duration timeout_ = kTimeout;
  Instant repeat_at_ = kNever;

  // From the other side, in positions of its stream.
  std::uint64_t come_ = 0;
  std::uint64_t edge_ = 0;
  std::uint64_t promised_ = 0;
  std::uint64_t latest_ = 0;
  std::map<std::uint64_t, std::string> early_;
  std::optional<std::uint64_t> fin_at_;
  std::size_t unread_ = 0;
  std::size_t owed_ = 0;
  bool ack_now_ = false;
  Instant ack_at_ = kNever;
  Instant read_at_ = kNever;
};

}  // namespace vnet::nat::test
