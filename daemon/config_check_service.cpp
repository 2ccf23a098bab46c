#include "daemon/config_check_service.hpp"

#include <algorithm>

#include "daemon/config_check.hpp"
#include "daemon/config_words.hpp"
#include "daemon/json_text.hpp"
#include "daemon/socket_address.hpp"

namespace vnet::daemon {
namespace {

using Port = std::pair<Protocol, std::uint16_t>;

constexpr Port kHttp{Protocol::tcp, 80};

void check_target(const Port& port, const EndpointOrUnix& to, const std::string& pointer, Problems& problems) {
  if (const auto* const endpoint = std::get_if<Endpoint>(&to)) {
    // The system would take it for its loopback, which is better said.
    if (!is_unspecified(endpoint->address)) return;
    problems.add(pointer, found_expected(to_string(*endpoint), "the address that a program on the host listens at"));
    return;
  }
  const std::string& path = std::get<UnixPath>(to).path;
  if (port.first == Protocol::udp) {
    problems.add(pointer, found_expected("a UNIX socket for udp", "an address and a port"));
  } else if (path.size() > max_socket_path_bytes()) {
    problems.add(pointer,
                 found_expected("a socket path of " + std::to_string(path.size()) + " bytes, " + in_quotes(path),
                                "at most " + std::to_string(max_socket_path_bytes()) + " bytes"));
  }
}

}  // namespace

void check_service_forwards(const Service& service, const std::string& pointer, Problems& problems) {
  const std::string forward = child_pointer(pointer, "forward");
  const bool serves_http = service.kind == ServiceKind::files || service.kind == ServiceKind::cloud_init;
  for (const auto& [port, to] : service.forward) {
    const std::string name = std::string{to_word(kProtocolWords, port.first)} + "/" + std::to_string(port.second);
    const std::string at = child_pointer(forward, name);
    check_target(port, to, at, problems);
    if (serves_http && port == kHttp) {
      problems.add(at, found_expected("the port where this kind of service answers itself", "another"));
    }
  }
  const auto is_tcp = [](const auto& entry) { return entry.first.first == Protocol::tcp; };
  if (service.proxy_protocol != 0 && std::ranges::none_of(service.forward, is_tcp)) {
    problems.add(child_pointer(pointer, "proxy_protocol"), found_expected("a header", "it with a forward of tcp only"));
  }
}

}  // namespace vnet::daemon
