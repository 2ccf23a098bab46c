#include "dns/name.hpp"

#include "dns/types.hpp"
#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using testing::Bytes;
using testing::n;

// A header's worth of zeros, so that offsets are those of a real message.
Bytes message(Bytes after_header) {
  Bytes bytes(kHeaderSize, 0);
  bytes.insert(bytes.end(), after_header.begin(), after_header.end());
  return bytes;
}

Result<Name> read_at(const Bytes& bytes, std::size_t position) { return Name::read(bytes, position); }

TEST(Rfc1035, ReadsANameAndStopsBehindIt) {
  const Bytes bytes = message({3, 'w', 'w', 'w', 4, 't', 'e', 's', 't', 0, 0xff});
  std::size_t position = kHeaderSize;
  const auto name = Name::read(bytes, position);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->to_string(), "www.test");
  EXPECT_EQ(position, kHeaderSize + 10);
  EXPECT_EQ(name->label_count(), 2U);
}

TEST(Rfc1035, FollowsAPointerAndStopsBehindThePointer) {
  const Bytes bytes = message({4, 't', 'e', 's', 't', 0, 3, 'w', 'w', 'w', 0xc0, 12, 0xff});
  std::size_t position = kHeaderSize + 6;
  const auto name = Name::read(bytes, position);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->to_string(), "www.test");
  EXPECT_EQ(position, kHeaderSize + 12);
}

TEST(Rfc1035, RefusesAPointerToItself) { EXPECT_EQ(read_at(message({0xc0, 12}), 12).error(), ParseError::bad_field); }

TEST(Rfc1035, RefusesTwoPointersAtEachOther) {
  EXPECT_EQ(read_at(message({0xc0, 14, 0xc0, 12}), 14).error(), ParseError::bad_field);
  EXPECT_EQ(read_at(message({0xc0, 14, 0xc0, 12}), 12).error(), ParseError::bad_field);
}

TEST(Rfc1035, RefusesAPointerIntoItsOwnLabels) {
  // "a" and then back to "a": each round would add a label until the name is too long.
  EXPECT_EQ(read_at(message({1, 'a', 0xc0, 12}), 12).error(), ParseError::bad_field);
}

TEST(Rfc1035, RefusesAPointerForwardAndOneIntoTheHeader) {
  EXPECT_EQ(read_at(message({0xc0, 14, 1, 'a', 0}), 12).error(), ParseError::bad_field);
  EXPECT_EQ(read_at(message({0xc0, 0}), 12).error(), ParseError::bad_field);
}

TEST(Rfc1035, RefusesALongChainOfPointers) {
  Bytes bytes = message({0});
  std::size_t target = kHeaderSize;
  std::size_t start = 0;
  const auto chain = [&](unsigned pointers) {
    for (unsigned i = 0; i < pointers; ++i) {
      start = bytes.size();
      bytes.push_back(static_cast<std::uint8_t>(0xc0U | target >> 8U));
      bytes.push_back(static_cast<std::uint8_t>(target & 0xffU));
      target = start;
    }
  };
  chain(Name::kMaxPointers);
  EXPECT_TRUE(read_at(bytes, start));
  chain(1);
  EXPECT_EQ(read_at(bytes, start).error(), ParseError::too_many);
}

TEST(Rfc1035, RefusesReservedLabelTypes) {
  EXPECT_EQ(read_at(message({0x41, 0, 0}), 12).error(), ParseError::bad_field);
  EXPECT_EQ(read_at(message({0x80, 0, 0}), 12).error(), ParseError::bad_field);
}

TEST(Rfc1035, RefusesWhatEndsEarly) {
  for (const Bytes& bytes : {message({}), message({3, 'w', 'w'}), message({1, 'a'}), message({0xc0})}) {
    EXPECT_EQ(read_at(bytes, 12).error(), ParseError::truncated);
  }
}

TEST(Rfc1035, TakesANameOf255OctetsAndRefusesOneOf256) {
  Bytes longest;
  for (const std::uint8_t length : Bytes{63, 63, 63, 61}) {
    longest.push_back(length);
    longest.insert(longest.end(), length, 'x');
  }
  longest.push_back(0);
  ASSERT_EQ(longest.size(), 255U);
  const auto name = read_at(message(longest), 12);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->size(), 255U);
  EXPECT_EQ(Name::parse(name->to_string()), *name);

  Bytes too_long = longest;
  too_long[192] = 62;
  too_long.insert(too_long.begin() + 193, 'x');
  ASSERT_EQ(too_long.size(), 256U);
  EXPECT_EQ(read_at(message(too_long), 12).error(), ParseError::bad_length);
  EXPECT_FALSE(name->prepend(as_bytes("a")));
}

