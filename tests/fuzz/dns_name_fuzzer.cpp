// Names from wire bytes and from text: what is read keeps the limits and survives the way there and back.
#include <cstdlib>

#include "dns/name.hpp"
#include "dns/types.hpp"

namespace {

using vnet::dns::Name;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Name& name) {
  require(name.size() >= 1 && name.size() <= Name::kMaxSize);
  const auto again = Name::parse(name.to_string());
  require(again.has_value() && again->same_case(name));
  require(again->hash(1) == name.hash(1));
  require(!name.canonical_less(*again));
  require(name.is_under(name.parent()));
  require(name.last_labels(name.label_count()) == name);
  if (!name.is_root()) {
    require(name.parent().canonical_less(name));
    const auto whole = name.parent().prepend(name.first_label());
    require(whole.has_value() && whole->same_case(name));
  }
  std::size_t position = 0;
  const auto read = Name::read(name.wire(), position);
  require(read.has_value() && read->same_case(name) && position == name.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const vnet::ByteView bytes{data, size};
  for (std::size_t start = 0; start < size && start < 64; ++start) {
    std::size_t position = start;
    if (const auto name = Name::read(bytes, position)) {
      require(position > start && position <= size);
      check(*name);
    }
  }
  if (const auto name = Name::parse(vnet::as_text(bytes))) check(*name);
  return 0;
}
