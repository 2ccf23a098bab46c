// The numbers of DNS: record types, classes, response codes, and the size limits that the standards set.
//
// IANA "Domain Name System (DNS) Parameters". Only types that some code here treats specially are named; every
// other value is a legal `Type` and travels through the resolver as opaque data (RFC 3597).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vnet::dns {

enum class Type : std::uint16_t {
  a = 1,
  ns = 2,
  md = 3,
  mf = 4,
  cname = 5,
  soa = 6,
  mb = 7,
  mg = 8,
  mr = 9,
  ptr = 12,
  hinfo = 13,
  minfo = 14,
  mx = 15,
  txt = 16,
  rp = 17,
  afsdb = 18,
  rt = 21,
  px = 26,
  aaaa = 28,
  srv = 33,
  naptr = 35,
  kx = 36,
  dname = 39,
  opt = 41,
  tkey = 249,
  ixfr = 251,
  axfr = 252,
  maila = 254,
  any = 255,
};

enum class Class : std::uint16_t { in = 1, any = 255 };

/// RFC 1035, 4.1.1, with the eight upper bits of RFC 6891, 6.1.3: 0 to 4095.
enum class Rcode : std::uint16_t {
  no_error = 0,
  form_err = 1,
  serv_fail = 2,
  nx_domain = 3,
  not_imp = 4,
  refused = 5,
  bad_vers = 16,
};

[[nodiscard]] constexpr std::string_view to_string(Rcode rcode) noexcept {
  switch (rcode) {
    case Rcode::no_error: return "NOERROR";
    case Rcode::form_err: return "FORMERR";
    case Rcode::serv_fail: return "SERVFAIL";
    case Rcode::nx_domain: return "NXDOMAIN";
    case Rcode::not_imp: return "NOTIMP";
    case Rcode::refused: return "REFUSED";
    case Rcode::bad_vers: return "BADVERS";
  }
  return "OTHER";
}

/// Types that are no data of a name: OPT, type 0, and the query-only range of RFC 6895, 3.1 but for ANY.
[[nodiscard]] constexpr bool is_meta(Type type) noexcept {
  return type == Type{0} || type == Type::opt || (type >= Type::tkey && type <= Type::maila);
}

inline constexpr std::size_t kHeaderSize = 12;      ///< bytes
inline constexpr std::size_t kMinUdpPayload = 512;  ///< bytes; what a client takes that sends no OPT (RFC 1035, 2.3.4)
inline constexpr std::size_t kDefaultUdpPayload = 1232;  ///< bytes; fits the IPv6 minimum MTU unfragmented
inline constexpr std::size_t kMaxMessageSize = 65535;    ///< bytes; what the TCP length prefix can say (RFC 7766, 8)

}  // namespace vnet::dns
