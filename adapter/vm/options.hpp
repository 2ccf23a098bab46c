// `vnet vm`: what each of its commands was told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapter/vm/spec.hpp"

namespace vnet::adapter {

struct VmOptions {
  enum class Verb { run, start, list, ip, attach, detach, stop, save, restore, snapshots, rm, screenshot, exec, logs };
  Verb verb = Verb::list;
  std::string name{};                        ///< the VM's
  std::optional<std::string> file{};         ///< run, start: what the VM is made of; screenshot: where to
  VmFlags flags{};                           ///< run, start, restore
  std::optional<std::string> nic{};          ///< attach, detach, ip
  std::optional<std::string> network{};      ///< attach
  std::optional<std::string> snapshot{};     ///< save, restore, rm
  std::optional<std::string> size{};         ///< screenshot: of a smaller picture
  std::optional<std::uint32_t> timeout_s{};  ///< stop, ip, exec
  std::vector<std::string> words{};          ///< exec: the command
  std::vector<std::string> puts{};           ///< exec: FROM:TO
  std::vector<std::string> gets{};           ///< exec: FROM:TO
  bool cached = false;                       ///< run, start
  bool prune = false;                        ///< snapshots
  bool foreground = false;                   ///< restore
  bool follow = false;                       ///< logs
  bool log = false;                          ///< logs: the supervisor's, not the console's
  bool json = false;
  std::string folder{};  ///< the current one

  bool operator==(const VmOptions&) const = default;
};

}  // namespace vnet::adapter
