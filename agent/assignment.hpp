// An assignment as the guest takes it: what the host's line says, checked, in the form that the kernel wants.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vnet::agent {

/// An address of either family; of IPv4 the first four bytes count.
struct Address {
  int family = 0;  ///< AF_INET, AF_INET6; 0: none
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t prefix = 0;

  [[nodiscard]] static std::optional<Address> parse(std::string_view text);
  [[nodiscard]] std::size_t size() const noexcept;
  bool operator==(const Address&) const = default;
};

using Mac = std::array<std::uint8_t, 6>;
[[nodiscard]] std::optional<Mac> parse_mac(std::string_view text);
[[nodiscard]] std::string to_string(const Mac& mac);

struct Assignment {
  Address ip;
  Address gateway;
  Address ip6;
  Address gateway6;
  std::optional<Mac> mac;
  std::vector<std::string> dns;  ///< addresses as text, checked
  unsigned mtu = 0;              ///< 0: as it is
  std::string hostname;          ///< empty: as it is
  bool operator==(const Assignment&) const = default;
};

/// What a host's line is.
struct Answer {
  enum class Kind : std::uint8_t { wait, assignment, other };
  Kind kind = Kind::other;  ///< not about an assignment, or one that makes no sense
  Assignment assignment;
};
[[nodiscard]] Answer parse_answer(std::string_view line);

/// A resolv.conf; empty: the assignment names no servers.
[[nodiscard]] std::string resolv_conf(const Assignment& assignment);

}  // namespace vnet::agent
