// Builds a frame from the inside out: the payload first, then each header is put in front of it.
//
// The caller lends the storage. The payload starts `kHeadroom` bytes in, so no byte is moved when headers are
// added, and lengths and checksums are known when their header is written.
//
//     FrameBuilder frame{storage};
//     frame.append_payload(answer);
//     frame.prepend_udp(source, destination, 53, port);   // addresses for the pseudo-header
//     frame.prepend_ipv4(source, destination, ip_protocol::kUdp);
//     frame.prepend_ethernet(to, from, ethertype::kIpv4);
//     send(frame.bytes());
#pragma once

#include <cstdint>

#include "packet/bytes.hpp"
#include "packet/checksum.hpp"
#include "packet/ethernet.hpp"
#include "packet/ip.hpp"
#include "packet/transport.hpp"

namespace vnet {

class FrameBuilder {
 public:
  /// Ethernet with two tags, IPv6, and TCP with full options.
  static constexpr std::size_t kHeadroom = 128;

  /// `storage` must be at least `kHeadroom` long; what does not fit turns `ok()` false.
  explicit FrameBuilder(ByteSpan storage) noexcept : storage_(storage), ok_(storage.size() >= kHeadroom) {}

  /// Where to write a payload in place; `commit_payload` then says how long it became.
  [[nodiscard]] ByteSpan payload_room() const noexcept { return ok_ ? storage_.subspan(end_) : ByteSpan{}; }
  void commit_payload(std::size_t size) noexcept {
    if (!ok_ || size > storage_.size() - end_) {
      ok_ = false;
      return;
    }
    end_ += size;
  }
  void append_payload(ByteView payload) noexcept {
    ByteWriter out{payload_room()};
    out.bytes(payload);
    ok_ = ok_ && out.ok();
    commit_payload(out.position());
  }

  template <typename Address>
  void prepend_udp(const Address& source, const Address& destination, std::uint16_t source_port,
                   std::uint16_t destination_port) noexcept {
    const std::size_t length = size() + UdpDatagram::kHeaderSize;
    std::uint8_t* at = prepend(UdpDatagram::kHeaderSize);
    if (at == nullptr) return;
    store_be(at, source_port);
    store_be(at + 2, destination_port);
    store_be(at + 4, static_cast<std::uint16_t>(length));
    store_be(at + 6, std::uint16_t{0});
    const std::uint16_t sum =
        Checksum{}.add_pseudo(source, destination, ip_protocol::kUdp, length).add(bytes()).finish();
    store_be(at + 6, sum == 0 ? std::uint16_t{0xffff} : sum);
  }

  /// Fills the checksum of the ICMP message that stands at the front (type, code, two bytes for the checksum).
  void fill_icmp_checksum() noexcept;
  void fill_icmp6_checksum(const Ipv6Address& source, const Ipv6Address& destination) noexcept;

  void prepend_ipv4(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol, std::uint8_t ttl = 64,
                    std::uint16_t identification = 0) noexcept;
  void prepend_ipv6(const Ipv6Address& source, const Ipv6Address& destination, std::uint8_t protocol,
                    std::uint8_t hop_limit = 64) noexcept;
  void prepend_ethernet(const MacAddress& destination, const MacAddress& source, std::uint16_t type) noexcept;
  /// Room for `size` bytes in front, not initialised; null once the builder has failed.
  [[nodiscard]] std::uint8_t* prepend(std::size_t size) noexcept;

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] ByteView bytes() const noexcept { return ok_ ? storage_.subspan(begin_, size()) : ByteSpan{}; }

 private:
  ByteSpan storage_;
  std::size_t begin_ = kHeadroom;
  std::size_t end_ = kHeadroom;
  bool ok_;
};

}  // namespace vnet
