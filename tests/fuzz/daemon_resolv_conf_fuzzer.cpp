// resolv.conf of any content: few servers, whose zones are short and stand behind IPv6 addresses only.
#include <cstdint>
#include <cstdlib>

#include "daemon/resolv_conf.hpp"
#include "packet/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto conf = vnet::daemon::parse_resolv_conf(vnet::as_text({data, size}));
  if (conf.nameservers.size() > vnet::daemon::kMaxNameservers) std::abort();
  if (conf.refused.size() > vnet::daemon::kMaxNameservers) std::abort();
  for (const auto& server : conf.nameservers) {
    if (server.zone.empty()) continue;
    if (!std::holds_alternative<vnet::Ipv6Address>(server.address)) std::abort();
    if (server.zone.size() > 64 || server.zone.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
