#include "adapter/screen.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

// Where the terminal does not know its size.
constexpr unsigned short kRows = 24;
constexpr unsigned short kColumns = 80;

void put(const std::string& text) {
  (void)std::fwrite(text.data(), 1, text.size(), stdout);
  (void)std::fflush(stdout);
}

}  // namespace

Screen::Screen() {
  if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios mode = before_;
    mode.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    // Stopped by Ctrl-Z, it would leave the shell on the alternate screen.
    mode.c_cc[VSUSP] = _POSIX_VDISABLE;
    keys_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) == 0;
  }
  put("\x1b[?1049h\x1b[?25l");
}

Screen::~Screen() {
  put("\x1b[?25h\x1b[?1049l");
  if (keys_) (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void Screen::draw(const std::vector<std::string>& lines) const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
    size = {kRows, kColumns, 0, 0};
  std::string text = "\x1b[H";
  const std::size_t shown = std::min<std::size_t>(lines.size(), size.ws_row);
  for (std::size_t i = 0; i < shown; ++i) text += (i > 0 ? "\r\n" : "") + clip(lines[i], size.ws_col) + "\x1b[K";
  put(text + "\x1b[J");
}

}  // namespace vnet::adapter
