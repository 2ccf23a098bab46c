// StreamPath: a stream socket at one path, many clients on it, each a StreamConnection.
//
// Limit: kMaxClients connections; a further one is closed at once.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "dgram/stream_connection.hpp"

namespace vnet::dgram {

class StreamPath final : public Watched {
 public:
  static constexpr std::size_t kMaxClients = 4096;

  /// Binds `path` and listens; see bind_replacing_stale for what may be in the way.
  [[nodiscard]] static SystemResult<std::unique_ptr<StreamPath>> open(std::string path, std::uint32_t origin,
                                                                      Poller& poller, Switchboard& switchboard,
                                                                      StreamBuffer& buffer);
  /// Goes on with a socket that listens already; `file` says where, and whether it is ours to remove.
  [[nodiscard]] static SystemResult<std::unique_ptr<StreamPath>> inherit(Fd fd, SocketFile file, std::uint32_t origin,
                                                                         Poller& poller, Switchboard& switchboard,
                                                                         StreamBuffer& buffer);
  ~StreamPath() override;

  void on_ready(bool readable, bool writable) override;

  /// Goes on with a connection that a predecessor has accepted here. It stays the path's.
  [[nodiscard]] SystemResult<Client*> resume(Fd fd, const ClientState& state);
  [[nodiscard]] std::vector<Client*> clients() const;

  [[nodiscard]] SocketFile& file() noexcept { return file_; }
  [[nodiscard]] const SocketFile& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint32_t origin() const noexcept { return origin_; }
  [[nodiscard]] std::size_t client_count() const noexcept { return connections_.size(); }

 private:
  StreamPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, Switchboard& switchboard,
             StreamBuffer& buffer);

  StreamConnection& add(Fd fd);
  /// After a failed accept: whether a connection was waiting for a descriptor and has been closed.
  bool turn_away();

  SocketFile file_;
  std::uint32_t origin_;
  Fd fd_;
  Poller& poller_;
  Switchboard& switchboard_;
  StreamBuffer& buffer_;
  Fd spare_;  ///< given up for a moment to turn a connection away when the process has no descriptor left
  std::unordered_map<int, std::unique_ptr<StreamConnection>> connections_;  ///< by descriptor
  std::uint64_t accepted_ = 0;
};

}  // namespace vnet::dgram
