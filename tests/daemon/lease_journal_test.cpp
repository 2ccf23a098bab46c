#include "daemon/lease_journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "daemon/lease_table.hpp"

namespace vnet::daemon {
namespace {

LeaseRecord record_of(std::uint8_t number) {
  return {.network = "lan",
          .ip = Ipv4Address{192, 168, 127, number},
          .mac = MacAddress::from_u64(0x52cccccccc00U + number),
          .client = std::string("\x01\x52\x00\xff", 4) + std::to_string(number),
          .hostname = "alice",
          .written = 1'700'000'000,
          .expires = 1'700'003'600};
}

std::string_view without_newline(std::string_view line) { return line.substr(0, line.size() - 1); }

struct Read {
  std::vector<LeaseRecord> records;
  std::uint64_t bad = 0;
  bool header = false;
};

Read read(std::string_view text, std::size_t piece = 1000) {
  Read result;
  JournalReader reader{[&](LeaseRecord record) { result.records.push_back(std::move(record)); }};
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) reader.feed(text.substr(0, piece));
  reader.finish();
  EXPECT_EQ(reader.good_lines(), result.records.size());
  result.bad = reader.bad_lines();
  result.header = reader.has_header();
  return result;
}

TEST(LeaseJournal, LineIsJsonWithItsHashLast) {
  // The hashes were computed by another implementation of FNV-1a, in Python.
  EXPECT_EQ(
      to_line(record_of(5)),
      R"({"network":"lan","ip":"192.168.127.5","mac":"52:cc:cc:cc:cc:05","client":"015200ff35","hostname":"alice",)"
      R"("written":1700000000,"expires":1700003600,"fnv1a":"198b6159dcf0e83f"})"
      "\n");
  EXPECT_EQ(header_line(), R"({"format":"vnet leases","version":1,"fnv1a":"1f6fde36c4088c14"})"
                           "\n");
}

TEST(LeaseJournal, RecordSurvivesItsLine) {
  LeaseRecord record = record_of(7);
  EXPECT_EQ(parse_line(without_newline(to_line(record))), record);
  record.hostname.clear();
  record.client = std::string(255, '\x80');
  record.network = std::string(63, 'n');
  EXPECT_EQ(parse_line(without_newline(to_line(record))), record);
  const LeaseRecord gone{.network = "lan", .ip = record.ip, .forgotten = true};
  EXPECT_EQ(parse_line(without_newline(to_line(gone))), gone);
}

TEST(LeaseJournal, NameThatIsNoNameIsLeftOut) {
  LeaseRecord record = record_of(7);
  record.hostname = "a\xff\nb";
  const auto parsed = parse_line(without_newline(to_line(record)));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->hostname, "");
  EXPECT_EQ(parsed->client, record.client);
}

TEST(LeaseJournal, SealedNonsenseIsRefused) {
  const std::string good = R"({"network":"lan","ip":"10.0.0.1","mac":"52:00:00:00:00:01","client":"01","hostname":"",)"
                           R"("written":1,"expires":2})";
  ASSERT_TRUE(parse_line(without_newline(seal_line(good))));
  const std::pair<std::string_view, std::string_view> spoilt[] = {
      {R"("lan")", R"("")"},     {R"("lan")", "7"},
      {R"("lan")", R"("a b")"},  {"10.0.0.1", "10.0.0"},
      {"52:00", "52-0"},         {R"("01")", R"("0")"},
      {R"("01")", R"("")"},      {R"("01")", R"("0g")"},
      {R"("01")", R"("+1")"},    {R"(:"",)", R"(:"a b",)"},
      {":1,", ":-1,"},           {":2}", ":\"2\"}"},
      {":2}", ":2.5}"},          {":2}", ":99999999999999}"},
      {":2}", ":1e400}"},        {R"(,"expires":2)", ""},
      {R"({"net)", R"([{"net)"}, {":2}", ":18446744073709551617}"}};
  for (const auto& [from, to] : spoilt) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    EXPECT_FALSE(parse_line(without_newline(seal_line(text)))) << text;
  }
}

TEST(LeaseJournal, UnknownMembersAreLetPass) {
  const std::string line = seal_line(R"({"colour":["blue"],"network":"lan","ip":"10.0.0.1","forgotten":true})");
  EXPECT_TRUE(parse_line(without_newline(line)));
}

TEST(LeaseJournal, PiecesMayBeCutAnywhere) {
  const std::string text = header_line() + to_line(record_of(1)) + "\n" + to_line(record_of(2));
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    const Read whole = read(text, piece);
    ASSERT_TRUE(whole.header);
    ASSERT_THAT(whole.records, testing::ElementsAre(record_of(1), record_of(2)));
    ASSERT_EQ(whole.bad, 1U) << "the empty line";
  }
}

TEST(LeaseJournal, EveryTruncationKeepsTheLinesBeforeIt) {
  const std::string first = header_line() + to_line(record_of(1));
  const std::string text = first + to_line(record_of(2));
  for (std::size_t size = first.size(); size <= text.size(); ++size) {
    const Read part = read(std::string_view{text}.substr(0, size));
    // A whole line that lacks its newline only is believed: its hash is right.
    const bool whole = size + 1 >= text.size();
    ASSERT_EQ(part.records.size(), whole ? 2U : 1U) << size;
    ASSERT_EQ(part.bad, whole || size == first.size() ? 0U : 1U) << size;
  }
}

TEST(LeaseJournal, EveryValueOfEveryByteIsNoticed) {
  const std::string line = to_line(record_of(2));
  for (std::size_t at = 0; at + 1 < line.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      if (static_cast<char>(value) == line[at]) continue;
      std::string spoilt{without_newline(line)};
      spoilt[at] = static_cast<char>(value);
      ASSERT_FALSE(parse_line(spoilt)) << at << " " << value;
    }
  }
}

