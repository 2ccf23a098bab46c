#include "packet/frame_builder.hpp"

namespace vnet {

std::uint8_t* FrameBuilder::prepend(std::size_t size) noexcept {
  if (!ok_ || size > begin_) {
    ok_ = false;
    return nullptr;
  }
  begin_ -= size;
  return storage_.data() + begin_;
}

void FrameBuilder::fill_icmp_checksum() noexcept {
  if (!ok_ || size() < 4) return;
  std::uint8_t* at = storage_.data() + begin_ + 2;
  store_be(at, std::uint16_t{0});
  store_be(at, checksum(bytes()));
}

void FrameBuilder::fill_icmp6_checksum(const Ipv6Address& source, const Ipv6Address& destination) noexcept {
  if (!ok_ || size() < 4) return;
  std::uint8_t* at = storage_.data() + begin_ + 2;
  store_be(at, std::uint16_t{0});
  store_be(at, Checksum{}.add_pseudo(source, destination, ip_protocol::kIcmp6, size()).add(bytes()).finish());
}

void FrameBuilder::prepend_ipv4(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol, std::uint8_t ttl,
                                std::uint16_t identification) noexcept {
  const std::size_t total = size() + Ipv4Packet::kMinHeaderSize;
  std::uint8_t* at = prepend(Ipv4Packet::kMinHeaderSize);
  if (at == nullptr) return;
  ok_ = total <= 0xffff;
  at[0] = 0x45;
  at[1] = 0;
  store_be(at + 2, static_cast<std::uint16_t>(total));
  store_be(at + 4, identification);
  // Without an identification of its own a packet must not be fragmented on the way (RFC 6864, 4.1).
  store_be(at + 6, static_cast<std::uint16_t>(identification == 0 ? 0x4000 : 0));
  at[8] = ttl;
  at[9] = protocol;
  store_be(at + 10, std::uint16_t{0});
  source.store(at + 12);
  destination.store(at + 16);
  store_be(at + 10, checksum({at, Ipv4Packet::kMinHeaderSize}));
}

void FrameBuilder::prepend_ipv6(const Ipv6Address& source, const Ipv6Address& destination, std::uint8_t protocol,
                                std::uint8_t hop_limit) noexcept {
  const std::size_t length = size();
  std::uint8_t* at = prepend(Ipv6Packet::kHeaderSize);
  if (at == nullptr) return;
  ok_ = length <= 0xffff;
  store_be(at, std::uint32_t{6} << 28U);
  store_be(at + 4, static_cast<std::uint16_t>(length));
  at[6] = protocol;
  at[7] = hop_limit;
  std::memcpy(at + 8, source.octets().data(), Ipv6Address::kSize);
  std::memcpy(at + 24, destination.octets().data(), Ipv6Address::kSize);
}

void FrameBuilder::prepend_ethernet(const MacAddress& destination, const MacAddress& source,
                                    std::uint16_t type) noexcept {
  std::uint8_t* at = prepend(kEthernetHeaderSize);
  if (at == nullptr) return;
  std::memcpy(at, destination.octets().data(), MacAddress::kSize);
  std::memcpy(at + 6, source.octets().data(), MacAddress::kSize);
  store_be(at + 12, type);
}

}  // namespace vnet
