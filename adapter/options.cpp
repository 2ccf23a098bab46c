#include "adapter/options.hpp"

#include "adapter/commands.hpp"

namespace vnet::adapter {

CommandLine parse_options(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  // The words to complete are not ours to understand: they may be half a flag.
  if (!arguments.empty() && arguments.front() == "complete") {
    return {{}, CompleteOptions{{arguments.begin() + 1, arguments.end()}}};
  }
  CommandTree tree{surroundings};
  add_commands(tree);
  return tree.parse(arguments);
}

}  // namespace vnet::adapter
