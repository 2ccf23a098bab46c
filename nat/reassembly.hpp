// Reassembler: whole IP packets from the fragments that guests send (RFC 791, 815; RFC 8200, 4.5).
//
// A fragment belongs to the datagram of its source, destination, identification and, of IPv4, protocol. Its data waits
// until the fragments together cover the datagram from zero to the end that the last one tells. What comes out is a
// packet like any other, with the header of fragment zero and no trace of having been cut. Nobody judges a fragment:
// the policy sees the whole packet or nothing, so that no choice of cuts gets a port number past it (RFC 1858).
//
// Fragments of one datagram never overlap when an honest sender has cut it once. So any overlap, two ends, or data
// behind the end condemns the datagram (RFC 5722; done for IPv4 alike): what has come of it is dropped, and so is what
// still comes until its time is over. A repetition of the same bytes at the same place is a duplicate, and ignored. A
// fragment that is malformed alone (empty, not a multiple of 8 before the end, beyond 65,535 bytes) is dropped alone.
// An "atomic" fragment of IPv6, offset zero and no more to come, is a whole packet, whatever waits under the same
// identification (RFC 6946).
//
// Guests can begin datagrams that they never finish, so everything has a limit: time from the first fragment on, bytes
// with what their bookkeeping costs, datagrams in all and of a source, fragments of a datagram. At a limit the oldest
// makes room: an honest datagram is complete within moments, and what lies longest is least likely to become so. The
// table's hash is keyed, or a guest could choose identifications that fall into one place.
//
// When time is over and fragment zero had come, its sender can be told (RFC 792; RFC 8200, 4.5). At most as many are
// told in one time limit as datagrams may wait, which is the limit of their rate.
//
// Not supported: ICMPv6 "parameter problem" for fragments of a wrong length; the merging of ECN marks (RFC 3168, 5.3),
// which end here; options of IPv4 are those of fragment zero.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/drop_reason.hpp"
#include "packet/ip.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"
#include "packet/siphash.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

struct ReassemblyLimits {
  std::size_t datagrams = 256;
  std::size_t per_source = 16;
  std::size_t fragments = 128;                ///< of a datagram: 64 KiB in pieces of 512 bytes
  std::size_t bytes = std::size_t{4} << 20U;  ///< waiting, and whole until the batch ends
  Duration ipv4 = std::chrono::seconds{30};   ///< RFC 1122, 3.3.2 has 60 to 120, systems have 15 to 30
  Duration ipv6 = std::chrono::seconds{60};   ///< RFC 8200, 4.5
};

struct ReassemblyCounters {
  std::uint64_t completed = 0;
  std::uint64_t condemned = 0;  ///< fragments that contradict each other, or too many of them
  std::uint64_t evicted = 0;    ///< made room for another
  std::uint64_t timed_out = 0;
};

class Reassembler {
 public:
  /// A whole packet; nothing: its rest is waited for. Or why the fragment is dropped.
  template <typename Packet>
  using Outcome = Result<std::optional<Packet>, DropReason>;
  /// A datagram whose time is over, of which fragment zero had come.
  struct Unfinished {
    MacAddress mac;
    IpAddress source;
    ByteView first;  ///< the packet with fragment zero, or what an ICMP error quotes of it
  };
  /// What a fragment costs beside its data.
  static constexpr std::size_t kPieceCost = 64;

  explicit Reassembler(const SipHashKey& key, const ReassemblyLimits& limits = {})
      : limits_(limits), by_key_(16, KeyHash{key}), by_source_(16, SourceHash{key}) {}

  /// `packet` is a fragment. The whole one lives until `end_batch`.
  [[nodiscard]] Outcome<Ipv4Packet> handle(const MacAddress& mac, const Ipv4Packet& packet, Instant now);
  [[nodiscard]] Outcome<Ipv6Packet> handle(const MacAddress& mac, const Ipv6Packet& packet, Instant now);
  void end_batch() noexcept;
  [[nodiscard]] Instant next_deadline() const noexcept;
  /// `tell` is asked to tell the sender; never about an ICMP error, or what may be one (RFC 1122, 3.2.2).
  void expire(Instant now, const std::function<void(const Unfinished&)>& tell);
  /// The guest behind `mac` is gone.
  void forget(const MacAddress& mac);

