// grid: which NATs meet.
#include <memory>

#include "adapter/commands.hpp"

namespace vnet::adapter {

void add_grid_command(CommandTree& tree) {
  CLI::App& grid =
      tree.add(tree.root(), "grid", "Which kinds of NATs meet by hole punching, by simulation",
               "  vnet grid\n"
               "  vnet grid --html grid.html                   a page with all that is known of each pair\n"
               "  vnet grid --combinations --seed 7            mapping by filtering, with other random numbers");
  const auto options = std::make_shared<GridOptions>();
  grid.add_option("--seed", options->seed, "Decides all that is random; default 1")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  tree.completes(grid.add_option("--html", options->html, "Write a page for a browser, too")->type_name("FILE"),
                 Ask::files);
  grid.add_flag("--combinations", options->combinations,
                "The nine combinations of mapping and filtering instead of the presets");
  const std::string version = tree.surroundings().version;
  tree.on(grid, CommandTree::Json::taken, [options, version](bool json) -> Command {
    if (options->html && options->html->empty()) return missing("grid --html", "path", "a file's");
    options->json = json;
    options->version = version;
    return *options;
  });
}

}  // namespace vnet::adapter
