// Any bytes as a connection of syslog: however they are cut on the way, the same messages come out of them, none longer
// than the limit, and every one printable and on one line.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "network/services/syslog_message.hpp"

namespace {

using namespace vnet;
using namespace vnet::network;

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<std::string> cut(ByteView bytes, std::size_t step) {
  std::vector<std::string> messages;
  SyslogFraming framing;
  const auto take = [&](ByteView message) {
    require(!message.empty() && message.size() <= kMaxSyslogMessage);
    messages.emplace_back(as_text(message));
  };
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(step, bytes.size()))) {
    framing.feed(bytes.first(std::min(step, bytes.size())), take);
  }
  framing.end(take);
  return messages;
}

void check(ByteView bytes) {
  const SyslogMessage message = read_syslog(bytes);
  require(message.facility <= 23 && message.severity <= 7);
  require(message.text.size() <= 4 * std::min(bytes.size(), kMaxSyslogMessage));
  for (const char c : message.text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

}  // namespace

/// The first byte says how the connection is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes{data + 1, size - 1};
  check(bytes);
  const std::vector<std::string> messages = cut(bytes, SIZE_MAX);
  require(messages == cut(bytes, 1) && messages == cut(bytes, std::size_t{data[0]} + 1));
  for (const std::string& message : messages) check(as_bytes(message));
  return 0;
}
