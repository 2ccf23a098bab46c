// The configuration of vnetd, as values.
//
// One struct for each object of the config file, with the file's names and with every default filled in: a
// reader of these structs never asks what a missing member means. configs/schema.json is the reference for
// the members, their ranges and what they are for; here stand only the types. Names that refer to something
// (a NIC's network, a socket's network) are resolved and known to exist, paths are resolved against the
// folder of the file.
//
// From text to Config, in this order, each step only when the one before found nothing wrong:
//   daemon/json_text      text to document                      line:column of what is not JSON
//   daemon/json_schema    document against configs/schema.json  unknown members, types, ranges, formats
//   daemon/config_read    document to structs, defaults         cannot fail any more
//   daemon/config_check   do the values go together             addresses, names, duplicates, socket paths
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/json_format.hpp"
#include "daemon/problem.hpp"
#include "nat/behavior.hpp"
#include "nat/egress_rules.hpp"
#include "packet/ip_address.hpp"
#include "packet/mac_address.hpp"
#include "packet/result.hpp"
#include "packet/time.hpp"
#include "switch/impairment.hpp"

namespace vnet::daemon {

/// What stands behind `unix:`, resolved.
struct UnixPath {
  std::string path;
  bool operator==(const UnixPath&) const = default;
};
using EndpointOrUnix = std::variant<Endpoint, UnixPath>;
/// `127.0.0.1:2222`, or `unix:` and the path.
[[nodiscard]] std::string to_string(const EndpointOrUnix& endpoint);

struct Wan {
  std::optional<Ipv4Address> ipv4;
  std::optional<Ipv6Address> ipv6;
  bool operator==(const Wan&) const = default;
};

/// What the router of a network does, and where it stands.
struct Nat {
  std::optional<nat::NatPreset> preset;  ///< by which it was called, or from which it differs
  nat::NatBehavior behavior;             ///< all that is in effect, the preset's part included
  std::optional<std::string> behind;     ///< the network whose router this one stands behind; none: the internet
  std::optional<Ipv4Address> host;  ///< of one2one: the guest that has the outside address; none: the first to send
  bool operator==(const Nat&) const = default;
};
/// Behind whom a router stands, and for whom, is no matter of its behaviour: in a change, what is not named stays.
[[nodiscard]] inline Nat placed(Nat wanted, const Nat& before) {
  if (!wanted.behind) wanted.behind = before.behind;
  if (!wanted.host && wanted.behavior.one_to_one) wanted.host = before.host;
  return wanted;
}
[[nodiscard]] constexpr Nat nat_of(nat::NatPreset preset) { return {preset, nat::behavior_of(preset), {}, {}}; }

enum class PortMappingProtocol : std::uint8_t { nat_pmp, pcp, upnp };

struct DhcpRoute {
  Ipv4Prefix to;
  Ipv4Address via;
  bool operator==(const DhcpRoute&) const = default;
};

struct Dhcp {
  bool enabled = false;  ///< only ever true on a network with `ipv4`
  Ipv4Address first;     ///< of the range, inside the prefix; both unspecified without `ipv4`
  Ipv4Address last;
  Duration lease = std::chrono::hours{1};
  std::vector<DhcpRoute> routes;
  std::map<std::uint8_t, std::vector<std::uint8_t>> options;  ///< raw contents by code, 1 to 254
  bool operator==(const Dhcp&) const = default;
};

struct MxRecord {
  std::uint16_t preference = 0;
  std::string exchange;
  bool operator==(const MxRecord&) const = default;
};
struct SrvRecord {
  std::uint16_t priority = 0;
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target;
  bool operator==(const SrvRecord&) const = default;
};
/// All that one name answers with.
struct DnsRecord {
  std::string name;
  std::vector<Ipv4Address> a;
  std::vector<Ipv6Address> aaaa;
  std::optional<std::string> cname;
  std::vector<std::string> txt;
  std::vector<MxRecord> mx;
  std::vector<SrvRecord> srv;
  std::optional<std::string> ptr;
  std::uint32_t ttl_s = 60;
  bool operator==(const DnsRecord&) const = default;
};

struct Dns {
  std::string domain = "vnet";
  std::vector<std::string> search;
  bool system_upstream = true;  ///< ask the host's resolvers; else `upstream`, which may be nobody
  std::vector<Endpoint> upstream;
  std::vector<DnsRecord> records;
  std::vector<IpAddress> address;  ///< where the server answers; the gateway's own by default
  bool operator==(const Dns&) const = default;
};

using Egress = nat::EgressRules;

enum class Protocol : std::uint8_t { tcp, udp };

struct Forward {
  Protocol proto = Protocol::tcp;
  EndpointOrUnix listen;
  Endpoint to;
  std::uint8_t proxy_protocol = 0;  ///< the version of the header that begins each connection; 0: none
  bool operator==(const Forward&) const = default;
};

/// `tcp 127.0.0.1:2222`: no two forwards of a configuration listen at the same.
[[nodiscard]] std::string forward_key(const Forward& forward);

/// Both directions, with `up` and `down` merged into what is said of both.
using Impair = l2::Impairments;

enum class Members : std::uint8_t { open, listed };

struct Network {
  std::string name = "lan";
  std::optional<Ipv4Prefix> ipv4;  ///< the gateway's address and its prefix
  std::optional<Ipv6Prefix> ipv6;
  MacAddress mac;
  std::uint16_t mtu = 1500;
  std::optional<Wan> wan;
  Nat nat = nat_of(nat::NatPreset::none);
  std::vector<PortMappingProtocol> port_mapping;
  Dhcp dhcp;
  Dns dns;
  std::optional<IpAddress> host_alias;
  Egress egress;
  std::vector<Forward> forwards;
  Members members = Members::open;
  bool port_security = false;
  Impair impair;
  std::vector<IpPrefix> blackhole;
  bool operator==(const Network&) const = default;
};

enum class Link : std::uint8_t { up, down };
enum class Assign : std::uint8_t { wait, ready };

struct Nic {
  std::string name;
  MacAddress mac;
  std::string network;
  std::optional<Ipv4Address> ip;
  std::string hostname;
  Link link = Link::up;
  Assign assign = Assign::wait;
  std::optional<std::uint32_t> cid;  ///< of the VM whose NIC it is, by which vsock knows who asks
  std::optional<std::string> dgram;
  Impair impair;
  bool operator==(const Nic&) const = default;
};

/// A socket and the network that its clients join.
struct ListenEntry {
  std::string path;
  std::string network;
  bool operator==(const ListenEntry&) const = default;
};
/// Where guests ask for their assignment: a UNIX socket, or `vsock:PORT`.
struct AssignEntry {
  std::string path;
  std::string network;             ///< whose NICs ask here, unless `nic` names the only one
  std::optional<std::string> nic;  ///< it is asked about here and no other
  bool serial = false;             ///< behind it is a serial port: it speaks when it is asked, and stays connected
  bool operator==(const AssignEntry&) const = default;
};
/// The control API on a TCP socket, for who has the token.
struct ControlTcp {
  Endpoint address;
  std::string token_file;
  bool operator==(const ControlTcp&) const = default;
};
struct Listen {
  std::vector<ListenEntry> dgram;
  std::vector<ListenEntry> stream;
  std::string control;
  std::optional<ControlTcp> control_tcp;
  std::vector<AssignEntry> assign;
  bool operator==(const Listen&) const = default;
};

enum class ServiceKind : std::uint8_t { stun, files, syslog, cloud_init, dns, ntp, echo, discard };

struct Service {
  std::string name;
  std::vector<Ipv4Address> ipv4;
  std::vector<Ipv6Address> ipv6;
  std::optional<ServiceKind> kind;
  std::optional<std::string> root;
  std::vector<DnsRecord> records;
  std::map<std::pair<Protocol, std::uint16_t>, EndpointOrUnix> forward;
  std::uint8_t proxy_protocol = 0;  ///< the version of the header that begins each forwarded connection; 0: none
  bool operator==(const Service&) const = default;
};

/// What is absent does not change. With `nic`, `network` is where the NIC moves to; else it is what changes.
struct TimelineEvent {
  Duration at{};
  std::optional<std::string> nic;
  std::optional<std::string> network;
  std::optional<std::string> service;
  std::optional<bool> up;  ///< of the service
  std::optional<Link> link;
  std::optional<Assign> assign;
  std::optional<Nat> nat;
  std::optional<std::optional<Wan>> wan;  ///< an empty one: no more
  std::optional<Ipv4Prefix> ipv4;         ///< of the gateway
  bool reboot = false;                    ///< of the router
  std::optional<Impair> impair;
  std::optional<std::vector<IpPrefix>> blackhole;
  std::optional<Egress> egress;
  bool operator==(const TimelineEvent&) const = default;
};

struct Capture {
  std::string file;  ///< "-" is the standard output
  std::string filter;
  std::uint32_t snaplen = 0;
  std::uint32_t rotate_mb = 0;
  std::uint32_t keep = 0;
  bool operator==(const Capture&) const = default;
};

struct Config {
  std::vector<Network> networks;  ///< at least one; the first is the default
  std::vector<Nic> nics;
  Listen listen;
  std::vector<Service> services;
  std::vector<TimelineEvent> timeline;
  std::optional<Capture> capture;
  std::optional<std::string> state;
  std::optional<std::uint64_t> seed;
  bool operator==(const Config&) const = default;
};

/// Where paths start.
struct Folders {
  std::string config;   ///< of relative paths in the file
  std::string runtime;  ///< of the default sockets
};

struct LoadedConfig {
  Config config;
  /// JSON pointers of what the file asks for and this version does not do, in the file's order.
  std::vector<std::string> not_in_effect;
};

/// The largest config file that is read, in bytes.
inline constexpr std::size_t kMaxConfigBytes = 4U << 20U;

/// The config of a file's text.
[[nodiscard]] Result<LoadedConfig, Problems> load_config(std::string_view text, const Folders& folders);

/// The config of the file at `path`; relative paths in it start at its folder, made absolute. A missing file, a
/// folder and a file that may not be read are problems of the file as a whole, with the system's reason.
[[nodiscard]] Result<LoadedConfig, Problems> load_config_file(const std::string& path,
                                                              const std::string& runtime_folder);

/// What an empty file says: one network `lan`, open to all, sockets in the runtime folder.
[[nodiscard]] Config default_config(const std::string& runtime_folder);

/// `config` as JSON with every default filled in. Loading it gives the same Config.
[[nodiscard]] std::string print_config(const Config& config);

/// configs/schema.json as it was when this program was built.
[[nodiscard]] std::string_view schema_text();

}  // namespace vnet::daemon
