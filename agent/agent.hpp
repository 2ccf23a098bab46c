// Agent: one loop that waits for the host, the kernel, the driver, commands and time, and does what each asks.
//
//     host     an assignment: set it, then dial the driver; `wait`: ask again in half a second; a command: run it
//     kernel   the carrier is gone: tell the driver, later; it is back: dial anew
//     time     the machine slept (CLOCK_BOOTTIME has run ahead of CLOCK_MONOTONIC): dial anew
//
// What a snapshot left half open is found by the same three: a restore brings the link up, or another assignment, or a
// sleep.
#pragma once

#include <optional>
#include <string>

#include "agent/channel.hpp"
#include "agent/commands.hpp"
#include "agent/dialer.hpp"
#include "agent/interface.hpp"

namespace vnet::agent {

struct Settings {
  Channel::Where host;
  std::string interface;
  std::optional<Mac> mac;
  Address dial;
  std::uint16_t dial_port = 0;
  std::string resolv_conf = "/etc/resolv.conf";  ///< empty: it is left alone
};

class Agent {
 public:
  explicit Agent(Settings settings);

  /// Until SIGTERM or SIGINT; the exit code.
  [[nodiscard]] int run();

 private:
  void turn(int signals);
  void on_signal(int signals);
  void hear_host();
  /// False: the line is another command.
  bool wake(const Json& command);
  void assign(const Assignment& wanted);
  void on_carrier(bool up);
  void look_at_clocks();
  void write_resolv_conf(const std::string& text) const;
  [[nodiscard]] int time_left(Millis now) const;

  Settings settings_;
  Channel channel_;
  Commands commands_;
  Dialer dialer_;
  Interface interface_;
  LinkWatch links_;
  std::optional<bool> carrier_;
  Millis slept_ = 0;
  bool ends_ = false;
};

}  // namespace vnet::agent
