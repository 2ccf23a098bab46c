// /v1/nat/mappings: what the routers of the networks translate now.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "daemon/control/api.hpp"
#include "daemon/json_format.hpp"

namespace vnet::daemon {
namespace {

constexpr std::uint32_t kDefaultLimit = 10'000;
constexpr std::uint32_t kMaxLimit = 100'000;

struct Row {
  std::size_t network = 0;
  bool of_carrier = false;
  nat::MappingView mapping;
};

std::string_view to_string(nat::NatProtocol protocol) {
  switch (protocol) {
    case nat::NatProtocol::tcp: return "tcp";
    case nat::NatProtocol::udp: return "udp";
    case nat::NatProtocol::icmp: return "icmp";
    case nat::NatProtocol::other: return "other";
  }
  return "unknown";
}

/// By which the rows of one router are in an order.
auto key_of(const Row& row) {
  const nat::MappingView& mapping = row.mapping;
  const nat::Endpoint toward = mapping.toward.value_or(nat::Endpoint{});
  return std::tuple{mapping.protocol,    mapping.outside.address, mapping.outside.port, mapping.inside.address,
                    mapping.inside.port, toward.address,          toward.port};
}

std::string text_of(const nat::Endpoint& endpoint) { return to_string(Endpoint{endpoint.address, endpoint.port}); }

/// The mappings of one router, as far as there is room for them.
void collect(const nat::Translator& translator, const Row& of, std::size_t limit, std::vector<Row>& rows) {
  const auto begin = static_cast<std::ptrdiff_t>(rows.size());
  translator.each([&](const nat::MappingView& mapping) {
    if (rows.size() < limit) rows.push_back({of.network, of.of_carrier, mapping});
  });
  std::sort(rows.begin() + begin, rows.end(),
            [](const Row& one, const Row& other) { return key_of(one) < key_of(other); });
}

Json row_view(const network::Fabric& fabric, const Row& row, const Moment& at) {
  const nat::MappingView& mapping = row.mapping;
  Json object = {{"network", fabric.network_config(row.network).name},
                 {"router", row.of_carrier ? "carrier" : "home"},
                 {"proto", to_string(mapping.protocol)},
                 {"inside", text_of(mapping.inside)},
                 {"outside", text_of(mapping.outside)}};
  if (!row.of_carrier) {
    const auto mac = fabric.guest_at(row.network, mapping.inside.address);
    const l2::PortId port = mac ? fabric.find(*mac) : l2::kNoPort;
    if (port != l2::kNoPort) object["nic"] = fabric.nic(port).config.name;
  }
  if (mapping.toward) {
    object["toward"] = mapping.toward->port == 0 ? vnet::to_string(mapping.toward->address) : text_of(*mapping.toward);
  }
  object["pinned"] = mapping.pinned;
  if (mapping.expires != kNever) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(mapping.expires - at.now).count();
    object["expires_s"] = std::max<std::int64_t>(0, left);
  }
  object["bytes_out"] = mapping.bytes_out;
  object["bytes_in"] = mapping.bytes_in;
  object["sessions"] = mapping.sessions;
  return object;
}

/// How many there are, and the rows, some at a time. What is said of a mapping was so when the request came.
class MappingsBody final : public http::Body {
 public:
  MappingsBody(std::size_t total, std::vector<std::string> rows) : total_(total), rows_(std::move(rows)) {}

  More produce(std::string& out) override {
    constexpr std::size_t kPiece = 16 * 1024;
    const std::size_t enough = out.size() + kPiece;
    if (next_ == 0) out += "{\"total\":" + std::to_string(total_) + ",\"mappings\":[";
    for (; next_ < rows_.size() && out.size() < enough; ++next_) {
      if (next_ > 0) out += ",\n";
      out += rows_[next_];
    }
    if (next_ < rows_.size()) return More::yes;
    out += "]}\n";
    return More::no;
  }

 private:
  std::size_t total_;
  std::vector<std::string> rows_;
  std::size_t next_ = 0;
};

}  // namespace

http::Response Api::get_mappings(Call& call) {
  const network::Fabric& fabric = parts_.fabric;
  std::size_t first = 0;
  std::size_t end = fabric.network_count();
  if (call.request.parameter("network") != nullptr) {
    auto network = network_of(call);
    if (!network) return std::move(network.error());
    first = *network;
    end = first + 1;
  }
  std::size_t limit = kDefaultLimit;
  if (const std::string* const text = call.request.parameter("limit"); text != nullptr) {
    const auto number = parse_number(*text, 1, kMaxLimit);
    if (!number) {
      return problem(400, "the parameter \"limit\": " +
                              found_expected(in_quotes(*text), "a number from 1 to " + std::to_string(kMaxLimit)));
    }
    limit = *number;
  }
  std::size_t total = 0;
  std::vector<Row> rows;
  for (std::size_t i = first; i < end; ++i) {
    const network::Router* const router = fabric.has_network(i) ? fabric.internet().router(i) : nullptr;
    if (router == nullptr) continue;
    total += router->translator.size();
    collect(router->translator, {i, false, {}}, limit, rows);
    if (!router->carrier) continue;
    total += router->carrier->translator.size();
    collect(router->carrier->translator, {i, true, {}}, limit, rows);
  }
  std::vector<std::string> lines;
  lines.reserve(rows.size());
  const Moment at = parts_.clock();
  for (const Row& row : rows) {
    lines.push_back(row_view(fabric, row, at).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  http::Response response;
  response.stream = std::make_unique<MappingsBody>(total, std::move(lines));
  return response;
}

}  // namespace vnet::daemon
