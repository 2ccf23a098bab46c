#include "adapter/socket_paths.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace vnet::adapter {

std::vector<std::string> default_socket_paths(std::string_view file, const char* xdg_runtime_dir,
                                              const std::vector<uid_t>& users) {
  const std::string name = "/" + std::string{file};
  if (xdg_runtime_dir != nullptr && xdg_runtime_dir[0] == '/') return {std::string{xdg_runtime_dir} + "/vnet" + name};
  std::vector<std::string> paths;
  paths.reserve(users.size());
  for (const uid_t user : users) paths.push_back("/tmp/vnet-" + std::to_string(user) + name);
  return paths;
}

std::vector<uid_t> user_ids(uid_t inside, std::string_view uid_map) {
  std::vector<uid_t> users = {inside};
  std::istringstream lines{std::string{uid_map}};
  std::uint64_t first_inside = 0;
  std::uint64_t first_outside = 0;
  std::uint64_t count = 0;
  while (lines >> first_inside >> first_outside >> count) {
    if (inside < first_inside || inside - first_inside >= count) continue;
    const auto outside = static_cast<uid_t>(first_outside + (inside - first_inside));
    if (outside != inside) users.push_back(outside);
  }
  return users;
}

std::string find_socket(std::string_view file) {
  std::ifstream map{"/proc/self/uid_map"};
  const std::string uid_map{std::istreambuf_iterator<char>{map}, {}};
  const std::vector<std::string> paths =
      default_socket_paths(file, std::getenv("XDG_RUNTIME_DIR"), user_ids(::getuid(), uid_map));
  const auto there = std::ranges::find_if(paths, [](const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0;
  });
  return there != paths.end() ? *there : paths.front();
}

}  // namespace vnet::adapter
