#include "adapter/vm/disk_copies.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "adapter/vm/folders.hpp"
#if defined(__linux__)
#include <linux/fs.h>
#endif

namespace vnet::adapter {
namespace {

bool share_blocks(int from, int to) {
#if defined(__linux__)
  return ::ioctl(to, FICLONE, from) == 0;
#else
  (void)from;
  (void)to;
  return false;
#endif
}

/// Copies bytes [begin, end), both descriptors standing at `begin`. False: errno.
bool copy_range(int from, int to, off_t begin, off_t end) {
  constexpr std::size_t kPiece = 256 * 1024;
  std::vector<char> piece(kPiece);
  while (begin < end) {
    const auto most = std::min<off_t>(end - begin, static_cast<off_t>(piece.size()));
    const ssize_t size = ::pread(from, piece.data(), static_cast<std::size_t>(most), begin);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size == 0;  // somebody has made it shorter
    for (ssize_t done = 0; done < size;) {
      const ssize_t written = ::pwrite(to, piece.data() + done, static_cast<std::size_t>(size - done), begin + done);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      done += written;
    }
    begin += size;
  }
  return true;
}

/// What is no hole. False: errno.
bool copy_data(int from, int to, off_t size) {
  for (off_t at = 0; at < size;) {
    const off_t begin = ::lseek(from, at, SEEK_DATA);
    if (begin < 0) return errno == ENXIO;  // nothing but a hole is left
    const off_t hole = ::lseek(from, begin, SEEK_HOLE);
    const off_t end = hole < 0 ? size : hole;
    if (!copy_range(from, to, begin, end)) return false;
    at = end;
  }
  return true;
}

}  // namespace

dgram::SystemResult<void> copy_sparse(const std::string& from, const std::string& to) {
  const dgram::Fd source{::open(from.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat info {};
  if (!source || ::fstat(source.get(), &info) != 0) return fail(dgram::SystemError{"read " + from, errno});
  const dgram::Fd copy{::open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  const bool done =
      copy && (share_blocks(source.get(), copy.get()) ||
               (::ftruncate(copy.get(), info.st_size) == 0 && copy_data(source.get(), copy.get(), info.st_size)));
  if (!done) return fail(dgram::SystemError{"copy " + from + " to " + to, errno});
  return {};
}

std::string disk_folder(const std::string& vm) {
  return std::filesystem::path{snapshot_root()}.parent_path() / "disks" / vm;
}

dgram::SystemResult<DiskCopies> DiskCopies::make(const VmSpec& spec, const std::vector<std::string>& saved) {
  DiskCopies copies{""};
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const VmDisk& disk = spec.disks[i];
    const std::string from = i < saved.size() && !saved[i].empty() ? saved[i] : disk.copy ? disk.file : "";
    if (from.empty()) {
      copies.files_.push_back(disk.file);
      continue;
    }
    if (copies.folder_.empty()) {
      copies.folder_ = disk_folder(spec.name);
      if (auto made = make_private_folder(copies.folder_); !made) return fail(made.error());
    }
    copies.files_.push_back(copies.folder_ + "/" + std::to_string(i));
    if (auto copied = copy_sparse(from, copies.files_.back()); !copied) return fail(copied.error());
  }
  return copies;
}

DiskCopies::~DiskCopies() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace vnet::adapter
