#include "adapter/tap_names.hpp"

#include <algorithm>

#include "dgram/socket.hpp"

namespace vnet::adapter {
namespace {

bool is_absolute(const char* path) { return path != nullptr && path[0] == '/'; }

/// FNV-1a, and the end of each text counts, so that ("a", "bc") differs from ("ab", "c").
class TextHash {
 public:
  void add(std::string_view text) {
    for (const char one : text) add(static_cast<std::uint8_t>(one));
    add(std::uint8_t{0});
  }
  [[nodiscard]] std::uint64_t value() const { return mix64(state_); }

 private:
  void add(std::uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001b3U; }
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

}  // namespace

std::string interface_name_problem(std::string_view name) {
  if (name.empty() || name.size() > kMaxInterfaceName) {
    return "a name of " + std::to_string(name.size()) + " bytes, expected 1 to " + std::to_string(kMaxInterfaceName);
  }
  if (name == "." || name == "..") return "a name of dots, which Linux does not allow";
  const auto bad = std::ranges::find_if(name, [](char c) {
    return c == '/' || c == ':' || c == '%' || static_cast<unsigned char>(c) <= ' ' || c == 127;
  });
  if (bad != name.end()) return "a name with '/', ':', '%', a space or a control character";
  return {};
}

MacAddress derive_mac(std::string_view host, std::string_view network_namespace, std::string_view name) {
  constexpr std::uint64_t kLocal = 0x02'00'00'00'00'00U;
  constexpr std::uint64_t kGroup = 0x01'00'00'00'00'00U;
  TextHash hash;
  for (const std::string_view text : {host, network_namespace, name}) hash.add(text);
  return MacAddress::from_u64((hash.value() | kLocal) & ~kGroup);
}

std::vector<std::string> own_paths(std::string_view switch_path, std::string_view name, pid_t process,
                                   const char* xdg_runtime_dir) {
  const std::string tail = "tap-" + std::string{name} + "-" + std::to_string(process);
  std::vector<std::string> paths = {std::string{switch_path} + "." + tail};
  if (is_absolute(xdg_runtime_dir)) paths.push_back(std::string{xdg_runtime_dir} + "/vnet-" + tail);
  paths.push_back("/tmp/vnet-" + tail);
  std::erase_if(paths, [](const std::string& path) { return path.size() > dgram::kMaxPath; });
  return paths;
}

}  // namespace vnet::adapter
