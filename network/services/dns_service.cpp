#include "network/services/dns_service.hpp"

#include <algorithm>
#include <array>

namespace vnet::network {
namespace {

bool is_inside(const dns::Name& name, const std::vector<dns::Name>& zones) {
  return std::ranges::any_of(zones, [&name](const dns::Name& zone) { return name.is_under(zone); });
}

dns::ServerOptions options_for(std::span<const dns::Record> records) {
  dns::ServerOptions options;
  options.local.domain = dns::Name{};
  options.local.zones = zones_of(records);
  options.local.special_zones = false;
  options.recursion = false;
  return options;
}

/// For query ids, of which there are none.
std::uint64_t no_randomness() noexcept { return 0; }

}  // namespace

std::vector<dns::Name> zones_of(std::span<const dns::Record> records) {
  std::vector<dns::Name> zones;
  for (const dns::Record& record : records) {
    if (record.soa) zones.push_back(record.name);
  }
  // From the root downward, so that a zone is there before the names below it.
  std::vector<dns::Name> names;
  for (const dns::Record& record : records) {
    const dns::Name parent = record.name.parent();
    const bool wildcard = as_text(record.name.first_label()) == "*";
    names.push_back(wildcard || parent.label_count() > 1 ? parent : record.name);
  }
  std::ranges::stable_sort(names, {}, &dns::Name::label_count);
  for (const dns::Name& name : names) {
    if (!is_inside(name, zones)) zones.push_back(name);
  }
  return zones;
}

DnsService::DnsService(std::span<const dns::Record> records) : server_(options_for(records), no_randomness) {
  for (const dns::Record& record : records) (void)server_.local().put(record);
}

void DnsService::listen(TcpServer& tcp) {
  streams_.emplace(tcp, [this](ConnectionId id, const TcpFlow& flow, ByteView query, Instant now) {
    on_tcp_query(id, flow, query, now);
  });
  tcp.listen(kPort, *streams_);
}

bool DnsService::handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) {
  if (datagram.to.port != kPort) return false;
  std::array<std::uint8_t, dns::kDefaultUdpPayload> room;
  const dns::Client client{.address = datagram.from.address, .port = datagram.from.port};
  const ByteView answer = server_.handle(datagram.payload, client, dns::Transport::udp, now, room);
  if (!answer.empty()) output.send({datagram.to, datagram.from, answer});
  return true;
}

void DnsService::on_tcp_query(ConnectionId id, const TcpFlow& flow, ByteView query, Instant now) {
  tcp_answer_.resize(DnsTcp::kMaxMessageSize);
  const dns::Client client{.address = flow.remote, .port = flow.remote_port};
  const ByteView answer = server_.handle(query, client, dns::Transport::tcp, now, tcp_answer_);
  // Nothing here is answered later: without an answer now the query gets none.
  if (answer.empty()) {
    streams_->abandon(id, now);
  } else {
    streams_->answer(id, answer, now);
  }
}

}  // namespace vnet::network
