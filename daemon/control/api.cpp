#include "daemon/control/api.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/json_schema.hpp"
#include "daemon/problem.hpp"

namespace vnet::daemon {

struct Api::Route {
  std::string_view method;
  std::string_view path;  ///< a `{name}` stands for any one segment
  Function function;
  /// What the body must be: a schema of openapi.json. Empty: a body is ignored.
  std::string_view schema{};
  bool body_required = true;
};

const std::vector<Api::Route>& Api::routes() {
  // Where two patterns match, the first counts.
  static const std::vector<Route> kRoutes = {
      {"GET", "/v1/status", &Api::get_status},
      {"GET", "/v1/networks", &Api::get_networks},
      {"GET", "/v1/networks/{name}", &Api::get_network},
      {"PATCH", "/v1/networks/{name}", &Api::patch_network, "NetworkChange"},
      {"POST", "/v1/networks/{name}/reboot", &Api::post_reboot, "Reboot", false},
      {"GET", "/v1/nics", &Api::get_nics},
      {"POST", "/v1/nics", &Api::post_nic, "NicAdd"},
      {"GET", "/v1/nics/{name}", &Api::get_nic},
      {"PATCH", "/v1/nics/{name}", &Api::patch_nic, "NicChange"},
      {"DELETE", "/v1/nics/{name}", &Api::delete_nic},
      {"POST", "/v1/nics/{name}/attach", &Api::post_attach},
      {"DELETE", "/v1/nics/{name}/attach", &Api::delete_attach, "Detach", false},
      {"POST", "/v1/nics/{name}/assignment", &Api::post_assignment},
      {"GET", "/v1/services", &Api::get_services},
      {"GET", "/v1/services/{name}", &Api::get_service},
      {"PATCH", "/v1/services/{name}", &Api::patch_service, "ServiceChange"},
      {"GET", "/v1/flows", &Api::get_flows},
      {"GET", "/v1/nat/mappings", &Api::get_mappings},
      {"GET", "/v1/leases", &Api::get_leases},
      {"GET", "/v1/leases/{ip}", &Api::get_lease},
      {"DELETE", "/v1/leases/{ip}", &Api::delete_lease},
      {"GET", "/v1/dns/records", &Api::get_records},
      {"GET", "/v1/dns/records/{name}", &Api::get_record},
      {"PUT", "/v1/dns/records/{name}", &Api::put_record, "DnsRecord"},
      {"DELETE", "/v1/dns/records/{name}", &Api::delete_record},
      {"GET", "/v1/captures", &Api::get_captures},
      {"POST", "/v1/captures", &Api::post_capture, "CaptureAdd"},
      {"GET", "/v1/captures/live", &Api::get_live_capture},
      {"GET", "/v1/captures/{id}", &Api::get_capture},
      {"DELETE", "/v1/captures/{id}", &Api::delete_capture},
      {"GET", "/v1/forwards", &Api::get_forwards},
      {"POST", "/v1/forwards", &Api::post_forward, "ForwardAdd"},
      {"GET", "/v1/forwards/{id}", &Api::get_forward},
      {"DELETE", "/v1/forwards/{id}", &Api::delete_forward},
      {"GET", "/v1/events", &Api::get_events},
      {"POST", "/v1/snapshot", &Api::post_snapshot, "SnapshotRequest", false},
      {"POST", "/v1/restore", &Api::post_restore, "Snapshot"},
      {"POST", "/v1/reload", &Api::post_reload},
      {"POST", "/v1/take-over", &Api::post_take_over},
      {"GET", "/v1/openapi.json", &Api::get_openapi},
      {"GET", "/metrics", &Api::get_metrics},
      {"GET", "/leases", &Api::get_gvproxy_leases},
      {"GET", "/services/dhcp/leases", &Api::get_gvproxy_leases},
      {"GET", "/services/forwarder/all", &Api::get_gvproxy_forwards},
      {"POST", "/services/forwarder/expose", &Api::post_gvproxy_expose},
      {"POST", "/services/forwarder/unexpose", &Api::post_gvproxy_unexpose},
      {"GET", "/services/dns/all", &Api::get_gvproxy_zones},
      {"POST", "/services/dns/add", &Api::post_gvproxy_zone},
  };
  return kRoutes;
}

namespace {

/// Whether `pattern` is the path, and what stands in the place of its `{...}`.
bool matches(std::string_view pattern, const std::vector<std::string>& path, std::string& argument) {
  std::size_t segment = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const std::string_view expected = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(expected.size());
    if (segment >= path.size()) return false;
    const std::string& found = path[segment++];
    if (expected.starts_with('{')) {
      argument = found;
    } else if (expected != found) {
      return false;
    }
  }
  return segment == path.size();
}

const Json& openapi() {
  static const Json kDocument = Json::parse(openapi_text());
  return kDocument;
}

/// The names that openapi.json gives to the parameters of a method on a path.
std::vector<std::string> parameters_of(std::string_view path, std::string method) {
  for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::vector<std::string> names;
  const Json& resource = openapi().at("paths").at(path);
  for (const Json* const owner : {&resource, &resource.at(method)}) {
    const auto parameters = owner->find("parameters");
    if (parameters == owner->end()) continue;
    for (const Json& parameter : *parameters) {
      if (parameter.at("in") == "query") names.push_back(parameter.at("name"));
    }
  }
  return names;
}

std::string path_text(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& segment : path) text += "/" + segment;
  return text.empty() ? "/" : text;
}

}  // namespace

