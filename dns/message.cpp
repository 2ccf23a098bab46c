#include "dns/message.hpp"

namespace vnet::dns {

Result<Header> Header::parse(ByteView bytes) noexcept {
  if (bytes.size() < kHeaderSize) return fail(ParseError::truncated);
  ByteReader in{bytes};
  Header header;
  header.id = in.be16();
  header.flags = in.be16();
  header.questions = in.be16();
  for (std::uint16_t& count : header.counts) count = in.be16();
  return header;
}

Result<RecordView> RecordReader::read() {
  RecordView record;
  record.section = static_cast<Section>(section_);
  std::size_t position = at_;
  const auto name = Name::read(message_, position);
  if (!name) return fail(name.error());
  record.name = *name;
  ByteReader in{message_.subspan(position)};
  record.type = static_cast<Type>(in.be16());
  record.klass = static_cast<Class>(in.be16());
  record.ttl_s = in.be32();
  // OPT keeps flags in this field; for it the top bit is part of the extended rcode.
  if (record.type != Type::opt && record.ttl_s >> 31U != 0) record.ttl_s = 0;
  const std::uint16_t length = in.be16();
  record.rdata_offset = position + in.position();
  record.rdata = in.bytes(length);
  if (!in.ok()) return fail(ParseError::truncated);
  at_ = position + in.position();
  return record;
}

std::optional<RecordView> RecordReader::next() {
  while (section_ < kSections && left_[section_] == 0) ++section_;
  if (section_ == kSections || error_) return std::nullopt;
  const auto record = read();
  if (!record) {
    error_ = record.error();
    return std::nullopt;
  }
  --left_[section_];
  return *record;
}

Result<void> Message::take_opt(const RecordView& record) {
  if (opt_ || record.section != Section::additional || !record.name.is_root()) return fail(ParseError::bad_field);
  Opt opt;
  opt.udp_payload = static_cast<std::uint16_t>(record.klass);
  opt.extended_rcode = static_cast<std::uint8_t>(record.ttl_s >> 24U);
  opt.version = static_cast<std::uint8_t>(record.ttl_s >> 16U & 0xffU);
  opt.dnssec_ok = (record.ttl_s & 0x8000U) != 0;
  opt_ = opt;
  return {};
}

Result<Message> Message::parse(ByteView bytes) {
  const auto header = Header::parse(bytes);
  if (!header) return fail(header.error());
  if (header->questions != 1) return fail(ParseError::bad_field);
  Message message;
  message.bytes_ = bytes;
  message.header_ = *header;

  std::size_t position = kHeaderSize;
  const auto name = Name::read(bytes, position);
  if (!name) return fail(name.error());
  ByteReader in{bytes.subspan(position)};
  message.question_ = {*name, static_cast<Type>(in.be16()), static_cast<Class>(in.be16())};
  if (!in.ok()) return fail(ParseError::truncated);
  message.records_at_ = position + in.position();

  RecordReader records = message.records();
  while (const auto record = records.next()) {
    if (record->type != Type::opt) continue;
    if (const auto taken = message.take_opt(*record); !taken) return fail(taken.error());
  }
  if (!records.ok()) return fail(records.error());
  message.trailing_ = bytes.size() - records.position();
  return message;
}

Rcode Message::rcode() const noexcept {
  const unsigned upper = opt_ ? opt_->extended_rcode : 0U;
  return static_cast<Rcode>(upper << 4U | header_.low_rcode());
}

}  // namespace vnet::dns
