#include "dns/server.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::dns {
namespace {

std::uint16_t flags_of(ByteView message) noexcept { return load_be<std::uint16_t>(message.data() + 2); }

}  // namespace

Server::Server(ServerOptions options, RandomSource random)
    : options_(std::move(options)), local_(options_.local), resolver_(options_.resolver, std::move(random)) {
  assert(options_.max_udp_payload >= kMinUdpPayload);
}

ByteView Server::handle(ByteView query, const Client& client, Transport transport, Instant now, ByteSpan out) {
  assert(out.size() >= kMinUdpPayload);
  ++counters_.queries;
  const auto header = Header::parse(query);
  if (!header || header->has(Header::kResponse)) {
    ++counters_.dropped;
    return {};
  }
  Asked asked{.id = header->id, .flags = header->flags, .recursion_available = options_.recursion};
  if (transport == Transport::tcp) asked.limit = kMaxMessageSize;
  if (header->opcode() != Header::kQuery) return error(asked, Rcode::not_imp, out);
  const auto message = Message::parse(query);
  if (!message || message->trailing() != 0) return error(asked, Rcode::form_err, out);

  asked.question = message->question();
  if (const auto& opt = message->opt()) {
    asked.edns = true;
    asked.dnssec_ok = opt->dnssec_ok;
    if (transport == Transport::udp) {
      asked.limit = std::clamp<std::size_t>(opt->udp_payload, kMinUdpPayload, options_.max_udp_payload);
    }
    if (opt->version != 0) return error(asked, Rcode::bad_vers, out);
  }
  if (asked.question->klass != Class::in || is_meta(asked.question->type)) return error(asked, Rcode::refused, out);
  return answer(asked, client, transport, header->has(Header::kCheckingDisabled), now, out);
}

ByteView Server::answer(const Asked& asked, const Client& client, Transport transport, bool checking_disabled,
                        Instant now, ByteSpan out) {
  const Question& question = *asked.question;
  CacheKey key{question.name, question.type, asked.dnssec_ok, checking_disabled};
  std::optional<Answer> chain;
  if (auto local = local_.lookup(question.name, question.type)) {
    if (!local->continues_at || !options_.recursion) {
      ++counters_.local;
      const Part part{&local->answer, 0};
      return reply(asked, local->answer.rcode, {&part, 1}, out);
    }
    chain = std::move(local->answer);
    key.name = *local->continues_at;
  } else if (!options_.recursion) {
    return error(asked, Rcode::refused, out);
  } else if (question.type == Type::any) {
    Answer any;
    any.add_any(question.name);
    const Part part{&any, 0};
    return reply(asked, any.rcode, {&part, 1}, out);
  }
  const Resolver::Lookup lookup = resolver_.ask(key, now);
  if (lookup.state == Resolver::State::answered) {
    return reply_resolved(asked, chain, *lookup.answer, lookup.age_s, out);
  }
  if (lookup.state == Resolver::State::pending && wait(lookup.ticket, {client, transport, asked, std::move(chain)})) {
    return {};
  }
  return error(asked, Rcode::serv_fail, out);
}

// False when there is no place left to wait.
bool Server::wait(std::uint64_t ticket, Waiting waiting) {
  std::vector<Waiting>& others = waiting_[ticket];
  const bool repeats = std::ranges::any_of(others, [&waiting](const Waiting& other) {
    return other.client == waiting.client && other.transport == waiting.transport &&
           other.asked.id == waiting.asked.id && other.asked.question->name == waiting.asked.question->name;
  });
  if (repeats) {
    ++counters_.repeated;
    return true;
  }
  if (others.size() >= kMaxWaitingPerQuestion || waiting_count_ >= options_.max_waiting) {
    ++counters_.refused_full;
    if (others.empty()) waiting_.erase(ticket);
    return false;
  }
  others.push_back(std::move(waiting));
  ++waiting_count_;
  return true;
}

void Server::on_upstream(std::uint64_t handle, ByteView bytes, Instant now) {
  resolver_.on_upstream(handle, bytes, now);
  deliver();
}

void Server::on_upstream_error(std::uint64_t handle, Instant now) {
  resolver_.on_upstream_error(handle, now);
  deliver();
}

void Server::expire(Instant now) {
  resolver_.expire(now);
  deliver();
}

// Writes the replies of all who waited for what the resolver has learned.
void Server::deliver() {
  const std::vector<Resolver::Resolved> all = resolver_.take_resolved();
  if (all.empty()) return;
  std::vector<std::uint8_t> room(kMaxMessageSize);
  for (const Resolver::Resolved& resolved : all) {
    const auto found = waiting_.find(resolved.ticket);
    if (found == waiting_.end()) continue;
    for (const Waiting& waiting : found->second) {
      const ByteView bytes = reply_resolved(waiting.asked, waiting.chain, *resolved.answer, 0, room);
      replies_.push_back({waiting.client, waiting.transport, {bytes.begin(), bytes.end()}});
    }
    waiting_count_ -= found->second.size();
    waiting_.erase(found);
  }
}

ByteView Server::reply_resolved(const Asked& asked, const std::optional<Answer>& chain, const Answer& answer,
                                std::uint32_t age_s, ByteSpan out) {
  const bool failed = answer.rcode != Rcode::no_error && answer.rcode != Rcode::nx_domain;
  if (!chain || failed) {
    const Part part{&answer, age_s};
    return reply(asked, answer.rcode, {&part, 1}, out);
  }
  const std::array<Part, 2> parts{Part{&*chain, 0}, Part{&answer, age_s}};
  return reply(asked, answer.rcode, parts, out);
}

ByteView Server::reply(const Asked& asked, Rcode rcode, std::span<const Part> parts, ByteSpan out) {
  const ByteView bytes = write_reply(asked, rcode, parts, options_.max_udp_payload, out);
  ++counters_.replies[std::min(static_cast<std::size_t>(rcode), ServerCounters::kRcodes - 1)];
  if ((flags_of(bytes) & Header::kTruncated) != 0) ++counters_.truncated;
  return bytes;
}

}  // namespace vnet::dns
