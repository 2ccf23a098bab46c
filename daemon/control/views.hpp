// What the API shows of the switch: each thing as a JSON document, as openapi.json describes it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "daemon/captures.hpp"
#include "daemon/config.hpp"
#include "daemon/event_backlog.hpp"
#include "daemon/json_text.hpp"
#include "daemon/wall_time.hpp"
#include "dhcp/server.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

[[nodiscard]] Json to_json(const DropCounters& drops);
[[nodiscard]] Json to_json(const NumberedEvent& event);
[[nodiscard]] Json to_json(const Captures::Running& capture);

/// `configured` is what holds for it by configuration or request, if anything does.
[[nodiscard]] Json nic_view(network::Fabric& fabric, l2::PortId port, const Nic* configured, const Moment& at);
[[nodiscard]] Json network_view(network::Fabric& fabric, std::size_t network, const Network& config, const Moment& at);
[[nodiscard]] Json service_view(const Service& service, bool up);
[[nodiscard]] Json lease_view(const network::Fabric& fabric, std::size_t network, const dhcp::Lease& lease,
                              const Moment& at);

}  // namespace vnet::daemon
