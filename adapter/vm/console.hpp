// The guest's serial console: what it says goes to a log file, and in the foreground to stdout; what is typed goes to
// it.
//
// A terminal is in raw mode meanwhile, so that Ctrl-C is the guest's; Ctrl-] is ours. The log is kept below
// kMaxConsoleLog bytes by beginning a new one, with the last one beside it as `console.log.1`: a guest writes as much
// as it likes. A log that cannot be written, or a stdout that nobody reads, is left out from then on.
#pragma once

#include <termios.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "dgram/client.hpp"
#include "dgram/socket.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxConsoleLog = 4 * 1024 * 1024;
/// Typed and not yet taken by the guest; more is dropped.
inline constexpr std::size_t kMaxConsoleTyped = 4096;
inline constexpr char kConsoleEscape = 0x1d;  ///< Ctrl-]

class Console final : public dgram::Watched {
 public:
  /// `guest` is our end of the serial port. `on_escape` is called for Ctrl-], with `foreground` only.
  Console(dgram::Fd guest, std::string log, bool foreground, dgram::Poller& poller, std::function<void()> on_escape);
  ~Console() override;

  void on_ready(bool readable, bool writable) override;

 private:
  class Keyboard final : public dgram::Watched {
   public:
    Keyboard(Console& console, dgram::Poller& poller);
    ~Keyboard() override;
    void on_ready(bool readable, bool writable) override;

   private:
    Console& console_;
    dgram::Poller& poller_;
    bool open_ = true;
    std::optional<termios> before_;
  };

  void keep(std::string_view bytes);
  void type(std::string_view bytes);
  void flush();

  dgram::Fd guest_;
  std::string log_path_;
  dgram::Fd log_;
  std::size_t logged_ = 0;
  bool shown_;  ///< on stdout
  dgram::Poller& poller_;
  std::function<void()> on_escape_;
  std::string typed_;
  std::optional<Keyboard> keyboard_;
};

}  // namespace vnet::adapter
