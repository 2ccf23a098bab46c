#include "daemon/file_types.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/message.hpp"

namespace vnet::daemon {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

constexpr std::array kTypes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"txt", kText},
    {"log", kText},
    {"md", kText},
    {"conf", kText},
    {"cfg", kText},
    {"sh", kText},
    {"ks", kText},
    {"ipxe", kText},
    {"yaml", "application/yaml"},
    {"yml", "application/yaml"},
    {"json", "application/json"},
    {"xml", "application/xml"},
    {"csv", "text/csv; charset=utf-8"},
    {"pdf", "application/pdf"},
    {"wasm", "application/wasm"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"ico", "image/x-icon"},
    {"mp4", "video/mp4"},
    {"gz", "application/gzip"},
    {"tgz", "application/gzip"},
    {"xz", "application/x-xz"},
    {"bz2", "application/x-bzip2"},
    {"zst", "application/zstd"},
    {"zip", "application/zip"},
    {"tar", "application/x-tar"},
    {"iso", "application/vnd.efi.iso"},
    {"img", "application/vnd.efi.img"},
    {"deb", "application/vnd.debian.binary-package"},
    {"rpm", "application/x-rpm"},
});

}  // namespace

std::string_view type_of_file(std::string_view name, std::string_view otherwise) noexcept {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return otherwise;
  const std::string_view ending = name.substr(dot + 1);
  const auto* const found =
      std::ranges::find_if(kTypes, [&](const auto& type) { return http::is_word(ending, type.first); });
  return found == kTypes.end() ? otherwise : found->second;
}

}  // namespace vnet::daemon
