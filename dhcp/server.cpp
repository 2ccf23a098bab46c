#include "dhcp/server.hpp"

#include <algorithm>
#include <cassert>

namespace vnet::dhcp {
namespace {

constexpr std::size_t kIpAndUdpHeaders = 28;
/// What every client must be able to take, as an IP datagram (RFC 2132, 9.10).
constexpr std::size_t kMinDatagram = 576;
constexpr std::size_t kEthernetMtu = 1500;

/// What option 61 usually holds: the key of a client that sends none.
std::array<std::uint8_t, 1 + MacAddress::kSize> hardware_key(const MacAddress& mac) {
  std::array<std::uint8_t, 1 + MacAddress::kSize> key{Header::kEthernet};
  std::ranges::copy(mac.octets(), key.begin() + 1);
  return key;
}

}  // namespace

/// One message with everything that its answer depends on.
struct Server::Exchange {
  const Message& message;
  const RequestContext& context;
  Instant now;
  ByteSpan out;
  Client client;
};

std::string_view to_string(Refusal refusal) noexcept {
  constexpr std::array<std::string_view, kRefusalCount> kNames = {
      "malformed", "not-a-request", "hardware",       "source-mac", "foreign-relay",
      "bad-field", "other-server",  "unknown-client", "not-holder", "exhausted"};
  return kNames[static_cast<std::size_t>(refusal)];
}

std::string_view to_string(LeaseEvent::Kind kind) noexcept {
  constexpr std::array<std::string_view, 8> kNames = {"granted",  "renewed", "released", "expired",
                                                      "declined", "removed", "refused",  "exhausted"};
  return kNames[static_cast<std::size_t>(kind)];
}

Server::Server(ServerConfig config) : config_(std::move(config)), parameters_(config_), pool_(config_) {
  assert(!problem(config_));
}

Result<std::optional<Reply>, Refusal> Server::handle(ByteView udp_payload, const RequestContext& context, Instant now,
                                                     ByteSpan out) {
  expire(now);
  const Answer answer = [&]() -> Answer {
    const Result<Message> message = Message::parse(udp_payload);
    if (!message) return fail(Refusal::malformed);
    if (const auto refusal = check(*message, context)) return fail(*refusal);
    const auto hardware = hardware_key(message->header().mac());
    const ByteView identifier = message->option(option::kClientIdentifier).value_or(ByteView{});
    const std::string_view key = as_text(identifier.empty() ? ByteView{hardware} : identifier);
    return dispatch({*message, context, now, out, {key, message->header().mac()}});
  }();
  if (!answer) {
    ++counters_.refused[static_cast<std::size_t>(answer.error())];
  } else if (*answer) {
    ++counters_.sent[static_cast<std::size_t>((*answer)->type)];
  }
  return answer;
}

std::optional<Refusal> Server::check(const Message& message, const RequestContext& context) const {
  constexpr std::size_t kMaxClientIdentifier = 255;  // one option's worth; a DUID has at most 130 (RFC 4361)
  const Header& header = message.header();
  if (header.op != Header::kBootRequest) return Refusal::not_a_request;
  const MacAddress mac = header.mac();
  if (header.htype != Header::kEthernet || header.hlen != MacAddress::kSize) return Refusal::hardware;
  if (mac.is_group() || mac.is_zero()) return Refusal::hardware;
  if (config_.require_source_mac && mac != context.source_mac) return Refusal::source_mac;
  if (!header.giaddr.is_unspecified() && !config_.gateway.contains(header.giaddr)) return Refusal::foreign_relay;
  const auto identifier = message.option(option::kClientIdentifier);
  if (identifier && identifier->size() > kMaxClientIdentifier) return Refusal::bad_field;
  if (identifier && is_assigned_key(as_text(*identifier))) return Refusal::bad_field;  // another NIC's, perhaps
  return std::nullopt;
}

Server::Answer Server::dispatch(const Exchange& exchange) {
  const auto value = exchange.message.u8(option::kMessageType);
  if (!value) return fail(Refusal::malformed);
  if (*value == 0 || *value >= kMessageTypeCount) return fail(Refusal::not_a_request);
  ++counters_.received[*value];
  switch (static_cast<MessageType>(*value)) {
    case MessageType::discover: return on_discover(exchange);
    case MessageType::request: return on_request(exchange);
    case MessageType::decline: return on_decline(exchange);
    case MessageType::release: return on_release(exchange);
    case MessageType::inform: return on_inform(exchange);
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak: break;
  }
  return fail(Refusal::not_a_request);
}

Server::Answer Server::on_discover(const Exchange& exchange) {
  const auto ip = pool_.choose(exchange.client, exchange.message.address(option::kRequestedAddress));
  if (!ip) {
    record(LeaseEvent::Kind::exhausted, {{}, exchange.client.mac, std::string(exchange.client.key), {}},
           "no address is left");
    return fail(Refusal::exhausted);
  }
  const Lease* const present = pool_.at(*ip);
  const bool stays = present != nullptr && present->state == LeaseState::bound && is_assigned_key(present->client);
  if (!stays) announce_losses(exchange.client, *ip);
  pool_.offer(exchange.client, *ip, exchange.now + config_.offer_time);
  return reply(exchange, MessageType::offer, *ip);
}

/// The four states in which a client sends REQUEST (RFC 2131, 4.3.2 and table 4).
Server::Answer Server::on_request(const Exchange& exchange) {
  const auto server = exchange.message.address(option::kServerIdentifier);
  const auto requested = exchange.message.address(option::kRequestedAddress);
  if (server) return on_selecting(exchange, *server, requested);
  if (!exchange.message.header().ciaddr.is_unspecified()) return on_renewing(exchange);
  if (requested) return on_init_reboot(exchange, *requested);
  return fail(Refusal::bad_field);
}

Server::Answer Server::on_selecting(const Exchange& exchange, Ipv4Address server,
                                    std::optional<Ipv4Address> requested) {
  const Lease* held = pool_.of_client(exchange.client.key);
  if (server != config_.gateway.address) {
    if (held != nullptr && held->state == LeaseState::offered) pool_.release(held->ip, exchange.now);
    return fail(Refusal::other_server);
  }
  // Some clients put the address into ciaddr when they name the server in a renewal.
  const Ipv4Address ip = requested.value_or(exchange.message.header().ciaddr);
  if (ip.is_unspecified()) return fail(Refusal::bad_field);
  if (held != nullptr && held->state != LeaseState::free && held->ip != ip) {
    return refuse(exchange, ip, "not the address that was offered");
  }
  if (!pool_.may_have(exchange.client, ip)) return refuse(exchange, ip, "address not available");
  return grant(exchange, ip);
}

Server::Answer Server::on_init_reboot(const Exchange& exchange, Ipv4Address requested) {
  if (!config_.gateway.contains(requested)) return refuse(exchange, requested, "wrong network");
  const Lease* held = pool_.of_client(exchange.client.key);
  if (const Lease* const given = pool_.assigned(exchange.client.mac)) held = given;
  const Reservation* reserved = pool_.reservation(exchange.client.mac);
  if (held == nullptr && reserved == nullptr) return fail(Refusal::unknown_client);
  const bool its_own = (held != nullptr && held->ip == requested) || (reserved != nullptr && reserved->ip == requested);
  if (!its_own) return refuse(exchange, requested, "not your address");
  if (!pool_.may_have(exchange.client, requested)) return refuse(exchange, requested, "address not available");
  return grant(exchange, requested);
}

Server::Answer Server::on_renewing(const Exchange& exchange) {
  const Ipv4Address ip = exchange.message.header().ciaddr;
  if (!config_.gateway.contains(ip)) return refuse(exchange, ip, "wrong network");
  const Lease* held = pool_.of_client(exchange.client.key);
  if (held != nullptr && held->state == LeaseState::bound && held->ip != ip) {
    return refuse(exchange, ip, "not your address");
  }
  if (!pool_.may_have(exchange.client, ip)) return refuse(exchange, ip, "address not available");
  return grant(exchange, ip);
}

Server::Answer Server::on_decline(const Exchange& exchange) {
  if (!is_for_us(exchange.message)) return fail(Refusal::other_server);
  const auto ip = exchange.message.address(option::kRequestedAddress);
  if (!ip) return fail(Refusal::bad_field);
  const Lease* held = pool_.of_client(exchange.client.key);
  if (held == nullptr || held->ip != *ip || held->state == LeaseState::free) return fail(Refusal::not_holder);
  record(LeaseEvent::Kind::declined, *held, "the client found it in use");
  pool_.decline(*ip, exchange.now + config_.decline_time);
  return std::nullopt;
}

Server::Answer Server::on_release(const Exchange& exchange) {
  if (!is_for_us(exchange.message)) return fail(Refusal::other_server);
  const Ipv4Address ip = exchange.message.header().ciaddr;
  if (ip.is_unspecified()) return fail(Refusal::bad_field);
  const Lease* held = pool_.of_client(exchange.client.key);
  if (held == nullptr || held->ip != ip || held->state != LeaseState::bound) return fail(Refusal::not_holder);
  record(LeaseEvent::Kind::released, *held, "given back by the client");
  pool_.release(ip, exchange.now);
  return std::nullopt;
}

Server::Answer Server::on_inform(const Exchange& exchange) {
  if (!config_.gateway.contains(exchange.message.header().ciaddr)) return fail(Refusal::bad_field);
  return reply(exchange, MessageType::ack, {});
}

Reply Server::grant(const Exchange& exchange, Ipv4Address ip) {
  const Lease* before = pool_.of_client(exchange.client.key);
  const bool renewal = before != nullptr && before->ip == ip && before->state == LeaseState::bound;
  std::string name = hostname(exchange);
  announce_losses(exchange.client, ip);
  const Lease& lease = pool_.bind(exchange.client, ip, std::move(name), exchange.now + lease_time(exchange.message));
  record(renewal ? LeaseEvent::Kind::renewed : LeaseEvent::Kind::granted, lease);
  return reply(exchange, MessageType::ack, ip);
}

/// NAK. A lease that the client has on this very address ends with it: the rules have changed since it was given.
Reply Server::refuse(const Exchange& exchange, Ipv4Address ip, std::string_view why) {
  const Lease* held = pool_.of_client(exchange.client.key);
  if (held != nullptr && held->ip == ip && held->state == LeaseState::bound) {
    record(LeaseEvent::Kind::released, *held, why);
    pool_.release(ip, exchange.now);
  }
  record(LeaseEvent::Kind::refused, {ip, exchange.client.mac, std::string(exchange.client.key), {}}, why);
  return reply(exchange, MessageType::nak, {}, why);
}

/// Table 3 of RFC 2131, row by row.
Reply Server::reply(const Exchange& exchange, MessageType type, Ipv4Address yiaddr, std::string_view text) const {
  const Message& request = exchange.message;
  Header header = request.header();
  header.op = Header::kBootReply;
  header.hops = 0;
  header.secs = 0;
  header.yiaddr = yiaddr;
  header.siaddr = {};
  if (type != MessageType::ack) header.ciaddr = {};
  // A relay agent must not try to unicast a NAK to an address that the client may not have (RFC 2131, 4.3.2).
  if (type == MessageType::nak && !header.giaddr.is_unspecified()) header.flags |= Header::kBroadcastFlag;

  const std::size_t wanted = std::max<std::size_t>(request.be16(option::kMaximumMessageSize).value_or(0), kMinDatagram);
  const std::size_t mtu = config_.mtu == 0 ? kEthernetMtu : config_.mtu;
  MessageWriter out(exchange.out, std::min(wanted, mtu) - kIpAndUdpHeaders, header);
  out.add_u8(option::kMessageType, static_cast<std::uint8_t>(type));
  out.add_address(option::kServerIdentifier, config_.gateway.address);
  if (!yiaddr.is_unspecified()) {
    const auto seconds = static_cast<std::uint32_t>(lease_time(request).count());
    out.add_be32(option::kLeaseTime, seconds);
    out.add_be32(option::kRenewalTime, seconds / 2);
    out.add_be32(option::kRebindingTime, static_cast<std::uint32_t>(std::uint64_t{seconds} * 7 / 8));
  }
  if (const auto identifier = request.option(option::kClientIdentifier))
    out.add(option::kClientIdentifier, *identifier);
  if (!text.empty()) out.add(option::kMessageText, as_bytes(text));
  if (type != MessageType::nak) {
    const Reservation* reserved = pool_.reservation(exchange.client.mac);
    parameters_.write(out, request.option(option::kParameterRequestList),
                      reserved == nullptr ? std::string_view{} : reserved->hostname);
  }
  Reply result;
  result.type = type;
  result.size = out.finish();
  address_reply(exchange, result, yiaddr);
  return result;
}

/// RFC 2131, 4.1. A client whose address is known by ciaddr sent the request itself, as did a relay agent: its MAC
/// address is the frame's source, so that nobody can have a reply sent to a third party.
void Server::address_reply(const Exchange& exchange, Reply& reply, Ipv4Address yiaddr) const {
  const Header& header = exchange.message.header();
  if (!header.giaddr.is_unspecified()) {
    reply.destination = header.giaddr;
    reply.destination_mac = exchange.context.source_mac;
    reply.destination_port = kServerPort;
  } else if (reply.type != MessageType::nak && config_.gateway.contains(header.ciaddr)) {
    reply.destination = header.ciaddr;
    reply.destination_mac = exchange.context.source_mac;
  } else if (reply.type == MessageType::nak || (header.flags & Header::kBroadcastFlag) != 0) {
    reply.destination = Ipv4Address::broadcast();
    reply.destination_mac = MacAddress::broadcast();
  } else {
    reply.destination = yiaddr;
    reply.destination_mac = header.mac();
  }
}

bool Server::is_for_us(const Message& message) const {
  return message.address(option::kServerIdentifier).value_or(config_.gateway.address) == config_.gateway.address;
}

/// What the client asks for, within what the configuration allows; the same in OFFER and ACK.
std::chrono::seconds Server::lease_time(const Message& message) const {
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(config_.lease_time);
  const auto wanted = message.be32(option::kLeaseTime);
  if (!wanted) return longest;
  const auto shortest = std::min(longest, std::chrono::duration_cast<std::chrono::seconds>(kMinLeaseTime));
  return std::clamp(std::chrono::seconds{*wanted}, shortest, longest);
}

/// The reservation's name, else what the client says now, else what it said before.
std::string Server::hostname(const Exchange& exchange) const {
  const Reservation* reserved = pool_.reservation(exchange.client.mac);
  if (reserved != nullptr && !reserved->hostname.empty()) return reserved->hostname;
  if (const auto own = exchange.message.option(option::kHostName)) return clean_host_name(*own);
  const Lease* held = pool_.of_client(exchange.client.key);
  return held == nullptr ? std::string{} : held->hostname;
}

/// Giving `ip` to `client` ends the lease that the client has elsewhere, and the one that another identifier of the
/// same NIC has on its reserved address.
void Server::announce_losses(const Client& client, Ipv4Address ip) {
  const Lease* held = pool_.of_client(client.key);
  if (held != nullptr && held->ip != ip && held->state == LeaseState::bound) {
    record(LeaseEvent::Kind::released, *held, "the client gets another address");
  }
  const Lease* present = pool_.at(ip);
  if (present != nullptr && present->client != client.key && present->state == LeaseState::bound) {
    record(LeaseEvent::Kind::released, *present, "the NIC asks under another identifier");
  }
}

void Server::record(LeaseEvent::Kind kind, const Lease& lease, std::string_view cause) {
  if (events_.size() >= kMaxEvents) {
    ++counters_.events_lost;
    return;
  }
  events_.push_back({kind, lease, cause});
}

void Server::expire(Instant now) {
  while (const auto ended = pool_.expire_one(now)) {
    if (ended->state == LeaseState::bound) record(LeaseEvent::Kind::expired, *ended, "not renewed in time");
  }
}

const Lease* Server::lease(Ipv4Address ip) const {
  const Lease* lease = pool_.at(ip);
  return lease != nullptr && lease->state == LeaseState::bound ? lease : nullptr;
}

std::optional<Ipv4Address> Server::assign(const MacAddress& mac, std::string_view hostname, Instant now) {
  expire(now);
  const std::string key = assigned_key(mac);
  const Client client{key, mac};
  const auto hardware = hardware_key(mac);
  const Lease* const had = pool_.of_client(as_text(ByteView{hardware}));
  const auto ip = pool_.choose(client, had == nullptr ? std::nullopt : std::optional{had->ip});
  if (!ip) return std::nullopt;
  const Lease* const before = pool_.at(*ip);
  const bool renewal = before != nullptr && before->client == key && before->state == LeaseState::bound;
  if (renewal && before->expires - now > config_.lease_time / 2) return ip;
  announce_losses(client, *ip);
  const Lease& lease = pool_.bind(client, *ip, std::string{hostname}, now + config_.lease_time);
  record(renewal ? LeaseEvent::Kind::renewed : LeaseEvent::Kind::granted, lease,
         renewal ? "" : "assigned without the network");
  return ip;
}

bool Server::remove(Ipv4Address ip) {
  const Lease* known = pool_.at(ip);
  const std::optional<Lease> before = known == nullptr ? std::nullopt : std::optional{*known};
  if (!pool_.forget(ip)) return false;
  record(LeaseEvent::Kind::removed, *before);
  return true;
}

std::optional<std::string> Server::add_reservation(const Reservation& reservation) {
  if (auto text = problem(config_, reservation)) return text;
  config_.reservations.push_back(reservation);
  pool_.add_reservation(reservation);
  return std::nullopt;
}

bool Server::remove_reservation(const MacAddress& mac) {
  std::erase_if(config_.reservations, [&](const Reservation& reservation) { return reservation.mac == mac; });
  return pool_.remove_reservation(mac);
}

void Server::reconfigure(ServerConfig config) {
  assert(!problem(config));
  LeasePool pool(config);
  pool.adopt(pool_);
  pool_ = std::move(pool);
  parameters_ = Parameters(config);
  config_ = std::move(config);
}

}  // namespace vnet::dhcp
