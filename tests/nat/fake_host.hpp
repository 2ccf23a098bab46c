// A model of the host's network, on virtual time: what nat/host_socket.hpp asks of the daemon, without a kernel.
//
// A TcpRemote is both ends of the way from a socket to whoever it is connected to: two bounded buffers, as the host's
// kernel has them, and the other side's program, which reads all that comes at once, or in a rhythm (`Plan`), or when
// the test says so. Events are as sparse as the contract allows: "readable" only after the flow was told that there is
// no more, "writable" only after it was told that there is no room, so a flow that leans on more stands still.
//
// What a flow does against the contract is kept in `FakeHost::violation`; nothing is asserted here, because a fuzzer
// uses the model, too.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nat/host_socket.hpp"
#include "packet/time.hpp"

namespace vnet::nat::test {

using namespace std::chrono_literals;

class FakeHost;

/// How a connection goes, from the side that is not ours.
struct TcpPlan {
  std::optional<HostError> at_once;  ///< `connect` itself fails
  std::optional<HostError> later;    ///< ... or the connection does, after `delay`
  std::optional<Duration> delay;     ///< none: it is neither made nor refused until the test says so
  std::size_t send_buffer = 65'536;
  std::size_t receive_buffer = 65'536;
  std::optional<Duration> read_every = Duration::zero();  ///< none: by hand; zero: all, as it comes
  std::size_t read_bytes = SIZE_MAX;                      ///< at a time
  /// The end, and that there is no more, is only told when a peek finds nothing, as by a kernel.
  bool frugal = false;
};

class TcpRemote {
 public:
  TcpRemote(FakeHost& host, FlowId its_id, const Endpoint& where, const TcpPlan& its_plan)
      : id(its_id), to(where), plan(its_plan), host_(host) {}

  // What the other side does.

  void make() {
    made_ = true;
    notify({.writable = true});
  }
  void write(std::string_view bytes) {
    waiting_ += bytes;
    sent += bytes.size();
    arrive();
  }
  /// Its half ends behind what it has written.
  void finish() {
    finishing_ = true;
    arrive();
  }
  /// It is gone, or refuses. What it wrote before and has arrived can still be read.
  void fail_with(HostError error) {
    error_ = pending_error_ = error;
    read_at = kNever;
    notify({.readable = true, .writable = true, .failed = true});
  }
  void read(std::size_t count = SIZE_MAX) {
    count = std::min(count, out_.size());
    received.append(out_, 0, count);
    out_.erase(0, count);
    if (wants_room_ && out_.size() < plan.send_buffer) {
      wants_room_ = false;
      notify({.writable = true});
    }
    if (on_read) on_read(*this);
  }
  /// The host's system loses what nobody has read, as some do with a reset.
  void forget_arrived() { in_.clear(); }
  /// A readable event that has no reason, as kernels give them.
  void spurious() { notify({.readable = true, .writable = made_}); }

  // What there is to see.

  [[nodiscard]] bool is_made() const { return made_; }
  /// The flow has ended its half, and the other side has read up to there.
  [[nodiscard]] bool ended() const { return shut_ && out_.empty(); }
  [[nodiscard]] bool shut() const { return shut_; }
  [[nodiscard]] bool closed() const { return closed_; }
  /// The other side was reset.
  [[nodiscard]] bool was_reset() const { return reset_; }
  [[nodiscard]] std::size_t unread() const { return out_.size(); }
  [[nodiscard]] std::size_t unacknowledged() const { return in_.size(); }
  /// All that it wrote has left its own buffers.
  [[nodiscard]] bool delivered() const { return in_.empty() && waiting_.empty(); }

  FlowId id;
  Endpoint to;
  std::optional<HostPath> path;  ///< in place of `to`
  std::string preamble;          ///< what its socket sends before all else
  TcpPlan plan;
  std::string received;  ///< what its program has read
  std::size_t sent = 0;  ///< bytes that its program has written
  Instant read_at = kNever;
  Instant made_at = kNever;
  std::function<void(TcpRemote&)> on_read;

  // The socket's side.

  Result<std::size_t, HostError> socket_send(std::span<const ByteView> pieces);
  Result<TcpSocket::Peeked, HostError> socket_peek(std::size_t offset, std::span<const ByteSpan> rooms);
  void socket_consume(std::size_t count);
  void socket_shut_down();
  void socket_reset() { reset_ = true; }
  std::optional<HostError> socket_error() { return std::exchange(pending_error_, std::nullopt); }
  void socket_close() { closed_ = true; }

