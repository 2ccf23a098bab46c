#include "adapter/vm/vm_address.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <vector>

#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/poll_loop.hpp"
#include "adapter/vm/launch.hpp"
#include "adapter/vm/run_vm.hpp"
#include "http/client.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

constexpr Duration kTryAgain = std::chrono::milliseconds{100};

Read<std::string> choose_nic(const VmOptions& options) {
  const auto spec = spec_of_vm(options.name);
  if (!spec) return fail(spec.error());
  if (!options.nic) return spec->nics.empty() ? options.name : spec->nics.front().name;
  std::vector<std::string> names;
  for (const VmNic& nic : spec->nics) {
    if (nic.name == *options.nic || nic.mac == MacAddress::parse(*options.nic)) return nic.name;
    names.push_back(nic.name);
  }
  return fail(found_expected("the NIC " + in_quotes(*options.nic), "one of " + join(names)) +
              did_you_mean(*options.nic, names));
}

std::optional<Json> get(const std::string& path, const std::string& target) {
  auto client = connect_control(path);
  if (!client) return std::nullopt;
  const auto reply = client->exchange("GET", target);
  return reply && reply->status == 200 ? parse_json(reply->body) : std::nullopt;
}

/// The NIC's lease in the network where it is.
std::optional<Json> lease_of(const std::string& path, const std::string& name) {
  const auto nic = get(path, api_target({"nics", name}));
  if (!nic || member(*nic, "attachment").is_null()) return std::nullopt;
  const auto leases = get(path, api_target({"leases"}, {{"network", text_at(*nic, "network")}}));
  if (!leases) return std::nullopt;
  for (const Json& lease : *leases) {
    if (text_at(lease, "mac") == text_at(*nic, "mac")) return lease;
  }
  return std::nullopt;
}

int milliseconds_until(Instant deadline) {
  const Duration left = std::max(Duration::zero(), deadline - PollLoop::now());
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

/// Waits for something to happen at the switch. False: the stream has ended.
bool wait_for_event(http::Client& events, Instant deadline) {
  if (!events.has_body()) {
    pollfd polled{events.fd(), POLLIN, 0};
    if (::poll(&polled, 1, milliseconds_until(deadline)) <= 0) return true;
  }
  std::array<std::uint8_t, 16384> piece{};
  const auto size = events.read_body(piece, kControlTimeout);
  return size && *size > 0;
}

std::optional<Json> wait_for_lease(const std::string& path, const std::string& nic, Instant deadline) {
  while (true) {
    auto events = connect_control(path);
    bool open = events && events->begin("GET", "/v1/events?kind=dhcp.,nic.", {{"Accept", "text/event-stream"}});
    do {
      if (auto lease = lease_of(path, nic)) return lease;
      if (PollLoop::now() >= deadline) return std::nullopt;
      if (open) open = wait_for_event(*events, deadline);
    } while (open);
    (void)::poll(nullptr, 0, std::min(milliseconds_until(deadline), milliseconds_until(PollLoop::now() + kTryAgain)));
  }
}

}  // namespace

ExitCode show_vm_address(const Common& common, const VmOptions& options) {
  const auto nic = choose_nic(options);
  if (!nic) {
    complain(nic.error());
    return ExitCode::failed;
  }
  const std::uint32_t seconds = options.timeout_s.value_or(kIpTimeout);
  const auto lease = wait_for_lease(control_path(common), *nic, PollLoop::now() + std::chrono::seconds{seconds});
  if (!lease) {
    complain(*nic + " has no address after " + std::to_string(seconds) + " s");
    return ExitCode::failed;
  }
  std::printf("%s\n", options.json ? pretty(*lease).c_str() : text_at(*lease, "ip").c_str());
  return ExitCode::ok;
}

}  // namespace vnet::adapter
