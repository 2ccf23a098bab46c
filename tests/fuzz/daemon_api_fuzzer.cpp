// Requests of any method, path, query and body to the control API over a small switch: never a crash, always a status,
// problems are documents with a pointer, other JSON is JSON, and what is remembered of run-time changes can be read
// again. The switch lives on from one input to the next only within one input's requests.
//
// Input: lines of `METHOD TARGET`, each followed by a line with the body.
#include <cstdlib>

#include "daemon/control/api.hpp"
#include "daemon/network_setup.hpp"
#include "http/url.hpp"
#include "packet/bytes.hpp"
#include "tests/daemon/runtime_changes_text.hpp"

namespace {

using namespace vnet;
using namespace vnet::daemon;

constexpr std::size_t kMaxRequests = 8;

void require(bool condition) {
  if (!condition) std::abort();
}

const Config& file() {
  static const Config kFile = load_config(R"({
    "networks": [{"name": "home", "ipv4": "10.0.0.1/24",
                  "dns": {"upstream": "none", "records": [{"name": "nas.test", "a": ["10.0.0.9"]}]}},
                 {"name": "six", "ipv6": "2052::1/64", "dns": {"upstream": "none"}}],
    "nics": [{"name": "alice", "mac": "52:cc:cc:cc:00:01", "ip": "10.0.0.50"},
             {"name": "bob", "mac": "52:cc:cc:cc:00:02"}],
    "listen": {"dgram": [], "stream": []}})",
                                          {"/nonexistent", "/nonexistent"})
                                  ->config;
  return kFile;
}

EventLoop& loop() {
  static EventLoop the_loop;
  return the_loop;
}

struct NoFlows final : HostListener {
  void on_host(nat::FlowId, nat::HostEvents) override {}
  void on_host_batch_end() override {}
};

SystemSockets& sockets() {
  static NoFlows no_flows;
  static SystemSockets the_sockets{loop(), no_flows};
  return the_sockets;
}

struct Switch {
  network::Fabric fabric{network_configs(file()), nic_configs(file()), 1};
  Hub hub{fabric, loop(), [](std::string_view) {}};
  std::function<Moment()> clock = [] { return Moment{loop().now(), 1'795'366'449'123}; };
  NameForwarding names{file(), fabric, loop(), [] { return loop().now(); }, [] {}, [](std::string_view) {}};
  Forwards forwards{{fabric, sockets(), loop(), [] { return loop().now(); }, [] {}}};
  Captures captures{fabric, clock};
  Services services{fabric, loop(), "/nonexistent", clock};
  std::unique_ptr<LeaseStore> leases;
  std::unique_ptr<RuntimeStore> store;
  Operations operations{
      file(), file(), {fabric, hub, names, forwards, captures, services, leases, store, clock, [](std::string_view) {
                       }}};
  EventBacklog backlog{1000};
  Api api{{fabric, hub, captures, forwards, operations, backlog, clock, [] { return Outcome<Reloaded>{Reloaded{}}; },
           [](dgram::Fd, const std::string&) {}, [] { return http::ServerCounters{}; }, [] { return std::size_t{0}; },
           64}};
};

std::string all_of(http::Body& body) {
  std::string all;
  for (auto more = http::Body::More::yes; more == http::Body::More::yes;) more = body.produce(all);
  return all;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void judge(http::Response& response) {
  require(response.status >= 100 && response.status <= 599 && response.status != 500);
  if (response.stream) response.body = all_of(*response.stream);
  if (response.type == "application/problem+json") {
    const Json problem = Json::parse(response.body);
    require(problem.at("status") == response.status && !problem.at("detail").get<std::string>().empty());
    const auto pointer = problem.at("pointer").get<std::string>();
    require(pointer.empty() || pointer.front() == '/');
  } else if (response.type == "application/json" && !response.hand_over) {
    require(Json::accept(response.body));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = as_text({data, size});
  Switch under_test;
  for (std::size_t i = 0; i < kMaxRequests && !text.empty(); ++i) {
    const std::string_view line = take_line(text);
    const std::size_t space = std::min(line.find(' '), line.size());
    http::Request request;
    request.method = line.substr(0, space);
    request.target = line.substr(std::min(space + 1, line.size()));
    request.body = take_line(text);
    auto target = http::parse_target(request.target);
    if (!target) continue;
    request.path = std::move(target->path);
    request.query = std::move(target->query);
    // Nothing is written to this machine's files, and nothing listens at its ports.
    if (request.body.find("listen") != std::string::npos || request.body.find("local") != std::string::npos) continue;
    if (request.method == "POST" && request.body.find("file") != std::string::npos) continue;
    if (request.body.find("dgram") != std::string::npos || request.body.find('\\') != std::string::npos) continue;
    http::Response response = under_test.api.handle(request);
    judge(response);
    const RuntimeChanges changes = under_test.operations.changes();
    const auto again = changes_of(text_of(changes));
    require(again == changes);
    Config restarted = file();
    require(apply_changes(*again, restarted).empty());
    require(difference(under_test.operations.config(), restarted).empty());
  }
  return 0;
}
