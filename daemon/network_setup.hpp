// From the configuration's words to the fabric's: what each network and NIC of a Config is for the machines in
// network/.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/problem.hpp"
#include "daemon/runtime_changes.hpp"
#include "dns/record.hpp"
#include "network/config.hpp"
#include "network/nic.hpp"

namespace vnet::daemon {

/// What the guests of `network` may reach: its rules, and never the control API where that listens on TCP, at whichever
/// address of the host they could find it.
[[nodiscard]] nat::EgressRules egress_rules(const Config& config, const Network& network);

[[nodiscard]] std::vector<network::NetworkConfig> network_configs(const Config& config);
[[nodiscard]] std::vector<network::NicConfig> nic_configs(const Config& config);
/// One network of `config`, and one NIC, on the network with that index.
[[nodiscard]] network::NetworkConfig network_config(const Config& config, const Network& network);
[[nodiscard]] network::NicConfig nic_config(const Nic& nic, std::size_t network);
/// The capture of the configuration file, as a request.
[[nodiscard]] CaptureRequest configured_capture(const Capture& capture);

/// What a network answers for beside its NICs: its own records, and the names of services.
[[nodiscard]] std::vector<DnsRecord> records_of(const Config& config, const Network& network);
[[nodiscard]] dns::Record record_of(const DnsRecord& record);

/// The NIC with that MAC address; null: there is none.
[[nodiscard]] const Nic* find_nic(const Config& config, const MacAddress& mac);

/// The index of the network called `name`, which exists: the configuration was checked.
[[nodiscard]] std::size_t network_index(const Config& config, std::string_view name);

/// What the machines behind the schema do not accept: a DNS record that contradicts itself, a DHCP option that is the
/// server's own, a capture filter that libpcap cannot read. Each at its JSON pointer.
[[nodiscard]] Problems setup_problems(const Config& config);

}  // namespace vnet::daemon
