// OwnPath: a datagram socket that serves a single NIC, at a path of its own or handed over as one end of a pair.
//
// At a path, the first client to send is the peer, and the socket is connected to it. From then on the kernel neither
// limits the peer to ten waiting datagrams nor looks up paths, and lets nobody else in. The other side of that coin: a
// restarted peer is somebody else until the connection is dissolved, which happens as soon as its socket file is
// unlinked, a send fails, or a probe finds nobody. An end of a pair is connected by birth, and its peer's end is
// noticed by the first send that fails; then the pair has served its time and is closed. One of type SOCK_SEQPACKET
// notices without a send: an empty record is its end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/datagram_sender.hpp"
#include "dgram/path_watch.hpp"
#include "dgram/socket.hpp"

namespace vnet::dgram {

class OwnPath final : public Client, public Watched, public Listener {
 public:
  [[nodiscard]] static SystemResult<std::unique_ptr<OwnPath>> open(std::string path, std::uint32_t origin,
                                                                   Poller& poller, PathWatch& watch,
                                                                   Switchboard& switchboard, ReceiveBatch& batch);
  /// Goes on with a socket that is bound already, and stays connected if it is; `file` says where it is bound, and
  /// whether the file is ours to remove.
  [[nodiscard]] static SystemResult<std::unique_ptr<OwnPath>> inherit(Fd fd, SocketFile file, std::uint32_t origin,
                                                                      Poller& poller, PathWatch& watch,
                                                                      Switchboard& switchboard, ReceiveBatch& batch);
  /// Takes one end of a datagram or sequenced-packet socket pair. `ended` destroys this; it is called once, when the
  /// switchboard has been told that the peer is gone, or by `hang_up`.
  [[nodiscard]] static SystemResult<std::unique_ptr<OwnPath>> adopt(Fd fd, std::uint32_t origin, Poller& poller,
                                                                    PathWatch& watch, Switchboard& switchboard,
                                                                    ReceiveBatch& batch, std::function<void()> ended);
  ~OwnPath() override;

  void send(std::span<const ByteView> frames, Delivery& delivery) override;
  void discard(DropReason reason, Delivery& delivery) override;
  void pull() override;
  void hang_up() override;
  [[nodiscard]] std::string_view remote() const noexcept override { return remote_; }
  [[nodiscard]] ClientState state() const override { return {fd_.get()}; }
  void on_ready(bool readable, bool writable) override;
  void settle() override;
  /// Looks whether the peer is still there; to be called every few seconds.
  void probe();

  /// Connects to the peer from before a restart. False when it is not there any more.
  bool recall(std::string_view name);

  /// Whether a peer is known.
  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] SocketFile& file() noexcept { return file_; }
  [[nodiscard]] const SocketFile& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& path() const noexcept { return file_.path(); }

 private:
  OwnPath(SocketFile file, std::uint32_t origin, Fd fd, Poller& poller, PathWatch& watch, Switchboard& switchboard,
          ReceiveBatch& batch);
  void receive(int batches);
  bool receive_batch();
  bool take(std::size_t slot, bool learning);
  bool accept_peer(std::size_t slot);
  bool connect_peer(std::string_view name, const UnixAddress& address);
  void check_peer();
  void remember_peer(std::string_view name, const UnixAddress& address);
  void lose_peer();
  void dissolve();
  void update_watch();

  SocketFile file_;  ///< none for an end of a pair
  Fd fd_;
  std::function<void()> on_ended_;  ///< of an end of a pair only
  bool connected_ = false;
  bool seqpacket_ = false;
  Poller& poller_;
  PathWatch& watch_;
  Switchboard& switchboard_;
  ReceiveBatch& batch_;
  std::string remote_;
  UnixAddress remote_address_;
  int handle_ = -1;
  bool lost_ = false;  ///< the peer is gone, and the switchboard has not been told
  bool busy_ = false;  ///< being served: the peer's end waits until that is over
  bool watching_writable_ = false;
  bool said_unbound_ = false;
  DatagramSender sender_;
  std::vector<ByteView> run_;
};

}  // namespace vnet::dgram
