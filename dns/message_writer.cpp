#include "dns/message_writer.hpp"

#include <algorithm>
#include <cassert>

#include "dns/rdata.hpp"

namespace vnet::dns {
namespace {

constexpr std::uint16_t kPointer = 0xc000;
constexpr std::size_t kPointerReach = 0x4000;

}  // namespace

MessageWriter::MessageWriter(ByteSpan out, std::size_t limit, std::size_t reserved) noexcept
    : out_(out.first(std::min(out.size(), limit))), limit_(std::min(out.size(), limit)) {
  assert(limit_ >= kHeaderSize + reserved);
  limit_ -= std::min(limit_, reserved);
  out_.zeros(kHeaderSize);
}

// Takes back what was written from `start` on when it went past the limit, and the suffixes found in it.
bool MessageWriter::fits(std::size_t start) noexcept {
  if (out_.ok() && out_.position() <= limit_) return true;
  out_.rewind(start);
  while (target_count_ > 0 && targets_[target_count_ - 1].at >= start) --target_count_;
  return false;
}

bool MessageWriter::add_question(const Question& question) noexcept {
  assert(!has_question_);
  const std::size_t start = out_.position();
  put_name(question.name);
  out_.be16(static_cast<std::uint16_t>(question.type));
  out_.be16(static_cast<std::uint16_t>(question.klass));
  if (!fits(start)) return false;
  question_ = question;
  has_question_ = true;
  return true;
}

bool MessageWriter::add_record(Section section, const Name& name, Type type, Class klass, std::uint32_t ttl_s,
                               ByteView rdata) noexcept {
  assert(section >= section_);
  const std::size_t start = out_.position();
  if (has_question_ && !name.is_root() && name == question_.name) {
    out_.be16(kPointer | kHeaderSize);
  } else {
    put_name(name);
  }
  out_.be16(static_cast<std::uint16_t>(type));
  out_.be16(static_cast<std::uint16_t>(klass));
  out_.be32(ttl_s);
  const std::size_t length_at = out_.position();
  out_.be16(0);
  put_rdata(type, rdata);
  if (!fits(start)) return false;
  out_.patch_be16(length_at, static_cast<std::uint16_t>(out_.position() - length_at - 2));
  section_ = section;
  ++counts_[static_cast<std::size_t>(section)];
  return true;
}

void MessageWriter::put_rdata(Type type, ByteView rdata) noexcept {
  const auto layout = rdata_layout(type);
  if (!layout || !layout->may_compress) {
    out_.bytes(rdata);
    return;
  }
  assert(layout->strings == 0);
  out_.bytes(rdata.first(layout->prefix));
  std::size_t position = layout->prefix;
  for (unsigned i = 0; i < layout->names; ++i) {
    const auto name = Name::read(rdata, position);
    assert(name.has_value());
    put_name(*name);
  }
  out_.bytes(rdata.subspan(position));
}

void MessageWriter::put_name(const Name& name) noexcept {
  const ByteView wire = name.wire();
  for (std::size_t at = 0; wire[at] != 0; at += wire[at] + 1U) {
    const ByteView suffix = wire.subspan(at);
    if (const auto target = find(suffix)) {
      out_.be16(kPointer | *target);
      return;
    }
    if (target_count_ < kMaxTargets && out_.position() < kPointerReach) {
      targets_[target_count_++] = {static_cast<std::uint16_t>(out_.position()),
                                   static_cast<std::uint8_t>(suffix.size())};
    }
    out_.bytes(suffix.first(wire[at] + 1U));
  }
  out_.u8(0);
}

std::optional<std::uint16_t> MessageWriter::find(ByteView suffix) const noexcept {
  for (std::size_t i = 0; i < target_count_; ++i) {
    if (targets_[i].size == suffix.size() && matches(targets_[i].at, suffix)) return targets_[i].at;
  }
  return std::nullopt;
}

// Compares the name that we wrote at `at` with `suffix`. Once the room has run out, a target may lie where nothing was
// written: no match.
bool MessageWriter::matches(std::size_t at, ByteView suffix) const noexcept {
  const ByteView written = out_.written();
  for (;;) {
    if (at >= written.size()) return false;
    const std::uint8_t length = written[at];
    if (length >= 0xc0) {
      at = (length & 0x3fU) << 8U | written[at + 1];
      continue;
    }
    if (length != suffix.front() || written.size() - at < length + 1U) return false;
    if (!std::equal(suffix.begin(), suffix.begin() + length + 1, written.begin() + static_cast<std::ptrdiff_t>(at))) {
      return false;
    }
    if (length == 0) return true;
    at += length + 1U;
    suffix = suffix.subspan(length + 1U);
  }
}

ByteView MessageWriter::finish(Header header, const std::optional<Opt>& opt) noexcept {
  if (opt) {
    out_.u8(0);
    out_.be16(static_cast<std::uint16_t>(Type::opt));
    out_.be16(opt->udp_payload);
    out_.u8(opt->extended_rcode);
    out_.u8(opt->version);
    out_.be16(opt->dnssec_ok ? 0x8000 : 0);
    out_.be16(0);
    ++counts_[static_cast<std::size_t>(Section::additional)];
  }
  if (!out_.ok()) return {};
  const std::array<std::uint16_t, 6> words{
      header.id,  header.flags, std::uint16_t{has_question_ ? std::uint16_t{1} : std::uint16_t{0}},
      counts_[0], counts_[1],   counts_[2]};
  for (std::size_t i = 0; i < words.size(); ++i) out_.patch_be16(2 * i, words[i]);
  return out_.written();
}

}  // namespace vnet::dns
