#include "adapter/network_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "adapter/commands.hpp"
#include "adapter/printable.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Words = std::vector<std::string>;

struct Preset {
  const char* name;
  const char* meaning;
};

constexpr std::array kPresets = {
    Preset{"none", "no translation: guests are routed by their own addresses"},
    Preset{"one2one", "the outside address stands for one guest, with all of its ports"},
    Preset{"fullcone", "endpoint-independent mapping and filtering"},
    Preset{"easyaf", "endpoint-independent mapping, address-dependent filtering"},
    Preset{"easy", "endpoint-independent mapping, address-and-port-dependent filtering"},
    Preset{"hardaf", "address-dependent mapping and filtering"},
    Preset{"hard", "address-and-port-dependent mapping and filtering, random ports"},
    Preset{"cgnat", "an easy NAT behind a carrier's, which is easy, too"},
};

struct NatMember {
  enum class Kind { text, whole, truth };
  const char* name;
  Kind kind;
  const char* meaning;
};

constexpr std::array kNatMembers = {
    NatMember{"preset", NatMember::Kind::text, "the NAT that it is like, but for the rest"},
    NatMember{"mapping", NatMember::Kind::text, "whether the outside port depends on the destination"},
    NatMember{"filtering", NatMember::Kind::text, "from whom packets may come back"},
    NatMember{"ports", NatMember::Kind::text, "preserve, random or sequential"},
    NatMember{"hairpin", NatMember::Kind::truth, "whether guests reach each other by outside addresses"},
    NatMember{"inbound_refresh", NatMember::Kind::truth, "whether packets from outside keep a mapping"},
    NatMember{"udp_timeout_s", NatMember::Kind::whole, "seconds that a UDP mapping stays unused"},
    NatMember{"icmp_timeout_s", NatMember::Kind::whole, "seconds that a mapping of a ping stays unused"},
    NatMember{"tcp_established_timeout_s", NatMember::Kind::whole, "seconds that a connection may be silent"},
    NatMember{"tcp_transitory_timeout_s", NatMember::Kind::whole, "seconds that it may take to open or close"},
    NatMember{"ipv6", NatMember::Kind::text, "routed, nptv6 or nat66"},
    NatMember{"firewall", NatMember::Kind::truth, "whether IPv6 comes in only as an answer"},
    NatMember{"behind", NatMember::Kind::text, "the network whose NAT it stands behind"},
    NatMember{"host", NatMember::Kind::text, "of one2one: the guest with the outside address"},
};

Words names_of(const auto& named) {
  Words names;
  for (const auto& one : named) names.emplace_back(one.name);
  return names;
}

/// Nothing: the text is no such value.
std::optional<Json> value_of(NatMember::Kind kind, const std::string& text) {
  if (kind == NatMember::Kind::text) return text.empty() ? std::nullopt : std::optional<Json>{text};
  if (kind == NatMember::Kind::truth) {
    return text == "true" || text == "false" ? std::optional<Json>{text == "true"} : std::nullopt;
  }
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

const char* expected(NatMember::Kind kind) {
  switch (kind) {
    case NatMember::Kind::text: return "a value";
    case NatMember::Kind::whole: return "a whole number";
    case NatMember::Kind::truth: return "true or false";
  }
  return "";
}

Exit too_many(const std::string& where, const std::string& word) {
  return usage(where + ": " + found_expected("the argument " + in_quotes(word), "no more of them"));
}

Command with_body(Call call, const char* member, Json value, const std::string& cause) {
  call.body = compact({{member, std::move(value)}, {"cause", "vnet network " + cause}});
  return call;
}

}  // namespace

