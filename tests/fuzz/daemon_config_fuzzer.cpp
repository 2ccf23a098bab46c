// Any text as a config file: no crash, and what loads also prints and loads again to the same.
#include <cstdlib>

#include "daemon/config.hpp"
#include "packet/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vnet::daemon;
  const auto loaded = load_config(vnet::as_text({data, size}), {"/etc/vnet", "/run/vnet"});
  if (!loaded) {
    if (to_string(loaded.error(), "fuzz.json").empty()) std::abort();
    return 0;
  }
  const auto again = load_config(print_config(loaded->config), {"/elsewhere", "/run/other"});
  if (!again || again->config != loaded->config) std::abort();
  return 0;
}
