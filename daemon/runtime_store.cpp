#include "daemon/runtime_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/state_folder.hpp"

namespace vnet::daemon {
namespace {

std::string failure(const std::string& what, const std::string& path) {
  return what + " " + path + ": " + std::strerror(errno);
}

std::string line_of(const RuntimeChanges& changes) {
  return to_json(changes).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<RuntimeChanges, std::string> read_line(std::string_view line) {
  const auto document = parse_json_text(line);
  if (!document) return fail(document.error().listed().front().text);
  auto changes = runtime_changes_from_json(*document);
  if (changes) return std::move(*changes);
  const Problem& problem = changes.error().listed().front();
  return fail(problem.place + ": " + problem.text);
}

}  // namespace

RuntimeChanges RuntimeStore::load(std::vector<std::string>& messages) const {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path_.c_str(), "rb"), &std::fclose};
  if (!file) {
    if (errno != ENOENT) messages.push_back(failure("cannot read", path_));
    return {};
  }
  struct stat status {};
  std::string damage;
  std::string text;
  if (::fstat(::fileno(file.get()), &status) == 0 && status.st_size <= static_cast<off_t>(kMaxBytes)) {
    text.resize(static_cast<std::size_t>(status.st_size));
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  } else {
    damage = "longer than " + std::to_string(kMaxBytes) + " bytes";
  }
  RuntimeChanges all;
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // cut short
    if (auto changes = read_line(std::string_view{text}.substr(begin, end - begin))) {
      merge(all, std::move(*changes));
    } else if (damage.empty()) {
      damage = "line " + std::to_string(number) + ": " + changes.error();
    }
    begin = end + 1;
  }
  if (!damage.empty()) {
    const std::string aside = path_ + ".damaged";
    (void)std::rename(path_.c_str(), aside.c_str());
    messages.push_back(path_ + ": " + damage + "; the file was set aside as " + aside +
                       ", what could be read of it counts");
  }
  return all;
}

Result<void, std::string> RuntimeStore::append(const RuntimeChanges& change) {
  if (!file_) {
    file_ = dgram::Fd{::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    struct stat status {};
    if (!file_ || ::fstat(file_.get(), &status) != 0) return fail(failure("cannot make", path_));
    size_ = static_cast<std::size_t>(status.st_size);
  }
  const std::string line = line_of(change);
  if (!write_all(file_, line)) {
    std::string error = failure("cannot write", path_);
    // A line in part would join with the next one; should the cut fail as well, the first error is the one to tell.
    [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), static_cast<off_t>(size_));
    return fail(std::move(error));
  }
  size_ += line.size();
  return {};
}

Result<void, std::string> RuntimeStore::rewrite(const RuntimeChanges& all) {
  const std::string fresh = path_ + ".new";
  dgram::Fd file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file) return fail(failure("cannot make", fresh));
  const std::string line = all.empty() ? std::string{} : line_of(all);
  if (!write_all(file, line)) return fail(failure("cannot write", fresh));
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) return fail(failure("cannot replace", path_));
  file_ = std::move(file);
  size_ = compact_size_ = line.size();
  return {};
}

}  // namespace vnet::daemon
