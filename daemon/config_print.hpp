// Config to JSON: read_config's inverse. A member that is absent in the Config is left out of the text, every other is
// written, default or not.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "daemon/config.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {

[[nodiscard]] Json to_json(const Config& config);
[[nodiscard]] Json to_json(const Nic& nic);
[[nodiscard]] Json to_json(const DnsRecord& record);
[[nodiscard]] Json to_json(const Forward& forward);
[[nodiscard]] Json to_json(const Service& service);
[[nodiscard]] Json to_json(const Impair& impair);
[[nodiscard]] Json to_json(const Egress& egress);
[[nodiscard]] Json to_json(const Nat& nat);
[[nodiscard]] Json to_json(const Wan& wan);
[[nodiscard]] Json to_json(const Ipv4Prefix& prefix);
[[nodiscard]] Json to_json(const std::vector<IpPrefix>& prefixes);

}  // namespace vnet::daemon
