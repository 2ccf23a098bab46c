#include "dns/cache.hpp"

#include "tests/dns/dns_testing.hpp"

namespace vnet::dns {
namespace {

using testing::at;
using testing::Bytes;
using testing::n;

using Records = std::vector<testing::Rr>;

std::shared_ptr<const Answer> answer(Rcode rcode, const Records& records) {
  auto result = std::make_shared<Answer>(rcode);
  for (const testing::Rr& rr : records) {
    result->add(rr.section, n(rr.name), rr.type, Class::in, rr.ttl_s, rr.rdata);
  }
  return result;
}

CacheKey key(std::string_view name, Type type = Type::a) { return {n(name), type}; }

std::uint32_t lifetime(Rcode rcode, const Records& records) {
  return Cache::lifetime_s(*answer(rcode, records), Type::a, {});
}

using testing::a_record;
using testing::soa_record;

TEST(Rfc2181, AnAnswerLivesForItsLeastTtl) {
  EXPECT_EQ(lifetime(Rcode::no_error, {a_record("a.test", 300), a_record("a.test", 20)}), 20U);
  EXPECT_EQ(lifetime(Rcode::no_error, {a_record("a.test", 0)}), 0U);
  EXPECT_EQ(lifetime(Rcode::no_error, {a_record("a.test", 0x7fffffff)}), CacheLimits{}.positive_ttl_s);
}

TEST(Rfc2308, ANegativeAnswerLivesForTheLesserOfSoaTtlAndMinimumAndThreeHours) {
  for (const Rcode rcode : {Rcode::nx_domain, Rcode::no_error}) {
    EXPECT_EQ(lifetime(rcode, {soa_record("test", 900, 60)}), 60U);
    EXPECT_EQ(lifetime(rcode, {soa_record("test", 60, 900)}), 60U);
    EXPECT_EQ(lifetime(rcode, {soa_record("test", 999'999, 999'999)}), 10'800U);
    EXPECT_EQ(lifetime(rcode, {soa_record("test", 900, 0)}), 0U);
  }
}

TEST(Rfc2308, ANegativeAnswerWithoutSoaIsNotKept) {
  EXPECT_EQ(lifetime(Rcode::nx_domain, {}), 0U);
  EXPECT_EQ(lifetime(Rcode::no_error, {}), 0U);
  EXPECT_EQ(lifetime(Rcode::no_error, {{Section::authority, "test", Type::ns, 300, testing::name_data("ns.test")}}),
            0U);
}

TEST(Rfc2308, AnAliasToANameWithoutDataIsNegative) {
  const testing::Rr alias{Section::answer, "a.test", Type::cname, 300, testing::name_data("b.test")};
  EXPECT_EQ(lifetime(Rcode::no_error, {alias}), 0U);
  EXPECT_EQ(lifetime(Rcode::no_error, {alias, soa_record("test", 900, 60)}), 60U);
  EXPECT_EQ(lifetime(Rcode::no_error, {alias, a_record("b.test", 30)}), 30U);
}

TEST(Rfc9520, AFailureLivesForAMoment) {
  EXPECT_EQ(lifetime(Rcode::serv_fail, {}), 1U);
  EXPECT_EQ(lifetime(Rcode::refused, {a_record("a.test", 300)}), 1U);
}

TEST(Cache, AgesInWholeSecondsAndForgetsOnTime) {
  Cache cache{{}, 1};
  cache.insert(key("a.test"), answer(Rcode::no_error, {a_record("a.test", 10)}), at(100));
  EXPECT_EQ(cache.find(key("A.TEST"), at(100)).age_s, 0U);
  EXPECT_EQ(cache.find(key("a.test"), at(103.9)).age_s, 3U);
  EXPECT_TRUE(cache.find(key("a.test"), at(109.9)).answer);
  EXPECT_FALSE(cache.find(key("a.test"), at(110)).answer);
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.bytes(), 0U);
}

TEST(Cache, KeepsApartTypesAndTheFlagsThatChangeAnAnswer) {
  Cache cache{{}, 1};
  const auto known = answer(Rcode::no_error, {a_record("a.test", 10)});
  cache.insert({n("a.test"), Type::a, true, false}, known, at(0));
  EXPECT_TRUE(cache.find({n("a.test"), Type::a, true, false}, at(0)).answer);
  EXPECT_FALSE(cache.find({n("a.test"), Type::a, false, false}, at(0)).answer);
  EXPECT_FALSE(cache.find({n("a.test"), Type::a, true, true}, at(0)).answer);
  EXPECT_FALSE(cache.find({n("a.test"), Type::aaaa, true, false}, at(0)).answer);
}

TEST(Cache, TheLeastRecentlyUsedEntryMakesRoom) {
  Cache cache{{.entries = 2}, 1};
  const auto known = answer(Rcode::no_error, {a_record("x.test", 10)});
  cache.insert(key("a.test"), known, at(0));
  cache.insert(key("b.test"), known, at(0));
  EXPECT_TRUE(cache.find(key("a.test"), at(1)).answer);
  cache.insert(key("c.test"), known, at(1));
  EXPECT_TRUE(cache.find(key("a.test"), at(1)).answer);
  EXPECT_FALSE(cache.find(key("b.test"), at(1)).answer);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.evictions(), 1U);
}

TEST(Cache, BytesAreBoundedAndWhatNeverFitsIsNotKept) {
  constexpr std::size_t kBytes = 16'384;
  Cache cache{{.bytes = kBytes}, 1};
  const testing::Rr large{Section::answer, "a.test", Type::txt, 60, Bytes(4000)};
  for (unsigned i = 0; i < 20; ++i) {
    cache.insert(key("n" + std::to_string(i) + ".test", Type::txt), answer(Rcode::no_error, {large}), at(0));
    ASSERT_LE(cache.bytes(), kBytes);
  }
  EXPECT_EQ(cache.size(), 3U);
  const testing::Rr huge{Section::answer, "a.test", Type::txt, 60, Bytes(20'000)};
  cache.insert(key("huge.test", Type::txt), answer(Rcode::no_error, {huge}), at(0));
  EXPECT_FALSE(cache.find(key("huge.test", Type::txt), at(0)).answer);
  EXPECT_EQ(cache.size(), 3U);
}

TEST(Cache, ANewAnswerReplacesAnOldOneEvenWhenItMayNotBeKept) {
  Cache cache{{}, 1};
  cache.insert(key("a.test"), answer(Rcode::no_error, {a_record("a.test", 10)}), at(0));
  cache.insert(key("a.test"), answer(Rcode::no_error, {a_record("a.test", 0)}), at(1));
  EXPECT_FALSE(cache.find(key("a.test"), at(1)).answer);
  EXPECT_EQ(cache.bytes(), 0U);
}

}  // namespace
}  // namespace vnet::dns
