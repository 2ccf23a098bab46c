// A whole daemon's parts in one process, without a control socket: fabric, loop, hub, captures and the operations on
// them, with sockets and state in a folder of the test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/event_backlog.hpp"
#include "daemon/network_setup.hpp"
#include "daemon/operations.hpp"
#include "tests/daemon/config_testing.hpp"
#include "tests/dgram/dgram_testing.hpp"
#include "tests/network/frames.hpp"
#include "tests/support/temp_folder.hpp"

namespace vnet::daemon {

using namespace std::chrono_literals;
using dgram::test::Guest;
using network::test::ip4;
using network::test::mac;
using vnet::test::TempFolder;

inline constexpr std::int64_t kUnixMs = 1'795'366'449'123;  ///< 2026-11-22T16:54:09.123Z

/// Two networks, home with DHCP and office; alice and bob are configured at home.
inline constexpr std::string_view kTwoHomes = R"({
  "networks": [
    {"name": "home", "ipv4": "10.0.0.1/24", "mac": "52:ee:ee:ee:ee:01",
     "dns": {"upstream": "none", "records": [{"name": "nas.test", "a": ["10.0.0.9"]}]}},
    {"name": "office", "ipv4": "10.1.0.1/24", "mac": "52:ee:ee:ee:ee:02", "dns": {"upstream": "none"}}],
  "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"},
           {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
  "listen": {"dgram": ["lan.sock"], "stream": []}})";

/// The config of a text in `folder`, whose problems are the test's.
inline Config config_in(const TempFolder& folder, std::string_view text) {
  const auto result = load_config(text, {folder.path(), folder.path("run")});
  if (!result) throw std::runtime_error(to_string(result.error(), "run.json"));
  return result->config;
}

class Plant {
 public:
  explicit Plant(std::string_view text = kTwoHomes) : file{config_in(folder, text)} {
    loop.on_sleep([this] { return std::min(hub.next_deadline(), until_); });
    loop.on_deadline([this] {
      hub.expire();
      if (loop.now() >= until_) loop.stop();
    });
    for (const ListenEntry& entry : file.listen.dgram) {
      EXPECT_TRUE(hub.listen_dgram(entry.path, network_index(file, entry.network)));
    }
    EXPECT_TRUE(services.serve(file.services));
    operations.resume({});
    (void)fabric.events().take();
  }

  /// Lets the loop serve what is ready.
  void turn(Duration time = 20ms) {
    until_ = loop.now() + time;
    loop.run();
  }
  [[nodiscard]] Moment moment() const { return {loop.now(), kUnixMs}; }
  [[nodiscard]] Config config(std::string_view text) const { return config_in(folder, text); }
  [[nodiscard]] l2::PortId port(std::string_view name) const { return fabric.find(name); }
  [[nodiscard]] const network::Nic& nic(std::string_view name) const { return fabric.nic(port(name)); }
  /// What would hold after a restart now, with the same file.
  [[nodiscard]] Config after_restart() const {
    std::vector<std::string> messages;
    Config config = file;
    for (std::string& dropped : apply_changes(store->load(messages), config)) messages.push_back(std::move(dropped));
    for (const std::string& message : messages) ADD_FAILURE() << message;
    return config;
  }
  /// The A record that the gateway of a network has for a name.
  [[nodiscard]] std::vector<Ipv4Address> resolve(std::string_view name, std::size_t network = 0) {
    const auto& local = fabric.gateway(network).dns().local();
    const dns::Record* const record = local.find(dns::Name::parse(name).value());
    return record == nullptr ? std::vector<Ipv4Address>{} : record->a;
  }
  /// Takes the events that have happened since, as `kind nic subject`.
  [[nodiscard]] std::vector<std::string> events() {
    std::vector<std::string> lines;
    for (const network::Event& event : fabric.events().take()) {
      lines.push_back(std::string{to_string(event.kind)} + " " + event.nic + " " + event.subject);
    }
    return lines;
  }

  const TempFolder folder;
  const Config file;  ///< as it is at the start
  network::Fabric fabric{network_configs(file), nic_configs(file), 1};
  EventLoop loop;
  std::vector<std::string> notices;
  std::function<void(std::string_view)> notice = [this](std::string_view line) { notices.emplace_back(line); };
  Hub hub{fabric, loop, notice};
  NameForwarding names{file, fabric, loop, [this] { return loop.now(); }, [this] { hub.end_batch(); }, notice};
  struct NoFlows final : HostListener {
    void on_host(nat::FlowId, nat::HostEvents) override {}
    void on_host_batch_end() override {}
  } no_flows;
  SystemSockets sockets{loop, no_flows};
  Forwards forwards{{fabric, sockets, loop, [this] { return loop.now(); }, [this] { hub.end_batch(); }}};
  Captures captures{fabric, [this] { return moment(); }};
  Services services{fabric, loop, folder.path(), [this] { return moment(); }};
  std::unique_ptr<LeaseStore> leases;
  std::unique_ptr<RuntimeStore> store = std::make_unique<RuntimeStore>(folder.path());
  Operations operations{
      file,
      file,
      {fabric, hub, names, forwards, captures, services, leases, store, [this] { return moment(); }, notice}};

 private:
  Instant until_ = kNever;
};

}  // namespace vnet::daemon
