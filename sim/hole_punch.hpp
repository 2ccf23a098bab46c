// Hole punching: two clients behind NATs that meet by UDP, with the help of a server that both can reach.
//
// The way of RFC 5128 (3.3) and of ICE (RFC 8445) without its priorities: each client joins a room at the server, which
// sees by which endpoint the client is known outside (its reflexive candidate; what a STUN server would say), and when
// both are there tells each the other's candidates: that one, and the host's own addresses. Both then send to all of
// them at the same time. A packet on its way out opens the sender's NAT for what comes back. A client that hears from
// an endpoint that nobody has told it takes that for a candidate, too.
//
// A pair of endpoints is good when a question to one was answered from the same one: ICE asks for the same, and a path
// that leads back another way would not survive. When there is none after `patience`, both go on by the server, as they
// would by a TURN server.
//
// Not attempted: predicting the ports that a NAT will choose, asking several servers in order to do so, many sockets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace vnet::sim {

enum class Path : std::uint8_t { none, direct, relayed };

[[nodiscard]] constexpr std::string_view to_string(Path path) noexcept {
  switch (path) {
    case Path::none: return "none";
    case Path::direct: return "direct";
    case Path::relayed: return "relayed";
  }
  return "unknown";
}

struct PunchOptions {
  Duration pace = 100ms;   ///< between two packets to the same candidate
  Duration patience = 3s;  ///< from when the candidates are known to falling back on the relay, and then to giving up
  bool own_addresses = true;  ///< tells the peer the host's own addresses, beside what the server sees
};

/// Brings clients together, and relays between them when all else fails.
class RendezvousServer {
 public:
  static constexpr std::uint16_t kPort = 3478;

  explicit RendezvousServer(Host& host, std::uint16_t port = kPort);
  ~RendezvousServer();
  RendezvousServer(const RendezvousServer&) = delete;
  RendezvousServer& operator=(const RendezvousServer&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return {*host_.ipv4(), socket_.port()}; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return socket_.sent(); }

 private:
  struct Member {
    Endpoint reflexive;
    std::string candidates;  ///< as they are told to the other
  };

  void handle(const Endpoint& from, std::string_view text);
  void join(const std::string& room, const Endpoint& from, std::string_view who, std::string_view candidates);

  Host& host_;
  UdpSocket& socket_;
  std::map<std::string, std::map<std::string, Member, std::less<>>, std::less<>> rooms_;  ///< by room and name
};

class PunchClient {
 public:
  /// An end to asymmetric NATs that answer each packet from another port.
  static constexpr std::size_t kMaxCandidates = 32;

  PunchClient(Host& host, const Endpoint& server, std::string room, const PunchOptions& options = {});
  ~PunchClient();
  PunchClient(const PunchClient&) = delete;
  PunchClient& operator=(const PunchClient&) = delete;

  void start();

  [[nodiscard]] Path path() const noexcept { return path_; }
  [[nodiscard]] bool is_done() const noexcept { return path_ != Path::none || gave_up_; }
  /// The peer as it is reached, on a direct path.
  [[nodiscard]] const Endpoint& peer() const noexcept { return peer_; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return socket_.sent(); }

 private:
  void handle(const Endpoint& from, std::string_view text);
  void begin(std::string_view candidates);
  void add_candidate(const Endpoint& candidate);
  void punch(std::size_t candidate);
  bool repeat();
  void settle_for(Path path, const Endpoint& peer);

  Host& host_;
  UdpSocket& socket_;
  Endpoint server_;
  std::string room_;
  PunchOptions options_;
  std::vector<Endpoint> candidates_;
  std::optional<Instant> begun_;  ///< when the candidates became known
  Path path_ = Path::none;
  bool gave_up_ = false;
  Endpoint peer_{};
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  ///< for timers that outlive this
};

struct PunchResult {
  Path path = Path::none;  ///< `direct` when it is for both
  Endpoint a;              ///< by which b reaches a, on a direct path
  Endpoint b;
  Duration took{};            ///< until both were done
  std::uint64_t packets = 0;  ///< that the clients and the server have sent
};

/// Runs the world until both have met or given up.
PunchResult punch_hole(World& world, Host& a, Host& b, RendezvousServer& server, const PunchOptions& options = {});

}  // namespace vnet::sim
