// What the command line prints of bytes from outside: no control character gets through, whatever they are.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "adapter/control.hpp"
#include "adapter/event_text.hpp"
#include "adapter/pcapng_counter.hpp"
#include "adapter/printable.hpp"
#include "adapter/show.hpp"
#include "adapter/units.hpp"

namespace {

void expect_harmless(std::string_view text, bool lines) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && !(lines && (c == '\n' || c == '\t'))) || byte == 0x7f) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vnet;
  using namespace vnet::adapter;
  const std::string text{reinterpret_cast<const char*>(data), size};
  expect_harmless(printable(text), false);
  if (printable(printable(text)) != printable(text)) std::abort();
  expect_harmless(printable_lines(text), true);
  expect_harmless(local_time(text), false);
  expect_harmless(event_line({"1", "message", text}, {}), false);
  expect_harmless(event_json({"1", "message", text}), false);
  expect_harmless(problem_text(400, text, {{"/a", "--a"}}), true);
  if (display_width(clip(printable(text), 10)) > 10) std::abort();
  if (const auto json = parse_json(text)) {
    for (const Show show : {Show::status, Show::nics, Show::nic, Show::nic_line, Show::networks, Show::leases,
                            Show::dns, Show::captures, Show::capture_line, Show::reload, Show::restored}) {
      expect_harmless(present(show, *json, {}).text, true);
    }
    expect_harmless(pretty(*json), true);
  }
  PcapngCounter counter;
  counter.feed({data, size});
  return 0;
}
