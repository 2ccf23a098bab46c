// ConfigSource: where the configuration comes from, so that it can be read again: a file, or what is built in, and the
// command line over it.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/options.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class ConfigSource {
 public:
  struct Wrong {
    Problems problems;
    std::string source;  ///< the file, or the program for flags
  };

  /// `current_folder` is where relative paths of flags start; `runtime_folder` is where the default sockets are.
  ConfigSource(Options options, std::string current_folder, std::string runtime_folder)
      : options_(std::move(options)), current_folder_(std::move(current_folder)), runtime_(std::move(runtime_folder)) {}

  /// A configuration that has been checked in all respects.
  [[nodiscard]] Result<LoadedConfig, Wrong> load() const;

  [[nodiscard]] bool has_file() const noexcept { return options_.config.has_value(); }
  [[nodiscard]] std::string name() const { return options_.config.value_or("vnetd"); }
  [[nodiscard]] const std::string& runtime_folder() const noexcept { return runtime_; }

 private:
  Options options_;
  std::string current_folder_;
  std::string runtime_;
};

}  // namespace vnet::daemon
