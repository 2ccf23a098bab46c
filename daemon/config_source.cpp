#include "daemon/config_source.hpp"

#include <utility>

#include "daemon/config_read.hpp"
#include "daemon/network_setup.hpp"

namespace vnet::daemon {

Result<LoadedConfig, ConfigSource::Wrong> ConfigSource::load() const {
  LoadedConfig loaded{default_config(runtime_), {}};
  if (options_.config) {
    // A reload must find the file wherever it finds the daemon.
    auto read = load_config_file(resolve_path(current_folder_, *options_.config), runtime_);
    if (!read) return fail(Wrong{std::move(read.error()), *options_.config});
    loaded = std::move(*read);
  }
  Problems problems = apply_options(options_, current_folder_, loaded.config);
  if (!problems.empty()) return fail(Wrong{std::move(problems), "vnetd"});
  problems = setup_problems(loaded.config);
  if (!problems.empty()) return fail(Wrong{std::move(problems), name()});
  return loaded;
}

}  // namespace vnet::daemon
