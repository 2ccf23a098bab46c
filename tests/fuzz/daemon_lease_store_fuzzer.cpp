// The lease journal's reader, on files of any content: what it takes for a record must come back from its own line,
// and the table must keep its rules. Each line is tried as it is and, so that the hash does not end the search, sealed.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/lease_journal.hpp"
#include "daemon/lease_table.hpp"
#include "packet/bytes.hpp"

namespace {

using namespace vnet::daemon;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const LeaseRecord& record) {
  const std::string line = to_line(record);
  require(line.size() <= kMaxLineBytes && line.find('\n') == line.size() - 1);
  const auto again = parse_line(std::string_view{line}.substr(0, line.size() - 1));
  require(again.has_value() && (record.forgotten ? again->forgotten : *again == record));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = vnet::as_text({data, size});
  LeaseTable table;
  JournalReader reader{[&](LeaseRecord record) {
    check(record);
    const bool forgotten = record.forgotten;
    const LeaseTable::Key key{record.network, record.ip};
    table.apply(std::move(record));
    require((table.find(key) == nullptr) == forgotten);
  }};
  const std::size_t piece = size % 61 + 1;
  for (std::size_t at = 0; at < size; at += piece) reader.feed(text.substr(at, piece));
  for (std::size_t at = 0; at < size;) {
    const std::size_t end = std::min(text.find('\n', at), size);
    if (end > at) reader.feed("\n" + seal_line(text.substr(at, end - at)));
    at = end + 1;
  }
  reader.finish();
  table.prune(1'700'000'000);
  for (const auto& [key, record] : table.records()) require(!record.forgotten && key.ip == record.ip);
  return 0;
}
