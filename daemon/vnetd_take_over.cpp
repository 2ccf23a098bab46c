// The two ends of a take-over: giving everything away, and beginning with what somebody else has left.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "daemon/network_setup.hpp"
#include "daemon/vnetd.hpp"

namespace vnet::daemon {

void Vnetd::hand_over() {
  const dgram::Fd connection = successor_->release();
  successor_.reset();
  auto passed = hear_first_word(connection);
  if (passed) passed = pass_on(connection);
  if (passed) {
    spdlog::info("a successor has taken over");
    loop_.stop();
  } else {
    spdlog::warn("not handed over, going on: {}", passed.error());
  }
}

/// The loop stands still from here to the successor's last word, so nothing changes that it has been told.
Result<void, std::string> Vnetd::pass_on(const dgram::Fd& connection) {
  hub_.end_batch();
  run_timeline();  // nothing happens twice, and nothing not at all
  std::vector<int> fds;
  Json document = {{"version", 1}, {"runtime", to_json(operations_.changes())}};
  document["leases"] = leases_to_json(fabric_, loop_.now());
  document["sockets"] = sockets_to_json(fabric_, hub_.hand_over(), fds);
  document["forwards"] = Json::object();
  for (const auto& [key, fd] : forwards_.listening()) {
    document["forwards"][key] = fds.size();
    fds.push_back(fd);
  }
  document["control"] = fds.size();
  document["owns_control_file"] = control_.owns_file();
  fds.push_back(control_.unix_fd());
  if (control_.tcp_fd() >= 0) {
    document["control_tcp"] = fds.size();
    fds.push_back(control_.tcp_fd());
  }
  document["next_event"] = events_.next();
  document["first_event"] = events_.first();
  document["services_down"] = services_.down();
  document["timeline_ns"] = timeline_.elapsed().count();
  document["fds"] = fds.size();
  assign_.close();  // whose clients come again by themselves; a successor makes the sockets anew
  // The state folder has one owner.
  if (clients_) clients_->save(hub_.known_clients());
  leases_.reset();
  auto passed = send_estate(connection, document, fds);
  if (passed) passed = wait_for_confirmation(connection);
  if (!passed) {
    serve_assign();
    if (state_) {
      auto opened = LeaseStore::open(*state_, moment());
      if (!opened) return fail(passed.error() + "; and " + opened.error() + ": leases are not kept from now on");
      leases_ = std::move(*opened);
    }
    return passed;
  }
  hub_.disown();
  forwards_.disown();
  control_.disown();
  clients_.reset();
  runtime_.reset();
  return {};
}

void Vnetd::inherit(Startup& startup) {
  Predecessor& left = *startup.predecessor;
  for (const StoredLease& lease : left.leases) restore_lease(lease);
  for (LeftSocket& socket : left.sockets) {
    const auto network = fabric_.find_network(socket.network);
    if (!network) {
      spdlog::warn("take-over: network {} is not in this configuration: its sockets are closed", socket.network);
      continue;
    }
    socket.socket.network = *network;
    if (const auto taken = hub_.take_over(socket.socket, std::move(socket.fd)); !taken) {
      spdlog::warn("take-over: {}", taken.error().to_string());
    }
  }
  const Listen& listen = startup.now.listen;
  if (auto opened =
          control_.open(listen, api_, std::move(left.control), left.owns_control_file, std::move(left.control_tcp));
      !opened) {
    throw std::runtime_error(opened.error());
  }
  if (startup.now.state) clients_ = std::make_unique<ClientStore>(*startup.now.state);
}

/// Until now the predecessor would have gone on; from now on all is ours, and what is not wanted any more is closed.
void Vnetd::succeed(const Startup& startup) {
  if (const auto confirmed = confirm(startup.predecessor->connection); !confirmed) {
    throw std::runtime_error(confirmed.error());
  }
  constexpr std::string_view kCause = "the configuration does not name this socket any more";
  const auto lists = [](const std::vector<ListenEntry>& entries, const std::string& path) {
    return std::ranges::find(entries, path, &ListenEntry::path) != entries.end();
  };
  for (const LeftSocket& left : startup.predecessor->sockets) {
    const std::string& path = left.socket.path;
    using Kind = HandedSocket::Kind;
    if (left.socket.kind == Kind::dgram && !lists(startup.now.listen.dgram, path)) hub_.close_dgram(path, kCause);
    if (left.socket.kind == Kind::stream && !lists(startup.now.listen.stream, path)) hub_.close_stream(path, kCause);
    if (left.socket.kind != Kind::own || !left.socket.mac) continue;
    const Nic* const nic = find_nic(startup.now, *left.socket.mac);
    if (nic == nullptr || nic->dgram != path) hub_.close_own(fabric_.find(*left.socket.mac), kCause);
  }
  spdlog::info("took over {} sockets and {} leases", startup.predecessor->sockets.size(),
               startup.predecessor->leases.size());
}

}  // namespace vnet::daemon
