// A folder that is gone after the test; in memory where the system has such a place, because the tests sync a lot.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace vnet::test {

class TempFolder {
 public:
  TempFolder() {
    std::string name = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    name += "/vnet-test-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string path(std::string_view name = {}) const {
    return name.empty() ? path_ : path_ + "/" + std::string{name};
  }
  [[nodiscard]] bool has(std::string_view name) const { return std::filesystem::exists(path(name)); }
  [[nodiscard]] std::string read(std::string_view name) const {
    std::ifstream file{path(name), std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  void write(std::string_view name, std::string_view content) const {
    std::ofstream{path(name), std::ios::binary | std::ios::trunc} << content;
  }

 private:
  std::string path_;
};

}  // namespace vnet::test
