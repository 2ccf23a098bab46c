// Messages for UDP port 5351, byte by byte, and who answers them.
#pragma once

#include <vector>

#include "nat/port_control.hpp"
#include "tests/nat/port_mappings_testing.hpp"

namespace vnet::nat::test {

using Bytes = std::vector<std::uint8_t>;

inline const Endpoint kAlice = at("192.168.1.10", 40'000);
inline const Endpoint kBob = at("192.168.1.11", 40'000);

/// Big-endian messages, written as their RFC draws them.
class Message {
 public:
  Message& u8(unsigned value) { return put(value, 1); }
  Message& u16(unsigned value) { return put(value, 2); }
  Message& u32(std::uint64_t value) { return put(value, 4); }
  Message& zeros(std::size_t count) {
    bytes_.insert(bytes_.end(), count, 0);
    return *this;
  }
  Message& raw(ByteView more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    return *this;
  }
  /// 128 bits, IPv4 as ::ffff:a.b.c.d (RFC 6887, 5).
  Message& address(const IpAddress& of) {
    if (const auto* const v4 = std::get_if<Ipv4Address>(&of)) return zeros(10).u16(0xffff).u32(v4->to_u32());
    return raw(std::get<Ipv6Address>(of).bytes());
  }
  operator ByteView() const { return bytes_; }  // NOLINT(google-explicit-constructor): for brevity in tests
  const Bytes& bytes() const { return bytes_; }

 private:
  Message& put(std::uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    return *this;
  }
  Bytes bytes_;
};

struct ControlBench : MappingBench {
  explicit ControlBench(const PortMappingsConfig& network = home(), const PortControlConfig& config = {},
                        std::uint32_t epoch = 0)
      : MappingBench(network, epoch), control(config, mappings) {}

  Bytes ask_control(const Endpoint& from, ByteView request) {
    // A copy of just that size, so that a read beyond it is seen.
    const Bytes exact(request.begin(), request.end());
    const ByteView answer = control.handle(from, exact, now);
    return {answer.begin(), answer.end()};
  }

  PortControl control;
};

}  // namespace vnet::nat::test
