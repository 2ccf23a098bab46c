// Hub: joins the sockets of dgram/ to the ports of the fabric.
//
// A client is known to its socket by a path or a connection, and to the fabric by the MAC addresses that it sends from.
// The hub keeps the two together: the first frame of an unknown client decides which NIC it is, a NIC whose MAC shows
// up at another client moves there, and what the fabric wants to send goes out at the end of every batch, one call per
// port. Frames of clients that no NIC can be found for are counted at the door.
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

class Hub final : public dgram::Switchboard {
 public:
  using Notice = std::function<void(std::string_view)>;

  /// The references outlive this. `notice` gets lines for the log.
  Hub(network::Fabric& fabric, EventLoop& loop, Notice notice);
  ~Hub() override;

  /// Sockets that lead to the network with index `network`. The error names the path.
  [[nodiscard]] dgram::SystemResult<void> listen_dgram(std::string path, std::size_t network);
  [[nodiscard]] dgram::SystemResult<void> listen_stream(std::string path, std::size_t network);
  /// A socket of `port`'s own.
  [[nodiscard]] dgram::SystemResult<void> listen_own(std::string path, l2::PortId port);
  /// A descriptor that was handed over for `port`.
  [[nodiscard]] dgram::SystemResult<void> attach(dgram::Fd fd, l2::PortId port);

  /// The clients that have a path of their own, by port.
  [[nodiscard]] std::vector<KnownClient> known_clients() const;
  /// Plugs a client from before a restart in again, if it is still there. It need not send first, so that a VM that
  /// only listens is reached at once.
  void recall(const KnownClient& known);

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
  };

  std::uint32_t add_origin(Origin origin);
  [[nodiscard]] Result<l2::PortId, DropReason> find_port(const dgram::Client& client,
                                                         std::span<const ByteView> frames) const;
  [[nodiscard]] bool plug_in(dgram::Client& client, std::span<const ByteView> frames);
  void attach_client(dgram::Client& client, l2::PortId port);
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
  std::vector<Origin> origins_;
  std::vector<std::unique_ptr<dgram::SharedPath>> shared_;
  std::vector<std::unique_ptr<dgram::OwnPath>> own_;
  std::vector<std::unique_ptr<dgram::StreamPath>> streams_;
  std::vector<dgram::Client*> clients_;     ///< by port; null where nothing is attached
  std::vector<dgram::Listener*> troubled_;  ///< with clients that are gone, to be settled after the batch
  DropCounters door_drops_;
  Instant next_probe_ = kNever;  ///< of the NICs' own paths
  Instant now_{};                ///< when the present batch came in
};

}  // namespace vnet::daemon
