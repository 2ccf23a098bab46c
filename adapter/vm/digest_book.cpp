#include "adapter/vm/digest_book.hpp"

#include <sys/stat.h>

#include <utility>

#include "adapter/vm/digest.hpp"
#include "adapter/vm/folders.hpp"
#include "dgram/file_times.hpp"

namespace vnet::adapter {
namespace {

constexpr std::size_t kMaxBook = 256 * 1024;
/// More than the tick of any file system's clock but FAT's.
constexpr std::time_t kSettled = 1;

Json identity_of(const struct stat& info) {
  return Json::array({std::uint64_t{info.st_dev}, std::uint64_t{info.st_ino}, static_cast<std::uint64_t>(info.st_size),
                      dgram::nanoseconds(dgram::modified(info)), dgram::nanoseconds(dgram::changed(info))});
}

}  // namespace

DigestBook::DigestBook(std::string path) : path_(std::move(path)), boot_(boot_id()) {
  const Json book = parse_json(file_text(path_, kMaxBook).value_or("")).value_or(Json{});
  if (text_at(book, "boot") == boot_ && member(book, "files").is_object()) files_ = member(book, "files");
}

std::optional<std::string> DigestBook::of(const std::string& file, std::time_t now) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  Json identity = identity_of(info);
  const Json& known = member(files_, file);
  if (member(known, "identity") == identity && !text_at(known, "xxh3").empty()) return text_at(known, "xxh3");
  auto digest = digest_of_file(file);
  if (!digest || info.st_ctime + kSettled >= now) return digest;
  if (files_.size() >= kMaxDigests) files_ = Json::object();
  files_[file] = {{"identity", std::move(identity)}, {"xxh3", *digest}};
  (void)write_file(path_, pretty({{"boot", boot_}, {"files", files_}}));  // the next one looks again, then
  return digest;
}

}  // namespace vnet::adapter