 private:
  void notify(HostEvents events);
  void require(bool condition, const char* what);
  void arrive() {
    const std::size_t room = plan.receive_buffer - std::min(plan.receive_buffer, in_.size());
    const std::size_t count = std::min(room, waiting_.size() - left_);
    in_.append(waiting_, left_, count);
    left_ += count;
    if (left_ == waiting_.size()) waiting_.clear();
    if (waiting_.empty()) left_ = 0;
    const bool ends = finishing_ && waiting_.empty() && !fin_in_;
    fin_in_ = fin_in_ || ends;
    if ((count == 0 && !ends) || !wants_bytes_) return;
    wants_bytes_ = false;
    notify({.readable = true});
  }

  FakeHost& host_;
  std::string in_;        ///< the socket's receive buffer
  std::string waiting_;   ///< written, and no room in `in_` ...
  std::size_t left_ = 0;  ///< ... but for its first bytes, which have left it
  std::string out_;       ///< the socket's send buffer, and the way
  std::size_t peeked_ = 0;
  bool made_ = false;
  bool finishing_ = false;
  bool fin_in_ = false;
  bool wants_bytes_ = true;  ///< it was told that there is no more
  bool wants_room_ = false;
  bool shut_ = false;
  bool reset_ = false;
  bool closed_ = false;
  std::optional<HostError> error_;
  std::optional<HostError> pending_error_;
};

/// One socket of UDP or of echo, and all that it talks to.
class DatagramRemote {
 public:
  struct Sent {
    Endpoint to;
    std::string payload;
    std::uint8_t ttl = 0;
  };
  static constexpr std::size_t kBatch = 8;
  static constexpr std::size_t kQueue = 256;

  DatagramRemote(FakeHost& host, FlowId its_id, const IpAddress& of, bool is_echo)
      : id(its_id), family(of), echo(is_echo), host_(host) {}

  void deliver(const Endpoint& from, std::string payload);
  void report(DatagramError error, std::string payload);

  FlowId id;
  IpAddress family;
  bool echo;
  std::vector<Sent> sent;
  std::size_t lost = 0;              ///< came while the queue was full
  std::optional<HostError> refuses;  ///< what `send` says of the next datagram
  bool closed = false;
  std::function<void(DatagramRemote&, const Sent&)> on_sent;

  DatagramSocket::Sent socket_send(std::span<const OutDatagram> datagrams);
  std::span<const InDatagram> socket_receive();
  std::optional<DatagramError> socket_error();

 private:
  FakeHost& host_;
  std::deque<std::pair<Endpoint, std::string>> queue_;
  std::deque<std::pair<DatagramError, std::string>> errors_;
  bool wants_datagrams_ = true;
};

class FakeHost final : public HostSockets {
 public:
  using Said = std::pair<FlowId, HostEvents>;

  [[nodiscard]] Result<std::unique_ptr<TcpSocket>, HostError> connect(FlowId id, const Endpoint& to) override;
  [[nodiscard]] Result<std::unique_ptr<TcpSocket>, HostError> connect_to_service(FlowId id, const HostTarget& to,
                                                                                 ByteView preamble) override;
  [[nodiscard]] Result<std::unique_ptr<DatagramSocket>, HostError> open_udp(FlowId id,
                                                                            const IpAddress& family) override {
    return open_datagrams(id, family, false, udp_error);
  }
  [[nodiscard]] Result<std::unique_ptr<DatagramSocket>, HostError> open_echo(FlowId id,
                                                                             const IpAddress& family) override {
    return open_datagrams(id, family, true, echo_error);
  }
  /// A connection that somebody has made to us, for a forward.
  [[nodiscard]] std::unique_ptr<TcpSocket> accept(FlowId id, const Endpoint& from);

  [[nodiscard]] std::vector<Said> take_events() { return std::exchange(said_, {}); }
  [[nodiscard]] bool has_events() const { return !said_.empty(); }
  [[nodiscard]] Instant next_deadline() const {
    Instant next = kNever;
    for (const auto& remote : tcp) next = std::min({next, remote->made_at, remote->read_at});
    return next;
  }
  void expire(Instant instant);
  /// Sockets that are not closed.
  [[nodiscard]] std::size_t open_sockets() const;

  TcpPlan plan;  ///< of connections from now on
  std::optional<HostError> udp_error;
  std::optional<HostError> echo_error;
  std::vector<std::shared_ptr<TcpRemote>> tcp;  ///< in the order of their opening
  std::vector<std::shared_ptr<DatagramRemote>> datagrams;
  Instant now{};
  std::string violation;  ///< of the contract, the first; empty: none

  // For the remotes.

