// TapBridge: carries frames between a TAP interface and the switch, and keeps what it reads until it is taken.
//
// Up to 64 frames are read from the interface, one read each (a TAP has no call for many), and go to the switch in one
// sendmmsg. When the switch has no room, reading stops until it has: the frames wait in the kernel's queue of the
// interface, where its rules apply and its counters tell. What comes from the switch is written to the interface at
// once; a frame that the interface refuses (it is down, the kernel has no memory) is dropped and counted.
//
// Whenever a switch has been found, the bridge drops what the interface still held from before, and announces the
// MAC address with one RARP request (RFC 903, the frame that QEMU sends after a migration): every switch learns from it
// where the address is now, and no host answers.
//
// The interface is any descriptor that gives and takes one frame for each read and write.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/switch_link.hpp"
#include "packet/ethernet.hpp"
#include "packet/mac_address.hpp"

namespace vnet::adapter {

struct BridgeCounters {
  std::uint64_t to_switch = 0;    ///< frames
  std::uint64_t from_switch = 0;  ///< frames
  std::uint64_t dropped = 0;      ///< frames, in either direction
};

class TapBridge final : public dgram::Watched, private SwitchLink::Owner {
 public:
  /// Told when the link to the switch comes and goes.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void on_attached() = 0;
    virtual void on_detached(std::string_view cause) = 0;
  };

  /// `interface` is non-blocking and stays the caller's; `mac` is what is announced.
  [[nodiscard]] static dgram::SystemResult<std::unique_ptr<TapBridge>> open(int interface, const MacAddress& mac,
                                                                            std::string switch_path,
                                                                            std::span<const std::string> own_paths,
                                                                            dgram::Poller& poller, Observer& observer);
  ~TapBridge() override;

  void on_ready(bool readable, bool writable) override;
  [[nodiscard]] Instant next_deadline() const noexcept { return link_->next_deadline(); }
  void expire(Instant now) { link_->expire(now); }

  /// 0, or the errno with which the interface has ended: there is nothing left to bridge.
  [[nodiscard]] int interface_error() const noexcept { return interface_error_; }
  [[nodiscard]] BridgeCounters counters() const noexcept;
  [[nodiscard]] const std::string& own_path() const noexcept { return link_->own_path(); }

 private:
  /// Frames are read one behind the other: room for a batch of ordinary ones, or for some of the largest.
  static constexpr std::size_t kBufferBytes = 512 * 1024;

  TapBridge(int interface, const MacAddress& mac, dgram::Poller& poller, Observer& observer);

  void on_attached() override;
  void on_detached(std::string_view cause) override;
  void on_frames(std::span<const ByteView> frames) override;
  void on_room() override;

  bool read_frames();
  bool send_pending();
  void discard_stale();
  void announce();
  void read_when_ready(bool wanted);

  int interface_;
  MacAddress mac_;
  dgram::Poller& poller_;
  Observer& observer_;
  std::unique_ptr<SwitchLink> link_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::vector<ByteView> frames_;  ///< views of buffer_
  std::size_t sent_ = 0;          ///< of frames_
  int interface_error_ = 0;
  BridgeCounters counters_;
};

}  // namespace vnet::adapter
