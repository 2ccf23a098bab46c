// Hub: joins the sockets of dgram/ to the ports of the fabric.
//
// A client is known to its socket by a path or a connection, and to the fabric by the MAC addresses that it sends from.
// The hub keeps the two together: the first frame of an unknown client decides which NIC it is, a NIC whose MAC shows
// up at another client moves there, and what the fabric wants to send goes out at the end of every batch, one call per
// port. Frames of clients that no NIC can be found for are counted at the door.
//
// Sockets, attachments and NICs can be changed at any time from the loop, but not from the callbacks `before_send` and
// `after_send`. What clients have sent before a change is received first, at most 32 batches, and is judged as things
// were; what waited for them afterwards is dropped and counted.
//
// A hub can be succeeded by another, in this process or the next, that goes on with its sockets: see `hand_over`. The
// sockets of one daemon are in hub.cpp as far as frames go, in hub_sockets.cpp as far as they come and go.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/event_loop.hpp"
#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/own_path.hpp"
#include "dgram/path_watch.hpp"
#include "dgram/shared_path.hpp"
#include "dgram/stream.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

/// A client as it can be found again after a restart: which of our sockets it uses, where it is, which NIC it was.
struct KnownClient {
  std::string socket;
  std::string peer;
  MacAddress mac;

  bool operator==(const KnownClient&) const = default;
};

/// A socket on its way to a successor, with all that is to be known of it.
struct HandedSocket {
  /// `connection`: one that was accepted at the stream path `path`. `passed`: an end of a pair, of whatever type.
  enum class Kind : std::uint8_t { dgram, stream, own, connection, passed };

  Kind kind = Kind::dgram;
  int fd = -1;                      ///< borrowed from the hub that it was taken from
  std::string path{};               ///< where the socket is bound; empty for `passed`
  std::size_t network = 0;          ///< which it leads to: of `own` and `passed` the NIC's
  bool owns_file = false;           ///< the file at `path` is to be removed at the end
  std::optional<MacAddress> mac{};  ///< the NIC's of `own` and `passed`; of `connection` the one that it is attached to
  bool attached = false;            ///< whether it is what is attached to that NIC
  std::string peer{};               ///< the client, for people; of `own` the path that it is connected to
  std::string pending_in{};         ///< of a stream: see dgram::ClientState
  std::string pending_out{};
  std::vector<KnownClient> clients{};  ///< of `dgram`: those that are attached to NICs
};

class Hub final : public dgram::Switchboard {
 public:
  using Notice = std::function<void(std::string_view)>;
  /// How often the NICs' own sockets are asked whether their peers are there. A peer that was killed leaves its file
  /// behind and says nothing; until it is noticed its successor is refused.
  static constexpr Duration kProbeInterval = std::chrono::seconds{1};

  /// The references outlive this. `notice` gets lines for the log.
  Hub(network::Fabric& fabric, EventLoop& loop, Notice notice);
  ~Hub() override;

  /// Sockets that lead to the network with index `network`. The error names the path. `inherited` is bound to `path`
  /// already, and whoever bound it removes the file; without one the path is bound, and removed at the end.
  [[nodiscard]] dgram::SystemResult<void> listen_dgram(std::string path, std::size_t network, dgram::Fd inherited = {});
  [[nodiscard]] dgram::SystemResult<void> listen_stream(std::string path, std::size_t network,
                                                        dgram::Fd inherited = {});
  /// A socket of `port`'s own; it has at most one (EEXIST).
  [[nodiscard]] dgram::SystemResult<void> listen_own(std::string path, l2::PortId port, dgram::Fd inherited = {});
  /// The socket goes with its clients and its file, if that is ours. False: there is none.
  bool close_dgram(std::string_view path, std::string_view cause);
  bool close_stream(std::string_view path, std::string_view cause);
  bool close_own(l2::PortId port, std::string_view cause);
  /// Whether a socket of ours is at `path`, of whatever kind.
  [[nodiscard]] bool listens(std::string_view path) const;

  /// Attaches a descriptor that was handed over for `port`: one end of a connected pair of UNIX sockets, a frame for
  /// each datagram, or a stream of records. What was attached before is ended. Any other descriptor is closed and
  /// refused with a sentence that says why; then nothing has changed.
  [[nodiscard]] dgram::SystemResult<void> attach(dgram::Fd fd, l2::PortId port);
  /// Ends what is attached to `port`: a passed descriptor or a connection is closed, the NIC's own socket waits for the
  /// next peer, a client of a shared path is forgotten; a client that has a path comes back when it sends again. False:
  /// nothing was attached.
  bool detach(l2::PortId port, std::string_view cause);
  /// Before a NIC is removed: it is detached, and its own socket is closed.
  void forget(l2::PortId port, std::string_view cause);
  /// Frames that wait for a NIC whose link goes down are dropped as link_down.
  void set_link(l2::PortId port, bool up, std::string_view cause);
  /// Does `act`, which changes the NIC at `port` in the fabric. What waits for a NIC that has moved to another network
  /// is dropped as detached.
  void change(l2::PortId port, const std::function<void()>& act);

  /// The clients that have a path of their own, by port.
  [[nodiscard]] std::vector<KnownClient> known_clients() const;
  /// Plugs a client from before a restart in again, if it is still there. It need not send first, so that a VM that
  /// only listens is reached at once.
  void recall(const KnownClient& known);

