#include "daemon/problem.hpp"

namespace vnet::daemon {

std::string to_string(const Problems& problems, std::string_view source) {
  std::string lines;
  for (const Problem& problem : problems.listed()) {
    lines += source;
    if (!problem.place.empty()) {
      const bool line_and_column = problem.place.front() >= '0' && problem.place.front() <= '9';
      lines += line_and_column ? ":" : ": ";
      lines += problem.place;
    }
    lines += ": " + problem.text + "\n";
  }
  if (problems.unlisted() > 0) {
    lines += std::string{source} + ": and " + std::to_string(problems.unlisted()) + " more\n";
  }
  return lines;
}

}  // namespace vnet::daemon
