// FileTree: a folder of the host whose files strangers may read, and nothing above it.
//
// A path is given as its decoded segments. One that is empty, `.` or `..`, or that holds a slash or a zero byte, names
// nothing: so what reaches the system is a plain walk downwards. What is left are symbolic links. On Linux the kernel
// resolves the path and refuses to leave the folder (openat2 with RESOLVE_BENEATH), so links within it work; where it
// cannot, every step is taken by itself and no link is followed. Absolute links are refused by both.
//
// The folder is looked up anew each time, for whoever makes its contents may well make a new one. Only files and
// folders are opened: what else there is, devices, pipes and sockets, does not exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dgram/socket.hpp"
#include "packet/result.hpp"

namespace vnet::daemon {

enum class FileProblem : std::uint8_t {
  missing,       ///< or nothing that is served
  forbidden,     ///< we may not read it
  no_resources,  ///< no descriptor, or no memory, is left
};

struct OpenFile {
  dgram::Fd fd;
  bool is_folder = false;
  std::uint64_t size = 0;
  std::int64_t modified = 0;  ///< seconds since 1970
  std::uint64_t version = 0;  ///< another after a change: of device, inode, size and time
};

struct FolderEntry {
  std::string name;
  bool is_folder = false;
};
struct FolderEntries {
  std::vector<FolderEntry> entries;  ///< by name
  bool all = true;                   ///< false: there are more
};

class FileTree {
 public:
  /// Entries of one folder that are listed.
  static constexpr std::size_t kMaxListed = 4096;

  enum class Links : std::uint8_t { within, none };

  /// `links`: what the system is asked for; where it cannot tell whither a link leads, none are followed.
  explicit FileTree(std::string root, Links links = Links::within) : root_(std::move(root)), links_(links) {}

  /// No segments: the folder itself.
  [[nodiscard]] Result<OpenFile, FileProblem> open(std::span<const std::string> segments);
  [[nodiscard]] const std::string& root() const noexcept { return root_; }

 private:
  [[nodiscard]] dgram::Fd resolve(int root, std::span<const std::string> segments);

  std::string root_;
  Links links_;
};

/// Files, folders and links in an open folder.
[[nodiscard]] FolderEntries list_folder(dgram::Fd folder);

}  // namespace vnet::daemon
