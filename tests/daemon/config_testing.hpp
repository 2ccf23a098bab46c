// Short cuts of the config tests: load a text as if it were /etc/vnet/run.json, and see all problems as one text.
#pragma once

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "daemon/config.hpp"

namespace vnet::daemon {

inline const Folders kTestFolders{"/etc/vnet", "/run/user/1000/vnet"};

/// What vnetd prints about a text, or nothing when it is right.
inline std::string complaints(std::string_view text) {
  const auto loaded = load_config(text, kTestFolders);
  return loaded ? std::string{} : to_string(loaded.error(), "run.json");
}

/// The config of a text that must be right.
inline Config loaded(std::string_view text) {
  const auto result = load_config(text, kTestFolders);
  if (!result) throw std::runtime_error(to_string(result.error(), "run.json"));
  return result->config;
}

/// The folder of the repository.
inline std::string source_folder() {
  const std::string here = __FILE__;
  return here.substr(0, here.size() - std::string_view{"/tests/daemon/config_testing.hpp"}.size());
}

inline Nic make_nic(std::string name, std::uint64_t number, std::string network = "home") {
  Nic nic;
  nic.name = nic.hostname = std::move(name);
  nic.mac = MacAddress::from_u64(0x52cccccc0000U + number);
  nic.network = std::move(network);
  return nic;
}

inline DnsRecord make_record(std::string name, std::string_view address) {
  DnsRecord record;
  record.name = std::move(name);
  record.a = {Ipv4Address::parse(address).value()};
  return record;
}

inline std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace vnet::daemon