  /// Datagrams that wait, condemned ones included.
  [[nodiscard]] std::size_t size() const noexcept { return by_key_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const ReassemblyLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] const ReassemblyCounters& counters() const noexcept { return counters_; }

 private:
  struct Key {
    IpAddress source;
    IpAddress destination;
    std::uint32_t identification = 0;
    std::uint8_t protocol = 0;  ///< of IPv6 zero: fragments of one packet may differ in it (RFC 8200, 4.5)

    bool operator==(const Key&) const noexcept = default;
  };
  struct KeyHash {
    SipHashKey key;
    std::size_t operator()(const Key& of) const noexcept;
  };
  struct SourceHash {
    SipHashKey key;
    std::size_t operator()(const IpAddress& of) const noexcept;
  };
  /// What a fragment says, of either family.
  struct Fragment {
    Key key;
    MacAddress mac;
    ByteView headers;            ///< all that stands before the data
    std::size_t per_packet = 0;  ///< of them, what the 65,535 bytes of a packet do not have to hold
    std::size_t next_header_at = 0;
    std::uint8_t next_header = 0;
    std::size_t offset = 0;
    bool more = false;
    ByteView data;

    [[nodiscard]] std::size_t end() const noexcept { return offset + data.size(); }
  };
  struct Piece {
    std::size_t offset = 0;
    std::vector<std::uint8_t> data;

    [[nodiscard]] std::size_t end() const noexcept { return offset + data.size(); }
  };
  struct Datagram {
    Key key;
    MacAddress mac;
    Instant began{};
    std::vector<std::uint8_t> headers;  ///< of fragment zero, once it has come
    std::size_t per_packet = 0;
    std::size_t next_header_at = 0;
    std::uint8_t next_header = 0;
    std::vector<Piece> pieces;  ///< by offset, none overlaps another
    std::size_t received = 0;
    std::optional<std::size_t> length;  ///< once the last fragment has come
    std::size_t cost = 0;               ///< its share of `bytes_`
    bool condemned = false;
  };
  using Queue = std::list<Datagram>;  ///< the oldest first
  using Place = Queue::iterator;

  /// The bytes of a whole packet, none while there is a rest to come.
  [[nodiscard]] Result<ByteView, DropReason> add(const Fragment& fragment, Instant now);
  [[nodiscard]] Place find_or_begin(const Fragment& fragment, Instant now);
  [[nodiscard]] static bool is_duplicate(const Datagram& datagram, const Fragment& fragment) noexcept;
  [[nodiscard]] static bool contradicts(const Datagram& datagram, const Fragment& fragment) noexcept;
  void store(Datagram& datagram, const Fragment& fragment);
  [[nodiscard]] Result<ByteView, DropReason> finish(Place place);
  [[nodiscard]] Result<ByteView, DropReason> take_atomic(const Fragment& fragment);
  [[nodiscard]] ByteView keep(std::vector<std::uint8_t> whole);
  [[nodiscard]] bool make_room(std::size_t cost, const Datagram* except);
  [[nodiscard]] std::optional<Place> oldest(const Datagram* except);
  void condemn(Datagram& datagram);
  void evict(Place place);
  void remove(Place place);
  [[nodiscard]] Queue& queue_of(const IpAddress& address) noexcept { return waiting_[address.index()]; }
  [[nodiscard]] Instant deadline(const Datagram& datagram) const noexcept {
    return datagram.began + (datagram.key.source.index() == 0 ? limits_.ipv4 : limits_.ipv6);
  }

  ReassemblyLimits limits_;
  std::array<Queue, 2> waiting_;  ///< by family
  std::unordered_map<Key, Place, KeyHash> by_key_;
  std::unordered_map<IpAddress, std::size_t, SourceHash> by_source_;  ///< how many each has
  std::vector<std::vector<std::uint8_t>> whole_;                      ///< of this batch
  std::size_t whole_cost_ = 0;
  std::size_t bytes_ = 0;
  ReassemblyCounters counters_;
};

}  // namespace vnet::nat
