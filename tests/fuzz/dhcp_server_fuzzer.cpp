// A server that hears several messages in a row, with time passing between: no leases may share an address or a client,
// and none may have an address that is nobody's to have.
//
// The input is a sequence of records: seconds that pass (1 byte), length of a message (2 bytes, big-endian), message.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "dhcp/server.hpp"

using namespace vnet;

namespace {

dhcp::ServerConfig make_config() {
  dhcp::ServerConfig config;
  config.gateway = {Ipv4Address{192, 168, 1, 1}, 24};
  config.range_first = Ipv4Address{192, 168, 1, 0};
  config.range_last = Ipv4Address{192, 168, 1, 7};
  config.excluded = {Ipv4Address{192, 168, 1, 4}};
  config.reservations = {{MacAddress::from_u64(0x52cccccccc01U), Ipv4Address{192, 168, 1, 150}, "alice"}};
  config.lease_time = std::chrono::minutes{2};
  config.router = config.gateway.address;
  config.routes = {{{Ipv4Address{10, 0, 0, 0}, 8}, Ipv4Address{192, 168, 1, 9}}};
  config.search = {"vnet"};
  return config;
}

void check_leases(const dhcp::Server& server) {
  std::set<Ipv4Address> addresses;
  std::set<std::string> clients;
  for (const dhcp::Lease& lease : server.leases()) {
    if (!addresses.insert(lease.ip).second || !clients.insert(lease.client).second) std::abort();
    if (!dhcp::is_assignable(server.config(), lease.ip)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dhcp::ServerConfig kConfig = make_config();
  dhcp::Server server(kConfig);
  Instant now{std::chrono::seconds{1000}};
  ByteReader in({data, size});
  std::vector<std::uint8_t> out(1472);
  while (in.remaining() != 0) {
    now += std::chrono::seconds{in.u8()};
    const std::size_t length = in.be16();
    const ByteView message = in.bytes(std::min(length, in.remaining()));
    const auto reply = server.handle(message, {MacAddress::from_u64(0x520000000001U)}, now, out);
    if (reply && *reply && !dhcp::Message::parse(ByteView{out}.first((*reply)->size))) std::abort();
    check_leases(server);
    if (server.next_deadline() <= now) std::abort();
  }
  server.expire(now + std::chrono::hours{24});
  if (!server.leases().empty()) std::abort();
  return 0;
}
