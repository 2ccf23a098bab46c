// The terminal as a screen that is drawn over and over: the alternate screen, no echo, keys as they are pressed. What
// was there before comes back when this ends, which is on every way out but SIGKILL.
#pragma once

#include <termios.h>

#include <string>
#include <vector>

namespace vnet::adapter {

class Screen {
 public:
  Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen();

  /// As many of the lines as fit, from the top, each cut at the window's edge.
  void draw(const std::vector<std::string>& lines) const;

 private:
  termios before_{};
  bool keys_ = false;  ///< stdin is the terminal, and its mode was changed
};

}  // namespace vnet::adapter
