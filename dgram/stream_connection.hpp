// StreamConnection: one client over a connected stream socket, with length-framed records.
//
// What its receive buffer has no room for waits in a bounded queue, whole frames only; a frame that the kernel took
// half of is finished before anything else, because a receiver cannot skip the rest of it. A broken stream (see
// StreamDecoder) is closed. A connection can be handed to a successor in the middle of a record in either direction:
// the bytes of an unfinished record and the rest of a half-sent one are all that there is to know.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dgram/client.hpp"
#include "dgram/frame_queue.hpp"
#include "dgram/socket.hpp"
#include "dgram/stream_decoder.hpp"

namespace vnet::dgram {

/// What one read of a stream gives. One serves all connections, because a read is consumed before the next.
struct StreamBuffer {
  /// Bytes for one read: several of the largest frames, or a batch of ordinary ones.
  static constexpr std::size_t kReadBytes = 256 * 1024;

  std::unique_ptr<std::uint8_t[]> bytes = std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes);
  std::vector<ByteView> frames;
};

class StreamConnection final : public Client, public Watched, public Listener {
 public:
  /// The socket is non-blocking. `ended` destroys this; it is called once, when the switchboard has been told that the
  /// client is gone, or by `hang_up`. The references outlive this.
  StreamConnection(Fd fd, std::string name, std::uint32_t origin, Poller& poller, Switchboard& switchboard,
                   StreamBuffer& buffer, std::function<void()> ended);
  ~StreamConnection() override;

  /// Goes on where a predecessor has stopped, before anything was read or sent. False when `state` is none that a
  /// predecessor can have been in.
  [[nodiscard]] bool resume(const ClientState& state);

  void send(std::span<const ByteView> frames, Delivery& delivery) override;
  void discard(DropReason reason, Delivery& delivery) override;
  void pull() override;
  void hang_up() override;
  [[nodiscard]] ClientState state() const override;

  void on_ready(bool readable, bool writable) override;
  void settle() override;

 private:
  std::size_t write_some(std::span<const ByteView> frames, Delivery& delivery);
  std::size_t write(iovec* vectors, std::size_t count);
  void keep_rest(ByteView prefix, ByteView frame, std::size_t written);
  void drain();
  bool read();
  void end();
  void update_watch();

  Fd fd_;
  Poller& poller_;
  Switchboard& switchboard_;
  StreamBuffer& buffer_;
  std::function<void()> on_ended_;
  StreamDecoder decoder_;
  FrameQueue queue_;
  std::vector<std::uint8_t> rest_;  ///< what the kernel has not taken yet of a frame that it took half of
  bool busy_ = false;               ///< being served: its end waits until that is over
  bool ended_ = false;
  bool watching_writable_ = false;
};

}  // namespace vnet::dgram
