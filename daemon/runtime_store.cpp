#include "daemon/runtime_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "dgram/socket.hpp"

namespace vnet::daemon {
namespace {

std::string failure(const std::string& what, const std::string& path) {
  return what + " " + path + ": " + std::strerror(errno);
}

bool write_all(const dgram::Fd& file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

RuntimeChanges RuntimeStore::load(std::vector<std::string>& messages) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path_.c_str(), "rb"), &std::fclose};
  if (!file) {
    if (errno != ENOENT) messages.push_back(failure("cannot read", path_));
    return {};
  }
  std::string text(kMaxBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  const auto set_aside = [&](const std::string& why) {
    const std::string aside = path_ + ".damaged";
    (void)std::rename(path_.c_str(), aside.c_str());
    messages.push_back(path_ + ": " + why + "; set aside as " + aside + ", run-time changes are forgotten");
    return RuntimeChanges{};
  };
  if (text.size() > kMaxBytes) return set_aside("longer than " + std::to_string(kMaxBytes) + " bytes");
  const auto document = parse_json_text(text);
  if (!document) return set_aside(document.error().listed().front().text);
  auto changes = runtime_changes_from_json(*document);
  if (!changes) {
    const Problem& problem = changes.error().listed().front();
    return set_aside(problem.place + ": " + problem.text);
  }
  return std::move(*changes);
}

Result<void, std::string> RuntimeStore::save(const RuntimeChanges& changes) const {
  if (changes.empty()) {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) return fail(failure("cannot remove", path_));
    return {};
  }
  const std::string fresh = path_ + ".new";
  const dgram::Fd file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file) return fail(failure("cannot make", fresh));
  const std::string text = to_json(changes).dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (!write_all(file, text)) return fail(failure("cannot write", fresh));
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) return fail(failure("cannot replace", path_));
  return {};
}

}  // namespace vnet::daemon
