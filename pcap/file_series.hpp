// Rotation: one capture over several files of limited size.
//
// The file being written always has the name that was asked for, run.pcapng. When it is full it is renamed to
// run.1.pcapng, the next one to run.2.pcapng, and so on: a higher number is a later file. Numbers that are taken, by
// an earlier run for example, are skipped: a rename never overwrites. Of the files that this series made, `keep` old
// ones are kept and the oldest removed; 0 keeps all. Files of earlier runs are never removed.
//
// If somebody moved the current file away, that file is theirs and the series starts a new one. If somebody put
// another file in its place, the series ends with an error instead of overwriting it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "packet/result.hpp"
#include "pcap/output.hpp"

namespace vnet::capture {

class FileSeries {
 public:
  FileSeries(std::string path, std::uint32_t keep) : path_(std::move(path)), keep_(keep) {}

  /// Puts the full file `current` aside, removes what is too old, and opens the next one.
  [[nodiscard]] Result<Output, std::string> next(const Output& current);

  /// Renames `path` to the first number behind `number` that is free; returns the new name and updates `number`.
  [[nodiscard]] static Result<std::string, std::string> put_aside(const std::string& path, std::uint64_t& number);

  /// "dir/run.pcapng", 3 -> "dir/run.3.pcapng"; without an extension, "dir/run" -> "dir/run.3".
  [[nodiscard]] static std::string numbered(const std::string& path, std::uint64_t number);

 private:
  std::string path_;
  std::uint32_t keep_;
  std::uint64_t number_ = 0;
  std::deque<std::string> made_;  ///< old files of this series, oldest first; only filled when `keep_` is not 0
};

}  // namespace vnet::capture
