// Fabric: the whole virtual network as one object, without I/O.
//
// It holds the networks (each a broadcast domain with a MAC table and a gateway) and the NICs that are plugged into
// them. It opens no socket and reads no clock: whoever drives it, the daemon's event loop or a test on virtual time,
// does this:
//
//     fabric.admit(...), attach(...)      a client has appeared: which port is it?
//     fabric.receive(port, frames, now)   a batch of frames has come in through a port
//     fabric.transmit()                   what is to be sent now, by port; borrowed until end_batch()
//     fabric.sent(...)                    what became of it
//     fabric.end_batch()
//     fabric.next_deadline(), expire(now) timers
//
// The life of a frame: checked at the door (length, link, source), its source learned, its destination looked up:
// one port, a flood, the gateway, or a drop with a reason. Every frame that is not delivered is counted under exactly
// one DropReason, at the NIC that sent it or at the NIC that should have had it.
//
// Limits: kMaxNics in all; a NIC that nobody configured is removed kLinger after it was detached, and the one longest
// detached makes room when the table is full.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "network/config.hpp"
#include "network/event.hpp"
#include "network/gateway.hpp"
#include "network/nic.hpp"
#include "network/observer.hpp"
#include "network/source_guard.hpp"
#include "packet/random.hpp"
#include "packet/result.hpp"
#include "switch/mac_table.hpp"
#include "switch/port.hpp"
#include "switch/transmit.hpp"

namespace vnet::network {

class Fabric {
 public:
  static constexpr std::size_t kMaxNics = 4096;
  static constexpr Duration kLinger = std::chrono::seconds{300};
  /// A NIC's attachment may move between clients this often in kMoveWindow; see `may_move`.
  static constexpr unsigned kMaxMoves = 8;
  static constexpr Duration kMoveWindow = std::chrono::seconds{10};

  /// `configs` has at least one network; `nics` name networks by index. The seed decides all that is random, but for
  /// the ids of DNS queries where `dns_random` is given.
  Fabric(std::vector<NetworkConfig> configs, std::vector<NicConfig> nics, std::uint64_t seed,
         dns::RandomSource dns_random = {});
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  // Clients come and go.

  /// The port of the NIC with the address `source`, made if it is new; `network` is where the client's socket leads,
  /// if it leads anywhere in particular.
  [[nodiscard]] Result<l2::PortId, DropReason> admit(const MacAddress& source, std::optional<std::size_t> network,
                                                     Instant now);
  /// Whether the NIC's attachment may be taken over by another client: always when it has none; otherwise not more
  /// often than kMaxMoves in kMoveWindow, lest two clients with one MAC take it from each other with every frame.
  [[nodiscard]] bool may_move(l2::PortId port, Instant now);
  void attach(l2::PortId port, AttachmentKind kind, std::string peer, Instant now);
  /// Takes the NIC's own MAC address as learned, as if it had sent a frame.
  void introduce(l2::PortId port, Instant now);
  void detach(l2::PortId port, std::string_view cause, Instant now);
  void set_link(l2::PortId port, bool up, std::string_view cause, Instant now);

  // Frames.

  /// Forwards a batch that came in through `from`, which is attached. The frames must stay until `end_batch`.
  void receive(l2::PortId from, std::span<const ByteView> frames, Instant now);
  /// Counts a frame of `from`'s client that never became one, for example an oversize datagram.
  void refuse(l2::PortId from, ByteView frame, DropReason reason, Instant now);
  [[nodiscard]] const l2::Transmit& transmit() const noexcept { return transmit_; }
  /// What became of one frame of `port`'s batch: sent, or dropped.
  void sent(l2::PortId port, ByteView frame, std::optional<DropReason> dropped, Instant now);
  void end_batch();
  /// What came back for a DNS query that the gateway of `network` has sent; it may fill `transmit()`.
  void on_upstream(std::size_t network, std::uint64_t handle, ByteView message, Instant now);
  void on_upstream_error(std::size_t network, std::uint64_t handle, Instant now);

  // Time.

  [[nodiscard]] Instant next_deadline() const;
  /// Does what is due; it may fill `transmit()`.
  void expire(Instant now);

  // Looking in.

  void set_observer(FrameObserver* observer) noexcept { observer_ = observer; }
  [[nodiscard]] EventLog& events() noexcept { return events_; }
  [[nodiscard]] const Nic& nic(l2::PortId port) const noexcept { return nics_[index(port)]; }
  [[nodiscard]] std::size_t nic_slots() const noexcept { return nics_.size(); }
  [[nodiscard]] l2::PortId find(const MacAddress& mac) const;
  [[nodiscard]] l2::PortId find(std::string_view name) const;
  [[nodiscard]] std::size_t network_count() const noexcept { return networks_.size(); }
  [[nodiscard]] Gateway& gateway(std::size_t network) noexcept { return networks_[network]->gateway; }
  [[nodiscard]] const NetworkConfig& network_config(std::size_t network) const noexcept {
    return networks_[network]->config;
  }
  /// The bytes of the longest frame that any network lets pass.
  [[nodiscard]] std::size_t max_frame_size() const noexcept;

 private:
  struct Network {
    Network(NetworkConfig c, Random& random, const dns::RandomSource& dns_random, EventLog& events)
        : config(std::move(c)),
          table(config.mac_limits, random.next()),
          guard(config.ipv6),
          gateway(config, random, dns_random, events, guard) {}

    NetworkConfig config;
    l2::MacTable table;
    SourceGuard guard;
    Gateway gateway;
    std::vector<l2::PortId> live;  ///< ports that a flood goes to
  };

  [[nodiscard]] Nic& at(l2::PortId port) noexcept { return nics_[index(port)]; }
  [[nodiscard]] Network& network_of(const Nic& nic) noexcept { return *networks_[nic.config.network]; }
  l2::PortId add_nic(NicConfig config, bool configured, Instant now);
  void remove_nic(l2::PortId port, Instant now);
  [[nodiscard]] bool make_room(Instant now);
  void set_live(l2::PortId port, bool live);

  [[nodiscard]] std::optional<DropReason> check(const Nic& nic, const Network& network, ByteView frame) const noexcept;
  [[nodiscard]] std::optional<DropReason> learn(l2::PortId from, Network& network, const MacAddress& source,
                                                Instant now);
  [[nodiscard]] std::optional<DropReason> forward(l2::PortId from, Network& network, ByteView frame, Instant now);
  [[nodiscard]] std::optional<DropReason> to_gateway(l2::PortId from, Network& network, ByteView frame, Instant now);
  void flood(l2::PortId from, const Network& network, ByteView frame);
  void deliver(l2::PortId to, Network& network, ByteView frame, Instant now);
  void forward_from_gateway(Network& network, Instant now);
  void report(EventKind kind, l2::PortId port, const Nic& nic, std::string detail, Instant now);

  Random random_;
  EventLog events_;
  std::vector<std::unique_ptr<Network>> networks_;
  std::deque<Nic> nics_;
  std::vector<l2::PortId> free_;
  std::unordered_map<MacAddress, l2::PortId> by_mac_;
  l2::Transmit transmit_;
  FrameObserver* observer_ = nullptr;
  Instant next_linger_check_ = kNever;
};

}  // namespace vnet::network
