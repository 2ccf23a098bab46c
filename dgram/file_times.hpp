// When a file was written to (st_mtime) and when anything of it changed (st_ctime), to the nanosecond.
//
// POSIX names the members st_mtim and st_ctim, macOS otherwise. The first can be set by whoever may write to the file;
// the second is the kernel's own.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>

namespace vnet::dgram {

#if defined(__APPLE__)
[[nodiscard]] inline timespec modified(const struct stat& info) noexcept { return info.st_mtimespec; }
[[nodiscard]] inline timespec changed(const struct stat& info) noexcept { return info.st_ctimespec; }
#else
[[nodiscard]] inline timespec modified(const struct stat& info) noexcept { return info.st_mtim; }
[[nodiscard]] inline timespec changed(const struct stat& info) noexcept { return info.st_ctim; }
#endif

/// Since 1970.
[[nodiscard]] constexpr std::int64_t nanoseconds(const timespec& time) noexcept {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_nsec};
}

}  // namespace vnet::dgram
