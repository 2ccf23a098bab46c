#include "daemon/config_check.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <functional>

#include "daemon/config_check_internet.hpp"
#include "daemon/config_check_network.hpp"
#include "daemon/config_check_service.hpp"
#include "daemon/config_check_timeline.hpp"
#include "daemon/config_known.hpp"
#include "daemon/config_once.hpp"
#include "daemon/json_text.hpp"

namespace vnet::daemon {
namespace {

void check_nics(const Config& config, Problems& problems) {
  Once names{problems};
  Once macs{problems};
  Once addresses{problems};
  const std::vector<std::string> networks = names_of(config.networks);
  for (std::size_t i = 0; i < config.nics.size(); ++i) {
    const Nic& nic = config.nics[i];
    const std::string pointer = child_pointer("/nics", i);
    names.add_name(nic.name, child_pointer(pointer, "name"));
    macs.add(nic.mac.to_string(), child_pointer(pointer, "mac"));
    const auto network = std::ranges::find(config.networks, nic.network, &Network::name);
    if (network == config.networks.end()) {
      check_known("network", nic.network, networks, child_pointer(pointer, "network"), problems);
      continue;
    }
    if (nic.mac == network->mac) {
      problems.add(child_pointer(pointer, "mac"),
                   found_expected("the MAC address of the network's gateway", "another"));
    }
    if (!nic.ip) continue;
    const std::string at = child_pointer(pointer, "ip");
    check_host_address(*network, *nic.ip, at, problems);
    addresses.add(nic.ip->to_string() + " in network " + nic.network, at);
  }
}

/// Calls `visit(path, pointer)` for every UNIX socket that the daemon binds.
void for_each_socket(const Config& config, const std::function<void(const std::string&, const std::string&)>& visit) {
  const auto visit_entries = [&](const auto& entries, const std::string& pointer) {
    for (std::size_t i = 0; i < entries.size(); ++i) visit(entries[i].path, child_pointer(pointer, i));
  };
  visit_entries(config.listen.dgram, "/listen/dgram");
  visit_entries(config.listen.stream, "/listen/stream");
  visit(config.listen.control, "/listen/control");
  visit_entries(config.listen.assign, "/listen/assign");
  for (std::size_t i = 0; i < config.nics.size(); ++i) {
    if (config.nics[i].dgram) visit(*config.nics[i].dgram, child_pointer(child_pointer("/nics", i), "dgram"));
  }
  for (std::size_t i = 0; i < config.networks.size(); ++i) {
    const std::string pointer = child_pointer(child_pointer("/networks", i), "forwards");
    for (std::size_t j = 0; j < config.networks[i].forwards.size(); ++j) {
      const auto* path = std::get_if<UnixPath>(&config.networks[i].forwards[j].listen);
      if (path != nullptr) visit(path->path, child_pointer(child_pointer(pointer, j), "listen"));
    }
  }
}

void check_listen(const Config& config, Problems& problems) {
  const std::vector<std::string> networks = names_of(config.networks);
  const auto check_entries = [&](const auto& entries, const std::string& pointer) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      check_known("network", entries[i].network, networks, child_pointer(child_pointer(pointer, i), "network"),
                  problems);
    }
  };
  check_entries(config.listen.dgram, "/listen/dgram");
  check_entries(config.listen.stream, "/listen/stream");
  check_entries(config.listen.assign, "/listen/assign");
  const std::vector<std::string> nics = names_of(config.nics);
  for (std::size_t i = 0; i < config.listen.assign.size(); ++i) {
    const auto& nic = config.listen.assign[i].nic;
    if (nic) check_known("NIC", *nic, nics, child_pointer(child_pointer("/listen/assign", i), "nic"), problems);
  }
}

void check_services(const Config& config, Problems& problems) {
  Once names{problems};
  Once addresses{problems};
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    const Service& service = config.services[i];
    const std::string pointer = child_pointer("/services", i);
    names.add_name(service.name, child_pointer(pointer, "name"));
    for (const Ipv4Address& address : service.ipv4) addresses.add(address.to_string(), child_pointer(pointer, "ipv4"));
    for (const Ipv6Address& address : service.ipv6) addresses.add(address.to_string(), child_pointer(pointer, "ipv6"));
    if (service.ipv4.empty() && service.ipv6.empty()) {
      problems.add(pointer, found_expected("a service without an address", "ipv4, ipv6 or both"));
    }
    const bool has_root = service.kind == ServiceKind::files || service.kind == ServiceKind::cloud_init;
    if (has_root && !service.root) {
      problems.add(pointer, found_expected("no member \"root\"", "the folder that this kind of service serves"));
    }
    if (!has_root && service.root) {
      problems.add(child_pointer(pointer, "root"),
                   found_expected("a folder", "one for the kinds files and cloud-init only"));
    }
    if (!service.records.empty() && service.kind != ServiceKind::dns) {
      problems.add(child_pointer(pointer, "records"), found_expected("records", "them for the kind dns only"));
    }
    check_records(service.records, child_pointer(pointer, "records"), problems);
    check_service_forwards(service, pointer, problems);
  }
}

}  // namespace

std::size_t max_socket_path_bytes() noexcept { return sizeof(sockaddr_un{}.sun_path) - 1; }

void check_sockets(const Config& config, Problems& problems) {
  Once paths{problems};
  for_each_socket(config, [&](const std::string& path, const std::string& pointer) {
    paths.add(path, pointer);
    if (path.starts_with(kVsockScheme) || path.size() <= max_socket_path_bytes()) return;
    problems.add(pointer,
                 found_expected("a socket path of " + std::to_string(path.size()) + " bytes, " + in_quotes(path),
                                "at most " + std::to_string(max_socket_path_bytes()) + " bytes"));
  });
}

void check_config(const Config& config, Problems& problems) {
  check_networks(config, problems);
  check_routers(config, problems);
  check_nics(config, problems);
  check_listen(config, problems);
  check_sockets(config, problems);
  check_services(config, problems);
  check_timeline(config, problems);
}

}  // namespace vnet::daemon
