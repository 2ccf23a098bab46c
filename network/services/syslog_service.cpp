#include "network/services/syslog_service.hpp"

#include <algorithm>
#include <utility>

namespace vnet::network {

SyslogService::SyslogService(OnSyslog on_message, const SyslogLimits& limits)
    : on_message_(std::move(on_message)), limits_(limits), all_(limits.rate, limits.burst) {}

bool SyslogService::handle(const ServiceDatagram& datagram, ServiceOutput& /*output*/, Instant now) {
  if (datagram.to.port != kPort) return false;
  deliver(datagram.from, datagram.payload, now);
  return true;
}

void SyslogService::deliver(const nat::Endpoint& from, ByteView message, Instant now) {
  if (message.empty()) return;
  Source& source = source_of(from.address, now);
  // One that is over its own limit takes nothing from the others'.
  if (!source.bucket.take(now) || !all_.take(now)) {
    ++source.suppressed;
    ++counters_.suppressed;
    return;
  }
  ++counters_.messages;
  if (!on_message_) return;
  SyslogMessage read = read_syslog(message);
  read.from = from;
  read.suppressed = std::exchange(source.suppressed, 0);
  on_message_(read);
}

SyslogService::Source& SyslogService::source_of(const IpAddress& address, Instant now) {
  auto found = sources_.find(address);
  if (found == sources_.end()) {
    if (sources_.size() >= kMaxSources) {
      sources_.erase(std::ranges::min_element(sources_, {}, [](const auto& entry) { return entry.second.last; }));
    }
    const TokenBucket bucket{limits_.rate_per_source, limits_.burst_per_source};
    found = sources_.emplace(address, Source{.bucket = bucket}).first;
  }
  found->second.last = now;
  return found->second;
}

void SyslogTcp::on_open(ConnectionId id, const TcpFlow& flow, Instant /*now*/) {
  streams_[id].from = {flow.remote, flow.remote_port};
}

std::size_t SyslogTcp::on_data(ConnectionId id, ByteView bytes, Instant now) {
  Stream& stream = streams_.at(id);
  stream.framing.feed(bytes, [&](ByteView message) { service_.deliver(stream.from, message, now); });
  return bytes.size();
}

void SyslogTcp::on_end(ConnectionId id, Instant now) {
  Stream& stream = streams_.at(id);
  stream.framing.end([&](ByteView message) { service_.deliver(stream.from, message, now); });
  server_.close(id, now);
}

void SyslogTcp::on_closed(ConnectionId id, Instant /*now*/) { streams_.erase(id); }

}  // namespace vnet::network
