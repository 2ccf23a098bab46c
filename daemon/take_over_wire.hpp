// The wire between a daemon and its successor: one document and any number of descriptors, over the connection on which
// the successor asked for them (POST /v1/take-over, answered 101).
//
//     successor   go                            it is ready to read descriptors; before, they could be lost on the way
//     old         length, document, fds         the fds in groups, each with one byte
//     successor   ok                            everything is in its hands and serving: the old one ends
//
// From the first word on both sides block, with a time limit on every step: meanwhile frames wait in the kernel's
// buffers, which is why a take-over loses none. If the last word does not come, the old daemon goes on as if nothing
// had been asked.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/json_text.hpp"
#include "dgram/client.hpp"
#include "dgram/socket.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

/// What one daemon leaves to another. Members of the document refer to descriptors by their position.
struct Estate {
  Json document;
  std::vector<dgram::Fd> fds;
};

/// A successor that has asked, and not said its first word: until it does, frames do not wait for it.
class WaitingSuccessor final : public dgram::Watched {
 public:
  /// `ready` is called when there is something to read, or the other side has gone; it may destroy this.
  WaitingSuccessor(dgram::Fd connection, dgram::Poller& poller, std::function<void()> ready)
      : connection_(std::move(connection)), poller_(poller), ready_(std::move(ready)) {
    poller_.watch(connection_.get(), true, false, *this);
  }
  ~WaitingSuccessor() override {
    if (connection_) poller_.forget(connection_.get());
  }
  void on_ready(bool, bool) override { ready_(); }
  [[nodiscard]] dgram::Fd release() {
    poller_.forget(connection_.get());
    return std::move(connection_);
  }

 private:
  dgram::Fd connection_;
  dgram::Poller& poller_;
  std::function<void()> ready_;
};

/// The largest document, in bytes, and the most descriptors.
inline constexpr std::size_t kMaxEstateBytes = 64U << 20U;
inline constexpr std::size_t kMaxEstateFds = 16'384;

// The old daemon's side. Errors are sentences.
[[nodiscard]] Result<void, std::string> hear_first_word(const dgram::Fd& connection);
[[nodiscard]] Result<void, std::string> send_estate(const dgram::Fd& connection, const Json& document,
                                                    std::span<const int> fds);
[[nodiscard]] Result<void, std::string> wait_for_confirmation(const dgram::Fd& connection);

// The successor's.
[[nodiscard]] Result<Estate, std::string> receive_estate(const dgram::Fd& connection);
[[nodiscard]] Result<void, std::string> confirm(const dgram::Fd& connection);

}  // namespace vnet::daemon
