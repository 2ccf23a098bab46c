// PortPool: which outside ports of one protocol are taken, and which one is next.
//
// A port stands for one mapping at a time (RFC 4787, REQ-3): there is no overloading. A choice keeps what applications
// lean on: privileged ports, 0 to 1023, stay privileged and others do not become so (REQ-3a), and even stays even, odd
// stays odd where one such is left (REQ-4), for RTP has pairs. Identifiers of echoes know neither.
//
// One bit for each port, searched by words, so that the last free port is found about as fast as the first one.
//
// Nobody can guess a port that is chosen at random (RFC 6056, algorithm 1), except from which others are taken.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "nat/behavior.hpp"
#include "packet/random.hpp"

namespace vnet::nat {

class PortPool {
 public:
  static constexpr std::size_t kPorts = 65'536;
  static constexpr std::uint16_t kPrivileged = 1024;

  /// `classes`: port 0 is never chosen, and class and parity are kept.
  explicit PortPool(bool classes) : classes_(classes) {}

  [[nodiscard]] bool is_taken(std::uint16_t port) const noexcept {
    return !taken_.empty() && (taken_[port / 64U] >> (port % 64U) & 1U) != 0;
  }
  void take(std::uint16_t port);
  void give_back(std::uint16_t port) noexcept { taken_[port / 64U] &= ~(std::uint64_t{1} << (port % 64U)); }
  void clear() noexcept { taken_.clear(); }
  /// A free port for the inside port `inside`, which is not taken by that. None: all of its class are.
  [[nodiscard]] std::optional<std::uint16_t> choose(std::uint16_t inside, PortChoice how, Random& random);
  [[nodiscard]] std::size_t memory() const noexcept { return taken_.size() * sizeof(std::uint64_t); }

 private:
  /// From `from` to before `end`.
  [[nodiscard]] std::optional<std::uint16_t> find(std::size_t from, std::size_t end, std::uint64_t pattern) const;

  bool classes_;
  std::vector<std::uint64_t> taken_;         ///< none while no port is
  std::array<std::uint16_t, 2> sequence_{};  ///< by class, the port that a sequential choice looks at next
};

}  // namespace vnet::nat
