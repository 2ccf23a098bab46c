#include "daemon/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace vnet::daemon {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

/// What the system refused, with errno.
dgram::SystemError refusal(std::string_view path, std::string_view what) {
  return {"state folder " + std::string{path} + ": " + std::string{what}, errno};
}

/// mkdir -p -m 0700. False, with errno.
bool make_folders(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    // An existing parent that may not be written is reported as EEXIST, EACCES or EROFS; the last step judges.
    (void)::mkdir(path.substr(0, slash).c_str(), kFolderMode);
  }
  return ::mkdir(path.c_str(), kFolderMode) == 0 || errno == EEXIST;
}

/// Removes a file or an empty folder. False, with errno: something is left.
bool remove_at(const dgram::Fd& folder, const std::string& name) {
  if (::unlinkat(folder.get(), name.c_str(), 0) == 0 || errno == ENOENT) return true;
  return ::unlinkat(folder.get(), name.c_str(), AT_REMOVEDIR) == 0;
}

/// What the holder of the lock wrote about itself.
std::string holder(const dgram::Fd& lock) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(lock.get(), text.data(), text.size(), 0);
  const std::string_view pid{text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  const std::size_t digits = std::min(pid.find_first_not_of("0123456789"), pid.size());
  return digits == 0 ? std::string{} : " (process " + std::string{pid.substr(0, digits)} + ")";
}

}  // namespace

bool write_all(const dgram::Fd& fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t size = ::write(fd.get(), content.data(), content.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

dgram::SystemError StateFolder::problem(std::string_view what, std::string_view name) const {
  return refusal(path_, std::string{what} + " " + std::string{name});
}

Result<StateFolder, std::string> StateFolder::open(const std::string& path) {
  if (!make_folders(path)) return fail(refusal(path, "cannot be made").to_string());
  dgram::Fd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return fail(refusal(path, "cannot be opened").to_string());
  dgram::Fd lock{::openat(folder.get(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kFileMode)};
  if (!lock) return fail(refusal(path, "cannot open lock").to_string());
  const bool locked = ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
  if (!locked && errno == EWOULDBLOCK) {
    return fail("state folder " + path + " is in use by another vnetd" + holder(lock));
  }
  if (locked) {
    // For people only: a failure harms nobody.
    (void)!::ftruncate(lock.get(), 0);
    (void)write_all(lock, std::to_string(::getpid()) + "\n");
  }
  return StateFolder{path, std::move(folder), std::move(lock), locked};
}

dgram::SystemResult<dgram::Fd> StateFolder::open_file(const std::string& name) const {
  // A FIFO must not make us wait for its other end.
  dgram::Fd fd{::openat(folder_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd && errno != ENOENT) return fail(problem("cannot read", name));
  return fd;
}

dgram::SystemResult<dgram::Fd> StateFolder::replace_file(const std::string& name, std::string_view content) const {
  const std::string fresh = name + ".new";
  if (!remove_at(folder_, fresh)) return fail(problem("cannot remove the old", fresh));
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;
  dgram::Fd fd{::openat(folder_.get(), fresh.c_str(), kFlags, kFileMode)};
  if (!fd) return fail(problem("cannot make", fresh));
  const bool moved = write_all(fd, content) && ::fsync(fd.get()) == 0 &&
                     ::renameat(folder_.get(), fresh.c_str(), folder_.get(), name.c_str()) == 0;
  if (!moved) {
    auto error = problem("cannot write", name);
    (void)::unlinkat(folder_.get(), fresh.c_str(), 0);
    return fail(std::move(error));
  }
  // Some file systems cannot sync a folder. What is lost then is the newer of two whole files.
  (void)::fsync(folder_.get());
  return fd;
}

dgram::SystemResult<std::string> StateFolder::set_aside(const std::string& name) const {
  const auto numbered = [&name](int number) { return name + ".damaged-" + std::to_string(number); };
  (void)remove_at(folder_, numbered(kMaxSetAside));
  for (int number = kMaxSetAside - 1; number > 0; --number) {
    (void)::renameat(folder_.get(), numbered(number).c_str(), folder_.get(), numbered(number + 1).c_str());
  }
  // Two names for a moment, so that a crash leaves the file under its own until the new one takes it over.
  const std::string aside = numbered(1);
  if (::linkat(folder_.get(), name.c_str(), folder_.get(), aside.c_str(), 0) == 0) return aside;
  if (::renameat(folder_.get(), name.c_str(), folder_.get(), aside.c_str()) == 0) return aside;
  return fail(problem("cannot set aside", name));
}

}  // namespace vnet::daemon
