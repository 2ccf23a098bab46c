#include "daemon/name_forwarding.hpp"

#include <utility>

namespace vnet::daemon {

/// One network's sockets to its upstream servers.
class NameForwarding::Link final : public UpstreamListener {
 public:
  Link(NameForwarding& owner, network::Fabric& fabric, std::size_t network, dgram::Poller& poller, bool system)
      : owner_(owner), fabric_(fabric), network_(network), upstream_(poller, *this), system_(system) {}

  void on_upstream(std::uint64_t handle, ByteView message) override {
    fabric_.on_upstream(network_, handle, message, owner_.clock_());
    owner_.after_answer_();
  }
  void on_upstream_error(std::uint64_t handle) override {
    fabric_.on_upstream_error(network_, handle, owner_.clock_());
    owner_.after_answer_();
  }

  [[nodiscard]] bool uses_system() const noexcept { return system_; }
  void set_servers(const std::vector<dns::Endpoint>& servers, const Ipv6Zones& zones) {
    fabric_.gateway(network_).dns().set_upstreams(servers);
    upstream_.set_zones(zones);
  }

  /// A question that cannot be sent goes to the next server at once, and so brings up the next query.
  void pump(Instant now, bool servers_changed) {
    dns::Server& server = fabric_.gateway(network_).dns();
    for (auto queries = server.take_upstream_queries(); !queries.empty(); queries = server.take_upstream_queries()) {
      // The first queries after a change of servers are still addressed to the old ones.
      for (const dns::UpstreamQuery& query : queries) {
        if (servers_changed || !upstream_.send(query)) fabric_.on_upstream_error(network_, query.handle, now);
      }
      servers_changed = false;
    }
    for (const std::uint64_t handle : server.take_upstream_closed()) upstream_.close(handle);
  }
  [[nodiscard]] bool has_questions() { return fabric_.gateway(network_).dns().has_upstream_work(); }

 private:
  NameForwarding& owner_;
  network::Fabric& fabric_;
  std::size_t network_;
  DnsUpstream upstream_;
  bool system_;
};

NameForwarding::NameForwarding(const Config& config, network::Fabric& fabric, dgram::Poller& poller, Clock clock,
                               std::function<void()> after_answer, Notice notice)
    : fabric_(fabric),
      poller_(poller),
      clock_(std::move(clock)),
      after_answer_(std::move(after_answer)),
      notice_(std::move(notice)) {
  system_.refresh(clock_());
  for (std::size_t i = 0; i < config.networks.size(); ++i) set_network(i, config.networks[i].dns);
  for (const std::string& message : system_.take_messages()) notice_(message);
}

void NameForwarding::set_network(std::size_t network, const Dns& dns) {
  if (network >= links_.size()) links_.resize(network + 1);
  links_[network] = std::make_unique<Link>(*this, fabric_, network, poller_, dns.system_upstream);
  if (dns.system_upstream) {
    links_[network]->set_servers(system_.servers(), system_.zones());
  } else {
    std::vector<dns::Endpoint> servers;
    for (const Endpoint& server : dns.upstream) servers.push_back({server.address, server.port});
    links_[network]->set_servers(servers, {});
  }
}

void NameForwarding::remove_network(std::size_t network) { links_[network].reset(); }

NameForwarding::~NameForwarding() = default;

void NameForwarding::refresh_system_resolvers() {
  for (const auto& link : links_) {
    if (link && link->uses_system()) link->set_servers(system_.servers(), system_.zones());
  }
  for (const std::string& message : system_.take_messages()) notice_(message);
}

void NameForwarding::pump() {
  for (const auto& link : links_) {
    if (!link || !link->has_questions()) continue;
    const Instant now = clock_();
    const bool changed = link->uses_system() && system_.refresh(now);
    if (changed) refresh_system_resolvers();
    link->pump(now, changed);
  }
}

}  // namespace vnet::daemon
