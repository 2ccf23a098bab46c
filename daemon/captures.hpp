// Captures: all that run at once, as one observer of the fabric.
//
// Each is a Recorder with a writer thread of its own. While there is none the fabric has no observer, and a frame pays
// nothing. A capture that is ended still writes out what it holds, and is looked after until it has; one that ends by
// itself, because its disk is full or its reader has gone, is noticed within kLookInterval and told.
//
// Limit: kMaxCaptures at once; a further one is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/recorder.hpp"
#include "daemon/runtime_changes.hpp"
#include "daemon/wall_time.hpp"
#include "dgram/socket.hpp"
#include "network/fabric.hpp"
#include "network/observer.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class Captures final : public network::FrameObserver {
 public:
  static constexpr std::size_t kMaxCaptures = 32;
  static constexpr Duration kLookInterval = std::chrono::milliseconds{250};
  /// The capture of the configuration file.
  static constexpr std::string_view kConfigured = "config";

  struct Running {
    CaptureRequest request;
    bool live = false;
    std::int64_t started_unix_ms = 0;
    std::unique_ptr<Recorder> recorder;
  };
  struct Ended {
    std::string id;
    bool live = false;
    std::string error;  ///< empty: it was asked to end, or its reader went
  };

  Captures(network::Fabric& fabric, std::function<Moment()> clock) : fabric_(fabric), clock_(std::move(clock)) {}
  ~Captures() override { fabric_.set_observer(nullptr); }

  /// Begins a capture to a file. Without an id it gets one. With `resume` the file that is there is put aside. Returns
  /// the id; the error is a sentence that names the file or the filter.
  [[nodiscard]] Result<std::string, std::string> start(CaptureRequest request, bool resume);
  /// Begins a capture into a connection, which is the capture's from now on.
  [[nodiscard]] Result<std::string, std::string> start_live(CaptureRequest request, dgram::Fd connection);
  /// False: there is none with this id.
  bool stop(std::string_view id);

  [[nodiscard]] const std::vector<Running>& running() const noexcept { return running_; }
  [[nodiscard]] const Running* find(std::string_view id) const;

  /// When `look` is due.
  [[nodiscard]] Instant next_deadline() const noexcept { return next_look_; }
  /// What has ended since the last call, by itself or as asked.
  [[nodiscard]] std::vector<Ended> look(Instant now);

  void on_frame(l2::PortId port, std::size_t network, network::Direction direction, ByteView frame,
                std::optional<DropReason> dropped, Instant now) override;
  void on_event(l2::PortId port, const network::Event& event) override;

 private:
  [[nodiscard]] Result<std::string, std::string> add(CaptureRequest request, capture::Options options, bool live);

  network::Fabric& fabric_;
  std::function<Moment()> clock_;
  std::vector<Running> running_;
  std::vector<Running> ending_;  ///< asked to end, still writing
  std::uint64_t last_id_ = 0;
  Instant next_look_ = kNever;
};

}  // namespace vnet::daemon
