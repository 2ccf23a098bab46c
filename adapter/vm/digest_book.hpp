// DigestBook: digests of files that have been looked through before, so that a large one is looked through once.
//
// A file is taken for the one of before when its size, inode and both of its times are the same. The time of change
// (st_ctim) is the kernel's: no program can set it, so whoever writes into the file is found out. What nobody writes
// can still become another thing when the machine loses its power, so nothing is believed beyond the next boot. And
// a file that changed a moment ago may change again within the same tick of its clock: it is not written down yet.
//
// The book is a JSON file; one that cannot be read is empty, and of two who write at once one is forgotten.
// Limit: kMaxDigests, after which it begins anew.
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "adapter/json.hpp"

namespace vnet::adapter {

inline constexpr std::size_t kMaxDigests = 256;

class DigestBook {
 public:
  explicit DigestBook(std::string path);
  /// The digest of the content; nothing when it cannot be read (errno). `now`: seconds since 1970.
  [[nodiscard]] std::optional<std::string> of(const std::string& file, std::time_t now = std::time(nullptr));

 private:
  std::string path_;
  std::string boot_;
  Json files_ = Json::object();
};

}  // namespace vnet::adapter
