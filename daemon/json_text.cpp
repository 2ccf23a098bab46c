#include "daemon/json_text.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace vnet::daemon {
namespace {

/// Follows the parser's events to know where it is, which the parser itself does not tell.
class Walk {
 public:
  explicit Walk(Problems& problems) : problems_(problems) {}

  /// `depth`: the levels around the value. False: the parser leaves it out of the document.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    const auto around = static_cast<std::size_t>(depth);
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start: return open(around);
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end: close(around); break;
      case Json::parse_event_t::key: return key(around, parsed.get_ref<const std::string&>());
      case Json::parse_event_t::value: next_element(); break;
    }
    return true;
  }

 private:
  struct Level {
    std::set<std::string> names;  ///< members so far; empty in an array
    std::string name;             ///< the member that is being read
    std::size_t index = 0;        ///< the element that is being read, in an array
  };

  /// A value that is left out has an opening event but no closing one, hence the resizing by depth.
  bool open(std::size_t around) {
    if (around >= kMaxJsonDepth) {
      if (problems_.empty()) {
        problems_.add(pointer(), found_expected("too many levels", "at most " + std::to_string(kMaxJsonDepth)));
      }
      return false;
    }
    levels_.resize(around);
    levels_.emplace_back();
    return true;
  }
  void close(std::size_t around) {
    levels_.resize(around);
    next_element();
  }
  bool key(std::size_t around, const std::string& name) {
    if (around > levels_.size()) return false;
    levels_.resize(around);
    Level& level = levels_.back();
    level.name = name;
    if (!level.names.insert(name).second) {
      problems_.add(pointer(), found_expected("the member " + in_quotes(name) + " a second time", "it once"));
      return false;
    }
    if (level.names.size() <= kMaxJsonMembers) return true;
    if (level.names.size() == kMaxJsonMembers + 1) {
      problems_.add(pointer(), found_expected("too many members", "at most " + std::to_string(kMaxJsonMembers)));
    }
    return false;
  }
  void next_element() {
    if (!levels_.empty()) ++levels_.back().index;
  }
  std::string pointer() const {
    std::string text;
    for (const Level& level : levels_) {
      text = level.names.empty() ? child_pointer(text, level.index) : child_pointer(text, level.name);
    }
    return text;
  }

  Problems& problems_;
  std::vector<Level> levels_;
};

std::string line_and_column(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  std::size_t line = 1;
  std::size_t start = 0;
  for (std::size_t at = before.find('\n'); at != std::string_view::npos; at = before.find('\n', start)) {
    ++line;
    start = at + 1;
  }
  return std::to_string(line) + ":" + std::to_string(before.size() - start + 1);
}

/// The library's `... syntax error while parsing value - unexpected '}'; expected '['`, in our words.
std::string syntax_problem(std::string_view what) {
  constexpr std::string_view kCause = " - ";
  constexpr std::string_view kUnexpected = "unexpected ";
  if (const std::size_t at = what.find(kCause); at != std::string_view::npos) what.remove_prefix(at + kCause.size());
  if (what.starts_with(kUnexpected)) return "found " + std::string{what.substr(kUnexpected.size())};
  return "found no JSON: " + std::string{what};
}

}  // namespace

Result<Json, Problems> parse_json_text(std::string_view text) {
  Problems problems;
  Walk walk{problems};
  try {
    const auto callback = [&walk](int depth, Json::parse_event_t event, Json& parsed) {
      return walk(depth, event, parsed);
    };
    Json document = Json::parse(text, callback, true, true);
    if (problems.empty()) return document;
  } catch (const Json::parse_error& error) {
    problems = {};
    problems.add(line_and_column(text, error.byte > 0 ? error.byte - 1 : 0), syntax_problem(error.what()));
  } catch (const Json::out_of_range&) {
    // A number whose exponent no double can hold; the library does not say where it stands.
    problems = {};
    problems.add({}, found_expected("a number that is too large", "numbers of at most 1.8e308"));
  }
  return fail(std::move(problems));
}

std::string child_pointer(std::string_view pointer, std::string_view name) {
  std::string text{pointer};
  text += '/';
  for (const char c : name) {
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += c;
    }
  }
  return text;
}

std::string child_pointer(std::string_view pointer, std::size_t index) {
  return std::string{pointer} + "/" + std::to_string(index);
}

}  // namespace vnet::daemon
