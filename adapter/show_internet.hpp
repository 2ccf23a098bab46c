// The simulated internet for people: its services, and what its routers translate.
#pragma once

#include "adapter/show.hpp"

namespace vnet::adapter {

[[nodiscard]] Shown show_services(const Json& services, Style style);
[[nodiscard]] Shown show_service(const Json& service, Style style);
[[nodiscard]] Shown show_mappings(const Json& document, Style style);

}  // namespace vnet::adapter
