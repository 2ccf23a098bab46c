// What a QEMU that has been taken over may send: the reader is bounded, the same however the stream is cut, and once
// broken it stays so.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/vm/qmp.hpp"
#include "adapter/vm/snapshot.hpp"
#include "adapter/vm/spec.hpp"

namespace {

using namespace vnet::adapter;

/// All messages of the stream when it comes in pieces of `size`, and whether it broke.
std::pair<std::vector<QmpMessage>, bool> read(std::string_view text, std::size_t size) {
  QmpReader reader;
  std::vector<QmpMessage> all;
  bool broken = false;
  while (!text.empty()) {
    const auto messages = reader.feed(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
    if (broken && messages) std::abort();
    broken = broken || !messages;
    if (messages) all.insert(all.end(), messages->begin(), messages->end());
  }
  return {all, broken};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto bytewise = read(text, 1);
  const auto whole = read(text, 4096);
  if (bytewise.second != whole.second) std::abort();
  if (!whole.second && bytewise.first != whole.first) std::abort();
  for (const QmpMessage& message : bytewise.first) {
    if (message.kind == QmpMessage::Kind::event && message.text.empty()) std::abort();
  }
  // The other documents that come from files and sockets.
  if (auto spec = read_vm_spec(text, "/f"); spec && complete_vm_spec(*spec)) {
    const auto again = read_vm_spec(pretty(vm_spec_json(*spec)), "/elsewhere");
    if (!again || *again != *spec) std::abort();
  }
  if (const auto manifest = read_manifest(text)) (void)manifest_json(*manifest);
  (void)read_nic_flag(std::string{text});
  return 0;
}
