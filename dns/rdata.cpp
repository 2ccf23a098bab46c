#include "dns/rdata.hpp"

#include "dns/name.hpp"

namespace vnet::dns {

std::optional<RdataLayout> rdata_layout(Type type) noexcept {
  switch (type) {
    case Type::ns:
    case Type::md:
    case Type::mf:
    case Type::cname:
    case Type::mb:
    case Type::mg:
    case Type::mr:
    case Type::ptr: return RdataLayout{0, 0, 1, 0, true};
    case Type::mx: return RdataLayout{2, 0, 1, 0, true};
    case Type::minfo: return RdataLayout{0, 0, 2, 0, true};
    case Type::soa: return RdataLayout{0, 0, 2, 20, true};
    case Type::dname: return RdataLayout{0, 0, 1, 0, false};
    case Type::rp: return RdataLayout{0, 0, 2, 0, false};
    case Type::afsdb:
    case Type::rt:
    case Type::kx: return RdataLayout{2, 0, 1, 0, false};
    case Type::px: return RdataLayout{2, 0, 2, 0, false};
    case Type::srv: return RdataLayout{6, 0, 1, 0, false};
    case Type::naptr: return RdataLayout{4, 3, 1, 0, false};
    default: return std::nullopt;
  }
}

Result<void> expand_rdata(Type type, ByteView message, std::size_t offset, std::size_t length,
                          std::vector<std::uint8_t>& out) {
  // Pointers go backwards, so nothing behind the data is ever needed to read it.
  message = message.first(offset + length);
  const auto append = [&out](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
  const auto layout = rdata_layout(type);
  if (!layout) {
    append(message.subspan(offset));
    return {};
  }
  ByteReader in{message.subspan(offset)};
  append(in.bytes(layout->prefix));
  for (unsigned i = 0; i < layout->strings; ++i) {
    const std::uint8_t size = in.u8();
    out.push_back(size);
    append(in.bytes(size));
  }
  if (!in.ok()) return fail(ParseError::bad_length);
  std::size_t position = offset + in.position();
  for (unsigned i = 0; i < layout->names; ++i) {
    const auto name = Name::read(message, position);
    if (!name) return fail(name.error());
    append(name->wire());
  }
  if (message.size() - position != layout->suffix) return fail(ParseError::bad_length);
  append(message.subspan(position));
  return {};
}

}  // namespace vnet::dns
