// Any text as the document that a predecessor sends, with three descriptors: no crash; every descriptor is given once
// or closed; and what is read goes on to be hexadecimal digits, addresses and times that mean something.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/control/hex.hpp"
#include "daemon/take_over.hpp"
#include "packet/bytes.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vnet::daemon;
  using namespace std::chrono_literals;
  const auto hex = from_hex(vnet::as_text({data, size}));
  if (hex) require(to_hex(*hex).size() == size);
  auto document = parse_json_text(vnet::as_text({data, size}));
  if (!document) return 0;
  const int lowest = ::dup(0);
  ::close(lowest);
  {
    Estate estate{std::move(*document), {}};
    for (int i = 0; i < 3; ++i) estate.fds.emplace_back(::dup(0));
    const vnet::Instant now{1000s};
    const auto left = read_estate(std::move(estate), now);
    if (left) {
      require(static_cast<bool>(left->control));
      for (const LeftSocket& socket : left->sockets) require(static_cast<bool>(socket.fd));
      for (const StoredLease& lease : left->leases) require(lease.lease.expires >= now);
    } else {
      require(!left.error().empty());
    }
  }
  const int again = ::dup(0);
  ::close(again);
  require(again == lowest);
  return 0;
}
