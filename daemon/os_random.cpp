#include "daemon/os_random.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <cstdlib>

namespace vnet::daemon {

std::uint64_t os_random() {
  std::uint64_t bits = 0;
  if (::getentropy(&bits, sizeof bits) != 0) std::abort();
  return bits;
}

}  // namespace vnet::daemon
