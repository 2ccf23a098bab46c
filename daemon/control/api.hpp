// Api: the control API, one function for each method on each resource; openapi.json beside this file describes it.
//
// A request's document is checked against the same openapi.json, by the walker that checks the config file, so that a
// mistake is answered with where it is, what was expected and the nearest name. Everything that changes something goes
// through Operations; everything long is sent in pieces. The functions stand by subject in api_*.cpp.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/control/answers.hpp"
#include "daemon/event_backlog.hpp"
#include "daemon/host_sockets.hpp"
#include "daemon/operations.hpp"
#include "http/message.hpp"
#include "http/server.hpp"

namespace vnet::daemon {

class Api {
 public:
  /// Leases in an answer of gvproxy's form, which cannot be sent in pieces.
  static constexpr std::size_t kMaxGvproxyLeases = 1024;
  /// In the events of what is asked for without a cause.
  static constexpr std::string_view kAskedFor = "asked for by the control API";

  struct Parts {
    network::Fabric& fabric;
    Hub& hub;
    Captures& captures;
    const Forwards& forwards;
    Operations& operations;
    const EventBacklog& events;
    std::function<Moment()> clock;
    /// Reads the config file again.
    std::function<Outcome<Reloaded>()> reload;
    /// Gives everything to a successor at the other end of a connection; see take_over.hpp.
    std::function<void(dgram::Fd, std::string)> hand_over;
    /// Of all servers that this API answers at.
    std::function<http::ServerCounters()> server_counters;
    std::function<std::size_t()> control_clients;
    std::size_t max_control_clients = 0;
    const SystemSockets* sockets = nullptr;  ///< of egress; null: there is none
    /// The assignment line of a NIC, its lease stored.
    std::function<std::string(const MacAddress&)> assign{};
  };

  explicit Api(Parts parts);

  [[nodiscard]] http::Response handle(http::Request& request);

 private:
  struct Call {
    http::Request& request;
    std::string argument;  ///< what stands for `{...}` in the path
    Json document;         ///< the body, where there is one
  };
  using Function = http::Response (Api::*)(Call&);
  struct Route;
  static const std::vector<Route>& routes();

  [[nodiscard]] http::Response dispatch(const Route& route, Call& call);

  http::Response get_status(Call& call);
  http::Response get_openapi(Call& call);
  http::Response get_metrics(Call& call);
  http::Response post_reload(Call& call);
  http::Response post_take_over(Call& call);

  http::Response get_networks(Call& call);
  http::Response get_network(Call& call);
  http::Response patch_network(Call& call);
  http::Response post_reboot(Call& call);

  http::Response get_nics(Call& call);
  http::Response get_nic(Call& call);
  http::Response post_nic(Call& call);
  http::Response patch_nic(Call& call);
  http::Response delete_nic(Call& call);
  http::Response post_attach(Call& call);
  http::Response delete_attach(Call& call);
  http::Response post_assignment(Call& call);

  http::Response get_services(Call& call);
  http::Response get_service(Call& call);
  http::Response patch_service(Call& call);

  http::Response get_flows(Call& call);

  http::Response get_mappings(Call& call);

  http::Response get_leases(Call& call);
  http::Response get_lease(Call& call);
  http::Response delete_lease(Call& call);

  http::Response get_records(Call& call);
  http::Response get_record(Call& call);
  http::Response put_record(Call& call);
  http::Response delete_record(Call& call);

  http::Response get_captures(Call& call);
  http::Response get_capture(Call& call);
  http::Response post_capture(Call& call);
  http::Response delete_capture(Call& call);
  http::Response get_live_capture(Call& call);

  http::Response get_forwards(Call& call);
  http::Response get_forward(Call& call);
  http::Response post_forward(Call& call);
  http::Response delete_forward(Call& call);

  http::Response get_events(Call& call);

  http::Response post_snapshot(Call& call);
  http::Response post_restore(Call& call);

  http::Response get_gvproxy_forwards(Call& call);
  http::Response post_gvproxy_expose(Call& call);
  http::Response post_gvproxy_unexpose(Call& call);
  http::Response get_gvproxy_leases(Call& call);
  http::Response get_gvproxy_zones(Call& call);
  http::Response post_gvproxy_zone(Call& call);

  /// By name, or by MAC address; the problem names the nearest.
  [[nodiscard]] Result<l2::PortId, http::Response> find_nic(const std::string& name) const;
  [[nodiscard]] Result<std::size_t, http::Response> find_network(const std::string& name) const;
  [[nodiscard]] Result<Service, http::Response> find_service(const std::string& name) const;
  /// That of the query parameter `network`; the first without it.
  [[nodiscard]] Result<std::size_t, http::Response> network_of(const Call& call) const;
  [[nodiscard]] std::optional<http::Response> look_at_snapshot(const Json& nics) const;
  [[nodiscard]] Outcome<void> restore_nic(const Nic& nic);
  /// The lease of the address in the path: of the network that the request names, or of the only one that has it.
  [[nodiscard]] Result<std::pair<std::size_t, Ipv4Address>, http::Response> find_lease(const Call& call) const;
  [[nodiscard]] Json view(l2::PortId port) const;
  /// Why it is asked for, as the request says.
  [[nodiscard]] static std::string cause_of(const Call& call);
  [[nodiscard]] Json view(const Forwards::Running& running) const;
  [[nodiscard]] const Network& config_of(std::size_t network) const;
  [[nodiscard]] std::vector<std::string> nic_names() const;
  /// The problem with names in a list of a document at `pointer` that are no interfaces of a capture.
  [[nodiscard]] Problems check_interfaces(const std::vector<std::string>& names, const std::string& pointer) const;

  Parts parts_;
  std::int64_t started_unix_ms_;
  Instant started_;
};

/// daemon/control/openapi.json as it was when this program was built.
[[nodiscard]] std::string_view openapi_text();

}  // namespace vnet::daemon
