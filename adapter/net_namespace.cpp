#include "adapter/net_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

namespace vnet::adapter {

std::string namespace_path(const std::string& name) {
  return name.find('/') == std::string::npos ? "/run/netns/" + name : name;
}

dgram::SystemResult<void> enter_network_namespace(const std::string& path) {
  const dgram::Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return fail(dgram::SystemError{"open the network namespace " + path, errno});
  if (::setns(fd.get(), CLONE_NEWNET) != 0) {
    return fail(dgram::SystemError{"enter the network namespace " + path, errno});
  }
  return {};
}

std::string network_namespace_number(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? std::to_string(info.st_ino) : std::string{};
}

}  // namespace vnet::adapter
