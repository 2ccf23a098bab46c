// Names and renames of a rotation. Everything is done by path, right before the next file is opened.
#include "pcap/file_series.hpp"

#include <cerrno>
#include <cstdio>

namespace vnet::capture {

std::string FileSeries::numbered(const std::string& path, std::uint64_t number) {
  const std::size_t slash = path.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  std::size_t dot = path.rfind('.');
  if (dot == std::string::npos || dot <= base) dot = path.size();  // none, or the name of a hidden file
  return path.substr(0, dot) + "." + std::to_string(number) + path.substr(dot);
}

Result<std::string, std::string> FileSeries::put_aside(const std::string& path, std::uint64_t& number) {
  std::string old;
  do {
    old = numbered(path, ++number);
  } while (::access(old.c_str(), F_OK) == 0);
  if (std::rename(path.c_str(), old.c_str()) != 0) return fail(describe(old, errno));
  return old;
}

Result<Output, std::string> FileSeries::next(const Output& current) {
  if (current.is_at(path_)) {
    auto old = put_aside(path_, number_);
    if (!old) return fail(std::move(old.error()));
    if (keep_ > 0) made_.push_back(std::move(*old));
  }
  while (made_.size() > keep_) {
    // Gone already, or not removable: neither is a reason to end the capture.
    std::remove(made_.front().c_str());
    made_.pop_front();
  }
  return Output::open(path_, /*fresh=*/true);
}

}  // namespace vnet::capture
