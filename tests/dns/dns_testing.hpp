// Helpers shared by the DNS tests: queries as a client writes them, answers as an upstream server does.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dns/message.hpp"
#include "dns/message_writer.hpp"
#include "dns/record.hpp"
#include "packet/time.hpp"

namespace vnet::dns::testing {

using Bytes = std::vector<std::uint8_t>;

inline Name n(std::string_view text) { return Name::parse(text).value(); }

inline Instant at(double seconds) {
  return Instant{} + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

struct QueryShape {
  std::uint16_t id = 0x1234;
  std::uint16_t flags = Header::kRecursionDesired;
  Class klass = Class::in;
  std::optional<Opt> opt{};
};

inline Bytes make_query(std::string_view name, Type type, const QueryShape& shape = {}) {
  Bytes bytes(kMaxMessageSize, 0xa5);
  MessageWriter writer{bytes, bytes.size()};
  EXPECT_TRUE(writer.add_question({n(name), type, shape.klass}));
  bytes.resize(writer.finish({.id = shape.id, .flags = shape.flags}, shape.opt).size());
  return bytes;
}

struct Rr {
  Section section = Section::answer;
  std::string name;
  Type type = Type::a;
  std::uint32_t ttl_s = 300;
  Bytes rdata;
};

inline Bytes a_data(std::uint8_t last) { return {192, 0, 2, last}; }
inline Bytes name_data(std::string_view name) {
  const Name parsed = n(name);
  return {parsed.wire().begin(), parsed.wire().end()};
}
inline Bytes soa_data(std::string_view zone, std::uint32_t minimum_s) {
  return encode({.name = n(zone), .soa = Soa{.mname = n(zone), .rname = n(zone), .minimum_s = minimum_s}})
      .value()
      .front()
      .bytes;
}
inline Rr a_record(std::string name, std::uint32_t ttl_s = 300, std::uint8_t last = 1) {
  return {Section::answer, std::move(name), Type::a, ttl_s, a_data(last)};
}
inline Rr soa_record(std::string zone, std::uint32_t ttl_s, std::uint32_t minimum_s) {
  return {Section::authority, zone, Type::soa, ttl_s, soa_data(zone, minimum_s)};
}

/// What a server sends back to `query`, question and id included.
inline Bytes respond(ByteView query, Rcode rcode, const std::vector<Rr>& records, std::uint16_t extra_flags = 0) {
  const Message asked = Message::parse(query).value();
  Bytes bytes(kMaxMessageSize, 0xa5);
  MessageWriter writer{bytes, bytes.size()};
  EXPECT_TRUE(writer.add_question(asked.question()));
  for (const Rr& rr : records) {
    EXPECT_TRUE(writer.add_record(rr.section, n(rr.name), rr.type, Class::in, rr.ttl_s, rr.rdata));
  }
  Header header{.id = asked.header().id};
  header.flags = static_cast<std::uint16_t>(Header::kResponse | Header::kRecursionAvailable | extra_flags |
                                            static_cast<std::uint16_t>(rcode));
  std::optional<Opt> opt;
  if (asked.opt()) opt = Opt{.dnssec_ok = asked.opt()->dnssec_ok};
  bytes.resize(writer.finish(header, opt).size());
  return bytes;
}

/// A record of a message as one line: `section name type ttl data-in-hex-or-name`, for readable assertions.
inline std::string describe(const RecordView& record, ByteView message) {
  static constexpr const char* kSections[] = {"answer", "authority", "additional"};
  std::string text = std::string{kSections[static_cast<int>(record.section)]} + ' ' + record.name.to_string() + ' ' +
                     std::to_string(static_cast<int>(record.type)) + ' ' + std::to_string(record.ttl_s) + ' ';
  if (record.type == Type::a && record.rdata.size() == 4)
    return text + Ipv4Address::load(record.rdata.data()).to_string();
  if (record.type == Type::aaaa && record.rdata.size() == 16) {
    return text + Ipv6Address::load(record.rdata.data()).to_string();
  }
  if (record.type == Type::cname || record.type == Type::ptr || record.type == Type::ns || record.type == Type::soa) {
    std::size_t position = record.rdata_offset;
    return text + Name::read(message, position).value().to_string();
  }
  return text + std::to_string(record.rdata.size()) + " bytes";
}

/// All records but OPT.
inline std::vector<std::string> lines(ByteView bytes) {
  const auto message = Message::parse(bytes);
  if (!message) return {"unreadable: " + std::string{to_string(message.error())}};
  std::vector<std::string> result;
  RecordReader records = message->records();
  while (const auto record = records.next()) {
    if (record->type != Type::opt) result.push_back(describe(*record, bytes));
  }
  return result;
}

inline Rcode rcode_of(ByteView bytes) {
  const auto message = Message::parse(bytes);
  return message ? message->rcode() : static_cast<Rcode>(Header::parse(bytes).value().low_rcode());
}
inline bool has_flag(ByteView bytes, std::uint16_t flag) { return Header::parse(bytes).value().has(flag); }

}  // namespace vnet::dns::testing
