#include "daemon/file_service.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "daemon/file_types.hpp"
#include "http/conditions.hpp"
#include "http/date.hpp"
#include "http/url.hpp"

namespace vnet::daemon {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
/// A file may change again within the same tick of its file system's clock, which its time and size do not show.
constexpr std::int64_t kSettledSeconds = 2;
constexpr std::string_view kIndex = "index.html";

/// A part of a file.
class FileBody final : public http::Body {
 public:
  FileBody(dgram::Fd fd, const http::Part& part) : fd_(std::move(fd)), at_(part.first), left_(part.size) {
#if defined(POSIX_FADV_SEQUENTIAL)
    (void)::posix_fadvise(fd_.get(), static_cast<off_t>(at_), static_cast<off_t>(left_), POSIX_FADV_SEQUENTIAL);
#endif
  }

  More produce(std::string& out) override {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, kPieceBytes));
    const std::size_t before = out.size();
    out.resize(before + wanted);
    ssize_t got = 0;
    do {
      got = ::pread(fd_.get(), out.data() + before, wanted, static_cast<off_t>(at_));
    } while (got < 0 && errno == EINTR);
    const auto count = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
    out.resize(before + count);
    at_ += count;
    left_ -= count;
    return count == 0 || left_ == 0 ? More::no : More::yes;
  }

 private:
  dgram::Fd fd_;
  std::uint64_t at_;
  std::uint64_t left_;
};

http::Response plain(int status, std::string_view text) {
  http::Response response;
  response.status = status;
  response.type = "text/plain; charset=utf-8";
  response.body = std::string{text} + "\n";
  return response;
}

http::Response refusal(FileProblem problem) {
  switch (problem) {
    case FileProblem::missing: break;
    case FileProblem::forbidden: return plain(403, "forbidden");
    case FileProblem::no_resources: return plain(503, "too many open files");
  }
  return plain(404, "not found");
}

http::Validators validators_of(const OpenFile& file, std::int64_t now) {
  char tag[24];
  (void)std::snprintf(tag, sizeof tag, "\"%016llx\"", static_cast<unsigned long long>(file.version));
  const bool settled = file.modified + kSettledSeconds <= now;
  return {(settled ? "" : "W/") + std::string{tag}, file.modified};
}

/// To the same with a slash at its end, where relative links lead to what is in the folder.
http::Response to_folder(const http::Request& request, const std::vector<std::string>& segments) {
  std::string location = "/";
  for (const std::string& segment : segments) location += http::encode(segment) + "/";
  if (const std::size_t query = request.target.find('?'); query != std::string::npos) {
    location += request.target.substr(query);
  }
  http::Response response = plain(301, location);
  response.headers.emplace_back("Location", location);
  return response;
}

}  // namespace

http::Response FileService::answer(const http::Request& request) {
  http::Response response = find(request);
  response.headers.emplace_back("Date", http::to_date(time_()));
  return response;
}

http::Response FileService::find(const http::Request& request) {
  if (request.method != "GET") {
    http::Response response = plain(405, "only GET and HEAD");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  const bool as_folder = request.path.empty() || request.path.back().empty();
  std::vector<std::string> segments = request.path;
  std::erase(segments, "");  // slashes in a row are one
  auto file = tree_.open(segments);
  if (!file) return refusal(file.error());
  if (file->is_folder && !as_folder) return to_folder(request, segments);
  if (file->is_folder) return show_folder(request, std::move(segments), std::move(file->fd));
  if (as_folder) return refusal(FileProblem::missing);
  return send_file(request, std::move(*file), segments.back());
}

http::Response FileService::show_folder(const http::Request& request, std::vector<std::string> segments,
                                        dgram::Fd folder) {
  segments.emplace_back(kIndex);
  auto index = tree_.open(segments);
  if (index && !index->is_folder) return send_file(request, std::move(*index), kIndex);
  segments.pop_back();
  if (kind_ != FileServiceKind::files) return refusal(FileProblem::missing);
  http::Response response;
  response.type = "text/html; charset=utf-8";
  response.body = folder_page(segments, list_folder(std::move(folder)));
  return response;
}

http::Response FileService::send_file(const http::Request& request, OpenFile file, std::string_view name) const {
  const std::int64_t now = time_();
  const http::Validators validators = validators_of(file, now);
  http::Response response;
  // A seed's names have no ending, and are all text.
  response.type =
      type_of_file(name, kind_ == FileServiceKind::files ? "application/octet-stream" : "text/plain; charset=utf-8");
  response.headers = {{"ETag", validators.etag},
                      {"Last-Modified", http::to_date(std::min(file.modified, now))},
                      {"Accept-Ranges", "bytes"},
                      {"Cache-Control", "no-cache"}};
  switch (http::check_preconditions(request, validators, now)) {
    case http::Precondition::met: break;
    case http::Precondition::not_modified: response.status = 304; return response;
    case http::Precondition::failed: return plain(412, "it is another version");
  }
  const auto part = http::asked_part(request, validators, file.size, now);
  const std::string of_size = "/" + std::to_string(file.size);
  if (part && !part->satisfiable) {
    http::Response beyond = plain(416, "beyond the end of the file");
    beyond.headers.emplace_back("Content-Range", "bytes *" + of_size);
    return beyond;
  }
  if (part) {
    response.status = 206;
    response.headers.emplace_back("Content-Range", "bytes " + std::to_string(part->first) + "-" +
                                                       std::to_string(part->first + part->size - 1) + of_size);
  }
  const http::Part sent = part.value_or(http::Part{0, file.size});
  response.length = sent.size;
  if (sent.size != 0) response.stream = std::make_unique<FileBody>(std::move(file.fd), sent);
  return response;
}

}  // namespace vnet::daemon
