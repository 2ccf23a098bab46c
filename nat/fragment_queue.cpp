#include "nat/fragment_queue.hpp"

#include <algorithm>
#include <utility>

namespace vnet::nat {
namespace {

bool is_ipv4(ByteView packet) noexcept { return packet[0] >> 4U == 4; }

}  // namespace

bool FragmentQueue::send(const MacAddress& guest, std::vector<std::uint8_t> storage, ByteView packet, std::size_t mtu) {
  Packets& packets = waiting_[guest];
  const std::uint32_t identification = is_ipv4(packet) ? identifications_.next16() : identifications_.next32();
  bytes_ += storage.size();
  packets.push_back({std::move(storage), packet, identification});
  flush(guest, packets, mtu);
  const bool fits = bytes_ <= kMaxBytes;
  if (!fits) {
    bytes_ -= packets.back().storage.size();
    packets.pop_back();
  }
  if (packets.empty()) waiting_.erase(guest);
  return fits;
}

void FragmentQueue::flush(std::size_t mtu) {
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    flush(entry->first, entry->second, mtu);
    entry = entry->second.empty() ? waiting_.erase(entry) : std::next(entry);
  }
}

void FragmentQueue::flush(const MacAddress& guest, Packets& packets, std::size_t mtu) {
  while (!packets.empty() && wire_.has_room(guest, mtu)) {
    Waiting& first = packets.front();
    FrameBuilder frame{wire_.room(mtu)};
    first.offset = put_fragment(frame, first.packet, first.offset, mtu, first.identification);
    wire_.send(frame, guest, is_ipv4(first.packet));
    if (first.offset != 0) continue;
    bytes_ -= first.storage.size();
    packets.pop_front();
  }
}

bool FragmentQueue::can_flush(std::size_t mtu) const {
  return std::ranges::any_of(waiting_, [&](const auto& entry) { return wire_.has_room(entry.first, mtu); });
}

void FragmentQueue::forget(const MacAddress& guest) {
  const auto found = waiting_.find(guest);
  if (found == waiting_.end()) return;
  for (const Waiting& packet : found->second) bytes_ -= packet.storage.size();
  waiting_.erase(found);
}

}  // namespace vnet::nat
