// FileService: the files of a folder over HTTP, for a service of the kind files or cloud-init.
//
// It answers GET and HEAD, with conditions (ETag, Last-Modified) and one range of bytes. A folder is shown by its
// index.html, else, by `files`, as a list. Of cloud-init the folder is a NoCloud seed: meta-data, user-data, and
// vendor-data and network-config where they are there; a guest that is told `seedfrom=http://cloud-init.test/NAME/`
// finds its own in the folder NAME. Nothing is a secret of another guest's here.
//
// A file is read piece by piece as the client takes it, so its size costs no memory. Reading blocks the loop for as
// long as the disk takes to give 64 KiB; the system is told to read ahead. Where a file becomes shorter meanwhile, the
// connection ends, by which the client knows.
//
// Not supported: compression, several ranges in one answer, uploads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/file_tree.hpp"
#include "http/message.hpp"

namespace vnet::daemon {

enum class FileServiceKind : std::uint8_t { files, cloud_init };

class FileService {
 public:
  /// Seconds since 1970.
  using UnixTime = std::function<std::int64_t()>;

  FileService(std::string root, FileServiceKind kind, UnixTime time)
      : tree_(std::move(root)), kind_(kind), time_(std::move(time)) {}

  [[nodiscard]] http::Response answer(const http::Request& request);

 private:
  [[nodiscard]] http::Response find(const http::Request& request);
  [[nodiscard]] http::Response show_folder(const http::Request& request, std::vector<std::string> segments,
                                           dgram::Fd folder);
  [[nodiscard]] http::Response send_file(const http::Request& request, OpenFile file, std::string_view name) const;

  FileTree tree_;
  FileServiceKind kind_;
  UnixTime time_;
};

/// A page with links to the entries of the folder that these segments lead to.
[[nodiscard]] std::string folder_page(const std::vector<std::string>& segments, const FolderEntries& entries);

}  // namespace vnet::daemon
