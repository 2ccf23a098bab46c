// Impairments on the command line: `latency_ms=50 loss=2% up.rate_mbps=10 loss_burst.enter=0.01`, or `none`.
//
// The names are those of the config file (vnet.json(5)), with `up.` or `down.` in front for one direction only. Shares
// may be written in percent. Whether a value is in its range is the daemon's to say.
#pragma once

#include <string>
#include <vector>

#include "adapter/commands.hpp"

namespace vnet::adapter {

/// A PATCH that sets the impairments of what is at `target` to what `words` say, and to nothing else. `where` is the
/// command as far as it goes before them, such as `nic alice impair`.
[[nodiscard]] Command decide_impair(const std::string& where, const std::string& target,
                                    const std::vector<std::string>& words, Show show, bool json);

/// What may follow `impair`.
[[nodiscard]] Candidates complete_impair();

/// The API's document as the words that would ask for it.
[[nodiscard]] std::string impair_text(const Json& impair);

}  // namespace vnet::adapter
