// A DHCP message on the wire: the fixed BOOTP header and the options behind it (RFC 2131, 2; RFC 2132).
//
// Reading: `Message::parse` walks every option once, so that afterwards each is found by its number in one step and
// none can run over. Options may continue in the `file` and `sname` fields (option 52), and an option that occurs
// several times is one long value cut into pieces (RFC 3396); only such a cut value is copied, everything else is
// read in place. A view returned by `option` lives as long as the message *and* the bytes it was parsed from.
//
// Writing: `MessageWriter` puts options into the options field and, when that is full, into `file` and `sname`.
//
// Not supported: messages without the DHCP magic cookie (plain BOOTP vendor extensions), and boot file or server
// names in `file` and `sname` (options 66 and 67 carry these).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "packet/bytes.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"

namespace vnet::dhcp {

inline constexpr std::uint16_t kServerPort = 67;
inline constexpr std::uint16_t kClientPort = 68;

/// Option numbers of RFC 2132 (and 3397, 3442) that this room reads or writes.
namespace option {
inline constexpr std::uint8_t kPad = 0;
inline constexpr std::uint8_t kSubnetMask = 1;
inline constexpr std::uint8_t kRouter = 3;
inline constexpr std::uint8_t kDomainNameServer = 6;
inline constexpr std::uint8_t kHostName = 12;
inline constexpr std::uint8_t kDomainName = 15;
inline constexpr std::uint8_t kInterfaceMtu = 26;
inline constexpr std::uint8_t kBroadcastAddress = 28;
inline constexpr std::uint8_t kRequestedAddress = 50;
inline constexpr std::uint8_t kLeaseTime = 51;
inline constexpr std::uint8_t kOverload = 52;
inline constexpr std::uint8_t kMessageType = 53;
inline constexpr std::uint8_t kServerIdentifier = 54;
inline constexpr std::uint8_t kParameterRequestList = 55;
inline constexpr std::uint8_t kMessageText = 56;
inline constexpr std::uint8_t kMaximumMessageSize = 57;
inline constexpr std::uint8_t kRenewalTime = 58;
inline constexpr std::uint8_t kRebindingTime = 59;
inline constexpr std::uint8_t kClientIdentifier = 61;
inline constexpr std::uint8_t kRelayAgentInformation = 82;
inline constexpr std::uint8_t kDomainSearch = 119;
inline constexpr std::uint8_t kClasslessStaticRoute = 121;
inline constexpr std::uint8_t kEnd = 255;
}  // namespace option

/// The value of option 53 (RFC 2132, 9.6).
enum class MessageType : std::uint8_t {
  discover = 1,
  offer = 2,
  request = 3,
  decline = 4,
  ack = 5,
  nak = 6,
  release = 7,
  inform = 8,
};
inline constexpr std::size_t kMessageTypeCount = 9;  ///< for arrays indexed by type; 0 is no type

[[nodiscard]] constexpr std::string_view to_string(MessageType type) noexcept {
  constexpr std::array<std::string_view, kMessageTypeCount> kNames = {
      "none", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"};
  const auto index = static_cast<std::size_t>(type);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

/// The fixed fields (RFC 2131, figure 1), without `sname` and `file`, which here only carry options.
struct Header {
  static constexpr std::size_t kSize = 236;
  static constexpr std::uint8_t kBootRequest = 1;
  static constexpr std::uint8_t kBootReply = 2;
  static constexpr std::uint8_t kEthernet = 1;             ///< htype
  static constexpr std::uint16_t kBroadcastFlag = 0x8000;  ///< the client cannot receive unicast yet
  static constexpr std::size_t kHardwareAddressRoom = 16;

  std::uint8_t op = kBootRequest;
  std::uint8_t htype = kEthernet;
  std::uint8_t hlen = MacAddress::kSize;
  std::uint8_t hops = 0;
  std::uint32_t xid = 0;
  std::uint16_t secs = 0;  ///< seconds since the client began
  std::uint16_t flags = 0;
  Ipv4Address ciaddr;  ///< the client's address, when it has one and can answer ARP
  Ipv4Address yiaddr;  ///< "your": the address that the server gives
  Ipv4Address siaddr;  ///< the next server of a boot
  Ipv4Address giaddr;  ///< the relay agent, if one is between
  std::array<std::uint8_t, kHardwareAddressRoom> chaddr{};

  /// The first six bytes of `chaddr`; the client's MAC address where htype is Ethernet.
  [[nodiscard]] MacAddress mac() const noexcept { return MacAddress::load(chaddr.data()); }
  void set_mac(const MacAddress& mac) noexcept;
};

class Message {
 public:
  static constexpr std::size_t kMinSize = Header::kSize + 4;  ///< header and magic cookie
  static constexpr std::size_t kMaxSize = 65507;              ///< the largest UDP payload over IPv4

  /// Reads a UDP payload. Errors: `truncated` (header, or an option without its length byte), `bad_version` (no DHCP
  /// cookie), `bad_length` (an option runs over its field, or a fixed-size option has another size), `bad_field`
  /// (an overload value other than 1 to 3). A missing END is tolerated, for clients that forget it.
  [[nodiscard]] static Result<Message> parse(ByteView payload);

  [[nodiscard]] const Header& header() const noexcept { return header_; }
  /// The option's whole value, pieces joined; nullopt where the message does not carry it.
  [[nodiscard]] std::optional<ByteView> option(std::uint8_t code) const noexcept;
  /// The value as a number or an address; nullopt where absent or of another size.
  [[nodiscard]] std::optional<std::uint8_t> u8(std::uint8_t code) const noexcept;
  [[nodiscard]] std::optional<std::uint16_t> be16(std::uint8_t code) const noexcept;
  [[nodiscard]] std::optional<std::uint32_t> be32(std::uint8_t code) const noexcept;
  [[nodiscard]] std::optional<Ipv4Address> address(std::uint8_t code) const noexcept;

 private:
  /// Where a value is: in the packet or, when it came in several pieces, in `joined_`. Offsets and not views, so that
  /// a message can be copied and moved.
  struct Entry {
    std::uint16_t offset = 0;
    std::uint16_t length = 0;
    std::uint16_t pieces = 0;  ///< 0: absent
  };

  [[nodiscard]] std::optional<ParseError> index_options();
  [[nodiscard]] std::optional<ParseError> check_fixed_sizes() const;
  void join_pieces();

  Header header_;
  ByteView bytes_;
  std::array<Entry, 256> entries_{};
  std::vector<std::uint8_t> joined_;
};

class MessageWriter {
 public:
  /// BOOTP's whole message; shorter ones are padded because old relays and clients drop them (RFC 1542, 2.1).
  static constexpr std::size_t kMinSize = 300;

  /// Writes `header` at the start of `out`. `limit` is the most bytes that the message may have; it is raised to
  /// `kMinSize`, and `out` must have at least that much room.
  MessageWriter(ByteSpan out, std::size_t limit, const Header& header) noexcept;

  /// Appends one option, in pieces of 255 bytes where it is longer (RFC 3396). False when no field has room for all of
  /// it; then nothing is written.
  bool add(std::uint8_t code, ByteView value) noexcept;
  bool add_u8(std::uint8_t code, std::uint8_t value) noexcept;
  bool add_be32(std::uint8_t code, std::uint32_t value) noexcept;
  bool add_address(std::uint8_t code, Ipv4Address value) noexcept;

  /// Closes every field with END and padding. Returns the message's size; call once.
  [[nodiscard]] std::size_t finish() noexcept;

 private:
  ByteWriter main_;   ///< the options field, with the cookie
  ByteWriter file_;   ///< option 52, value 1
  ByteWriter sname_;  ///< option 52, value 2
};

}  // namespace vnet::dhcp