TEST(LeaseJournal, LostNewlineCostsBothItsNeighbours) {
  const std::string lines = to_line(record_of(1)) + to_line(record_of(2)) + to_line(record_of(3));
  std::string text = header_line() + lines;
  text[header_line().size() + to_line(record_of(1)).size() - 1] = ' ';
  const Read result = read(text);
  EXPECT_EQ(result.bad, 1U);
  EXPECT_THAT(result.records, testing::ElementsAre(record_of(3)));
}

TEST(LeaseJournal, LongLineIsOneBadLine) {
  const std::string text = header_line() + std::string(3 * kMaxLineBytes, 'x') + "\n" + to_line(record_of(1));
  const Read result = read(text);
  EXPECT_EQ(result.bad, 1U);
  EXPECT_THAT(result.records, testing::ElementsAre(record_of(1)));
  EXPECT_EQ(read(header_line() + std::string(3 * kMaxLineBytes, 'x')).bad, 1U);
}

TEST(LeaseJournal, HeaderMustBeOurs) {
  EXPECT_FALSE(read("").header);
  EXPECT_FALSE(read("\n").header);
  EXPECT_FALSE(read(to_line(record_of(1))).header);
  EXPECT_FALSE(read(seal_line(R"({"format":"vnet leases","version":2})") + to_line(record_of(1))).header);
  EXPECT_FALSE(read(to_line(record_of(1)) + header_line()).header);
  EXPECT_TRUE(read(header_line()).header);
}

TEST(LeaseTable, ClientHasOneAddressAndAddressOneClient) {
  LeaseTable table;
  LeaseRecord moved = record_of(1);
  moved.ip = Ipv4Address{192, 168, 127, 9};
  EXPECT_TRUE(table.apply(record_of(1)));
  EXPECT_TRUE(table.apply(moved));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.find({"lan", record_of(1).ip}), nullptr);
  LeaseRecord taken = record_of(2);
  taken.ip = moved.ip;
  EXPECT_TRUE(table.apply(taken));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(*table.find({"lan", moved.ip}), taken);
  // The client that lost it comes back, elsewhere.
  EXPECT_TRUE(table.apply(record_of(1)));
  EXPECT_EQ(table.size(), 2U);
}

TEST(LeaseTable, NetworksKnowNothingOfEachOther) {
  LeaseTable table;
  LeaseRecord other = record_of(1);
  other.network = "home";
  table.apply(record_of(1));
  table.apply(other);
  EXPECT_EQ(table.size(), 2U);
}

TEST(LeaseTable, OnlyNewsIsNews) {
  LeaseTable table;
  EXPECT_TRUE(table.apply(record_of(1)));
  LeaseRecord later = record_of(1);
  later.written += 5;
  EXPECT_FALSE(table.apply(later));
  later.expires += 1;
  EXPECT_TRUE(table.apply(later));
  const LeaseRecord gone{.network = "lan", .ip = later.ip, .forgotten = true};
  EXPECT_TRUE(table.apply(gone));
  EXPECT_FALSE(table.apply(gone));
  EXPECT_EQ(table.size(), 0U);
}

TEST(LeaseTable, FullTableForgetsWhatEndedFirst) {
  LeaseTable table;
  for (std::uint32_t i = 0; i <= LeaseTable::kMaxRecords; ++i) {
    LeaseRecord record = record_of(0);
    record.ip = Ipv4Address{i};
    record.client = std::to_string(i);
    record.expires += std::int64_t{i} * 7919 % std::int64_t{LeaseTable::kMaxRecords};  // a permutation
    ASSERT_TRUE(table.apply(std::move(record)));
    ASSERT_LE(table.size(), LeaseTable::kMaxRecords);
  }
  EXPECT_EQ(table.size(), LeaseTable::kMaxRecords - LeaseTable::kMaxRecords / 16 + 1);
  for (const auto& [key, record] : table.records()) {
    if (key.ip.to_u32() == LeaseTable::kMaxRecords) continue;
    ASSERT_GE(record.expires, record_of(0).expires + std::int64_t{LeaseTable::kMaxRecords / 16});
  }
}

}  // namespace
}  // namespace vnet::daemon
