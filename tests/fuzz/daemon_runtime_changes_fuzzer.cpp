// Any text as a line of the journal of run-time changes: no crash; what can be read is written and read again as the
// same; and what comes of applying it to a configuration is one that a file could have.
#include <cstdlib>

#include "daemon/config_check.hpp"
#include "daemon/runtime_changes.hpp"
#include "packet/bytes.hpp"
#include "tests/daemon/runtime_changes_text.hpp"

namespace {

using namespace vnet::daemon;

void require(bool condition) {
  if (!condition) std::abort();
}

const Config& file() {
  static const Config kFile = load_config(R"({
    "networks": [{"name": "home", "ipv4": "10.0.0.1/24", "dns": {"records": [{"name": "nas.test", "a": ["10.0.0.9"]}]}},
                 {"name": "office", "ipv6": "2052::1/64"}],
    "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"},
             {"name": "bob", "mac": "52:cc:cc:cc:00:02"}]})",
                                          {"/etc/vnet", "/run/vnet"})
                                  ->config;
  return kFile;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto changes = changes_of(vnet::as_text({data, size}));
  if (!changes) return 0;
  require(changes_of(text_of(*changes)) == changes);
  Config config = file();
  (void)apply_changes(*changes, config);
  Problems problems;
  check_config(config, problems);
  require(problems.empty());
  const RuntimeChanges made = difference(file(), config);
  Config twice = file();
  require(apply_changes(made, twice).empty());
  require(difference(config, twice).empty());
  RuntimeChanges merged = made;
  merge(merged, *changes);
  return 0;
}
