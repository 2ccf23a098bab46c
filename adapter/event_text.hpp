// One event of the daemon as one line.
#pragma once

#include <string>

#include "adapter/table.hpp"
#include "http/event_stream.hpp"

namespace vnet::adapter {

/// For people: local time, kind, network, NIC, subject, cause. Without line feed.
[[nodiscard]] std::string event_line(const http::Event& event, Style style);
/// For programs: its JSON. Data that are none are wrapped.
[[nodiscard]] std::string event_json(const http::Event& event);

}  // namespace vnet::adapter