  void say(FlowId id, HostEvents events) {
    for (auto& [known, all] : said_) {
      if (known != id) continue;
      all.readable = all.readable || events.readable;
      all.writable = all.writable || events.writable;
      all.failed = all.failed || events.failed;
      return;
    }
    said_.emplace_back(id, events);
  }
  void require(bool condition, const char* what) {
    if (!condition && violation.empty()) violation = what;
  }

 private:
  class Stream;
  class Datagrams;

  [[nodiscard]] Result<std::unique_ptr<DatagramSocket>, HostError> open_datagrams(FlowId id, const IpAddress& family,
                                                                                  bool echo,
                                                                                  std::optional<HostError> error);

  std::vector<Said> said_;
};

// --- How it works ---

inline void TcpRemote::notify(HostEvents events) {
  if (!closed_) host_.say(id, events);
}
inline void TcpRemote::require(bool condition, const char* what) { host_.require(condition, what); }

inline Result<std::size_t, HostError> TcpRemote::socket_send(std::span<const ByteView> pieces) {
  require(made_ && !closed_, "sent on a connection that is not there");
  require(!shut_, "sent after the end");
  if (error_) return fail(*error_);
  std::size_t taken = 0;
  for (const ByteView piece : pieces) {
    require(!piece.empty(), "sent an empty piece");
    const std::size_t count = std::min(piece.size(), plan.send_buffer - out_.size());
    out_ += as_text(piece.first(count));
    taken += count;
    if (count < piece.size()) wants_room_ = true;
  }
  if (plan.read_every && read_at == kNever && taken != 0) read_at = host_.now + *plan.read_every;
  return taken;
}

inline Result<TcpSocket::Peeked, HostError> TcpRemote::socket_peek(std::size_t offset,
                                                                   std::span<const ByteSpan> rooms) {
  require(made_ && !closed_, "peeked at a connection that is not there");
  require(offset <= peeked_, "peeked beyond what was peeked at");
  require(!rooms.empty(), "peeked into no room");
  TcpSocket::Peeked result;
  bool filled = true;
  for (const ByteSpan room : rooms) {
    require(!room.empty(), "peeked into an empty room");
    const std::size_t at = std::min(offset + result.bytes, in_.size());
    const std::size_t count = std::min(room.size(), in_.size() - at);
    std::copy_n(in_.begin() + static_cast<std::ptrdiff_t>(at), count, room.begin());
    result.bytes += count;
    filled = filled && count == room.size();
  }
  peeked_ = std::max(peeked_, offset + result.bytes);
  const bool more = offset + result.bytes < in_.size();
  if (result.bytes == 0 && error_) return fail(*error_);
  const bool tells = plan.frugal ? result.bytes == 0 : !more;
  result.ended = tells && fin_in_;
  result.drained = !more && !fin_in_ && !error_ && (tells || !filled);
  wants_bytes_ = wants_bytes_ || result.drained;
  return result;
}

inline void TcpRemote::socket_consume(std::size_t count) {
  require(count <= peeked_, "consumed more than was peeked at");
  count = std::min(count, in_.size());
  in_.erase(0, count);
  peeked_ -= std::min(count, peeked_);
  arrive();
}

inline void TcpRemote::socket_shut_down() {
  require(made_ && !shut_, "ended twice, or before the connection was there");
  shut_ = true;
  if (on_read && out_.empty()) on_read(*this);
}

inline void DatagramRemote::deliver(const Endpoint& from, std::string payload) {
  if (closed) return;
  if (queue_.size() >= kQueue) {
    ++lost;
    return;
  }
  queue_.emplace_back(from, std::move(payload));
  if (std::exchange(wants_datagrams_, false)) host_.say(id, {.readable = true});
}
inline void DatagramRemote::report(DatagramError error, std::string payload) {
  errors_.emplace_back(error, std::move(payload));
  host_.say(id, {.failed = true});
}

inline DatagramSocket::Sent DatagramRemote::socket_send(std::span<const OutDatagram> out) {
  DatagramSocket::Sent result;
  host_.require(!out.empty(), "sent no datagram");
  for (const OutDatagram& datagram : out) {
    host_.require(datagram.to.address.index() == family.index(), "sent to another family");
    if (refuses) {
      result.error = std::exchange(refuses, std::nullopt);
      break;
    }
    sent.push_back({datagram.to, std::string{as_text(datagram.payload)}, datagram.ttl});
    ++result.count;
    if (on_sent) on_sent(*this, Sent{sent.back()});
  }
  return result;
}
inline std::span<const InDatagram> DatagramRemote::socket_receive() {
  static std::vector<std::string> payloads;
  static std::vector<InDatagram> batch;
  payloads.assign(kBatch, {});
  batch.clear();
  while (!queue_.empty() && batch.size() < kBatch) {
    std::string& payload = payloads[batch.size()] = std::move(queue_.front().second);
    batch.push_back({queue_.front().first, as_bytes(payload)});
    queue_.pop_front();
  }
  if (batch.empty()) wants_datagrams_ = true;
  return batch;
}
inline std::optional<DatagramError> DatagramRemote::socket_error() {
  static std::string payload;
  if (errors_.empty()) return std::nullopt;
  DatagramError error = errors_.front().first;
  payload = std::move(errors_.front().second);
  errors_.pop_front();
  error.payload = as_bytes(payload);
  return error;
}

class FakeHost::Stream final : public TcpSocket {
 public:
  explicit Stream(std::shared_ptr<TcpRemote> remote) : remote_(std::move(remote)) {}
  ~Stream() override { remote_->socket_close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  Result<std::size_t, HostError> send(std::span<const ByteView> pieces) override {
    return remote_->socket_send(pieces);
  }
  Result<Peeked, HostError> peek(std::size_t offset, std::span<const ByteSpan> rooms) override {
    return remote_->socket_peek(offset, rooms);
  }
  void consume(std::size_t count) override { remote_->socket_consume(count); }
  void shut_down() override { remote_->socket_shut_down(); }
  void reset() override { remote_->socket_reset(); }
  std::optional<HostError> take_error() override { return remote_->socket_error(); }

 private:
  std::shared_ptr<TcpRemote> remote_;
};

class FakeHost::Datagrams final : public DatagramSocket {
 public:
  explicit Datagrams(std::shared_ptr<DatagramRemote> remote) : remote_(std::move(remote)) {}
  ~Datagrams() override { remote_->closed = true; }
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;
  Sent send(std::span<const OutDatagram> out) override { return remote_->socket_send(out); }
  std::span<const InDatagram> receive() override { return remote_->socket_receive(); }
  std::optional<DatagramError> take_error() override { return remote_->socket_error(); }

