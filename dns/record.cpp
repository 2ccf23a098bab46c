#include "dns/record.hpp"

#include <algorithm>
#include <limits>

#include "dns/rdata.hpp"

namespace vnet::dns {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& out, std::uint16_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8U));
  out.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16U));
  put16(out, static_cast<std::uint16_t>(value & 0xffffU));
}

void put(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

Bytes name_data(const Name& name) { return {name.wire().begin(), name.wire().end()}; }

Bytes txt_data(std::string_view text) {
  constexpr std::size_t kMaxString = 255;
  Bytes out;
  do {
    const std::string_view part = text.substr(0, kMaxString);
    out.push_back(static_cast<std::uint8_t>(part.size()));
    put(out, as_bytes(part));
    text.remove_prefix(part.size());
  } while (!text.empty());
  return out;
}

Bytes mx_data(const Mx& mx) {
  Bytes out;
  put16(out, mx.preference);
  put(out, mx.exchange.wire());
  return out;
}

Bytes srv_data(const Srv& srv) {
  Bytes out;
  for (const std::uint16_t field : {srv.priority, srv.weight, srv.port}) put16(out, field);
  put(out, srv.target.wire());
  return out;
}

Bytes soa_data(const Soa& soa) {
  Bytes out = name_data(soa.mname);
  put(out, soa.rname.wire());
  for (const std::uint32_t field : {soa.serial, soa.refresh_s, soa.retry_s, soa.expire_s, soa.minimum_s}) {
    put32(out, field);
  }
  return out;
}

// Raw data of a type that holds names must read as such: the message writer relies on it. There is no message
// around it, so a compression pointer has nowhere to point and is refused, as is any change by expanding.
bool is_sound(const RawRecord& raw) {
  if (is_meta(raw.type) || raw.type == Type::any || raw.type == Type::cname || raw.type == Type::soa) return false;
  Bytes expanded;
  return expand_rdata(raw.type, raw.rdata, 0, raw.rdata.size(), expanded) && expanded == raw.rdata;
}

}  // namespace

std::string_view to_string(RecordError error) noexcept {
  switch (error) {
    case RecordError::empty: return "no records";
    case RecordError::cname_not_alone: return "a CNAME cannot stand beside other records";
    case RecordError::bad_ttl: return "ttl_s is above 2147483647";
    case RecordError::bad_data: return "malformed record data";
    case RecordError::too_many_records: return "too many records for one name";
    case RecordError::too_many_names: return "too many names";
  }
  return "unknown";
}

Result<std::vector<Rdata>, RecordError> encode(const Record& record) {
  if (record.ttl_s >> 31U != 0) return fail(RecordError::bad_ttl);
  std::vector<Rdata> data;
  for (const Ipv4Address& address : record.a) {
    Bytes bytes(Ipv4Address::kSize);
    address.store(bytes.data());
    data.push_back({Type::a, std::move(bytes)});
  }
  for (const Ipv6Address& address : record.aaaa) {
    data.push_back({Type::aaaa, Bytes(address.bytes().begin(), address.bytes().end())});
  }
  if (record.cname) data.push_back({Type::cname, name_data(*record.cname)});
  for (const std::string& text : record.txt) data.push_back({Type::txt, txt_data(text)});
  for (const Mx& mx : record.mx) data.push_back({Type::mx, mx_data(mx)});
  for (const Srv& srv : record.srv) data.push_back({Type::srv, srv_data(srv)});
  for (const Name& name : record.ptr) data.push_back({Type::ptr, name_data(name)});
  for (const Name& name : record.ns) data.push_back({Type::ns, name_data(name)});
  if (record.soa) data.push_back({Type::soa, soa_data(*record.soa)});
  for (const RawRecord& raw : record.other) {
    if (!is_sound(raw)) return fail(RecordError::bad_data);
    data.push_back({raw.type, raw.rdata});
  }
  if (data.empty()) return fail(RecordError::empty);
  if (record.cname && data.size() > 1) return fail(RecordError::cname_not_alone);
  if (data.size() > kMaxRecordsPerName) return fail(RecordError::too_many_records);
  const auto too_long = [](const Rdata& rdata) {
    return rdata.bytes.size() > std::numeric_limits<std::uint16_t>::max();
  };
  if (std::ranges::any_of(data, too_long)) return fail(RecordError::bad_data);
  return data;
}

}  // namespace vnet::dns
