// StreamPath: a stream socket at one path, many clients on it, each a connection with length-framed records.
//
// A connection is one client. What its receive buffer has no room for waits in a bounded queue, whole frames only; a
// frame that the kernel took half of is finished before anything else, because a receiver cannot skip the rest of it.
// A broken stream (see StreamDecoder) is closed. Limit: kMaxClients connections; a further one is closed at once.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/frame_queue.hpp"
#include "dgram/socket.hpp"
#include "dgram/stream_decoder.hpp"

namespace vnet::dgram {

class StreamPath final : public Watched, public Listener {
 public:
  static constexpr std::size_t kMaxClients = 4096;
  /// Bytes for one read: several of the largest frames, or a batch of ordinary ones.
  static constexpr std::size_t kReadBytes = 256 * 1024;

  [[nodiscard]] static SystemResult<std::unique_ptr<StreamPath>> open(std::string path, std::uint32_t origin,
                                                                      Poller& poller, Switchboard& switchboard);
  ~StreamPath() override;

  void on_ready(bool readable, bool writable) override;
  void settle() override;

  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }
  [[nodiscard]] std::size_t client_count() const noexcept { return connections_.size(); }

 private:
  class Connection;

  StreamPath(std::string path, std::uint32_t origin, Fd fd, Poller& poller, Switchboard& switchboard);

  /// After a failed accept: whether a connection was waiting for a descriptor and has been closed.
  bool turn_away();

  SocketFile file_;
  std::uint32_t origin_;
  Fd fd_;
  Poller& poller_;
  Switchboard& switchboard_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::vector<ByteView> frames_;
  Fd spare_;  ///< given up for a moment to turn a connection away when the process has no descriptor left
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;  ///< by descriptor
  std::vector<int> ended_;
  std::uint64_t accepted_ = 0;
  bool busy_ = false;  ///< one of the connections is being served
};

}  // namespace vnet::dgram
