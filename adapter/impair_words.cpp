#include "adapter/impair_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

enum class Kind { number, share, whole, truth };

struct Member {
  const char* name;
  Kind kind;
  const char* meaning;
};

constexpr std::array kMembers = {
    Member{"latency_ms", Kind::number, "delay of every frame"},
    Member{"jitter_ms", Kind::number, "how far the delay may be off"},
    Member{"jitter_reorders", Kind::truth, "whether jitter changes the order"},
    Member{"loss", Kind::share, "share that is lost"},
    Member{"loss_burst.enter", Kind::share, "probability that a burst of losses begins"},
    Member{"loss_burst.leave", Kind::share, "probability that it ends"},
    Member{"loss_burst.loss", Kind::share, "share that is lost in one"},
    Member{"duplicate", Kind::share, "share that arrives twice"},
    Member{"reorder", Kind::share, "share that overtakes"},
    Member{"corrupt", Kind::share, "share with a wrong bit"},
    Member{"rate_mbps", Kind::number, "megabits a second"},
    Member{"queue_kb", Kind::whole, "what may wait at that rate"},
};

constexpr std::array<std::string_view, 2> kDirections = {"up.", "down."};

std::string_view without_direction(std::string_view name) {
  for (const std::string_view direction : kDirections) {
    if (name.starts_with(direction)) return name.substr(direction.size());
  }
  return name;
}

const Member* find_member(std::string_view name) {
  const auto found = std::ranges::find(kMembers, without_direction(name), &Member::name);
  return found == kMembers.end() ? nullptr : &*found;
}

std::vector<std::string> member_names() {
  std::vector<std::string> names;
  for (const Member& member : kMembers) names.emplace_back(member.name);
  return names;
}

template <typename T>
std::optional<T> parsed(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Nothing: the text is no such value.
std::optional<Json> value_of(Kind kind, std::string_view text) {
  if (kind == Kind::truth) {
    return text == "true" || text == "false" ? std::optional<Json>{text == "true"} : std::nullopt;
  }
  if (kind == Kind::whole) {
    const auto whole = parsed<std::int64_t>(text);
    return whole ? std::optional<Json>{*whole} : std::nullopt;
  }
  const bool percent = kind == Kind::share && text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const auto number = parsed<double>(text);
  if (!number) return std::nullopt;
  return percent ? *number / 100 : *number;
}

const char* expected(Kind kind) {
  switch (kind) {
    case Kind::number: return "a number such as 50 or 0.5";
    case Kind::share: return "a share such as 0.02 or 2%";
    case Kind::whole: return "a whole number";
    case Kind::truth: return "true or false";
  }
  return "";
}

/// The member of `object` that the dots in `name` lead to, and the JSON pointer to it.
std::pair<Json*, std::string> descend(Json& object, std::string_view name) {
  Json* at = &object;
  std::string pointer;
  while (true) {
    const std::string step{name.substr(0, name.find('.'))};
    at = &(*at)[step];
    pointer += "/" + step;
    if (step.size() == name.size()) return {at, pointer};
    name.remove_prefix(step.size() + 1);
  }
}

void add_text(const Json& object, const std::string& prefix, std::string& text) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_object()) {
      add_text(value, prefix + name + ".", text);
    } else {
      text += (text.empty() ? "" : " ") + prefix + name + "=" + value.dump();
    }
  }
}

}  // namespace

Command decide_impair(const std::string& where, const std::string& target, const std::vector<std::string>& words,
                      Show show, bool json) {
  if (words.empty()) return missing(where, "impairment", "such as latency_ms=50 loss=2%, or none");
  Call call{.method = "PATCH", .target = target, .show = show, .json = json};
  Json impair = Json::object();
  for (const std::string& word : words) {
    if (words.size() == 1 && word == "none") break;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const Member* const member = find_member(name);
    if (member == nullptr) {
      const std::vector<std::string> names = member_names();
      return usage(where + ": " + found_expected(in_quotes(name), "one of " + join(names) + ", or none") +
                   did_you_mean(std::string{without_direction(name)}, names));
    }
    const std::string text = equals == std::string::npos ? "" : word.substr(equals + 1);
    const auto value = value_of(member->kind, text);
    if (!value) {
      return usage(where + ": " + name + ": " + found_expected(in_quotes(text), expected(member->kind)));
    }
    const auto [place, pointer] = descend(impair, name);
    if (!place->is_null()) return usage(where + ": " + found_expected(name + " a second time", "each of them once"));
    *place = *value;
    call.arguments.emplace_back("/impair" + pointer, name);
  }
  call.body = compact({{"impair", impair}, {"cause", "vnet " + where.substr(0, where.find(' ')) + " impair"}});
  return call;
}

Candidates complete_impair() {
  Candidates candidates;
  candidates.words.emplace_back("none", "a link without any");
  for (const Member& member : kMembers) candidates.words.emplace_back(std::string{member.name} + "=", member.meaning);
  for (const std::string_view direction : kDirections) {
    for (const Member& member : kMembers) {
      candidates.words.emplace_back(std::string{direction} + member.name + "=", "");
    }
  }
  return candidates;
}

std::string impair_text(const Json& impair) {
  std::string text;
  if (impair.is_object()) add_text(impair, "", text);
  return text;
}

}  // namespace vnet::adapter
