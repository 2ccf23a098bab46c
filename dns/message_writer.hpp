// Writes one DNS message into a borrowed buffer, compressing names, and never past a limit.
//
// The order is the message's own: question, records section by section, then `finish`, which adds OPT and writes
// the header. A record that does not fit is taken back whole, so what was written is at all times a sound message.
//
// Compression remembers a bounded number of suffixes (the first ones met, which are the ones that repeat: the
// question's). Only identical octets are shared, so that no name changes its case, with one exception: a record owned
// by the question's name is written as a pointer to the question and so takes the case that the client asked in.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dns/message.hpp"
#include "dns/name.hpp"
#include "dns/types.hpp"
#include "packet/bytes.hpp"

namespace vnet::dns {

class MessageWriter {
 public:
  static constexpr std::size_t kMaxTargets = 64;  ///< suffixes remembered; later ones are written in full

  /// At most `limit` bytes of `out` are used; `reserved` of them are kept from records for the OPT. What is left
  /// must hold the header.
  MessageWriter(ByteSpan out, std::size_t limit, std::size_t reserved = 0) noexcept;

  /// False, with nothing written, when it does not fit.
  [[nodiscard]] bool add_question(const Question& question) noexcept;
  /// `rdata` holds its names in full, as `expand_rdata` writes them. False, with nothing written, when it does not fit.
  /// A `section` lower than that of the record before is an error of the caller.
  [[nodiscard]] bool add_record(Section section, const Name& name, Type type, Class klass, std::uint32_t ttl_s,
                                ByteView rdata) noexcept;
  /// Adds `opt`, fills in the header (its counts are ours) and returns the message; empty when `out` could not hold
  /// even that.
  [[nodiscard]] ByteView finish(Header header, const std::optional<Opt>& opt) noexcept;

 private:
  // A suffix that was written: where, and how long it is in full, which rules out nearly all comparing.
  struct Target {
    std::uint16_t at;
    std::uint8_t size;
  };

  bool fits(std::size_t start) noexcept;
  void put_name(const Name& name) noexcept;
  void put_rdata(Type type, ByteView rdata) noexcept;
  std::optional<std::uint16_t> find(ByteView suffix) const noexcept;
  bool matches(std::size_t at, ByteView suffix) const noexcept;

  ByteWriter out_;
  std::size_t limit_;
  Question question_;
  bool has_question_ = false;
  Section section_ = Section::answer;
  std::array<std::uint16_t, kSections> counts_{};
  std::array<Target, kMaxTargets> targets_;
  std::size_t target_count_ = 0;
};

}  // namespace vnet::dns
