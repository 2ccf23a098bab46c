// What a hostile guest writes to the agent's port: the lines are the same however the stream is cut, none is longer
// than its limit, and base64 that is taken is what it would be written as.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "adapter/base64.hpp"
#include "adapter/vm/agent_port.hpp"

namespace {

using namespace vnet::adapter;

std::vector<AgentLine> read(std::string_view text, std::size_t size) {
  AgentReader reader;
  std::vector<AgentLine> all;
  while (!text.empty()) {
    const auto lines = reader.feed(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
    all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto lines = read(text, 1);
  if (lines != read(text, 4096)) std::abort();
  for (const AgentLine& line : lines) {
    if (line.text.size() > kMaxAgentLine) std::abort();
    if (const auto bytes = from_base64(line.text); bytes && from_base64(to_base64(*bytes)) != bytes) std::abort();
  }
  return 0;
}
