// The folder of `--state DIR`: one daemon at a time, and files that are either the old or the new one, whole.
//
// The folder is made with mode 0700 where it is missing, parents included. A lock on its file `lock` (flock(2), given
// back by the kernel however the process ends) keeps a second daemon out. Where the file system has no locks, the
// folder is used without one, and a message says so.
//
// All paths are relative to the open folder, so renaming the folder, or another current directory, changes nothing.
#pragma once

#include <string>
#include <string_view>

#include "dgram/socket.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

class StateFolder {
 public:
  /// Files of one name that are set aside at most; then the oldest goes.
  static constexpr int kMaxSetAside = 5;

  /// The error is a sentence that names the folder.
  [[nodiscard]] static Result<StateFolder, std::string> open(const std::string& path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// False: the file system cannot lock.
  [[nodiscard]] bool is_locked() const noexcept { return locked_; }

  // The errors below name the folder and the file.

  /// Opens a file for reading. The descriptor is empty when there is none.
  [[nodiscard]] dgram::SystemResult<dgram::Fd> open_file(const std::string& name) const;
  /// Makes `name` a file of `content`, on disk before it has the name, and durable before this returns. Gives the file
  /// opened for appending.
  [[nodiscard]] dgram::SystemResult<dgram::Fd> replace_file(const std::string& name, std::string_view content) const;
  /// Gives whatever `name` is a second name, `name.damaged-1`; earlier ones count up. Where it can have only one, it
  /// loses the first. Returns the new name.
  [[nodiscard]] dgram::SystemResult<std::string> set_aside(const std::string& name) const;

 private:
  StateFolder(std::string path, dgram::Fd folder, dgram::Fd lock, bool locked)
      : path_(std::move(path)), folder_(std::move(folder)), lock_(std::move(lock)), locked_(locked) {}
  [[nodiscard]] dgram::SystemError problem(std::string_view what, std::string_view name) const;

  std::string path_;
  dgram::Fd folder_;
  dgram::Fd lock_;
  bool locked_ = false;
};

/// Writes all of `content`. False, with errno: the system took only a part or nothing.
[[nodiscard]] bool write_all(const dgram::Fd& fd, std::string_view content);

}  // namespace vnet::daemon
