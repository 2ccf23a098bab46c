// Any bytes as a DHCP message: every option that is found must be readable to its last byte, and what was read must
// survive being written again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dhcp/message.hpp"
#include "dhcp/option_values.hpp"

using namespace vnet;

namespace {

bool is_written_as_is(unsigned code) {
  return code != dhcp::option::kPad && code != dhcp::option::kOverload && code != dhcp::option::kEnd;
}

void write_again(const dhcp::Message& message) {
  std::vector<std::uint8_t> out(dhcp::Message::kMaxSize);
  dhcp::MessageWriter writer(out, out.size(), message.header());
  std::vector<std::uint8_t> written;
  for (unsigned code = 0; code < 256; ++code) {
    const auto value = message.option(static_cast<std::uint8_t>(code));
    if (!value || !is_written_as_is(code)) continue;
    if (writer.add(static_cast<std::uint8_t>(code), *value)) written.push_back(static_cast<std::uint8_t>(code));
  }
  out.resize(writer.finish());
  const auto again = dhcp::Message::parse(out);
  if (!again || again->header().xid != message.header().xid) std::abort();
  for (const std::uint8_t code : written) {
    const ByteView before = *message.option(code);
    const ByteView after = *again->option(code);
    if (!std::ranges::equal(before, after)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = dhcp::Message::parse({data, size});
  if (!message) return 0;
  if (const auto name = message->option(dhcp::option::kHostName)) {
    const std::string clean = dhcp::clean_host_name(*name);
    if (!clean.empty() && !dhcp::is_host_label(clean)) std::abort();
  }
  write_again(*message);
  return 0;
}
