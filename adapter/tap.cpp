#include "adapter/tap.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "adapter/dhcp_client.hpp"
#include "adapter/net_namespace.hpp"
#include "adapter/poll_loop.hpp"
#include "adapter/socket_paths.hpp"
#include "adapter/tap_bridge.hpp"
#include "adapter/tap_device.hpp"
#include "adapter/tap_names.hpp"

namespace vnet::adapter {
namespace {

void say(const std::string& text) { std::fprintf(stderr, "vnet tap: %s\n", text.c_str()); }

std::string contents_of(const char* path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string host_identity() {
  if (std::string id = contents_of("/etc/machine-id"); !id.empty()) return id;
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

/// A name stays when the namespace is made again, its number does not.
std::string namespace_identity(const TapOptions& options) {
  if (!options.netns) return network_namespace_number();
  const std::filesystem::path path = namespace_path(*options.netns);
  return path.parent_path() == "/run/netns" || path.parent_path() == "/var/run/netns" ? path.filename() : path;
}

/// What a person can do about it.
std::string advice(const dgram::SystemError& error) {
  const bool is_device = error.what.find("/dev/net/tun") != std::string::npos;
  if (error.code == EPERM || error.code == EACCES) {
    return "\n  This needs CAP_NET_ADMIN in the namespace, and CAP_SYS_ADMIN to enter one: run it as root, or in a "
           "namespace of your own: unshare -rn vnet tap ...";
  }
  if (is_device && (error.code == ENOENT || error.code == ENODEV || error.code == ENXIO)) {
    return "\n  Linux's TAP driver is not there: load it (modprobe tun), or give the container /dev/net/tun.";
  }
  if (error.code == ENOENT && error.what.find("namespace") != std::string::npos) {
    return "\n  `ip netns list` shows the names; `ip netns add NAME` makes one.";
  }
  if (error.code == EBUSY) return "\n  Another program uses an interface of this name; --name chooses another.";
  if (error.code == EINVAL && error.what.starts_with("make")) {
    return "\n  An interface of this name exists that is no TAP; --name chooses another.";
  }
  if (error.code == EINVAL && error.what.starts_with("enter")) return "\n  It is no network namespace.";
  return {};
}

ExitCode failed(const dgram::SystemError& error) {
  say("cannot " + error.to_string() + advice(error));
  return ExitCode::failed;
}

/// The interface, its bridge, and what goes with them.
class Tap final : private TapBridge::Observer, private dgram::Watched {
 public:
  Tap(const TapOptions& options, std::string switch_path)
      : options_(options), switch_path_(std::move(switch_path)), mac_(choose_mac()) {}
  ~Tap() override {
    if (signals_) loop_.forget(signals_.get());
  }

  ExitCode run() {
    if (const auto ready = set_up(); !ready) return failed(ready.error());
    while (!stop_) {
      if (const auto turned = loop_.turn(bridge_->next_deadline()); !turned) return failed(turned.error());
      bridge_->expire(PollLoop::now());
      if (bridge_->interface_error() != 0) {
        say("the interface " + options_.name + " was removed by somebody else");
        return ExitCode::failed;
      }
    }
    const BridgeCounters counters = bridge_->counters();
    say("stopped: " + std::to_string(counters.to_switch) + " frames to the switch, " +
        std::to_string(counters.from_switch) + " from it, " + std::to_string(counters.dropped) + " dropped");
    return ExitCode::ok;
  }

 private:
  [[nodiscard]] MacAddress choose_mac() const {
    return options_.mac.value_or(derive_mac(host_identity(), namespace_identity(options_), options_.name));
  }

  dgram::SystemResult<void> set_up() {
    if (auto caught = catch_signals(); !caught) return caught;
    if (options_.netns) {
      auto entered = enter_network_namespace(namespace_path(*options_.netns));
      if (!entered) return entered;
    }
    auto device = TapDevice::open({options_.name, mac_, options_.mtu, options_.queue});
    if (!device) return fail(device.error());
    device_.emplace(std::move(*device));
    const auto paths = own_paths(switch_path_, options_.name, ::getpid(), std::getenv("XDG_RUNTIME_DIR"));
    auto bridge = TapBridge::open(device_->fd(), mac_, switch_path_, paths, loop_, *this);
    if (!bridge) return fail(bridge.error());
    bridge_ = std::move(*bridge);
    return {};
  }

  dgram::SystemResult<void> catch_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t caught;
    ::sigemptyset(&caught);
    for (const int number : {SIGINT, SIGTERM, SIGCHLD}) ::sigaddset(&caught, number);
    if (::sigprocmask(SIG_BLOCK, &caught, nullptr) != 0) return fail(dgram::SystemError{"block signals", errno});
    signals_ = dgram::Fd{::signalfd(-1, &caught, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (!signals_) return fail(dgram::SystemError{"watch signals", errno});
    loop_.watch(signals_.get(), true, false, *this);
    return {};
  }

  void on_ready(bool, bool) override {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != SIGCHLD) {
        stop_ = true;
      } else if (const auto end = dhcp_ ? dhcp_->ended() : std::nullopt) {
        say("the DHCP client " + *end);
        dhcp_.reset();
      }
    }
  }

  void on_attached() override {
    device_->set_carrier(true);
    if (std::exchange(ready_, true)) {
      say("attached again via " + switch_path_);
      return;
    }
    std::fprintf(stderr, "vnet tap ready: %s %s via %s\n", options_.name.c_str(), mac_.to_string().c_str(),
                 switch_path_.c_str());
    if (options_.dhcp) start_dhcp();
  }

  void on_detached(std::string_view cause) override {
    device_->set_carrier(false);
    say((ready_ ? "lost the switch at " : "waiting for the switch at ") + switch_path_ + ": " + std::string{cause});
  }

  void start_dhcp() {
    const char* path = std::getenv("PATH");
    const auto command =
        DhcpClient::find(options_.name, (path != nullptr ? std::string{path} + ":" : "") + "/usr/sbin:/sbin");
    if (!command) {
      say("--dhcp: neither udhcpc nor dhclient is installed (packages udhcpc, isc-dhcp-client); " + options_.name +
          " has no address");
      return;
    }
    auto client = DhcpClient::start(*command, resolver_file());
    if (client) {
      dhcp_.emplace(std::move(*client));
    } else {
      say("cannot " + client.error().to_string());
    }
  }

  [[nodiscard]] ResolverFile resolver_file() const {
    if (!options_.netns) return {};
    std::string file = "/etc/netns/" + namespace_identity(options_) + "/resolv.conf";
    return {true, ::access(file.c_str(), R_OK) == 0 ? file : ""};
  }

  TapOptions options_;
  std::string switch_path_;
  MacAddress mac_;
  PollLoop loop_;
  dgram::Fd signals_;
  std::optional<TapDevice> device_;
  std::unique_ptr<TapBridge> bridge_;
  std::optional<DhcpClient> dhcp_;
  bool ready_ = false;
  bool stop_ = false;
};

}  // namespace

ExitCode run_tap(const TapOptions& options) {
  return Tap{options, options.socket.value_or(find_socket("dgram.sock"))}.run();
}

}  // namespace vnet::adapter
