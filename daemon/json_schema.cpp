#include "daemon/json_schema.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

/// A number without a fraction is an integer, however it is written (JSON Schema Core, 4.2.3).
bool is_integer(const Json& value) {
  if (value.is_number_integer()) return true;
  return value.is_number_float() && std::nearbyint(value.get<double>()) == value.get<double>();
}

bool has_type(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  assert(type == "integer");
  return is_integer(value);
}

std::string type_in_words(const Json& value) {
  if (value.is_string()) return "a string";
  if (value.is_number()) return is_integer(value) ? "an integer" : "a number";
  return "";
}

/// The value itself where it is short, else what kind of thing it is.
std::string in_words(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  return value.dump();
}

std::string range_in_words(const Json& schema, std::string_view what) {
  std::string words{what};
  const auto least = schema.find("minimum");
  const auto most = schema.find("maximum");
  if (least != schema.end()) words += (most != schema.end() ? " from " : " of at least ") + least->dump();
  if (most != schema.end()) words += (least != schema.end() ? " to " : " of at most ") + most->dump();
  return words;
}

std::string elements_in_words(const Json& schema) {
  const std::size_t least = schema.value("minItems", std::size_t{0});
  const auto most = schema.find("maxItems");
  if (most != schema.end() && *most == least) return "an array of " + std::to_string(least) + " elements";
  if (most != schema.end()) return "an array of " + std::to_string(least) + " to " + most->dump() + " elements";
  return "an array";
}

std::vector<std::string> names_of(const Json& object) {
  std::vector<std::string> names;
  for (const auto& member : object.items()) names.push_back(member.key());
  return names;
}

class Checker {
 public:
  Checker(const Json& root, Problems& problems) : root_(root), problems_(problems) {}

  void check(const Json& schema_or_reference, const Json& value, const std::string& pointer) {
    const Json& schema = resolve(schema_or_reference);
    if (const auto branches = schema.find("oneOf"); branches != schema.end()) {
      check_branches(schema, *branches, value, pointer);
    } else if (const auto& type = schema.at("type").get_ref<const std::string&>(); !has_type(value, type)) {
      const std::string kind = type_in_words(value);
      wrong(schema, in_words(value) + (kind.empty() ? "" : " (" + kind + ")"), pointer);
    } else if (type == "object") {
      check_object(schema, value, pointer);
    } else if (type == "array") {
      check_array(schema, value, pointer);
    } else if (type == "string") {
      check_string(schema, value.get_ref<const std::string&>(), pointer);
    } else if (value.is_number()) {
      check_number(schema, value, pointer);
    }
  }

 private:
  const Json& resolve(const Json& schema) const {
    const auto reference = schema.find("$ref");
    if (reference == schema.end()) return schema;
    const auto& target = reference->get_ref<const std::string&>();
    assert(target.starts_with("#/"));
    return resolve(root_.at(Json::json_pointer{target.substr(1)}));
  }

  /// What would have been right, as in "an integer from 576 to 65520".
  std::string expected(const Json& schema_or_reference) const {
    const Json& schema = resolve(schema_or_reference);
    if (const auto branches = schema.find("oneOf"); branches != schema.end()) {
      std::string words;
      for (const Json& branch : *branches) words += (words.empty() ? "" : ", or ") + expected(branch);
      return words;
    }
    if (const auto choice = schema.find("enum"); choice != schema.end()) {
      return "one of " + join(choice->get<std::vector<std::string>>());
    }
    if (const auto format = schema.find("format"); format != schema.end()) {
      return std::string{find_format(format->get_ref<const std::string&>())->expected};
    }
    const auto& type = schema.at("type").get_ref<const std::string&>();
    if (type == "object") return "an object";
    if (type == "array") return elements_in_words(schema);
    if (type == "boolean") return "true or false";
    if (type == "null") return "null";
    if (type == "integer") return range_in_words(schema, "an integer");
    if (type == "number") return range_in_words(schema, "a number");
    const auto most = schema.find("maxLength");
    return most == schema.end() ? "a string" : "a string of at most " + most->dump() + " characters";
  }

  void wrong(const Json& schema, std::string_view found, const std::string& pointer) {
    problems_.add(pointer, found_expected(found, expected(schema)));
  }

