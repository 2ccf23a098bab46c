// ClientStore: who was plugged in, kept over a restart of the daemon in `clients.json` of the state folder.
//
// A VM that talks is found again by its first frame. One that only listens would not be: the switch that came back
// knows no path to send to. So the paths of clients are kept, and tried when the daemon starts; the file is a hint, and
// a wrong or missing one costs nothing. It is replaced as a whole, a moment after the last change, and not synced.
//
// Limit: as many clients as there are NICs; a file longer than kMaxBytes is not read.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "daemon/hub.hpp"
#include "packet/time.hpp"

namespace vnet::daemon {

class ClientStore {
 public:
  static constexpr std::size_t kMaxBytes = 4U << 20U;
  /// Changes within this time are written together.
  static constexpr Duration kDelay = std::chrono::milliseconds{100};

  /// The folder exists.
  explicit ClientStore(const std::string& folder) : path_(folder + "/clients.json") {}

  /// What the file says; nothing when it is missing or damaged.
  [[nodiscard]] std::vector<KnownClient> load();
  /// Something has changed: `save` is due at `next_deadline`.
  void change(Instant now) noexcept { due_ = std::min<Instant>(due_, now + kDelay); }
  [[nodiscard]] Instant next_deadline() const noexcept { return due_; }
  void save(const std::vector<KnownClient>& clients);

  /// A sentence for the log about a file that could not be read or written; said once.
  [[nodiscard]] std::optional<std::string> take_error();

 private:
  void complain(std::string error);

  std::string path_;
  Instant due_ = kNever;
  std::optional<std::string> error_;
  bool complained_ = false;
};

}  // namespace vnet::daemon
