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

#include "packet/words.hpp"

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

}  // namespace vnet::daemon
