// Operations: everything that can be changed while the switch runs, one function each, whoever asks for it: the control
// API, a new reading of the config file, a successor that takes over.
//
// Two configurations are kept: what the file (and the command line) says, and what holds now. A change is made to the
// fabric and the sockets, and then to the second; the difference of the two is what somebody changed at run time, and
// is saved before the answer leaves. Every function does all of it or nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/captures.hpp"
#include "daemon/config.hpp"
#include "daemon/forwards.hpp"
#include "daemon/hub.hpp"
#include "daemon/lease_store.hpp"
#include "daemon/name_forwarding.hpp"
#include "daemon/runtime_changes.hpp"
#include "daemon/runtime_store.hpp"
#include "daemon/services.hpp"
#include "network/fabric.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

/// Why something was not done. `place` is a JSON pointer into what was asked for.
struct Refusal {
  enum class Kind : std::uint8_t {
    unknown,   ///< what it is about does not exist
    invalid,   ///< it makes no sense
    conflict,  ///< it does not go together with what there is, or the system would not have it
  };
  Kind kind = Kind::invalid;
  std::string place;
  std::string text;
  Problems problems{};  ///< all of them, where there may be several
};
template <typename T>
using Outcome = Result<T, Refusal>;

/// What is absent does not change. Every member has an initialiser so that one may name only those that it sets.
struct NicChange {
  std::optional<std::string> name{};
  std::optional<std::string> network{};
  std::optional<Link> link{};
  std::optional<std::optional<Ipv4Address>> ip{};  ///< an empty one ends the reservation
  std::optional<std::string> hostname{};
  std::optional<Assign> assign{};
  std::optional<Impair> impair{};
};

/// What is absent does not change.
struct NetworkChange {
  std::optional<Impair> impair{};
  std::optional<Egress> egress{};
  std::optional<Nat> nat{};                 ///< a `behind` and a `host` that it does not name stay
  std::optional<std::optional<Wan>> wan{};  ///< an empty one: the network is joined to the internet no more
  std::optional<std::vector<IpPrefix>> blackhole{};
  std::optional<Ipv4Prefix> ipv4{};  ///< the gateway's address
};

/// What a new reading of the config file led to. Pointers into that file.
struct Reloaded {
  std::vector<std::string> changed;
  std::vector<std::string> restart_needed;
};

class Operations {
 public:
  struct Parts {
    network::Fabric& fabric;
    Hub& hub;
    NameForwarding& names;
    Forwards& forwards;
    Captures& captures;
    Services& services;
    const std::unique_ptr<LeaseStore>& leases;   ///< null without a state folder
    const std::unique_ptr<RuntimeStore>& store;  ///< likewise; what there was has been loaded
    std::function<Moment()> clock;
    std::function<void(std::string_view)> notice;
  };

  /// `file` is what the config file says, `now` what the parts have been made from.
  Operations(Config file, Config now, Parts parts);

  /// The configuration that holds, run-time changes included.
  [[nodiscard]] const Config& config() const noexcept { return now_; }
  [[nodiscard]] RuntimeChanges changes() const;
  /// Begins the captures and shows the zones of earlier run-time changes.
  void resume(const RuntimeChanges& changes);

  // NICs. Those that merely appeared become configured ones when something is changed about them.

  [[nodiscard]] Outcome<l2::PortId> add_nic(Nic nic);
  [[nodiscard]] Outcome<void> change_nic(l2::PortId port, const NicChange& change, std::string_view cause);
  void remove_nic(l2::PortId port, std::string_view cause);
  [[nodiscard]] Outcome<void> attach(l2::PortId port, dgram::Fd fd);
  [[nodiscard]] Outcome<void> detach(l2::PortId port, std::string_view cause);

  [[nodiscard]] Outcome<void> change_network(std::size_t network, const NetworkChange& change, std::string_view cause);
  /// The router is switched off and on: its mappings are gone.
  void reboot_router(std::size_t network, std::string_view cause);

  /// A service that is not `up` is as silent as a host without power, until it is up again or the daemon starts anew.
  [[nodiscard]] Outcome<void> change_service(std::string_view name, bool up, std::string_view cause);
  [[nodiscard]] bool is_up(std::string_view service) const { return !parts_.services.down().contains(service); }

  /// What an event of the timeline does. The place of a refusal is in the event.
  [[nodiscard]] Outcome<void> run(const TimelineEvent& event);

  [[nodiscard]] Outcome<void> end_lease(std::size_t network, Ipv4Address ip);
  /// Gives a NIC its address back, as far as nobody else has it now.
  [[nodiscard]] bool restore_lease(std::size_t network, const dhcp::Lease& lease);
  /// The NIC's guest is that of a snapshot from now on; see network::Fabric.
  void restart_guest(l2::PortId port, std::vector<network::GuestConnection> believed);

  [[nodiscard]] Outcome<void> put_record(std::size_t network, DnsRecord record);
  /// False: there was none.
  bool remove_record(std::size_t network, const std::string& name);
  [[nodiscard]] Outcome<void> add_zone(const GvproxyZone& zone);
  [[nodiscard]] const std::vector<GvproxyZone>& zones() const noexcept { return zones_; }

  /// Returns the id.
  [[nodiscard]] Outcome<std::string> add_forward(std::size_t network, const Forward& forward);
  /// False: there is none.
  bool remove_forward(std::string_view id);

  [[nodiscard]] Outcome<std::string> start_capture(CaptureRequest request);
  [[nodiscard]] bool stop_capture(std::string_view id);
  /// A capture has ended by itself: it is not to begin again after a restart.
  void forget_capture() { save({}); }

  /// Applies the difference between the config file as it was and as it is now.
  [[nodiscard]] Outcome<Reloaded> reload(Config file);

 private:
  class Reload;

  [[nodiscard]] std::string network_name(std::size_t network) const { return fabric().network_config(network).name; }
  [[nodiscard]] network::Fabric& fabric() const noexcept { return parts_.fabric; }
  [[nodiscard]] Network& network_now(std::size_t network);
  [[nodiscard]] Nic nic_now(l2::PortId port) const;
  void remember(const Nic& nic);
  [[nodiscard]] Outcome<std::size_t> find_network(const std::string& name, std::string_view place) const;
  /// What a changed network would be wrong with; pointers begin at it.
  [[nodiscard]] Problems problems_with(const Network& now, const Network& wanted) const;
  /// Whether the gateway must be made anew: what is not changed otherwise by `apply`, and records, which change one by
  /// one, and forwards, aside.
  [[nodiscard]] static bool needs_new_gateway(Network before, Network after);
  /// Has the fabric do it. `wanted` is of `config`. Records and forwards are the caller's, unless the gateway is new.
  void apply(std::size_t slot, const Network& before, const Config& config, const Network& wanted,
             std::string_view cause);
  /// The gateway of the network behind whose router another stands, or stood: it leases that one's address to nobody.
  void remake_parent(const std::optional<std::string>& name);
  [[nodiscard]] std::vector<CaptureRequest> requested_captures() const;
  void save_all();
  void save_nic(const MacAddress& mac);
  void save_record(std::size_t network, const std::string& name);
  [[nodiscard]] Problems problems_with(std::size_t network, const Forward& forward) const;
  void save_forward(std::size_t network, const std::string& key);
  /// Adds captures and zones to a change of something else, and writes it.
  void save(RuntimeChanges change);

  Config file_;
  Config now_;
  Parts parts_;
  std::vector<GvproxyZone> zones_;
};

}  // namespace vnet::daemon
