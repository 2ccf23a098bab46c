// Forwards that come and go by request.
#include <algorithm>

#include "daemon/config_check.hpp"
#include "daemon/operations.hpp"

namespace vnet::daemon {

/// The problems of a forward that would be the last one of a network, with pointers into the forward itself.
Problems Operations::problems_with(std::size_t network, const Forward& forward) const {
  Config tried = now_;
  const auto of_now = std::ranges::find(tried.networks, network_name(network), &Network::name);
  of_now->forwards.push_back(forward);
  Problems all;
  check_config(tried, all);
  const std::string place = "/networks/" + std::to_string(of_now - tried.networks.begin()) + "/forwards/" +
                            std::to_string(of_now->forwards.size() - 1);
  Problems own;
  for (const Problem& problem : all.listed()) {
    own.add(problem.place.starts_with(place) ? problem.place.substr(place.size()) : problem.place, problem.text);
  }
  return own;
}

Outcome<std::string> Operations::add_forward(std::size_t network, const Forward& forward) {
  if (const auto known = parts_.forwards.find(forward.proto, forward.listen)) {
    return fail(Refusal{Refusal::Kind::conflict, "/listen", "forward " + *known + " listens there already"});
  }
  if (const Problems problems = problems_with(network, forward); !problems.empty()) {
    const Problem& first = problems.listed().front();
    return fail(Refusal{Refusal::Kind::invalid, first.place, first.text, problems});
  }
  auto id = parts_.forwards.open(network, forward);
  if (!id) return fail(Refusal{Refusal::Kind::conflict, "/listen", id.error().to_string()});
  network_now(network).forwards.push_back(forward);
  save_forward(network, forward_key(forward));
  return *id;
}

bool Operations::remove_forward(std::string_view id) {
  const auto running = parts_.forwards.running();
  const auto found = std::ranges::find(running, id, &Forwards::Running::id);
  if (found == running.end()) return false;
  (void)parts_.forwards.close(id);
  std::erase(network_now(found->network).forwards, found->forward);
  save_forward(found->network, forward_key(found->forward));
  return true;
}

void Operations::save_forward(std::size_t network, const std::string& key) {
  const auto find = [&](const Config& config) -> std::optional<Forward> {
    const auto of_config = std::ranges::find(config.networks, network_name(network), &Network::name);
    if (of_config == config.networks.end()) return std::nullopt;
    const auto found = std::ranges::find(of_config->forwards, key, forward_key);
    return found == of_config->forwards.end() ? std::nullopt : std::optional{*found};
  };
  RuntimeChanges change;
  change.forwards.push_back({{find(file_), find(now_)}, network_name(network), key});
  save(std::move(change));
}

}  // namespace vnet::daemon
