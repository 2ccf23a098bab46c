#include "adapter/json.hpp"

namespace vnet::adapter {

std::optional<Json> parse_json(std::string_view text) {
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t /*event*/, Json& /*parsed*/) {
    too_deep = too_deep || static_cast<std::size_t>(depth) > kMaxJsonDepth;
    return !too_deep;
  };
  Json json = Json::parse(text, watch_depth, /*allow_exceptions=*/false);
  if (json.is_discarded() || too_deep) return std::nullopt;
  return json;
}

std::string pretty(const Json& json) {
  return json.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

std::string compact(const Json& json) {
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

const Json& member(const Json& object, std::string_view name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(std::string{name});
  return found == object.end() ? kNothing : *found;
}

std::string text_at(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string{};
}

std::uint64_t count_at(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  if (value.is_number_unsigned()) return value.get<std::uint64_t>();
  // Only what a std::uint64_t can hold may be converted to one.
  if (value.is_number_float() && value.get<double>() >= 0 && value.get<double>() < 1e18) {
    return static_cast<std::uint64_t>(value.get<double>());
  }
  return 0;
}

bool flag_at(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_boolean() && value.get<bool>();
}

std::string texts_at(const Json& object, std::string_view name, std::string_view separator) {
  std::string result;
  for (const Json& value : member(object, name)) {
    if (!value.is_string()) continue;
    result += (result.empty() ? "" : std::string{separator}) + value.get<std::string>();
  }
  return result;
}

}  // namespace vnet::adapter
