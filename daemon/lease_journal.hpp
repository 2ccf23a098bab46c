// The lease journal's format: what one line of `leases.jsonl` says, and which lines are to be believed.
//
// A journal is JSON Lines, so `jq . leases.jsonl` shows it. The first line names format and version. Each further one
// says what is known of one address from then on, and replaces what earlier lines said of it:
//
//   {"format":"vnet leases","version":1,"fnv1a":"..."}
//   {"network":"lan","ip":"192.168.127.5","mac":"52:cc:cc:cc:cc:05","client":"0152cccccccc05","hostname":"alice",
//    "written":1700000000,"expires":1700003600,"fnv1a":"..."}      (in one line)
//   {"network":"lan","ip":"192.168.127.5","forgotten":true,"fnv1a":"..."}
//
// `client` is the DHCP client's key in hexadecimal digits; times are Unix seconds. `fnv1a`, always last, is the
// 64-bit FNV-1a hash of all bytes before its comma, so a line stands or falls by itself: one that was cut short,
// overwritten or edited by hand is bad and costs nothing but itself. The hash finds accidents, it is no signature:
// who can write the file is trusted. Members that this version does not know are let pass.
//
// Limits: kMaxLineBytes for a line; kMaxJournalBytes, beyond which a file is not read on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"

namespace vnet::daemon {

/// The longest line, in bytes; a record with the longest names has about 1,200.
inline constexpr std::size_t kMaxLineBytes = 4096;
/// The longest file that is read, in bytes; the store keeps its own well below.
inline constexpr std::uint64_t kMaxJournalBytes = std::uint64_t{512} << 20U;

/// What is known of one address of one network.
struct LeaseRecord {
  std::string network;  ///< a domain name, such as a single label
  Ipv4Address ip;
  bool forgotten = false;  ///< nothing is known any more; what follows is not used
  MacAddress mac{};
  std::string client{};      ///< as in dhcp::Lease: 1 to 255 raw bytes
  std::string hostname{};    ///< a domain name, or empty
  std::int64_t written = 0;  ///< Unix time in seconds, when the lease was given
  std::int64_t expires = 0;  ///< Unix time in seconds

  bool operator==(const LeaseRecord&) const = default;
};

/// The first line of every journal, with its newline.
[[nodiscard]] std::string header_line();
/// `record` as a line with its newline. A host name that is none is left out.
[[nodiscard]] std::string to_line(const LeaseRecord& record);
/// The record of a line without its newline; nullopt: the line is bad.
[[nodiscard]] std::optional<LeaseRecord> parse_line(std::string_view line);
/// `{...}` with the member `fnv1a` added, and a newline.
[[nodiscard]] std::string seal_line(std::string_view object);

/// Takes a file piece by piece, cut anywhere, and hands on the good records in order.
class JournalReader {
 public:
  using Sink = std::function<void(LeaseRecord)>;

  explicit JournalReader(Sink sink) : sink_(std::move(sink)) {}

  void feed(std::string_view piece);
  /// The file is over. A last line without newline counts when it is good.
  void finish();

  [[nodiscard]] std::uint64_t good_lines() const noexcept { return good_; }
  [[nodiscard]] std::uint64_t bad_lines() const noexcept { return bad_; }
  /// The first line is what `header_line` says.
  [[nodiscard]] bool has_header() const noexcept { return header_; }

 private:
  void end_line();

  Sink sink_;
  std::string line_;
  bool too_long_ = false;
  bool first_ = true;
  bool header_ = false;
  std::uint64_t good_ = 0;
  std::uint64_t bad_ = 0;
};

}  // namespace vnet::daemon