 private:
  std::shared_ptr<DatagramRemote> remote_;
};

inline Result<std::unique_ptr<TcpSocket>, HostError> FakeHost::connect(FlowId id, const Endpoint& to) {
  if (plan.at_once) return fail(*plan.at_once);
  auto remote = tcp.emplace_back(std::make_shared<TcpRemote>(*this, id, to, plan));
  if (plan.delay) remote->made_at = now + *plan.delay;
  return std::make_unique<Stream>(std::move(remote));
}

inline Result<std::unique_ptr<TcpSocket>, HostError> FakeHost::connect_to_service(FlowId id, const HostTarget& to,
                                                                                  ByteView preamble) {
  const auto* const endpoint = std::get_if<Endpoint>(&to);
  auto socket = connect(id, endpoint != nullptr ? *endpoint : Endpoint{});
  if (!socket) return socket;
  if (endpoint == nullptr) tcp.back()->path = std::get<HostPath>(to);
  tcp.back()->preamble = as_text(preamble);
  return socket;
}

inline std::unique_ptr<TcpSocket> FakeHost::accept(FlowId id, const Endpoint& from) {
  auto remote = tcp.emplace_back(std::make_shared<TcpRemote>(*this, id, from, plan));
  remote->make();
  return std::make_unique<Stream>(std::move(remote));
}

inline Result<std::unique_ptr<DatagramSocket>, HostError> FakeHost::open_datagrams(FlowId id, const IpAddress& family,
                                                                                   bool echo,
                                                                                   std::optional<HostError> error) {
  if (error) return fail(*error);
  return std::make_unique<Datagrams>(datagrams.emplace_back(std::make_shared<DatagramRemote>(*this, id, family, echo)));
}

inline void FakeHost::expire(Instant instant) {
  now = instant;
  for (std::size_t i = 0; i < tcp.size(); ++i) {
    const auto remote = tcp[i];
    if (remote->made_at <= now) {
      remote->made_at = kNever;
      remote->plan.later ? remote->fail_with(*remote->plan.later) : remote->make();
    }
    if (remote->read_at <= now) {
      remote->read(remote->plan.read_bytes);
      remote->read_at = remote->unread() > 0 ? now + std::max(*remote->plan.read_every, Duration{1}) : kNever;
    }
  }
}

inline std::size_t FakeHost::open_sockets() const {
  const auto is_open = [](const auto& remote) {
    if constexpr (requires { remote->closed(); }) {
      return !remote->closed();
    } else {
      return !remote->closed;
    }
  };
  return static_cast<std::size_t>(std::ranges::count_if(tcp, is_open) + std::ranges::count_if(datagrams, is_open));
}

}  // namespace vnet::nat::test
