// What a file is to a browser or another client, by the end of its name.
#pragma once

#include <string_view>

namespace vnet::daemon {

/// A value for Content-Type; `otherwise` for what is not known.
[[nodiscard]] std::string_view type_of_file(std::string_view name, std::string_view otherwise) noexcept;

}  // namespace vnet::daemon
