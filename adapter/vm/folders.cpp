#include "adapter/vm/folders.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "adapter/socket_paths.hpp"
#include "adapter/vm/spec.hpp"

namespace vnet::adapter {
namespace {

namespace fs = std::filesystem;

std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

dgram::SystemError error_of(const std::string& what) { return {what, errno}; }

}  // namespace

std::string vm_root() { return default_socket_paths("vm", std::getenv("XDG_RUNTIME_DIR"), {::getuid()}).front(); }

VmFolder vm_folder(const std::string& name) { return {vm_root() + "/" + name}; }

std::string snapshot_root() {
  if (const std::string state = absolute_variable("XDG_STATE_HOME"); !state.empty()) return state + "/vnet/snapshots";
  const std::string home = absolute_variable("HOME");
  return (home.empty() ? "/tmp/vnet-" + std::to_string(::getuid()) : home + "/.local/state/vnet") + "/snapshots";
}

std::string cache_root() {
  if (const std::string cache = absolute_variable("XDG_CACHE_HOME"); !cache.empty()) return cache + "/vnet/vms";
  const std::string home = absolute_variable("HOME");
  return (home.empty() ? "/tmp/vnet-" + std::to_string(::getuid()) : home + "/.cache/vnet") + "/vms";
}

dgram::SystemResult<void> make_private_folder(const std::string& path) {
  const fs::path folder{path};
  std::error_code ignored;
  if (folder.has_parent_path() && !fs::exists(folder.parent_path(), ignored)) {
    if (auto above = make_private_folder(folder.parent_path()); !above) return above;
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return fail(error_of("make the folder " + path));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return fail(error_of("look at the folder " + path));
  if (!S_ISDIR(info.st_mode)) return fail(dgram::SystemError{"use " + path, ENOTDIR});
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return fail(dgram::SystemError{"use the folder " + path + ", in which other users may write", EPERM});
  }
  return {};
}

dgram::SystemResult<dgram::Fd> lock_vm(const VmFolder& folder) {
  dgram::Fd fd{::open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd) return fail(error_of("lock " + folder.lock()));
  // Whoever asks whether the VM runs holds it for a moment, too.
  constexpr int kTries = 20;
  constexpr timespec kPause{0, 5'000'000};
  for (int i = 0; ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK || i == kTries) return fail(error_of("lock " + folder.lock()));
    ::nanosleep(&kPause, nullptr);
  }
  return fd;
}

bool vm_runs(const VmFolder& folder) {
  const dgram::Fd fd{::open(folder.lock().c_str(), O_RDWR | O_CLOEXEC)};
  return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

void await_end(const VmFolder& folder) {
  const dgram::Fd fd{::open(folder.lock().c_str(), O_RDWR | O_CLOEXEC)};
  while (fd && ::flock(fd.get(), LOCK_SH) != 0 && errno == EINTR) continue;
}

std::vector<std::string> vm_names() {
  std::vector<std::string> names;
  std::error_code none;
  for (fs::directory_iterator entry{vm_root(), none}, end; !none && entry != end; entry.increment(none)) {
    const std::string name = entry->path().filename();
    if (vm_name_problem(name).empty() && entry->is_directory(none)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> file_text(const std::string& path, std::size_t limit) {
  std::ifstream file{path, std::ios::binary};
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 16384> piece{};
  while (file.read(piece.data(), piece.size()), file.gcount() > 0) {
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
    if (text.size() > limit) return std::nullopt;
  }
  if (file.bad()) return std::nullopt;
  return text;
}

std::string boot_id() {
  constexpr std::size_t kMostOfIt = 128;
  return file_text("/proc/sys/kernel/random/boot_id", kMostOfIt).value_or("");
}

void remember_line(const std::string& path, const std::string& line) {
  constexpr std::size_t kMost = 65536;
  const std::string text = file_text(path, kMost).value_or("");
  if (("\n" + text).find("\n" + line + "\n") != std::string::npos) return;
  (void)write_file(path, text + line + "\n");
}

dgram::SystemResult<void> write_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  const dgram::Fd fd{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  if (!fd) return fail(error_of("write " + fresh));
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t size = ::write(fd.get(), text.data() + done, text.size() - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(error_of("write " + fresh));
    done += static_cast<std::size_t>(size);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail(error_of("rename " + fresh));
  return {};
}

}  // namespace vnet::adapter
