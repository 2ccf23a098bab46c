// The records of one name as a person configures them, and their wire form.
//
// This is the shape of an entry of `dns.records` in the config file and of `/v1/dns/records/NAME`, with names and
// addresses already read. `encode` checks what the fields alone do not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/name.hpp"
#include "dns/types.hpp"
#include "packet/ip_address.hpp"
#include "packet/result.hpp"

namespace vnet::dns {

struct Mx {
  std::uint16_t preference = 10;
  Name exchange{};

  bool operator==(const Mx&) const = default;
};

struct Srv {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  Name target{};

  bool operator==(const Srv&) const = default;
};

/// Times in seconds; `minimum_s` bounds negative answers (RFC 2308, 4).
struct Soa {
  Name mname{};
  Name rname{};
  std::uint32_t serial = 1;
  std::uint32_t refresh_s = 3600;
  std::uint32_t retry_s = 1200;
  std::uint32_t expire_s = 604'800;
  std::uint32_t minimum_s = 60;

  bool operator==(const Soa&) const = default;
};

/// Any other type, its data given in wire form with names in full.
struct RawRecord {
  Type type = Type{0};
  std::vector<std::uint8_t> rdata;

  bool operator==(const RawRecord&) const = default;
};

struct Record {
  Name name;  ///< `*.x` answers for the names below `x` that do not exist (RFC 4592)
  std::uint32_t ttl_s = 60;
  std::vector<Ipv4Address> a{};
  std::vector<Ipv6Address> aaaa{};
  std::optional<Name> cname{};     ///< alone: no other data beside it (RFC 2181, 10.1)
  std::vector<std::string> txt{};  ///< one record each; texts over 255 octets become several character-strings
  std::vector<Mx> mx{};
  std::vector<Srv> srv{};
  std::vector<Name> ptr{};
  std::vector<Name> ns{};
  std::optional<Soa> soa{};
  std::vector<RawRecord> other{};

  bool operator==(const Record&) const = default;
};

/// One record's type and data in wire form.
struct Rdata {
  Type type;
  std::vector<std::uint8_t> bytes;
};

enum class RecordError : std::uint8_t {
  empty,             ///< no data at all
  cname_not_alone,   ///< RFC 2181, 10.1
  bad_ttl,           ///< above 2^31 - 1 (RFC 2181, 8)
  bad_data,          ///< raw data over 65,535 bytes, of a query-only type, or not of its type's form
  too_many_records,  ///< more than kMaxRecordsPerName
  too_many_names,    ///< the table of local names is full
};

[[nodiscard]] std::string_view to_string(RecordError error) noexcept;

inline constexpr std::size_t kMaxRecordsPerName = 256;

/// The data of all records in `record`, in the order of its fields.
[[nodiscard]] Result<std::vector<Rdata>, RecordError> encode(const Record& record);

}  // namespace vnet::dns
