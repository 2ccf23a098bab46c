// HeldSyns: SYNs from outside that nobody has asked for, until it is clear that nobody will.
//
// Two hosts behind two NATs may open a connection from both sides at once, and one SYN always comes before the other
// one has made way for it. An answer would end the attempt, so for six seconds there is none (RFC 5382, REQ-4). If a
// SYN for the same pair of endpoints goes out meanwhile, the one from outside is forgotten without a word: its sender
// repeats it, and then it passes. Otherwise its sender is told.
//
// There are kMax at most; further ones are never answered, which is what a scanner of ports deserves.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/bytes.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

class HeldSyns {
 public:
  static constexpr std::size_t kMax = 256;
  static constexpr std::size_t kBytes = 128;  ///< of a packet, for the quote: its headers
  static constexpr Duration kPatience = std::chrono::seconds{6};

  void hold(ByteView packet, const Endpoint& from, const Endpoint& to, Instant now) {
    if (size_ == kMax || find(from, to) != nullptr) return;
    if (ring_.empty()) ring_.resize(kMax);
    Held& held = at(size_++);
    held.from = from;
    held.to = to;
    held.since = now;
    held.wanted = false;
    held.size = static_cast<std::uint8_t>(std::min(packet.size(), kBytes));
    std::copy_n(packet.begin(), held.size, held.bytes.begin());
  }
  /// `to` has sent a SYN to `from`.
  void forget(const Endpoint& from, const Endpoint& to) noexcept {
    if (Held* const held = find(from, to)) held->wanted = true;
  }
  /// `tell` is asked to tell the sender; it gets the beginning of the packet.
  void expire(Instant now, const std::function<void(ByteView packet)>& tell) {
    while (size_ != 0 && at(0).since + kPatience <= now) {
      const Held held = at(0);
      first_ = (first_ + 1) % kMax;
      --size_;
      if (!held.wanted) tell(ByteView{held.bytes}.first(held.size));
    }
  }
  [[nodiscard]] Instant next_deadline() const noexcept { return size_ == 0 ? kNever : ring_[first_].since + kPatience; }
  void clear() noexcept { size_ = 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Held {
    Endpoint from;
    Endpoint to;
    Instant since{};
    bool wanted = false;  ///< from inside, too
    std::uint8_t size = 0;
    std::array<std::uint8_t, kBytes> bytes{};
  };
  [[nodiscard]] Held& at(std::size_t place) noexcept { return ring_[(first_ + place) % kMax]; }
  [[nodiscard]] Held* find(const Endpoint& from, const Endpoint& to) noexcept {
    for (std::size_t i = 0; i < size_; ++i) {
      if (Held& held = at(i); held.from == from && held.to == to && !held.wanted) return &held;
    }
    return nullptr;
  }

  std::vector<Held> ring_;  ///< the oldest at `first_`; none before the first SYN comes
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace vnet::nat
