// FragmentQueue: packets larger than the MTU, on their way to the guests in fragments.
//
// One datagram can be more frames than a port's queue takes (64 KiB are 45 frames of 1,500 bytes, and 119 of 576), so
// to ask for room for all of them first would let it wait for ever. Each fragment goes when there is room for it, and
// the rest of the packet waits here. While something waits for a guest, its flows receive no more (`waits`): further
// datagrams stay in the host's sockets, and what waits here is at most what one batch of a socket brought. The whole is
// bounded as well, so that guests who take nothing cannot hold memory without end; what is beyond the limit is lost, as
// in any router.
//
// A guest's packets go in their order, of whatever flow and size: a small one behind a large one waits, too.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "nat/fragment.hpp"
#include "nat/guest_wire.hpp"

namespace vnet::nat {

class FragmentQueue {
 public:
  /// Of all guests: two full batches of a socket of the host's.
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20U;

  /// `wire` outlives this; `key` is secret.
  FragmentQueue(GuestWire& wire, const SipHashKey& key) noexcept : wire_(wire), identifications_(key) {}

  /// Sends what there is room for. `packet` lies in `storage`. False: it, or the rest of it, is lost.
  bool send(const MacAddress& guest, std::vector<std::uint8_t> storage, ByteView packet, std::size_t mtu);
  /// Sends what there is room for now.
  void flush(std::size_t mtu);
  /// Whether something waits for the guest.
  [[nodiscard]] bool waits(const MacAddress& guest) const noexcept { return waiting_.contains(guest); }
  /// Whether `flush` would send something.
  [[nodiscard]] bool can_flush(std::size_t mtu) const;
  void forget(const MacAddress& guest);
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Waiting {
    std::vector<std::uint8_t> storage;
    ByteView packet;
    std::uint32_t identification = 0;
    std::size_t offset = 0;  ///< of what has not gone
  };
  using Packets = std::deque<Waiting>;

  void flush(const MacAddress& guest, Packets& packets, std::size_t mtu);

  GuestWire& wire_;
  Identifications identifications_;
  std::unordered_map<MacAddress, Packets> waiting_;  ///< nobody's is empty
  std::size_t bytes_ = 0;
};

}  // namespace vnet::nat
