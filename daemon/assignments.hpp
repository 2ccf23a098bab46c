// Assignments: which address each NIC is told when it asks without the network, and who may ask about which NIC.
//
// A NIC has one address however its guest comes to know it: the one that is reserved for it, the one that DHCP has
// given it, or one that is leased on its behalf, which DHCP will then give it as well. A lease that was taken here is
// renewed here, for as long as the NIC's `assign` says ready.
//
// One guest must not learn another's address, so who asks is told by where it asks, never by what it says alone:
//
//   an entry with `nic`     the socket is that VM's; it is about that NIC
//   vsock                   the peer's CID, which the kernel vouches for: the NICs that have it as their `cid`
//   any other UNIX socket   software of this user on the host, which may ask the API as well: any NIC of the network
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/assign_protocol.hpp"
#include "daemon/config.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

/// Where somebody asks: at which entry, and of vsock, from which CID.
struct Asker {
  const AssignEntry& entry;
  std::optional<std::uint32_t> cid;
};

class Assignments {
 public:
  struct Parts {
    network::Fabric& fabric;
    std::function<const Config&()> config;  ///< the one that holds now
    std::function<Instant()> clock;
  };

  explicit Assignments(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] bool may_ask(const Asker& asker, const MacAddress& mac) const;
  /// The NIC that is asked about by who does not say; nullopt: there is none, or more than one.
  [[nodiscard]] std::optional<MacAddress> only(const Asker& asker) const;
  /// Whether there is anything to be told there.
  [[nodiscard]] bool knows(const Asker& asker) const { return !candidates(asker).empty(); }

  /// The line for the NIC; it may take a lease, which is to be stored before the line is sent. No NIC: `wait`.
  [[nodiscard]] std::string answer(const std::optional<MacAddress>& mac);

  /// Renews leases.
  [[nodiscard]] Instant next_deadline() const noexcept { return next_; }
  void expire(Instant now);

 private:
  struct Told {
    std::string line;
    Instant renew = kNever;
  };
  using Found = Result<Assignment, std::string>;

  [[nodiscard]] std::vector<const Nic*> candidates(const Asker& asker) const;
  [[nodiscard]] Found find(const Nic& nic);
  void tell(const Nic& nic, const Found& found, const std::string& line);
  void forget_gone();

  Parts parts_;
  std::unordered_map<MacAddress, Told> told_;
  Instant next_ = kNever;
};

}  // namespace vnet::daemon
