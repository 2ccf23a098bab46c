// Forwards: sockets of the host that lead to a guest's port.
//
// A connection that comes to such a socket is carried on to the guest by the network's egress, which sees to the rest
// of its life: see nat/egress.hpp, also for whom the guest sees as its client. Whether the network lets its guests out
// is no matter here: who may come in is said by the forward alone.
//
// A guest that nobody knows is asked for by ARP or Neighbor Discovery. Meanwhile the connections wait, at most
// kMaxWaiting for each forward and each for as long as a guest has to answer a SYN, and are reset then. So a client may
// connect while its VM still boots. Datagrams wait, as many as the kernel holds for a socket: see
// nat/datagram_calls.hpp.
//
// Limits: kMaxForwards. Connections beyond a limit are reset and counted. A UDP forward at the wildcard address answers
// from the address that the host's routes choose, which on a host with several may not be the one that was asked.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/host_sockets.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "nat/tcp_splice.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

class ForwardDoor;

class Forwards {
 public:
  static constexpr std::size_t kMaxForwards = 1024;
  static constexpr std::size_t kMaxWaiting = 64;
  static constexpr Duration kPatience = nat::TcpTimes{}.opening;
  /// Between two questions for one guest (RFC 4861, 10: RETRANS_TIMER).
  static constexpr Duration kAskInterval = std::chrono::seconds{1};

  struct Parts {
    network::Fabric& fabric;
    SystemSockets& sockets;
    dgram::Poller& poller;
    std::function<Instant()> clock;
    /// Sends the frames that are in the fabric.
    std::function<void()> after_frames;
  };

  /// One forward as it is now.
  struct Running {
    std::string id;
    std::size_t network = 0;
    Forward forward;
    bool ready = false;          ///< it is known where the guest is
    std::size_t waiting = 0;     ///< connections; of UDP, 1 when datagrams wait
    std::uint64_t accepted = 0;  ///< connections; of UDP, clients
    /// Connections reset because of a limit, or because the guest was not there in time; datagrams of clients that
    /// cannot be shown to it.
    std::uint64_t refused = 0;
  };

  explicit Forwards(Parts parts);
  ~Forwards();
  Forwards(const Forwards&) = delete;
  Forwards& operator=(const Forwards&) = delete;

  /// Listens; `inherited` is a socket that listens there already. Returns the id.
  [[nodiscard]] dgram::SystemResult<std::string> open(std::size_t network, const Forward& forward,
                                                      dgram::Fd inherited = {});
  /// Whether `open` would succeed; leaves nothing behind.
  [[nodiscard]] dgram::SystemResult<void> try_open(const Forward& forward) const;
  /// No connection is accepted any more, and those that wait are reset; those that reached the guest go on. False:
  /// there is none.
  bool close(std::string_view id);
  /// The id of the forward that listens there; nothing: none does.
  [[nodiscard]] std::optional<std::string> find(Protocol proto, const EndpointOrUnix& listen) const;
  [[nodiscard]] std::vector<Running> running() const;
  /// The listening descriptors by forward_key, for a successor.
  [[nodiscard]] std::vector<std::pair<std::string, int>> listening() const;
  /// A successor has them: the files of UNIX sockets stay.
  void disown() noexcept;

  /// A guest may have appeared: its connections need not wait any more. It may fill the fabric's `transmit()`.
  void retry();
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

 private:
  Parts parts_;
  std::vector<std::unique_ptr<ForwardDoor>> doors_;
  std::uint64_t next_id_ = 1;
};

}  // namespace vnet::daemon
