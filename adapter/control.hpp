// The way to vnetd's control API, and what to say when it does not lead there.
//
// An error is a sentence that ends in what to do next; the API's own (problem+json, RFC 9457) is said with the argument
// that its JSON pointer is about.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapter/options.hpp"
#include "http/client.hpp"

namespace vnet::adapter {

/// For connecting and for one exchange. The daemon answers from memory; whoever takes longer hangs.
inline constexpr Duration kControlTimeout = std::chrono::seconds{30};

/// --control, else VNET_CONTROL, else where vnetd makes it.
[[nodiscard]] std::string control_path(const Common& common);

[[nodiscard]] Result<http::Client, std::string> connect_control(const std::string& path,
                                                                Duration timeout = kControlTimeout);

/// What an answer of 400 and above says, a line for each thing that is wrong, without line feed at the end.
/// `arguments` are those of Call.
[[nodiscard]] std::string problem_text(int status, std::string_view body,
                                       const std::vector<std::pair<std::string, std::string>>& arguments = {});

/// `vnet: ` and `message`, a line each, on stderr.
void complain(const std::string& message);
/// Complains; the exit code of a command that ends with that.
[[nodiscard]] ExitCode failed(const std::string& message);

/// Whether what goes to `fd` may have colours: a terminal (unless TERM is dumb) and no NO_COLOR, or as asked for.
[[nodiscard]] bool wants_color(Color color, int fd);

}  // namespace vnet::adapter
