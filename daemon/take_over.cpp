#include "daemon/take_over.hpp"

#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "daemon/control/hex.hpp"
#include "http/client.hpp"

namespace vnet::daemon {
namespace {

constexpr Duration kConnectLimit = std::chrono::seconds{5};
/// The longest lease that DHCP can express.
constexpr std::int64_t kMaxLeftMs = std::int64_t{0xffff'ffff} * 1000;
constexpr std::array<std::string_view, 5> kKindWords = {"dgram", "stream", "own", "connection", "passed"};

/// Longer than any timeline, and than any daemon runs.
constexpr Duration kLongestTime = std::chrono::hours{24 * 365 * 100};

Json client_to_json(const KnownClient& client) {
  return {{"socket", client.socket}, {"peer", to_hex(client.peer)}, {"mac", client.mac.to_string()}};
}

/// The document is another program's: what is missing or of another kind throws nlohmann's exceptions, which
/// read_estate turns into one sentence.
MacAddress read_mac(const Json& text) {
  const auto mac = MacAddress::parse(text.get<std::string>());
  if (!mac) throw std::runtime_error("a MAC address that is none");
  return *mac;
}

const Json::array_t& elements(const Json& list) { return list.get_ref<const Json::array_t&>(); }

std::string read_hex(const Json& text) {
  auto bytes = from_hex(text.get<std::string>());
  if (!bytes) throw std::runtime_error("hexadecimal digits that are none");
  return std::move(*bytes);
}

/// Not what nlohmann would make of a fraction or of what is below zero.
std::uint64_t read_count(const Json& number) {
  if (!number.is_number_unsigned()) throw std::runtime_error("a count that is none");
  return number.get<std::uint64_t>();
}

dgram::Fd take_fd(const Json& number, std::vector<dgram::Fd>& fds) {
  const std::uint64_t position = read_count(number);
  if (position >= fds.size() || !fds[position]) throw std::runtime_error("a descriptor that did not come");
  return std::move(fds[position]);
}

LeftSocket read_socket(const Json& object, std::vector<dgram::Fd>& fds) {
  LeftSocket left;
  const auto kind = object.at("kind").get<std::string>();
  const auto word = std::ranges::find(kKindWords, kind);
  if (word == kKindWords.end()) throw std::runtime_error("a socket of the unknown kind " + kind);
  HandedSocket& socket = left.socket;
  socket.kind = static_cast<HandedSocket::Kind>(word - kKindWords.begin());
  socket.path = object.at("path");
  left.network = object.at("network");
  socket.owns_file = object.at("owns_file");
  if (object.contains("mac")) socket.mac = read_mac(object.at("mac"));
  socket.attached = object.at("attached");
  socket.peer = read_hex(object.at("peer"));
  socket.pending_in = read_hex(object.at("pending_in"));
  socket.pending_out = read_hex(object.at("pending_out"));
  for (const Json& client : elements(object.at("clients"))) {
    socket.clients.push_back({client.at("socket"), read_hex(client.at("peer")), read_mac(client.at("mac"))});
  }
  left.fd = take_fd(object.at("fd"), fds);
  return left;
}

StoredLease read_lease(const Json& object, Instant now) {
  dhcp::Lease lease;
  const auto ip = Ipv4Address::parse(object.at("ip").get<std::string>());
  if (!ip) throw std::runtime_error("an IPv4 address that is none");
  lease.ip = *ip;
  lease.mac = read_mac(object.at("mac"));
  lease.client = read_hex(object.at("client"));
  lease.hostname = read_hex(object.at("hostname"));
  lease.state = dhcp::LeaseState::bound;
  const Json& remaining = object.at("remaining_ms");
  if (!remaining.is_number_integer()) throw std::runtime_error("a time that is none");
  const auto left = remaining.get<std::int64_t>();
  lease.expires = now + std::chrono::milliseconds{std::clamp<std::int64_t>(left, 0, kMaxLeftMs)};
  return {object.at("network"), std::move(lease)};
}

Predecessor read_all(Estate& estate, Instant now) {
  const Json& document = estate.document;
  if (document.at("version") != 1) throw std::runtime_error("a document of another version");
  Predecessor left;
  auto changes = runtime_changes_from_json(document.at("runtime"));
  if (!changes) throw std::runtime_error(changes.error().listed().front().text);
  left.changes = std::move(*changes);
  for (const Json& lease : elements(document.at("leases"))) left.leases.push_back(read_lease(lease, now));
  for (const Json& socket : elements(document.at("sockets"))) left.sockets.push_back(read_socket(socket, estate.fds));
  if (document.contains("forwards")) {
    for (const auto& [key, fd] : document.at("forwards").get_ref<const Json::object_t&>()) {
      left.forwards[key] = take_fd(fd, estate.fds);
    }
  }
  left.control = take_fd(document.at("control"), estate.fds);
  left.owns_control_file = document.at("owns_control_file");
  if (document.contains("control_tcp")) left.control_tcp = take_fd(document.at("control_tcp"), estate.fds);
  left.next_event = read_count(document.at("next_event"));
  left.first_event = document.contains("first_event") ? read_count(document.at("first_event")) : left.next_event;
  // One that is older than services does not say which are down.
  if (document.contains("services_down")) left.services_down = document.at("services_down");
  if (document.contains("timeline_ns")) {
    left.timeline = Duration{document.at("timeline_ns").get<std::int64_t>()};
    if (*left.timeline < Duration{-1} || *left.timeline > kLongestTime)
      throw std::runtime_error("a timeline of no time");
  }
  return left;
}

Instant loop_time() { return Instant{Duration{static_cast<std::int64_t>(uv_hrtime())}}; }

}  // namespace

Result<Predecessor, std::string> read_estate(Estate estate, Instant now) {
  try {
    return read_all(estate, now);
  } catch (const std::exception& error) {
    return fail(std::string{error.what()});
  }
}

std::optional<Predecessor> find_predecessor(const std::string& path) {
  auto client = http::Client::connect(path, kConnectLimit);
  if (!client) {
    if (client.error().code == ENOENT || client.error().code == ECONNREFUSED) return std::nullopt;
    throw std::runtime_error("take-over: " + client.error().to_string());
  }
  const auto reply = client->begin("POST", "/v1/take-over");
  if (!reply) throw std::runtime_error("take-over: " + reply.error());
  constexpr int kSwitchingProtocols = 101;
  if (reply->status != kSwitchingProtocols) {
    throw std::runtime_error("take-over: the vnetd at " + path + " answers with status " +
                             std::to_string(reply->status));
  }
  dgram::Fd connection = client->release().first;
  auto estate = receive_estate(connection);
  if (!estate) throw std::runtime_error(estate.error());
  auto left = read_estate(std::move(*estate), loop_time());
  if (!left) throw std::runtime_error("take-over: the vnetd at " + path + " left " + left.error());
  left->connection = std::move(connection);
  return std::move(*left);
}

Json sockets_to_json(const network::Fabric& fabric, const std::vector<HandedSocket>& sockets, std::vector<int>& fds) {
  Json list = Json::array();
  for (const HandedSocket& socket : sockets) {
    Json object = {{"kind", kKindWords[static_cast<std::size_t>(socket.kind)]},
                   {"fd", fds.size()},
                   {"path", socket.path},
                   {"network", fabric.network_config(socket.network).name},
                   {"owns_file", socket.owns_file},
                   {"attached", socket.attached},
                   {"peer", to_hex(socket.peer)},
                   {"pending_in", to_hex(socket.pending_in)},
                   {"pending_out", to_hex(socket.pending_out)},
                   {"clients", Json::array()}};
    if (socket.mac) object["mac"] = socket.mac->to_string();
    for (const KnownClient& client : socket.clients) object["clients"].push_back(client_to_json(client));
    fds.push_back(socket.fd);
    list.push_back(std::move(object));
  }
  return list;
}

Json leases_to_json(network::Fabric& fabric, Instant now) {
  Json list = Json::array();
  for (std::size_t i = 0; i < fabric.network_count(); ++i) {
    if (!fabric.has_network(i)) continue;
    network::AddressService* const addresses = fabric.gateway(i).addresses();
    if (addresses == nullptr) continue;
    for (const dhcp::Lease& lease : addresses->server().leases()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(lease.expires - now).count();
      list.push_back({{"network", fabric.network_config(i).name},
                      {"ip", lease.ip.to_string()},
                      {"mac", lease.mac.to_string()},
                      {"client", to_hex(lease.client)},
                      {"hostname", to_hex(lease.hostname)},
                      {"remaining_ms", left}});
    }
  }
  return list;
}

}  // namespace vnet::daemon
