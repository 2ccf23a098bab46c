// The words of a message about something that a person wrote: what was found, what was expected, the nearest valid
// name.
//
// The daemon says them about configs and requests, the command line about its arguments; both sound alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vnet {

/// `found X; expected Y`: the sentence of every problem.
[[nodiscard]] std::string found_expected(std::string_view found, std::string_view expected);

/// `; did you mean "nat"?` for the candidate that `name` is most likely a misspelling of, or nothing.
/// Distance: insertions, deletions, substitutions and swaps of neighbours.
[[nodiscard]] std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// `a, b, c`, with `...` in the place of very many.
[[nodiscard]] std::string join(const std::vector<std::string>& words);

/// `text` between double quotes, shortened if it is long, with control characters escaped.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace vnet
