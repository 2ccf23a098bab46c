// Problem: one thing that is wrong with a config file or a command line, as a person reads it.
//
// The text says what was found, what was expected and, on a misspelling, the nearest valid name. The place is
// a JSON pointer (RFC 6901) where there is a document to point into, `line:column` where the text is not JSON,
// a flag's name on the command line, and empty for the file as a whole.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vnet::daemon {

struct Problem {
  std::string place;
  std::string text;

  bool operator==(const Problem&) const = default;
};

/// Problems in the order in which they were found. Beyond `kMaxListed` they are only counted: by then the
/// first ones say what is wrong.
class Problems {
 public:
  static constexpr std::size_t kMaxListed = 20;

  void add(std::string place, std::string text) {
    if (listed_.size() < kMaxListed) {
      listed_.push_back({std::move(place), std::move(text)});
    } else {
      ++unlisted_;
    }
  }
  [[nodiscard]] bool empty() const noexcept { return listed_.empty(); }
  [[nodiscard]] const std::vector<Problem>& listed() const noexcept { return listed_; }
  [[nodiscard]] std::size_t unlisted() const noexcept { return unlisted_; }

 private:
  std::vector<Problem> listed_;
  std::size_t unlisted_ = 0;
};

/// One line for each problem, as `run.json: /networks/0/mtu: found "big" (a string); expected ...`, and a
/// last one with the number of those not listed. `source` is the file's name, or the program's for flags.
[[nodiscard]] std::string to_string(const Problems& problems, std::string_view source);

/// `found X; expected Y`: the sentence of every problem.
[[nodiscard]] std::string found_expected(std::string_view found, std::string_view expected);

/// `; did you mean "nat"?` for the candidate that `name` is most likely a misspelling of, or nothing.
/// Distance: insertions, deletions, substitutions and swaps of neighbours.
[[nodiscard]] std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// `a, b, c`, with `...` in the place of very many.
[[nodiscard]] std::string join(const std::vector<std::string>& words);

/// `text` between double quotes, shortened if it is long, with control characters escaped.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace vnet::daemon
