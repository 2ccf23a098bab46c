// Once: reports what occurs a second time, and where it was the first time.
#pragma once

#include <map>
#include <string>

#include "daemon/problem.hpp"

namespace vnet::daemon {

class Once {
 public:
  explicit Once(Problems& problems) : problems_(problems) {}

  void add(const std::string& what, const std::string& pointer) {
    const auto [first, is_new] = first_at_.emplace(what, pointer);
    if (is_new) return;
    problems_.add(
        pointer, found_expected(in_quotes(what) + " a second time (the first is at " + first->second + ")", "it once"));
  }

  /// Names that end up in the DNS: case does not make two of them (RFC 4343).
  void add_name(std::string name, const std::string& pointer) {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    add(name, pointer);
  }

 private:
  Problems& problems_;
  std::map<std::string, std::string> first_at_;
};

}  // namespace vnet::daemon
