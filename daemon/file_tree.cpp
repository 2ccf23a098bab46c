#include "daemon/file_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "dgram/file_times.hpp"
#include "packet/random.hpp"

#if defined(__linux__) && __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace vnet::daemon {
namespace {

/// A pipe that nobody writes to must not hold us up, and no terminal become ours.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

bool is_plain(const std::string& segment) {
  return !segment.empty() && segment != "." && segment != ".." && segment.find('/') == std::string::npos &&
         segment.find('\0') == std::string::npos;
}

FileProblem problem_of(int code) noexcept {
  switch (code) {
    case EACCES:
    case EPERM: return FileProblem::forbidden;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return FileProblem::no_resources;
    default: return FileProblem::missing;
  }
}

/// Step by step; a link ends it.
dgram::Fd walk(int root, std::span<const std::string> segments) {
  dgram::Fd at{::openat(root, ".", kOpenFlags | O_DIRECTORY)};
  for (std::size_t i = 0; at && i < segments.size(); ++i) {
    const int folder = i + 1 < segments.size() ? O_DIRECTORY : 0;
    at = dgram::Fd{::openat(at.get(), segments[i].c_str(), kOpenFlags | O_NOFOLLOW | folder)};
  }
  return at;
}

#if defined(RESOLVE_BENEATH) && defined(SYS_openat2)
constexpr bool kKernelResolves = true;

dgram::Fd open_beneath(int root, const std::string& path) {
  open_how how{};
  how.flags = kOpenFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // It gives up where somebody renames a folder meanwhile.
  constexpr int kAttempts = 8;
  for (int attempt = 1;; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN || attempt == kAttempts) return dgram::Fd{static_cast<int>(fd)};
  }
}
#else
constexpr bool kKernelResolves = false;

dgram::Fd open_beneath(int, const std::string&) { return {}; }
#endif

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

}  // namespace

dgram::Fd FileTree::resolve(int root, std::span<const std::string> segments) {
  if (links_ == Links::none || !kKernelResolves) return walk(root, segments);
  std::string path = segments.empty() ? "." : "";
  for (const std::string& segment : segments) path += (path.empty() ? "" : "/") + segment;
  dgram::Fd fd = open_beneath(root, path);
  if (fd || (errno != ENOSYS && errno != EPERM)) return fd;
  // An older kernel, or a sandbox that does not know the call and says EPERM. A file that really may not be opened is
  // refused by the walk as well.
  if (errno == ENOSYS) links_ = Links::none;
  return walk(root, segments);
}

Result<OpenFile, FileProblem> FileTree::open(std::span<const std::string> segments) {
  if (!std::ranges::all_of(segments, is_plain)) return fail(FileProblem::missing);
  const dgram::Fd root{::open(root_.c_str(), kOpenFlags | O_DIRECTORY)};
  if (!root) return fail(problem_of(errno));
  OpenFile file{.fd = resolve(root.get(), segments)};
  struct stat status {};
  if (!file.fd || ::fstat(file.fd.get(), &status) != 0) return fail(problem_of(errno));
  file.is_folder = S_ISDIR(status.st_mode);
  if (!file.is_folder && !S_ISREG(status.st_mode)) return fail(FileProblem::missing);
  file.size = static_cast<std::uint64_t>(status.st_size);
  const timespec modified = dgram::modified(status);
  file.modified = modified.tv_sec;
  const auto time =
      static_cast<std::uint64_t>(modified.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(modified.tv_nsec);
  file.version = mix64(file.size, mix64(time, mix64(status.st_ino, static_cast<std::uint64_t>(status.st_dev))));
  return file;
}

FolderEntries list_folder(dgram::Fd folder) {
  FolderEntries found;
  const std::unique_ptr<DIR, CloseFolder> stream{::fdopendir(folder.get())};
  if (!stream) return found;
  (void)folder.release();
  while (const dirent* const entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    struct stat status {};
    if (type == DT_UNKNOWN && ::fstatat(::dirfd(stream.get()), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : S_ISLNK(status.st_mode) ? DT_LNK : 0;
    }
    if (type != DT_DIR && type != DT_REG && type != DT_LNK) continue;
    if (found.entries.size() == FileTree::kMaxListed) {
      found.all = false;
      break;
    }
    found.entries.push_back({name, type == DT_DIR});
  }
  std::ranges::sort(found.entries, {}, &FolderEntry::name);
  return found;
}

}  // namespace vnet::daemon
