#include "adapter/vm/screenshot_job.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "adapter/vm/ppm.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr Duration kPictureTime = std::chrono::seconds{30};

/// All of the file, whatever its reader's place in it.
Read<std::string> read_whole(const dgram::Fd& fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail(std::string{std::strerror(errno)});
  if (info.st_size > static_cast<off_t>(kMaxPpmBytes)) {
    return fail(found_expected(std::to_string(info.st_size) + " bytes", "at most " + std::to_string(kMaxPpmBytes)));
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t size = ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail(std::string{std::strerror(errno)});
    if (size == 0) break;
    done += static_cast<std::size_t>(size);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

Read<std::optional<PictureSize>> read_picture_query(const http::Fields& query) {
  std::optional<PictureSize> bounds = kThumbnail;
  for (const auto& [name, value] : query) {
    if (name != "full" && name != "size") {
      return fail(found_expected("the parameter " + in_quotes(name), "full or size") +
                  did_you_mean(name, {"full", "size"}));
    }
    if (query.size() > 1) return fail(found_expected("several parameters", "one of full and size"));
    if (name == "full") {
      if (value != "1") return fail("full: " + found_expected(in_quotes(value), "1"));
      bounds.reset();
    } else {
      const auto size = read_picture_size(value);
      if (!size) return fail("size: " + size.error());
      bounds = *size;
    }
  }
  return bounds;
}

ScreenshotJob::ScreenshotJob(Vm& vm, std::shared_ptr<Report> report, std::shared_ptr<std::string> png,
                             std::optional<PictureSize> bounds, Instant now)
    : Job(vm, std::move(report), now + kPictureTime),
      png_(std::move(png)),
      bounds_(bounds),
      file_(vm_.how().folder.path + "/screen-XXXXXX"),
      fd_(::mkostemp(file_.data(), O_CLOEXEC)) {
  if (fd_) {
    asked_.ask(vm_.qmp(), "screendump", {{"filename", file_}}, kPictureTime);
  } else {
    report_->failed("cannot write " + file_ + ": " + std::strerror(errno));
  }
}

ScreenshotJob::~ScreenshotJob() {
  if (fd_) ::unlink(file_.c_str());
}

void ScreenshotJob::go(Instant /*now*/) {
  if (asked_.waiting()) return;
  if (!asked_.answer()) return report_->failed(asked_.answer().error());
  auto png = picture();
  if (!png) return report_->failed("the picture that QEMU gave: " + png.error());
  *png_ = std::move(*png);
  report_->done({});
}

Read<std::string> ScreenshotJob::picture() const {
  const auto bytes = read_whole(fd_);
  if (!bytes) return fail(bytes.error());
  auto screen = read_ppm(*bytes);
  if (!screen) return fail(screen.error());
  return png_of(bounds_ ? shrunk(std::move(*screen), *bounds_) : *screen);
}

}  // namespace vnet::adapter
