// SharedPath: one datagram socket at one path, for any number of clients.
//
// Every client has bound a path of its own and sends to ours; its path is where the answers go. A client is known by
// that path: it may come back at the same one or at another, and the switch decides by MAC address which NIC it is.
//
// Sending has two ways. Where the client's socket accepts frames from anybody (QEMU's does), the client gets a socket
// of its own, connected to its path: the kernel then looks no path up per frame, tells exactly when the client has room
// again, and charges a client that does not read to its own socket alone. Where the client has connected itself to
// our path (vfkit, Virtualization.framework helpers and libkrun do), the kernel lets only that very socket answer
// (others get EPERM), so its frames go through the shared socket, of whose buffer each has a share: see ReadCredit.
//
// A client that never bound a path cannot be answered: its frames are refused, and that is said once. A client whose
// path is gone or dead is dropped when a send fails, when its file is unlinked, when another client says that it is the
// same NIC, or by a probe every kProbeInterval.
// Limit: kMaxClients; a further one is refused.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/datagram_sender.hpp"
#include "dgram/path_watch.hpp"
#include "dgram/socket.hpp"

namespace vnet::dgram {

class SharedPath final : public Watched, public Listener {
 public:
  static constexpr std::size_t kMaxClients = 4096;
  static constexpr Duration kProbeInterval = std::chrono::seconds{5};
  /// How soon a client that shares our socket is tried again: the kernel does not say when that socket has room. Ever
  /// later for one that does not read, so that it costs nothing; its credit comes back by itself.
  static constexpr Duration kRetryInterval = std::chrono::milliseconds{1};
  static constexpr Duration kLongestRetryInterval = std::chrono::milliseconds{256};

  /// Binds `path`; see bind_replacing_stale for what may be in the way.
  [[nodiscard]] static SystemResult<std::unique_ptr<SharedPath>> open(std::string path, std::uint32_t origin,
                                                                      Poller& poller, PathWatch& watch,
                                                                      Switchboard& switchboard, ReceiveBatch& batch);
  /// Goes on with a socket that is bound already; `file` says where, and whether it is ours to remove.
  [[nodiscard]] static SystemResult<std::unique_ptr<SharedPath>> inherit(Fd fd, SocketFile file, std::uint32_t origin,
                                                                         Poller& poller, PathWatch& watch,
                                                                         Switchboard& switchboard, ReceiveBatch& batch);
  ~SharedPath() override;

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const noexcept { return std::min(next_probe_, next_retry_); }
  void expire(Instant now);
  void settle() override;

  /// Receives what has been sent already, at most `batches` of 64 datagrams.
  void receive(int batches);

  /// A client from before, if its socket is still there and hears us; null otherwise. One that has connected itself to
  /// our path hears the very socket that it connected to: us if `same_socket`, that is, if we have inherited it.
  [[nodiscard]] Client* recall(std::string_view name, bool same_socket);

  [[nodiscard]] SocketFile& file() noexcept { return file_; }
  [[nodiscard]] const SocketFile& file() const noexcept { return file_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint32_t origin() const noexcept { return origin_; }
  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] BufferSizes buffers() const noexcept { return buffers_; }
  [[nodiscard]] std::size_t client_count() const noexcept { return clients_.size(); }

 private:
  class Peer;
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };

  SharedPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, PathWatch& watch, Switchboard& switchboard,
             ReceiveBatch& batch);
  bool receive_batch();
  [[nodiscard]] Peer* peer_of(std::size_t slot);
  [[nodiscard]] Peer* add_peer(std::string_view name, const UnixAddress& address);
  void probe(std::string_view name);
  void forget(std::string_view name);
  void mark_gone(Peer& peer);
  void share_out(int newcomers);
  void retry();

  SocketFile file_;
  std::uint32_t origin_;
  Fd fd_;
  Poller& poller_;
  PathWatch& watch_;
  Switchboard& switchboard_;
  ReceiveBatch& batch_;
  BufferSizes buffers_;
  std::unordered_map<std::string, std::unique_ptr<Peer>, NameHash, std::equal_to<>> clients_;
  std::vector<std::string> gone_;
  Peer* last_ = nullptr;  ///< who sent the previous frame: most often the next one, too
  std::vector<ByteView> run_;
  Instant next_probe_ = kNever;
  Instant next_retry_ = kNever;
  Duration retry_interval_ = kRetryInterval;
  std::size_t sharers_ = 0;  ///< clients that are sent to through the shared socket
  bool said_unbound_ = false;
};

}  // namespace vnet::dgram
