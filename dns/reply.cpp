#include "dns/reply.hpp"

#include <algorithm>

#include "dns/message_writer.hpp"

namespace vnet::dns {
namespace {

// False when a record did not fit.
bool add_section(MessageWriter& writer, Section section, std::span<const Part> parts) noexcept {
  for (const Part& part : parts) {
    RecordReader records = part.answer->records();
    while (const auto record = records.next()) {
      if (record->section != section) continue;
      const std::uint32_t ttl_s = record->ttl_s - std::min(record->ttl_s, part.age_s);
      if (!writer.add_record(section, record->name, record->type, record->klass, ttl_s, record->rdata)) return false;
    }
  }
  return true;
}

// AD is for those who can read it (RFC 6840, 5.8), and only when nothing of ours is mixed in.
bool shows_authentic(const Asked& asked, std::span<const Part> parts) noexcept {
  const bool understands = asked.dnssec_ok || (asked.flags & Header::kAuthenticData) != 0;
  return understands && parts.size() == 1 && parts.front().answer->authentic_data;
}

}  // namespace

ByteView write_reply(const Asked& asked, Rcode rcode, std::span<const Part> parts, std::uint16_t payload,
                     ByteSpan out) noexcept {
  constexpr std::uint16_t kOpcodeBits = 0x7800;
  constexpr std::uint16_t kEchoed = kOpcodeBits | Header::kRecursionDesired | Header::kCheckingDisabled;
  if (static_cast<unsigned>(rcode) > 0xf && !asked.edns) rcode = Rcode::serv_fail;
  const auto code = static_cast<std::uint16_t>(rcode);

  Header header{.id = asked.id};
  header.flags = (asked.flags & kEchoed) | Header::kResponse | (code & 0xfU);
  if (asked.recursion_available) header.flags |= Header::kRecursionAvailable;
  if (!parts.empty() && parts.front().answer->authoritative) header.flags |= Header::kAuthoritative;
  if (shows_authentic(asked, parts)) header.flags |= Header::kAuthenticData;

  MessageWriter writer{out, asked.limit, asked.edns ? Opt::kSize : 0};
  bool whole = !asked.question || writer.add_question(*asked.question);
  whole = whole && add_section(writer, Section::answer, parts) && add_section(writer, Section::authority, parts);
  if (whole) {
    (void)add_section(writer, Section::additional, parts);
  } else {
    header.flags |= Header::kTruncated;
  }
  std::optional<Opt> opt;
  if (asked.edns) {
    opt = Opt{
        .udp_payload = payload, .extended_rcode = static_cast<std::uint8_t>(code >> 4U), .dnssec_ok = asked.dnssec_ok};
  }
  return writer.finish(header, opt);
}

}  // namespace vnet::dns
