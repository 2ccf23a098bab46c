// A resolver with two upstream servers and a clock that the test turns.
#pragma once

#include <memory>
#include <optional>

#include "dns/resolver.hpp"
#include "tests/dns/dns_testing.hpp"

namespace vnet::dns::testing {

inline const Endpoint kFirst{Ipv4Address{9, 9, 9, 1}};
inline const Endpoint kSecond{Ipv4Address{9, 9, 9, 2}, 5353};

class ResolverTest : public ::testing::Test {
 protected:
  explicit ResolverTest(ResolverOptions options = {})
      : resolver_(options, [random = Random{7}]() mutable { return random.next(); }) {
    resolver_.set_upstreams({kFirst, kSecond});
  }

  std::uint64_t ask(std::string_view name, Type type = Type::a, double now_s = 0) {
    const auto lookup = resolver_.ask({n(name), type}, at(now_s));
    EXPECT_EQ(lookup.state, Resolver::State::pending);
    return lookup.ticket;
  }
  // The one query that is waiting to be sent.
  UpstreamQuery sent() {
    auto queries = resolver_.take_queries();
    EXPECT_THAT(queries, ::testing::SizeIs(1));
    return queries.empty() ? UpstreamQuery{} : queries.front();
  }
  void answer(const UpstreamQuery& query, const Bytes& bytes, double now_s = 0) {
    resolver_.on_upstream(query.handle, bytes, at(now_s));
  }
  // The rcode that the one question ended with; nothing when none did.
  std::optional<Rcode> outcome() {
    const auto resolved = resolver_.take_resolved();
    if (resolved.empty()) return std::nullopt;
    EXPECT_THAT(resolved, ::testing::SizeIs(1));
    return resolved.front().answer->rcode;
  }

  Resolver resolver_;
};

}  // namespace vnet::dns::testing
