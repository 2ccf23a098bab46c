#include "nat/proxy_header.hpp"

#include <array>
#include <string>

namespace vnet::nat {
namespace {

std::vector<std::uint8_t> text_header(const std::optional<ProxiedConnection>& connection) {
  std::string line = "PROXY UNKNOWN\r\n";
  if (connection) {
    const auto& [client, local] = *connection;
    const bool v4 = is_v4(client.address);
    line = std::string{"PROXY "} + (v4 ? "TCP4 " : "TCP6 ") + to_string(client.address) + " " +
           to_string(local.address) + " " + std::to_string(client.port) + " " + std::to_string(local.port) + "\r\n";
  }
  return {line.begin(), line.end()};
}

std::vector<std::uint8_t> binary_header(const std::optional<ProxiedConnection>& connection) {
  constexpr std::array<std::uint8_t, 12> kSignature = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
  constexpr std::uint8_t kVersion2Proxy = 0x21;
  constexpr std::uint8_t kUnspecified = 0x00, kTcp4 = 0x11, kTcp6 = 0x21;
  std::array<std::uint8_t, 64> storage;
  ByteWriter out{storage};
  out.bytes(kSignature);
  out.u8(kVersion2Proxy);
  if (!connection) {
    out.u8(kUnspecified);
    out.be16(0);
  } else {
    const auto& [client, local] = *connection;
    const bool v4 = is_v4(client.address);
    out.u8(v4 ? kTcp4 : kTcp6);
    out.be16(static_cast<std::uint16_t>(2 * ((v4 ? Ipv4Address::kSize : Ipv6Address::kSize) + 2)));
    for (const IpAddress& address : {client.address, local.address}) {
      if (const auto* four = std::get_if<Ipv4Address>(&address)) {
        out.be32(four->to_u32());
      } else {
        out.bytes(std::get<Ipv6Address>(address).bytes());
      }
    }
    out.be16(client.port);
    out.be16(local.port);
  }
  return {storage.begin(), storage.begin() + static_cast<std::ptrdiff_t>(out.position())};
}

}  // namespace

std::vector<std::uint8_t> proxy_header(unsigned version, const std::optional<ProxiedConnection>& connection) {
  if (version == 1) return text_header(connection);
  return version == 2 ? binary_header(connection) : std::vector<std::uint8_t>{};
}

}  // namespace vnet::nat
