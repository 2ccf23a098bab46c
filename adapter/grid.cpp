#include "adapter/grid.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "adapter/control.hpp"
#include "adapter/grid_text.hpp"
#include "adapter/printable.hpp"

namespace vnet::adapter {
namespace {

struct ClosePage {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }
};

bool write_page(const std::string& path, const std::string& text) {
  std::unique_ptr<std::FILE, ClosePage> file{std::fopen(path.c_str(), "we")};
  if (!file) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  return std::fclose(file.release()) == 0 && written;
}

}  // namespace

ExitCode run_grid(const Common& common, const GridOptions& options) {
  const sim::Grid grid =
      sim::compute_grid(options.combinations ? sim::all_combinations() : sim::preset_nats(), options.seed);
  if (options.html) {
    if (!write_page(*options.html, grid_page(grid, options.version))) {
      complain("cannot write " + printable(*options.html) + ": " + std::strerror(errno));
      return ExitCode::failed;
    }
  }
  const Style style{wants_color(common.color, STDOUT_FILENO)};
  const std::string text = options.json ? pretty(grid_json(grid)) + "\n" : grid_table(grid, style);
  (void)std::fputs(text.c_str(), stdout);
  return grid.contradictions() == 0 ? ExitCode::ok : ExitCode::failed;
}

}  // namespace vnet::adapter