TEST(Rfc1035, TextFormEscapesWhatIsNotPlain) {
  const auto name = read_at(message({4, 'a', '.', '\\', 7, 2, 0xff, ' ', 0}), 12);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->to_string(), R"(a\.\\\007.\255\032)");
  EXPECT_TRUE(Name::parse(name->to_string())->same_case(*name));
}

TEST(Rfc1035, TextFormIsReadWithAndWithoutTheFinalDot) {
  EXPECT_EQ(n("a.test."), n("a.test"));
  EXPECT_TRUE(n(".").is_root());
  EXPECT_EQ(Name{}.to_string(), ".");
}

TEST(Rfc1035, TextFormRefusesEmptyLabelsLongLabelsAndBrokenEscapes) {
  for (const std::string& text : {std::string{}, std::string{".a"}, std::string{"a..b"}, std::string{".."},
                                  std::string{"a\\"}, std::string{"\\256"}, std::string{"\\12"}, std::string{"\\1x3"},
                                  std::string(64, 'x'), std::string{std::string(63, 'x') + "y.test"}}) {
    EXPECT_FALSE(Name::parse(text)) << text;
  }
  EXPECT_TRUE(Name::parse(std::string(63, 'x')));
}

TEST(Rfc4343, NamesCompareWithoutCaseAndKeepIt) {
  const Name upper = n("ExAmPlE.TeSt");
  EXPECT_EQ(upper, n("example.test"));
  EXPECT_EQ(upper.hash(7), n("example.test").hash(7));
  EXPECT_NE(upper.hash(7), upper.hash(8));
  EXPECT_FALSE(upper.same_case(n("example.test")));
  EXPECT_EQ(upper.to_string(), "ExAmPlE.TeSt");
  // Only ASCII letters have case: '@' and '`', '[' and '{' differ by the same bit.
  EXPECT_NE(n("\\064"), n("`"));
  EXPECT_NE(n("["), n("{"));
  EXPECT_NE(n("ab.test"), n("a.b.test"));
}

TEST(Name, IsUnderItselfItsAncestorsAndNothingElse) {
  EXPECT_TRUE(n("a.b.test").is_under(n("B.Test")));
  EXPECT_TRUE(n("b.test").is_under(n("b.test")));
  EXPECT_TRUE(n("b.test").is_under(Name{}));
  EXPECT_FALSE(n("ab.test").is_under(n("b.test")));
  EXPECT_FALSE(n("test").is_under(n("b.test")));
}

TEST(Name, TakesApartAndPutsTogether) {
  const Name name = n("a.bc.test");
  EXPECT_EQ(name.parent(), n("bc.test"));
  EXPECT_EQ(Name{}.parent(), Name{});
  EXPECT_EQ(name.last_labels(1), n("test"));
  EXPECT_EQ(name.last_labels(0), Name{});
  EXPECT_EQ(name.last_labels(9), name);
  EXPECT_EQ(name.parent().prepend(name.first_label()), name);
  EXPECT_FALSE(name.prepend({}));
}

TEST(Rfc4034, CanonicalOrderPutsANameBeforeTheNamesBelowIt) {
  // The list of section 6.1.
  const std::vector<Name> ordered{n("example"),         n("a.example"),      n("yljkjljk.a.example"),
                                  n("Z.a.example"),     n("zABC.a.EXAMPLE"), n("z.example"),
                                  n("\\001.z.example"), n("*.z.example"),    n("\\200.z.example")};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      EXPECT_EQ(ordered[i].canonical_less(ordered[j]), i < j) << i << ' ' << j;
    }
  }
}

TEST(Rfc3596, ReverseNamesOfBothFamilies) {
  EXPECT_EQ(reverse_name(Ipv4Address{192, 168, 1, 101}), n("101.1.168.192.in-addr.arpa"));
  EXPECT_EQ(reverse_name(*Ipv6Address::parse("4321:0:1:2:3:4:567:89ab")).to_string(),
            "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa");
}

TEST(Dns0x20, RandomCaseChangesNothingButCase) {
  const Name name = n("www3.Example-host.test");
  EXPECT_EQ(name.with_random_case([] { return ~0ULL; }).to_string(), "WWW3.EXAMPLE-HOST.TEST");
  EXPECT_EQ(name.with_random_case([] { return 0ULL; }).to_string(), "www3.example-host.test");
  EXPECT_EQ(name.with_random_case([] { return 0x5555ULL; }), name);
}

}  // namespace
}  // namespace vnet::dns
