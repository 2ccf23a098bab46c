// The three sides of an attachment: the client whose frames come and go, the switch that takes them, and the poller
// that knows when a descriptor is ready. dgram/ owns sockets and clients; it knows neither the event loop nor the
// network, and whoever joins them (the daemon, a test) implements `Switchboard` and `Poller`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "packet/bytes.hpp"
#include "packet/drop_reason.hpp"
#include "packet/time.hpp"

namespace vnet::dgram {

/// Told what became of each frame that was given to `Client::send`, at once or when its queue drains.
class Delivery {
 public:
  virtual ~Delivery() = default;
  virtual void delivered(std::uint32_t tag, ByteView frame, std::optional<DropReason> dropped) = 0;
};

/// What a successor needs to go on with a client in the middle of things. The descriptor is borrowed; -1: the client
/// has none of its own, and is found again by its path.
struct ClientState {
  int fd = -1;
  std::string pending_in{};   ///< of a stream: what has come of a record whose end has not
  std::string pending_out{};  ///< of a stream: what the kernel has not taken of a record that it took half of
};

/// One peer: a VM's NIC, or a bridge with several stations behind it.
class Client {
 public:
  static constexpr std::uint32_t kUntagged = 0xffff'ffffU;

  /// `origin` is the switchboard's own number for the socket that the client came in by.
  Client(std::string peer, std::uint32_t origin) : origin_(origin), peer_(std::move(peer)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual ~Client() = default;

  /// Sends frames in order, keeps what the peer has no room for in a bounded queue, drops what that has no room for.
  /// Never blocks. A peer found to be gone is reported to the switchboard after the batch, not from in here.
  virtual void send(std::span<const ByteView> frames, Delivery& delivery) = 0;

  /// Drops what waits in the queue. A frame that a stream has half sent is finished all the same.
  virtual void discard(DropReason reason, Delivery& delivery) = 0;

  // These two are for whoever changes the switch between two batches; never call them during one.

  /// Receives what the peer has sent already, at most kBatchesPerPull batches, and gives it to the switchboard. On a
  /// shared path that is what all of its clients have sent. It may turn out that the client is gone: see `on_gone`.
  virtual void pull() = 0;
  /// Ends the attachment from our side, without a word to the switchboard; frames that wait are lost, so `discard` them
  /// first. A passed descriptor or a connection is closed; a path of its own waits for the next peer; a shared path
  /// forgets the client. All but the path of its own are destroyed. A peer at a path is back with the next frame that
  /// it sends.
  virtual void hang_up() = 0;

  /// Whether the peer is gone, as far as that can be found out, now that `newcomer` says that it is the same NIC. May
  /// be asked during a batch: one that is gone is reported after it, as after a send that fails.
  [[nodiscard]] virtual bool yields_to(const Client& /*newcomer*/) { return false; }

  /// Where the peer is, for people.
  [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
  /// The path at which the peer can be found again; empty: it cannot be.
  [[nodiscard]] virtual std::string_view remote() const noexcept { return {}; }
  [[nodiscard]] virtual ClientState state() const { return {}; }

  [[nodiscard]] std::uint32_t origin() const noexcept { return origin_; }

  /// The switchboard's own note: which port this client is.
  std::uint32_t tag = kUntagged;

 private:
  std::uint32_t origin_;
  std::string peer_;
};

/// A socket whose clients may turn out to be gone while a batch is being sent.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Reports those that are gone and forgets them. Never called during a batch.
  virtual void settle() = 0;
};

/// What the sockets tell whoever joins them to a switch. All calls come from the poller's thread.
class Switchboard : public Delivery {
 public:
  /// Frames from one client, each at least one byte long. Borrowed until `end_batch` returns.
  virtual void on_frames(Client& client, std::span<const ByteView> frames) = 0;
  /// A datagram or record that cannot be a frame. `client` is null where its sender is unknown.
  virtual void on_refused(Client* client, ByteView bytes, DropReason reason) = 0;
  /// All frames that were received together have been given: send what is to be sent.
  virtual void end_batch() = 0;
  /// The client's peer is no more. The client is destroyed after this call, but for the one that is a path of its own:
  /// it stays and waits for the next peer.
  virtual void on_gone(Client& client, std::string_view cause) = 0;
  /// `listener` has something to settle when the batch is over, or at once if there is none.
  virtual void on_trouble(Listener& listener) = 0;
  /// A condition worth a line in the log, once.
  virtual void on_notice(std::string_view text) = 0;
  [[nodiscard]] virtual Instant now() const = 0;
};

/// Something that waits for a descriptor.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual void on_ready(bool readable, bool writable) = 0;
};

class Poller {
 public:
  virtual ~Poller() = default;
  /// Calls `watched` when `fd` is ready, level-triggered; a second call for the same descriptor replaces the first.
  virtual void watch(int fd, bool readable, bool writable, Watched& watched) = 0;
  /// Must come before the descriptor is closed.
  virtual void forget(int fd) = 0;
};

/// Batches that one descriptor may drain before the others have their turn.
inline constexpr int kBatchesPerTurn = 4;

/// Batches that a pull takes at most: more than a peer can have sent ahead in frames of ordinary size.
inline constexpr int kBatchesPerPull = 32;

/// What a vfkit-style client sends first, to be ignored.
inline constexpr std::string_view kVfkitMagic = "VFKT";

[[nodiscard]] inline bool is_vfkit_magic(ByteView bytes) noexcept { return as_text(bytes) == kVfkitMagic; }

}  // namespace vnet::dgram
