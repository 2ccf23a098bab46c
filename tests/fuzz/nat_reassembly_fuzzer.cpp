// Fuzzes reassembly with lists of operations: fragments of packets that are known, cut anywhere, and fragments that say
// anything; time, ends of batches, guests that leave. What must hold in every run:
//
// * whatever comes out parses, as the packet that its length says, and is no fragment;
// * fragments of one packet, and of no other, never give anything but that packet: what is not the packet was made with
//   the help of a fragment that lied, or by reading where nothing was written;
// * no limit is exceeded; nothing waits beyond its time; in the end nothing is left.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "nat/fragment.hpp"
#include "nat/reassembly.hpp"
#include "packet/checksum.hpp"
#include "packet/ip_fragment.hpp"
#include "tests/fuzz/any_packet.hpp"

namespace {

using namespace vnet;
using namespace vnet::nat;
using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

const MacAddress kGuest = MacAddress::from_u64(0x52cccccc0001U);
constexpr ReassemblyLimits kLimits{.datagrams = 6, .per_source = 4, .fragments = 10, .bytes = 100'000};

class World {
 public:
  void run(ByteReader in) {
    while (in.remaining() > 0) {
      const std::uint8_t op = in.u8();
      switch (op % 8) {
        case 0: pass(std::chrono::milliseconds{in.be16()}); break;
        case 1: subject_.end_batch(); break;
        case 2: subject_.forget(op < 128 ? kGuest : MacAddress::from_u64(1)); break;
        case 3: liar(op, in); break;
        case 4: raw(in); break;
        default: honest(op, in); break;
      }
      check();
    }
    subject_.end_batch();
    pass(60s);
    require(subject_.size() == 0 && subject_.bytes() == 0 && subject_.next_deadline() == kNever);
  }

 private:
  static std::uint8_t pattern(std::size_t position, std::uint32_t salt) {
    return static_cast<std::uint8_t>((position + salt) * 167U >> 3U);
  }
  /// The packet of an identification, which says all about it: family, source and size.
  static Bytes packet_of(std::uint32_t identification) {
    const std::size_t size = 16 + std::size_t{identification % 5} * 4000;
    Bytes storage(FrameBuilder::kHeadroom + size);
    FrameBuilder frame{storage};
    for (std::size_t i = 0; i < size; ++i) frame.payload_room()[i] = pattern(i, identification);
    frame.commit_payload(size);
    if (identification % 2 == 0) {
      const Ipv4Address source{192, 168, 127, static_cast<std::uint8_t>(2 + identification / 16)};
      frame.prepend_ipv4(source, {203, 0, 113, 7}, ip_protocol::kUdp, 64, static_cast<std::uint16_t>(identification));
    } else {
      frame.prepend_ipv6(*Ipv6Address::parse("fd00:1::2"), *Ipv6Address::parse("2001:db8::7"), ip_protocol::kUdp);
    }
    return {frame.bytes().begin(), frame.bytes().end()};
  }
  static std::size_t header_of(const Bytes& packet) { return packet[0] >> 4U == 4 ? 20 : 40; }

  /// One fragment of a packet: where it begins and how large it may be is the input's to say.
  void honest(std::uint8_t op, ByteReader& in) {
    const std::uint32_t identification = 1 + op / 8U;
    const Bytes packet = packet_of(identification);
    const std::size_t payload = packet.size() - header_of(packet);
    const std::size_t offset = in.be16() * std::size_t{8} % payload;
    Bytes storage(FrameBuilder::kHeadroom + packet.size() + 8);
    FrameBuilder frame{storage};
    const std::size_t next = put_fragment(frame, packet, offset, 64 + in.u8() * std::size_t{32}, identification);
    require(frame.ok() && (next == 0 || (next > offset && next < payload)));
    give(frame.bytes());
  }
  /// A fragment of the same datagram that says what it wants.
  void liar(std::uint8_t op, ByteReader& in) {
    const std::uint32_t identification = 1 + op / 8U;
    lied_[identification] = true;
    const Bytes packet = packet_of(identification);
    const std::uint16_t place = in.be16();
    const std::size_t size = in.u8();
    if (identification % 2 == 0) {
      Bytes lie(20 + size, in.u8());
      std::copy_n(packet.begin(), 20, lie.begin());
      store_be(lie.data() + 2, static_cast<std::uint16_t>(lie.size()));
      store_be(lie.data() + 6, place);
      store_be(lie.data() + 10, std::uint16_t{0});
      store_be(lie.data() + 10, checksum(ByteView{lie}.first(20)));
      return give(lie);
    }
    Bytes lie(48 + size, in.u8());
    std::copy_n(packet.begin(), 40, lie.begin());
    lie[6] = ip_protocol::kFragment;
    store_be(lie.data() + 4, static_cast<std::uint16_t>(lie.size() - 40));
    lie[40] = in.u8();
    lie[41] = 0;
    store_be(lie.data() + 42, place);
    store_be(lie.data() + 44, identification);
    give(lie);
  }
  /// Any bytes; of IPv4 with a right checksum.
  void raw(ByteReader& in) {
    std::ranges::fill(lied_, true);
    give(fuzz::any_packet(in));
  }

  void give(ByteView bytes) {
    // Exactly as large, so that a look behind its end is seen.
    const Bytes kept(bytes.begin(), bytes.end());
    if (kept.empty()) return;
    if (kept[0] >> 4U == 4) {
      if (const auto packet = Ipv4Packet::parse(kept); packet && packet->is_fragment()) take(*packet);
    } else if (const auto packet = Ipv6Packet::parse(kept); packet && packet->is_fragment()) {
      take(*packet);
    }
  }
  template <typename Packet>
  void take(const Packet& packet) {
    const auto outcome = subject_.handle(kGuest, packet, now_);
    require(outcome || outcome.error() == DropReason::malformed || outcome.error() == DropReason::egress_limit);
    if (!outcome || !*outcome) return;
    const ByteView whole = (*outcome)->bytes();
    const auto parsed = Packet::parse(whole);
    require(parsed && !parsed->is_fragment() && parsed->bytes().size() == whole.size());
    require(parsed->source() == packet.source() && parsed->destination() == packet.destination());
    judge(identification_of(packet), whole);
  }
  static std::uint32_t identification_of(const Ipv4Packet& packet) { return packet.identification(); }
  static std::uint32_t identification_of(const Ipv6Packet& packet) {
    return Ipv6Fragment::parse(packet)->identification();
  }
  void judge(std::uint32_t identification, ByteView whole) const {
    if (identification >= lied_.size() || lied_[identification]) return;
    require(std::ranges::equal(whole, packet_of(identification)));
  }

  void pass(Duration duration) {
    now_ += duration;
    subject_.expire(now_, [](const Reassembler::Unfinished& datagram) {
      const ByteView first = datagram.first;
      require(datagram.mac == kGuest && first.size() >= 20 && (first[0] >> 4U == 4 || first[0] >> 4U == 6));
    });
    require(subject_.next_deadline() > now_);
  }
  void check() const {
    require(subject_.size() <= kLimits.datagrams && subject_.bytes() <= kLimits.bytes);
    require((subject_.next_deadline() == kNever) == (subject_.size() == 0));
    require(subject_.next_deadline() == kNever || subject_.next_deadline() <= now_ + kLimits.ipv6);
  }

  Instant now_{1h};
  Reassembler subject_{SipHashKey{1, 2}, kLimits};
  std::array<bool, 33> lied_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= 2048) World{}.run(ByteReader{{data, size}});
  return 0;
}
