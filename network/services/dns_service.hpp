// A DNS server of its own in the simulated internet, beside the gateway's: split DNS, a company's server behind a VPN,
// a zone that only one network is to see. It is authoritative for the zones of its records and asks nobody else.
//
//     a name in one of its zones      the records, no data, or NXDOMAIN, with AA
//     any other name                  REFUSED
//     a CNAME that leaves its zones   the CNAME; to follow it is the client's resolver's business
//
// Which zones those are follows from the records. A record with a SOA begins a zone. Of names that are in no such zone,
// the zone is that of the parent: `db.corp.test` makes `corp.test` one, in which `x.corp.test` does not exist. A name
// whose parent is a top-level domain, or that is one, is a zone of its own unless it is a wildcard.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dns/server.hpp"
#include "network/dns_tcp.hpp"
#include "network/services/datagram_service.hpp"

namespace vnet::network {

class DnsService final : public DatagramService {
 public:
  static constexpr std::uint16_t kPort = 53;

  /// Records that `dns::encode` refuses, and those beyond `dns::LocalData::kMaxNames`, are left out.
  explicit DnsService(std::span<const dns::Record> records);
  DnsService(const DnsService&) = delete;
  DnsService& operator=(const DnsService&) = delete;

  /// Serves connections of `tcp` as well, which lives as long as this handles anything. Once.
  void listen(TcpServer& tcp);

  [[nodiscard]] bool handle(const ServiceDatagram& datagram, ServiceOutput& output, Instant now) override;

  /// For changes while it runs; zones stay as they are, so a new name beyond them is a zone of its own.
  [[nodiscard]] dns::LocalData& data() noexcept { return server_.local(); }
  [[nodiscard]] const dns::ServerCounters& counters() const noexcept { return server_.counters(); }

 private:
  void on_tcp_query(ConnectionId id, const TcpFlow& flow, ByteView query, Instant now);

  dns::Server server_;
  std::optional<DnsTcp> streams_;
  std::vector<std::uint8_t> tcp_answer_;  ///< made when the first query comes over TCP
};

/// The zones that `records` are in; inside of another zone only those with a SOA.
[[nodiscard]] std::vector<dns::Name> zones_of(std::span<const dns::Record> records);

}  // namespace vnet::network
