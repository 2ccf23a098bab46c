// NameForwarding: carries DNS questions that a network cannot answer itself to the resolvers outside, and brings back
// what they say.
//
// Each network has upstream servers of its own: those that its configuration lists, or the host's, which are looked up
// anew whenever a question leaves (at most once a second), so that a laptop that changes networks needs no restart.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/dns_upstream.hpp"
#include "daemon/resolv_conf.hpp"
#include "network/fabric.hpp"

namespace vnet::daemon {

class NameForwarding {
 public:
  using Clock = std::function<Instant()>;
  using Notice = std::function<void(std::string_view)>;

  /// `after_answer` is called when answers have put frames into the fabric.
  NameForwarding(const Config& config, network::Fabric& fabric, dgram::Poller& poller, Clock clock,
                 std::function<void()> after_answer, Notice notice);
  ~NameForwarding();

  /// The network has a new gateway, or is new. What the old one had asked is forgotten with it.
  void set_network(std::size_t network, const Dns& dns);
  void remove_network(std::size_t network);

  /// Sends the questions that have come up since the last call.
  void pump();

 private:
  class Link;

  void refresh_system_resolvers();

  network::Fabric& fabric_;
  dgram::Poller& poller_;
  Clock clock_;
  std::function<void()> after_answer_;
  Notice notice_;
  SystemResolvers system_;
  std::vector<std::unique_ptr<Link>> links_;  ///< by network; null where there is none
};

}  // namespace vnet::daemon
