// DatagramCalls: UDP that comes from the host's world to a guest's port, through the socket of a forward.
//
//     client 198.51.100.7:5000  -->  the forward's socket  -->  guest, from 198.51.100.7:5000 (as it is *seen*)
//                               <--  the same socket       <--  the guest's answer to whom it has seen
//
// A call is what one client and the guest's port exchange. It begins with the client's first datagram, and what the
// guest sends to whom it sees is looked for here before it would become a flow of the guest's own. So several forwards
// may lead to one port, each answer leaves by the socket that the question came to, and a client that cannot be shown
// to the guest (of the host's loopback, of the other family) is seen as the gateway with a port of the call's own.
//
// A forward reads only while it is known where its guest is: until then datagrams lie in the kernel's buffer, which is
// the limit of what waits. A call ends when neither side has sent anything for as long as a UDP mapping lives (RFC
// 4787, REQ-5; both directions count, REQ-6), or when its forward has too many and it is the one longest unused.
//
// Errors that come back for an answer to a client that is gone are not told to the guest.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/mac_address.hpp"
#include "packet/siphash.hpp"
#include "packet/time.hpp"

namespace vnet::nat {

class DatagramCalls {
 public:
  /// Of one forward at a time.
  static constexpr std::size_t kMaxCalls = 4096;

  /// What calls need of the network that they lead into.
  class Guests {
   public:
    virtual ~Guests() = default;
    /// Whom the guest is to see; nothing: there is no address or port to show.
    [[nodiscard]] virtual std::optional<Endpoint> seen_as(const Endpoint& client, const Endpoint& guest) const = 0;
    /// Nothing: it is not known where the guest is.
    [[nodiscard]] virtual std::optional<MacAddress> locate(const IpAddress& guest) const = 0;
    [[nodiscard]] virtual bool has_room(const MacAddress& guest) = 0;
    virtual void deliver(const Endpoint& from, const Endpoint& guest, const MacAddress& mac, ByteView payload) = 0;
  };

  struct Counters {
    std::uint64_t calls = 0;    ///< begun
    std::uint64_t refused = 0;  ///< datagrams of clients that cannot be shown
  };

  /// `guests` outlives this; `key` is secret.
  DatagramCalls(SipHashKey key, Duration idle, Guests& guests) noexcept;

  /// From now on what comes to `socket`, which was opened with `id`, goes to `guest`.
  void open(FlowId id, const Endpoint& guest, std::unique_ptr<DatagramSocket> socket);
  /// Its calls end. One that was not opened is let pass.
  void close(FlowId id);
  /// The calls end of all forwards to a guest's address of which `over` says so.
  void end_if(const std::function<bool(const IpAddress& guest)>& over);
  [[nodiscard]] bool has(FlowId id) const { return forwards_.contains(id); }
  /// Datagrams are there, and it is not known where the guest is.
  [[nodiscard]] bool waits(FlowId id) const;
  /// Nothing counted of one that is not there.
  [[nodiscard]] Counters counters(FlowId id) const;

  [[nodiscard]] bool carries(const Endpoint& guest, const Endpoint& seen) const {
    return by_seen_.contains({guest, seen});
  }
  /// A guest's datagram, whose payload stays until `end_batch`. False: it answers no call.
  bool handle(const Endpoint& guest, const Endpoint& to, ByteView payload, std::uint8_t ttl, Instant now);
  void on_host(FlowId id, HostEvents events);
  void end_batch(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);
  void set_idle(Duration idle) noexcept { idle_ = idle; }
  [[nodiscard]] std::size_t size() const noexcept { return by_seen_.size(); }

 private:
  struct Call {
    Endpoint client;
    Endpoint seen;
    Instant used{};
  };
  using Calls = std::list<Call>;  ///< the one longest unused first
  struct EndpointHash {
    SipHashKey key;
    std::size_t operator()(const Endpoint& of) const noexcept;
  };
  struct Forward {
    Endpoint guest;
    std::unique_ptr<DatagramSocket> socket;
    Calls calls;
    std::unordered_map<Endpoint, Calls::iterator, EndpointHash> by_client;
    std::vector<OutDatagram> out;  ///< of this batch
    Counters counters;
    bool touched = false;
    bool readable = false;
    bool failed = false;
    bool lost = false;  ///< it is not known where the guest is
  };
  struct Key {
    Endpoint guest;
    Endpoint seen;
    bool operator==(const Key&) const noexcept = default;
  };
  struct KeyHash {
    EndpointHash hash;
    std::size_t operator()(const Key& of) const noexcept { return hash(of.guest) * 31 + hash(of.seen); }
  };
  struct Place {
    FlowId forward{};
    Calls::iterator call;
  };

  void touch(FlowId id, Forward& forward);
  void use(Forward& forward, Calls::iterator call, Instant now);
  [[nodiscard]] std::optional<Endpoint> seen_by(FlowId id, Forward& forward, const Endpoint& client, Instant now);
  void send_out(Forward& forward);
  void receive(FlowId id, Forward& forward, Instant now);
  void end_oldest(Forward& forward);

  EndpointHash hash_;
  Duration idle_;
  Guests& guests_;
  std::unordered_map<FlowId, Forward> forwards_;
  std::unordered_map<Key, Place, KeyHash> by_seen_;
  std::vector<FlowId> touched_;
  std::vector<FlowId> waiting_;  ///< readable, and their guest is not known, or its port or the outbox was full
  Instant look_at_ = kNever;     ///< no call ends earlier
};

}  // namespace vnet::nat
