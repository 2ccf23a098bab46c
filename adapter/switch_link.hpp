// SwitchLink: one NIC's end of a unixgram attachment, which finds the switch, notices its end and finds it again.
//
// One socket does it all. It is bound to a path of its own, because that is how the switch knows a client, and
// connected to the switch's path, for three reasons:
//
// * POLLOUT then tells the truth. On an unconnected socket it says "writable" while the switch's queue is full, and the
//   sender would spin.
// * The kernel lets nobody but the switch send to it, so that our path may be open to the switch's user.
// * The limit of ten waiting datagrams holds only for a receiver that is not connected to the sender. From the switch
// to
//   us it is thereby lifted; from us to the switch it is, too, where the switch has a path for this NIC alone and
//   connects back. On a path that many share, eleven frames fit, then the sender waits for POLLOUT.
//
// A datagram socket hears nothing of its peer's end. The link is checked by connecting again, which costs a microsecond
// and changes nothing while the switch is the same: when the socket file changes (inotify), when sending or receiving
// fails, and every kProbeInterval. Without a switch it is tried again after kFirstRetry, then at doubling intervals
// up to kLongestRetry.
//
// Not supported: a switch at an abstract address.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dgram/batch.hpp"
#include "dgram/client.hpp"
#include "dgram/path_watch.hpp"
#include "dgram/socket.hpp"
#include "packet/time.hpp"

namespace vnet::adapter {

class SwitchLink final : public dgram::Watched {
 public:
  static constexpr Duration kProbeInterval = std::chrono::seconds{1};
  static constexpr Duration kFirstRetry = std::chrono::milliseconds{20};
  static constexpr Duration kLongestRetry = std::chrono::milliseconds{500};

  class Owner {
   public:
    virtual ~Owner() = default;
    /// A switch has been found: it knows nothing of us yet.
    virtual void on_attached() = 0;
    /// The switch is gone, `cause` says how we know. Also called once when there is none at the start.
    virtual void on_detached(std::string_view cause) = 0;
    /// At least one byte each; borrowed for the time of the call. Never called while detached.
    virtual void on_frames(std::span<const ByteView> frames) = 0;
    /// After a `send` that was not taken whole: now there is room again.
    virtual void on_room() = 0;
  };

  /// Binds the first of `own_paths` that can be bound; the last one's failure is the error. No switch needs to be
  /// there. What is found out is told by `owner` from the first `expire` on.
  [[nodiscard]] static dgram::SystemResult<std::unique_ptr<SwitchLink>> open(std::string switch_path,
                                                                             std::span<const std::string> own_paths,
                                                                             dgram::Poller& poller, Owner& owner);
  /// Removes the own path.
  ~SwitchLink() override;

  /// Gives frames to the switch, in order, each at least one byte long. Returns how many need no more thought: the rest
  /// is to be offered again in `on_room`, or dropped in `on_detached`, one of which will come.
  [[nodiscard]] std::size_t send(std::span<const ByteView> frames);

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const noexcept { return next_check_; }
  void expire(Instant now);

  [[nodiscard]] bool attached() const noexcept { return state_ == State::attached; }
  [[nodiscard]] const std::string& own_path() const noexcept { return own_path_; }
  /// Frames that the operating system refused for a reason of their own: too long for a buffer, out of memory.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  enum class State : std::uint8_t { unknown, attached, detached };
  /// Tells a socket file from its successor at the same path. The time is in it because a file system may reuse the
  /// number.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };

  SwitchLink(std::string switch_path, std::string own_path, const dgram::UnixAddress& address, dgram::Fd fd,
             dgram::Poller& poller, Owner& owner);
  void attach(const Identity& found, Instant now);
  void detach(std::string_view cause);
  void suspect() noexcept;
  void admit_switch(uid_t user, gid_t group) const;
  void want_room(bool wanted);
  bool receive_batch();

  std::string switch_path_;
  std::string own_path_;
  dgram::UnixAddress address_;
  dgram::Fd fd_;
  dgram::Poller& poller_;
  dgram::PathWatch watch_;
  Owner& owner_;
  dgram::ReceiveBatch batch_;
  std::vector<ByteView> received_;
  State state_ = State::unknown;
  Identity identity_;
  bool suspected_ = false;  ///< a send or receive has failed
  bool wants_room_ = false;
  int handle_ = -1;
  Duration retry_ = kFirstRetry;
  Instant next_check_{};
  std::uint64_t refused_ = 0;
};

}  // namespace vnet::adapter
