#include "daemon/config_not_in_effect.hpp"

#include <nlohmann/json.hpp>

namespace vnet::daemon {
namespace {

/// Whether `nat`, or a member of it, says what holds without it.
bool asks_for_nothing(const Json& value) { return value == "none" || value == false; }

/// A NAT needs outside addresses, which a running network may be given later; until then its times are in effect alone,
/// which are those of egress, too.
void look_at_nat(const Json& network, const std::string& pointer, std::vector<std::string>& found) {
  const auto nat = network.find("nat");
  if (nat == network.end() || network.contains("wan")) return;
  bool asks = !nat->is_object() && !asks_for_nothing(*nat);
  for (const auto& member : nat->items()) {
    asks = asks || (nat->is_object() && !member.key().ends_with("_timeout_s") && !asks_for_nothing(member.value()));
  }
  if (asks) found.push_back(child_pointer(pointer, "nat"));
}

}  // namespace

std::vector<std::string> features_not_in_effect(const Json& document) {
  std::vector<std::string> found;
  if (const auto networks = document.find("networks"); networks != document.end()) {
    for (std::size_t i = 0; i < networks->size(); ++i) {
      look_at_nat((*networks)[i], child_pointer("/networks", i), found);
    }
  }
  return found;
}

}  // namespace vnet::daemon
