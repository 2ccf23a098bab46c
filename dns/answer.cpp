#include "dns/answer.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string_view>

#include "dns/rdata.hpp"

namespace vnet::dns {
namespace {

void append_be16(std::vector<std::uint8_t>& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

// Owner, type, class, TTL, and a length to be filled in; returns where the data starts.
std::size_t append_front(std::vector<std::uint8_t>& out, const Name& owner, Type type, Class klass,
                         std::uint32_t ttl_s) {
  out.insert(out.end(), owner.wire().begin(), owner.wire().end());
  append_be16(out, static_cast<std::uint16_t>(type));
  append_be16(out, static_cast<std::uint16_t>(klass));
  append_be16(out, static_cast<std::uint16_t>(ttl_s >> 16U));
  append_be16(out, static_cast<std::uint16_t>(ttl_s & 0xffffU));
  append_be16(out, 0);
  return out.size();
}

}  // namespace

Result<Answer> Answer::from_message(const Message& message) {
  Answer answer{message.rcode()};
  answer.authentic_data = message.header().has(Header::kAuthenticData);
  std::vector<std::uint8_t>& out = answer.records_;
  out.reserve(2 * message.bytes().size());
  RecordReader records = message.records();
  while (const auto record = records.next()) {
    if (record->type == Type::opt) continue;
    const std::size_t data_at = append_front(out, record->name, record->type, record->klass, record->ttl_s);
    const auto expanded = expand_rdata(record->type, message.bytes(), record->rdata_offset, record->rdata.size(), out);
    if (!expanded) return fail(expanded.error());
    const std::size_t length = out.size() - data_at;
    if (length > std::numeric_limits<std::uint16_t>::max() || out.size() > kMaxBytes) {
      return fail(ParseError::too_many);
    }
    store_be(out.data() + data_at - 2, static_cast<std::uint16_t>(length));
    ++answer.counts_[static_cast<std::size_t>(record->section)];
  }
  out.shrink_to_fit();
  return answer;
}

void Answer::add(Section section, const Name& owner, Type type, Class klass, std::uint32_t ttl_s, ByteView rdata) {
  assert(rdata.size() <= std::numeric_limits<std::uint16_t>::max());
  const auto later = counts_.begin() + static_cast<std::ptrdiff_t>(section) + 1;
  assert(std::all_of(later, counts_.end(), [](std::uint16_t count) { return count == 0; }));
  (void)later;
  const std::size_t data_at = append_front(records_, owner, type, klass, ttl_s);
  records_.insert(records_.end(), rdata.begin(), rdata.end());
  store_be(records_.data() + data_at - 2, static_cast<std::uint16_t>(rdata.size()));
  ++counts_[static_cast<std::size_t>(section)];
}

void Answer::add_any(const Name& owner) {
  constexpr std::uint32_t kTtl = 60;
  constexpr std::string_view kHinfo{"\x07RFC8482\0", 9};  // CPU, and an empty OS
  add(Section::answer, owner, Type::hinfo, Class::in, kTtl, as_bytes(kHinfo));
}

bool Answer::is_negative(Type type) const {
  if (rcode == Rcode::nx_domain) return true;
  RecordReader reader = records();
  while (const auto record = reader.next()) {
    if (record->section != Section::answer) break;
    if (record->type == type || type == Type::any) return false;
  }
  return true;
}

std::uint32_t Answer::lifetime_s(Type type) const {
  const bool negative = is_negative(type);
  bool has_soa = false;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  RecordReader reader = records();
  while (const auto record = reader.next()) {
    least = std::min(least, record->ttl_s);
    if (record->section != Section::authority || record->type != Type::soa || record->rdata.size() < 4) continue;
    has_soa = true;
    // MINIMUM is the last field of the data (RFC 1035, 3.3.13).
    if (negative) least = std::min(least, load_be<std::uint32_t>(record->rdata.data() + record->rdata.size() - 4));
  }
  return negative && !has_soa ? 0 : least;
}

void Answer::cap_ttl(std::uint32_t limit_s) {
  RecordReader reader = records();
  while (const auto record = reader.next()) {
    std::uint8_t* ttl_at = records_.data() + record->rdata_offset - 6;
    if (load_be<std::uint32_t>(ttl_at) > limit_s) store_be(ttl_at, limit_s);
  }
}

}  // namespace vnet::dns