  /// The branches differ in type, so the value's type says which one was meant and its messages are the right ones.
  void check_branches(const Json& schema, const Json& branches, const Json& value, const std::string& pointer) {
    for (const Json& branch : branches) {
      if (has_type(value, resolve(branch).at("type").get_ref<const std::string&>())) {
        return check(branch, value, pointer);
      }
    }
    wrong(schema, in_words(value), pointer);
  }

  void check_object(const Json& schema, const Json& value, const std::string& pointer) {
    static const Json kNone = Json::object();
    const auto listed = schema.find("properties");
    const Json& properties = listed == schema.end() ? kNone : *listed;
    const Json& others = schema.at("additionalProperties");
    for (const auto& member : value.items()) {
      const std::string& name = member.key();
      const std::string at = child_pointer(pointer, name);
      if (const auto property = properties.find(name); property != properties.end()) {
        check(*property, member.value(), at);
      } else if (others.is_object()) {
        check_member_name(schema, name, at);
        check(others, member.value(), at);
      } else {
        const std::vector<std::string> names = names_of(properties);
        problems_.add(at, found_expected("an unknown member " + in_quotes(name), "one of " + join(names)) +
                              did_you_mean(name, names));
      }
    }
    for (const Json& name : schema.value("required", Json::array())) {
      const auto& text = name.get_ref<const std::string&>();
      if (!value.contains(text)) problems_.add(pointer, found_expected("no member " + in_quotes(text), "it here"));
    }
  }

  void check_member_name(const Json& schema, const std::string& name, const std::string& pointer) {
    const auto names = schema.find("propertyNames");
    if (names == schema.end()) return;
    const Format* format = find_format(names->at("format").get_ref<const std::string&>());
    if (!format->matches(name)) {
      problems_.add(pointer, found_expected("the member " + in_quotes(name), format->expected));
    }
  }

  void check_array(const Json& schema, const Json& value, const std::string& pointer) {
    const auto most = schema.find("maxItems");
    if (value.size() < schema.value("minItems", std::size_t{0}) ||
        (most != schema.end() && value.size() > most->get<std::size_t>())) {
      wrong(schema, "an array of " + std::to_string(value.size()), pointer);
      return;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = child_pointer(pointer, i);
      check(schema.at("items"), value[i], at);
      if (!schema.value("uniqueItems", false)) continue;
      const auto before = value.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(value.begin(), before, value[i]) != before) {
        problems_.add(at, found_expected(in_words(value[i]) + " a second time", "each element once"));
      }
    }
  }

  void check_string(const Json& schema, const std::string& value, const std::string& pointer) {
    if (const auto choice = schema.find("enum"); choice != schema.end()) {
      const auto names = choice->get<std::vector<std::string>>();
      if (std::ranges::find(names, value) != names.end()) return;
      problems_.add(pointer, found_expected(in_quotes(value), expected(schema)) + did_you_mean(value, names));
    } else if (const auto name = schema.find("format"); name != schema.end()) {
      const Format* format = find_format(name->get_ref<const std::string&>());
      assert(format != nullptr);
      if (!format->matches(value)) wrong(schema, in_quotes(value), pointer);
    } else if (const auto most = schema.find("maxLength"); most != schema.end()) {
      // Characters, not bytes: every byte of UTF-8 but a continuation begins one.
      const auto characters =
          std::ranges::count_if(value, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; });
      if (characters > most->get<std::ptrdiff_t>()) {
        wrong(schema, "a string of " + std::to_string(characters) + " characters", pointer);
      }
    }
  }

  void check_number(const Json& schema, const Json& value, const std::string& pointer) {
    const double number = value.get<double>();
    const auto least = schema.find("minimum");
    const auto most = schema.find("maximum");
    if ((least != schema.end() && number < least->get<double>()) ||
        (most != schema.end() && number > most->get<double>())) {
      wrong(schema, value.dump(), pointer);
    }
  }

  const Json& root_;
  Problems& problems_;
};

}  // namespace

void check_schema(const Json& schema, const Json& document, Problems& problems) {
  check_schema(schema, schema, document, problems);
}

void check_schema(const Json& root, const Json& schema, const Json& document, Problems& problems) {
  Checker{root, problems}.check(schema, document, {});
}

}  // namespace vnet::daemon
