// From a document that fits configs/schema.json to the structs of daemon/config.hpp, defaults filled in.
//
// The schema has been checked before, so every member has its type, range and format, and nothing here can
// fail. What the values mean together is looked at afterwards, by daemon/config_check.
#pragma once

#include "daemon/config.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {

[[nodiscard]] Config read_config(const Json& document, const Folders& folders);

/// An element of `nics`, one of a network's `dns.records`, and the `impair` of either.
[[nodiscard]] Nic read_nic(const Json& object, const std::string& default_network, const Folders& folders);
[[nodiscard]] Forward read_forward(const Json& object, const Folders& folders);
[[nodiscard]] DnsRecord read_dns_record(const Json& object);
[[nodiscard]] Impair read_impair(const Json& object);
/// A network's `egress`.
[[nodiscard]] Egress read_egress(const Json& object);
[[nodiscard]] Nat read_nat(const Json& value);
[[nodiscard]] Wan read_wan(const Json& object);
[[nodiscard]] std::vector<IpPrefix> read_prefixes(const Json& array);

/// `path` as it is when absolute, else below `folder`; without `.` and `..` steps, so that equal paths are equal.
[[nodiscard]] std::string resolve_path(const std::string& folder, const std::string& path);

}  // namespace vnet::daemon
