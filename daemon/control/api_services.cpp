// /v1/services: those of the simulated internet, and whether they answer.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/control/api.hpp"
#include "daemon/control/views.hpp"

namespace vnet::daemon {

Result<Service, http::Response> Api::find_service(const std::string& name) const {
  const auto& services = parts_.operations.config().services;
  if (const auto found = std::ranges::find(services, name, &Service::name); found != services.end()) return *found;
  std::vector<std::string> names;
  for (const Service& service : services) names.push_back(service.name);
  return refuse(problem(404, "there is no service " + in_quotes(name) + did_you_mean(name, names)));
}

http::Response Api::get_services(Call&) {
  // A copy, because the list may change while it is sent.
  return list(
      [this, services = parts_.operations.config().services, next = std::size_t{0}]() mutable -> std::optional<Json> {
        if (next == services.size()) return std::nullopt;
        const Service& service = services[next++];
        return service_view(service, parts_.operations.is_up(service.name));
      });
}

http::Response Api::get_service(Call& call) {
  auto service = find_service(call.argument);
  if (!service) return std::move(service.error());
  return answer(service_view(*service, parts_.operations.is_up(service->name)));
}

http::Response Api::patch_service(Call& call) {
  auto service = find_service(call.argument);
  if (!service) return std::move(service.error());
  const bool up = call.document.value("up", parts_.operations.is_up(service->name));
  if (const auto changed = parts_.operations.change_service(service->name, up, cause_of(call)); !changed) {
    return problem(changed.error());
  }
  return answer(service_view(*service, parts_.operations.is_up(service->name)));
}

}  // namespace vnet::daemon
