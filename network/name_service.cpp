#include "network/name_service.hpp"

#include <algorithm>
#include <utility>

namespace vnet::network {
namespace {

constexpr unsigned kMacBits = 48;

}  // namespace

NameService::NameService(dns::ServerOptions options, dns::RandomSource random, const MacAddress& mac,
                         std::vector<IpAddress> own, TcpServer& tcp)
    : server_(std::move(options), std::move(random)),
      mac_(mac),
      own_(std::move(own)),
      tcp_(tcp),
      streams_(tcp_, [this](ConnectionId id, const TcpFlow& flow, ByteView query, Instant now) {
        on_tcp_query(id, flow, query, now);
      }) {
  tcp_.listen(kDnsPort, streams_);
}

std::uint64_t NameService::tag(const MacAddress& mac, const IpAddress& local) const {
  const auto found = std::ranges::find(own_, local);
  return mac.to_u64() | static_cast<std::uint64_t>(found - own_.begin()) << kMacBits;
}

std::optional<DropReason> NameService::handle(const MacAddress& from, const IpAddress& local, const IpAddress& remote,
                                              std::uint16_t remote_port, ByteView query, Instant now, Outbox& out) {
  FrameBuilder frame{out.room(kMaxUdpPayload)};
  if (!frame.ok()) return DropReason::rate_limited;
  const std::uint64_t dropped_before = server_.counters().dropped;
  const dns::Client client{remote, remote_port, tag(from, local)};
  const ByteView answer = server_.handle(query, client, dns::Transport::udp, now, frame.payload_room());
  if (!answer.empty()) {
    frame.commit_payload(answer.size());
    frame_udp(frame, from, local, remote, remote_port, out);
  }
  send_replies(now, out);
  return server_.counters().dropped != dropped_before ? std::optional{DropReason::malformed} : std::nullopt;
}

void NameService::on_tcp_query(ConnectionId id, const TcpFlow& flow, ByteView query, Instant now) {
  tcp_answer_.resize(DnsTcp::kMaxMessageSize);
  // A query that will get no answer must be given up, or the connection would wait for it.
  const auto unanswered = [this] { return server_.counters().dropped + server_.counters().repeated; };
  const std::uint64_t before = unanswered();
  const dns::Client client{flow.remote, flow.remote_port, static_cast<std::uint64_t>(id)};
  const ByteView answer = server_.handle(query, client, dns::Transport::tcp, now, tcp_answer_);
  if (!answer.empty()) {
    streams_.answer(id, answer, now);
  } else if (unanswered() != before) {
    streams_.abandon(id, now);
  }
}

void NameService::expire(Instant now, Outbox& out) {
  server_.expire(now);
  send_replies(now, out);
}

void NameService::on_upstream(std::uint64_t handle, ByteView bytes, Instant now, Outbox& out) {
  server_.on_upstream(handle, bytes, now);
  send_replies(now, out);
}

void NameService::on_upstream_error(std::uint64_t handle, Instant now, Outbox& out) {
  server_.on_upstream_error(handle, now);
  send_replies(now, out);
}

void NameService::send_replies(Instant now, Outbox& out) {
  for (const dns::Reply& reply : server_.take_replies()) {
    const dns::Client& client = reply.client;
    if (reply.transport == dns::Transport::tcp) {
      streams_.answer(ConnectionId{client.tag}, reply.bytes, now);
    } else {
      const auto local = static_cast<std::size_t>(client.tag >> kMacBits);
      send_udp(MacAddress::from_u64(client.tag), own_[local], client.address, client.port, reply.bytes, out);
    }
  }
}

void NameService::send_udp(const MacAddress& to, const IpAddress& local, const IpAddress& remote, std::uint16_t port,
                           ByteView answer, Outbox& out) const {
  FrameBuilder frame{out.room(answer.size())};
  frame.append_payload(answer);
  frame_udp(frame, to, local, remote, port, out);
}

void NameService::frame_udp(FrameBuilder& frame, const MacAddress& to, const IpAddress& local, const IpAddress& remote,
                            std::uint16_t port, Outbox& out) const {
  if (const auto* v4 = std::get_if<Ipv4Address>(&local)) {
    const Ipv4Address peer = std::get<Ipv4Address>(remote);
    frame.prepend_udp(*v4, peer, kDnsPort, port);
    frame.prepend_ipv4(*v4, peer, ip_protocol::kUdp);
    frame.prepend_ethernet(to, mac_, ethertype::kIpv4);
  } else {
    const Ipv6Address& own = std::get<Ipv6Address>(local);
    const Ipv6Address& peer = std::get<Ipv6Address>(remote);
    frame.prepend_udp(own, peer, kDnsPort, port);
    frame.prepend_ipv6(own, peer, ip_protocol::kUdp);
    frame.prepend_ethernet(to, mac_, ethertype::kIpv6);
  }
  out.send(frame);
}

}  // namespace vnet::network
