#include "dns/resolver.hpp"

#include <algorithm>
#include <cassert>

#include "dns/message_writer.hpp"

namespace vnet::dns {
namespace {

// A handle is a ticket and the index of one of its queries.
constexpr unsigned kIndexBits = 4;
static_assert(Resolver::kMaxQueries == 1U << kIndexBits);

constexpr std::uint64_t handle_of(std::uint64_t ticket, std::size_t index) noexcept {
  return ticket << kIndexBits | index;
}
constexpr std::uint64_t ticket_of(std::uint64_t handle) noexcept { return handle >> kIndexBits; }
constexpr std::size_t index_of(std::uint64_t handle) noexcept { return handle & (Resolver::kMaxQueries - 1); }

}  // namespace

Resolver::Resolver(ResolverOptions options, RandomSource random)
    : options_(options),
      random_(std::move(random)),
      cache_(options.cache, random_()),
      tickets_(0, CacheKeyHash{random_()}) {
  assert(options_.try_timeout > Duration::zero());
  assert(options_.tries >= 1 && options_.tries <= 5);
}

void Resolver::set_upstreams(std::vector<Endpoint> servers) {
  servers_ = std::move(servers);
  preferred_ = 0;
  ++generation_;
  cache_.clear();
}

Resolver::Lookup Resolver::ask(const CacheKey& key, Instant now) {
  if (auto hit = cache_.find(key, now); hit.answer) {
    ++counters_.cache_hits;
    return {State::answered, std::move(hit.answer), hit.age_s, 0};
  }
  if (const auto same = tickets_.find(key); same != tickets_.end()) {
    ++counters_.coalesced;
    return {State::pending, nullptr, 0, same->second};
  }
  if (servers_.empty()) return {};
  if (pending_.size() >= options_.max_in_flight) {
    ++counters_.refused_full;
    return {};
  }
  const std::uint64_t ticket = next_ticket_++;
  Pending pending{.key = key, .sent_name = key.name, .first_server = preferred_, .generation = generation_};
  if (options_.randomize_case) {
    pending.sent_name = key.name.with_random_case(random_);
    pending.exact_case = true;
  }
  tickets_.emplace(key, ticket);
  start_try(pending_.emplace(ticket, std::move(pending)).first, now);
  return {State::pending, nullptr, 0, ticket};
}

// Asks the next server, or gives up.
void Resolver::start_try(PendingMap::iterator question, Instant now) {
  Pending& pending = question->second;
  if (pending.tries >= options_.tries || servers_.empty()) {
    auto answer = pending.failure ? std::move(pending.failure) : std::make_shared<const Answer>(Rcode::serv_fail);
    conclude(question, std::move(answer), now);
    return;
  }
  const Endpoint& server = servers_[(pending.first_server + pending.tries) % servers_.size()];
  ++pending.tries;
  send(question, {.server = server, .exact_case = pending.exact_case}, now);
}

void Resolver::send(PendingMap::iterator question, Query query, Instant now) {
  Pending& pending = question->second;
  const std::uint64_t ticket = question->first;
  if (pending.queries.size() == kMaxQueries) {
    conclude(question, std::make_shared<const Answer>(Rcode::serv_fail), now);
    return;
  }
  query.id = static_cast<std::uint16_t>(random_());
  deadlines_.erase({pending.deadline, ticket});
  pending.deadline = now + options_.try_timeout;
  deadlines_.emplace(pending.deadline, ticket);
  queries_.push_back({handle_of(ticket, pending.queries.size()), query.server, query.tcp, build(pending, query)});
  pending.queries.push_back(query);
  ++counters_.queries_sent;
  if (query.tcp) ++counters_.tcp_queries_sent;
}

std::vector<std::uint8_t> Resolver::build(const Pending& pending, const Query& query) const {
  std::vector<std::uint8_t> bytes(kMinUdpPayload);
  MessageWriter writer{bytes, bytes.size()};
  const bool fits = writer.add_question({query.exact_case ? pending.sent_name : pending.key.name, pending.key.type});
  assert(fits);
  (void)fits;
  Header header{.id = query.id};
  // AD in a query says that we understand AD in the answer (RFC 6840, 5.7).
  header.flags = Header::kRecursionDesired | Header::kAuthenticData;
  if (pending.key.checking_disabled) header.flags |= Header::kCheckingDisabled;
  std::optional<Opt> opt;
  if (query.edns) opt = Opt{.dnssec_ok = pending.key.dnssec_ok};
  bytes.resize(writer.finish(header, opt).size());
  return bytes;
}

// Whether a response belongs to the query. A bare header saying FORMERR is what servers send that predate EDNS; it
// carries no question to check, but all that it can bring about is one more query.
Resolver::Verdict Resolver::judge(const Pending& pending, const Query& query, ByteView bytes) const {
  const auto header = Header::parse(bytes);
  if (!header || !header->has(Header::kResponse) || header->id != query.id) return Verdict::foreign;
  if (header->opcode() != Header::kQuery) return Verdict::foreign;
  const bool form_err = header->low_rcode() == static_cast<std::uint8_t>(Rcode::form_err);
  if (header->questions == 0) return form_err && query.edns ? Verdict::no_edns : Verdict::foreign;

  std::size_t position = kHeaderSize;
  const auto name = Name::read(bytes, position);
  if (!name || header->questions != 1) return Verdict::foreign;
  ByteReader in{bytes.subspan(position)};
  const bool same_type = in.be16() == static_cast<std::uint16_t>(pending.key.type);
  const bool same_class = in.be16() == static_cast<std::uint16_t>(Class::in);
  if (!in.ok() || !same_type || !same_class || !(*name == pending.key.name)) return Verdict::foreign;
  if (query.exact_case && !query.tcp && !name->same_case(pending.sent_name)) return Verdict::case_lost;
  const bool has_additional = header->counts[static_cast<std::size_t>(Section::additional)] != 0;
  return form_err && query.edns && !has_additional ? Verdict::no_edns : Verdict::ours;
}

void Resolver::on_upstream(std::uint64_t handle, ByteView bytes, Instant now) {
  const auto question = pending_.find(ticket_of(handle));
  const std::size_t index = index_of(handle);
  if (question == pending_.end() || index >= question->second.queries.size()) {
    ++counters_.mismatched;
    return;
  }
  Pending& pending = question->second;
  Query query = pending.queries[index];
  const Verdict verdict = judge(pending, query, bytes);
  if (verdict == Verdict::foreign) {
    ++counters_.mismatched;
    if (query.tcp) fail_query(question, index, now);
    return;
  }
  if (verdict == Verdict::no_edns) {
    query.edns = false;
    return retry(question, index, query, now);
  }
  const auto message = Message::parse(bytes);
  const bool truncated = message && message->header().has(Header::kTruncated);
  if (verdict == Verdict::case_lost || (truncated && !query.tcp)) {
    if (verdict == Verdict::case_lost) pending.exact_case = false;
    query.tcp = true;
    return retry(question, index, query, now);
  }
  if (message && !truncated) return accept(question, index, *message, now);
  ++counters_.malformed;
  fail_query(question, index, now);
}

// Asks the same server in another way. Only the query that we wait for is worth that; one from an earlier try is not.
void Resolver::retry(PendingMap::iterator question, std::size_t index, Query query, Instant now) {
  if (index + 1 == question->second.queries.size()) send(question, query, now);
}

void Resolver::accept(PendingMap::iterator question, std::size_t index, const Message& message, Instant now) {
  Pending& pending = question->second;
  auto parsed = Answer::from_message(message);
  if (!parsed) {
    ++counters_.malformed;
    fail_query(question, index, now);
    return;
  }
  if (parsed->rcode == Rcode::no_error || parsed->rcode == Rcode::nx_domain) {
    if (parsed->is_negative(pending.key.type)) {
      // The SOA that leaves here must not outlive what it says (RFC 2308, 5).
      const std::uint32_t lifetime = Cache::lifetime_s(*parsed, pending.key.type, options_.cache);
      if (lifetime != 0) parsed->cap_ttl(lifetime);
    }
    const auto server = std::ranges::find(servers_, pending.queries[index].server);
    if (server != servers_.end()) preferred_ = static_cast<std::size_t>(server - servers_.begin());
    conclude(question, std::make_shared<const Answer>(std::move(*parsed)), now);
    return;
  }
  if (!pending.failure) pending.failure = std::make_shared<const Answer>(std::move(*parsed));
  if (pending.tries >= servers_.size() && index + 1 == pending.queries.size()) {
    conclude(question, std::move(pending.failure), now);
  } else {
    fail_query(question, index, now);
  }
}

void Resolver::on_upstream_error(std::uint64_t handle, Instant now) {
  const auto question = pending_.find(ticket_of(handle));
  if (question == pending_.end()) return;
  ++counters_.errors;
  fail_query(question, index_of(handle), now);
}

// An earlier query's failure is no news: its try is over already.
void Resolver::fail_query(PendingMap::iterator question, std::size_t index, Instant now) {
  if (index + 1 == question->second.queries.size()) start_try(question, now);
}

void Resolver::conclude(PendingMap::iterator question, std::shared_ptr<const Answer> answer, Instant now) {
  const Pending& pending = question->second;
  const std::uint64_t ticket = question->first;
  for (std::size_t i = 0; i < pending.queries.size(); ++i) closed_.push_back(handle_of(ticket, i));
  if (pending.generation == generation_) cache_.insert(pending.key, answer, now);
  deadlines_.erase({pending.deadline, ticket});
  tickets_.erase(pending.key);
  pending_.erase(question);
  resolved_.push_back({ticket, std::move(answer)});
}

Instant Resolver::next_deadline() const noexcept { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }

void Resolver::expire(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    ++counters_.timeouts;
    start_try(pending_.find(deadlines_.begin()->second), now);
  }
}

}  // namespace vnet::dns