Api::Api(Parts parts) : parts_(std::move(parts)) {
  const Moment at = parts_.clock();
  started_ = at.now;
  started_unix_ms_ = at.unix_ms;
}

std::string Api::cause_of(const Call& call) {
  return call.document.is_object() ? call.document.value("cause", std::string{kAskedFor}) : std::string{kAskedFor};
}

http::Response Api::handle(http::Request& request) {
  Call call{request, {}, {}};
  std::string allowed;
  for (const Route& route : routes()) {
    std::string argument;
    if (!matches(route.path, request.path, argument)) continue;
    if (route.method == request.method) {
      call.argument = std::move(argument);
      return dispatch(route, call);
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string{route.method};
  }
  if (!allowed.empty()) {
    http::Response response =
        problem(405, found_expected("the method " + in_quotes(request.method), "one of " + allowed));
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  std::vector<std::string> paths;
  for (const Route& route : routes()) paths.emplace_back(route.path);
  return problem(404, "there is nothing at " + in_quotes(path_text(request.path)) +
                          "; /v1/openapi.json lists all there is" + did_you_mean(path_text(request.path), paths));
}

http::Response Api::dispatch(const Route& route, Call& call) {
  // A misspelt filter that is passed over answers another question than was asked. Elsewhere we follow other programs'
  // interfaces, whose clients may send what they like.
  if (route.path.starts_with("/v1/") && !call.request.query.empty()) {
    const std::vector<std::string> known = parameters_of(route.path, std::string{route.method});
    for (const auto& [name, value] : call.request.query) {
      if (std::ranges::find(known, name) != known.end()) continue;
      return problem(400, found_expected("the parameter " + in_quotes(name),
                                         known.empty() ? "none for this" : "one of " + join(known)) +
                              did_you_mean(name, known));
    }
  }
  const std::string& body = call.request.body;
  if (!route.schema.empty() && (!body.empty() || route.body_required)) {
    auto document = parse_json_text(body);
    if (!document) {
      const Problem& first = document.error().listed().front();
      if (first.place.starts_with('/')) return problem(400, document.error());  // JSON, but nothing that we would read
      const std::string line_and_column = first.place.empty() ? "" : "at " + first.place + ": ";
      return problem(400, (body.empty() ? "the body is empty; " : line_and_column) + first.text);
    }
    Problems problems;
    check_schema(openapi(), openapi().at("components").at("schemas").at(route.schema), *document, problems);
    if (!problems.empty()) return problem(400, problems);
    call.document = std::move(*document);
  }
  return (this->*route.function)(call);
}

std::vector<std::string> Api::nic_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < parts_.fabric.nic_slots(); ++i) {
    const network::Nic& nic = parts_.fabric.nic(l2::PortId{static_cast<std::uint32_t>(i)});
    if (nic.in_use) names.push_back(nic.config.name);
  }
  return names;
}

Result<l2::PortId, http::Response> Api::find_nic(const std::string& name) const {
  l2::PortId port = parts_.fabric.find(std::string_view{name});
  if (port == l2::kNoPort) {
    if (const auto mac = MacAddress::parse(name)) port = parts_.fabric.find(*mac);
  }
  if (port != l2::kNoPort) return port;
  return refuse(problem(404, "there is no NIC " + in_quotes(name) + did_you_mean(name, nic_names())));
}

Result<std::size_t, http::Response> Api::find_network(const std::string& name) const {
  if (const auto found = parts_.fabric.find_network(name)) return *found;
  std::vector<std::string> names;
  for (const Network& network : parts_.operations.config().networks) names.push_back(network.name);
  return refuse(problem(404, "there is no network " + in_quotes(name) + did_you_mean(name, names)));
}

Result<std::size_t, http::Response> Api::network_of(const Call& call) const {
  const std::string* const name = call.request.parameter("network");
  if (name == nullptr) return std::size_t{0};
  return find_network(*name);
}

const Network& Api::config_of(std::size_t network) const {
  const auto& networks = parts_.operations.config().networks;
  return *std::ranges::find(networks, parts_.fabric.network_config(network).name, &Network::name);
}

}  // namespace vnet::daemon