Command decide_nat(const std::string& where, Call call, const Words& words) {
  const Words presets = names_of(kPresets);
  if (words.empty()) return missing(where, "NAT", "one of " + join(presets) + ", or behaviours such as ports=random");
  if (words.size() == 1 && std::ranges::find(presets, words[0]) != presets.end()) {
    call.arguments.emplace_back("/nat", words[0]);
    return with_body(std::move(call), "nat", words[0], "nat");
  }
  Json nat = Json::object();
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto* const member = std::ranges::find(kNatMembers, name, &NatMember::name);
    if (member == kNatMembers.end()) {
      Words known = names_of(kNatMembers);
      if (words.size() == 1) known.insert(known.begin(), presets.begin(), presets.end());
      return usage(where + ": " + found_expected(in_quotes(name), "one of " + join(known)) + did_you_mean(name, known));
    }
    const std::string text = equals == std::string::npos ? "" : word.substr(equals + 1);
    const auto value = value_of(member->kind, text);
    if (!value) {
      return usage(where + ": " + name + ": " + found_expected(in_quotes(text), expected(member->kind)));
    }
    if (nat.contains(name)) return usage(where + ": " + found_expected(name + " a second time", "each of them once"));
    nat[name] = *value;
    call.arguments.emplace_back("/nat/" + name, name);
  }
  return with_body(std::move(call), "nat", std::move(nat), "nat");
}

Command decide_wan(const std::string& where, Call call, const Words& words) {
  if (words.empty()) return missing(where, "address", "an IPv4 address, an IPv6 address, both, or none");
  if (words[0] == "none") {
    if (words.size() > 1) return too_many(where, words[1]);
    return with_body(std::move(call), "wan", nullptr, "wan");
  }
  Json wan = Json::object();
  for (const std::string& word : words) {
    const std::string name = word.find(':') == std::string::npos ? "ipv4" : "ipv6";
    if (wan.contains(name)) return too_many(where, word);
    wan[name] = word;
    call.arguments.emplace_back("/wan/" + name, word);
  }
  return with_body(std::move(call), "wan", std::move(wan), "wan");
}

Command decide_blackhole(const std::string& where, Call call, const Words& words) {
  if (words.empty()) return missing(where, "word", "add, rm or clear");
  if (words[0] == "clear") {
    if (words.size() > 1) return too_many(where, words[1]);
    return with_body(std::move(call), "blackhole", Json::array(), "blackhole");
  }
  if (words[0] != "add" && words[0] != "rm") return no_such_word(where, words[0], {"add", "rm", "clear"});
  if (words.size() == 1) return missing(where + " " + words[0], "prefix", "such as 52.52.0.3/32");
  const std::string member = words[0] == "add" ? "add" : "remove";
  Json prefixes = Json::array();
  for (std::size_t i = 1; i < words.size(); ++i) {
    prefixes.push_back(words[i]);
    call.arguments.emplace_back("/blackhole/" + member + "/" + std::to_string(i - 1), words[i]);
  }
  return with_body(std::move(call), "blackhole", {{member, std::move(prefixes)}}, "blackhole");
}

Command decide_egress(const std::string& where, Call call, const Words& words) {
  if (words.empty()) return missing(where, "state", "on or off");
  if (words[0] != "on" && words[0] != "off") return no_such_word(where, words[0], {"on", "off"});
  if (words.size() > 1) return too_many(where, words[1]);
  return with_body(std::move(call), "egress", {{"enabled", words[0] == "on"}}, "egress");
}

Candidates complete_nat() {
  Candidates candidates;
  for (const Preset& preset : kPresets) candidates.words.emplace_back(preset.name, preset.meaning);
  for (const NatMember& member : kNatMembers)
    candidates.words.emplace_back(std::string{member.name} + "=", member.meaning);
  return candidates;
}

std::string nat_text(const Json& nat) {
  if (nat.is_string()) return printable(nat.get<std::string>());
  std::string text;
  if (!nat.is_object()) return text;
  for (const auto& [name, value] : nat.items()) {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    text += (text.empty() ? "" : " ") + printable(name + "=" + shown);
  }
  return text;
}

}  // namespace vnet::adapter