  /// Everything that a successor needs. Nothing changes by it: while the successor gets ready this hub must not be
  /// served (no turn of its loop), and if the successor fails it goes on as if nothing had been. Frames that wait for
  /// clients that do not read are not part of it.
  [[nodiscard]] std::vector<HandedSocket> hand_over() const;
  /// After a hand-over that has succeeded: lets go of all sockets. Nobody who has them open notices, no file is
  /// removed.
  void disown();
  /// Goes on with a socket of a predecessor; `fd` is our copy of the descriptor. To be called in the order of
  /// `hand_over`, when the networks and the NICs that somebody configured are there. On an error the socket is closed.
  [[nodiscard]] dgram::SystemResult<void> take_over(const HandedSocket& handed, dgram::Fd fd);

  /// Called before frames are sent, when leases have been given that must be on disk first.
  void before_send(std::function<void()> commit) { commit_ = std::move(commit); }
  /// Called when the frames of a batch have been sent.
  void after_send(std::function<void()> callback) { after_ = std::move(callback); }

  void on_frames(dgram::Client& client, std::span<const ByteView> frames) override;
  void on_refused(dgram::Client* client, ByteView bytes, DropReason reason) override;
  void end_batch() override;
  void on_gone(dgram::Client& client, std::string_view cause) override;
  void on_trouble(dgram::Listener& listener) override { troubled_.push_back(&listener); }
  void on_notice(std::string_view text) override { notice_(text); }
  void delivered(std::uint32_t tag, ByteView frame, std::optional<DropReason> dropped) override;
  [[nodiscard]] Instant now() const override { return loop_.now(); }

  [[nodiscard]] Instant next_deadline() const;
  void expire();

  /// A line about each socket: where, and what buffers the system has granted.
  [[nodiscard]] std::vector<std::string> describe() const;
  /// Frames of clients that are no NIC (yet), by reason.
  [[nodiscard]] const DropCounters& door_drops() const noexcept { return door_drops_; }

 private:
  /// Where a client came in: which network its NIC belongs to, or which NIC it is.
  struct Origin {
    network::AttachmentKind kind;
    std::size_t network;
    std::string path;  ///< of our socket
    l2::PortId port = l2::kNoPort;
    MacAddress mac{};  ///< of the NIC at `port`, whose number may be another's one day
  };

  std::uint32_t add_origin(Origin origin);
  [[nodiscard]] dgram::SystemResult<void> open_dgram(dgram::SocketFile file, std::size_t network, dgram::Fd inherited);
  [[nodiscard]] dgram::SystemResult<void> open_stream(dgram::SocketFile file, std::size_t network, dgram::Fd inherited);
  [[nodiscard]] dgram::SystemResult<void> open_own(dgram::SocketFile file, l2::PortId port, dgram::Fd inherited);
  void drop_clients(std::uint32_t origin, std::string_view cause);
  void drop_own(l2::PortId port, std::string_view cause);
  [[nodiscard]] dgram::SystemResult<std::unique_ptr<dgram::Client>> adopt(dgram::Fd fd, l2::PortId port,
                                                                          const dgram::ClientState& state);
  [[nodiscard]] dgram::SystemResult<void> take_over_own(const HandedSocket& handed, dgram::Fd fd);
  [[nodiscard]] dgram::SystemResult<void> take_over_connection(const HandedSocket& handed, dgram::Fd fd);
  [[nodiscard]] dgram::SystemResult<void> take_over_passed(const HandedSocket& handed, dgram::Fd fd);
  void recall_shared(dgram::SharedPath& path, const KnownClient& known, bool same_socket);
  void reattach(dgram::Client& client, l2::PortId port);

  [[nodiscard]] Result<l2::PortId, DropReason> find_port(const dgram::Client& client, std::span<const ByteView> frames);
  void release(const MacAddress& mac, const dgram::Client& newcomer);
  [[nodiscard]] bool plug_in(dgram::Client& client, std::span<const ByteView> frames);
  void attach_client(dgram::Client& client, l2::PortId port);
  void unplug(dgram::Client& client, std::string_view cause);
  void hang_up(dgram::Client& client, std::string_view cause);
  [[nodiscard]] dgram::Client* client_of(l2::PortId port) const noexcept;
  void pull(l2::PortId port);
  void end_attachments(l2::PortId port, std::string_view cause);
  void refuse_all(std::span<const ByteView> frames, DropReason reason);
  void flush();
  void settle();

  network::Fabric& fabric_;
  EventLoop& loop_;
  Notice notice_;
  std::function<void()> commit_;
  std::function<void()> after_;
  dgram::ReceiveBatch batch_;
  dgram::PathWatch watch_;
  dgram::StreamBuffer stream_buffer_;
  std::unordered_map<std::uint32_t, Origin> origins_;  ///< by the number that clients know them by
  std::uint32_t next_origin_ = 0;
  std::vector<std::unique_ptr<dgram::SharedPath>> shared_;
  std::vector<std::unique_ptr<dgram::StreamPath>> streams_;
  std::unordered_map<std::uint32_t, std::unique_ptr<dgram::OwnPath>> own_;  ///< by port
  /// Ends of pairs, by port. One that another client has taken the NIC from stays until its peer goes.
  std::unordered_map<std::uint32_t, std::unique_ptr<dgram::Client>> passed_;
  std::vector<dgram::Client*> clients_;     ///< by port; null where nothing is attached
  std::vector<dgram::Listener*> troubled_;  ///< with clients that are gone, to be settled after the batch
  DropCounters door_drops_;
  Instant next_probe_ = kNever;  ///< of the NICs' own paths
  Instant now_{};                ///< when the present batch came in
};

}  // namespace vnet::daemon
