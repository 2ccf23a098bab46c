#include "network/upnp_server.hpp"

#include <algorithm>

namespace vnet::network {
namespace {

UpnpResponse refusal(int status) { return {.status = status, .type = {}, .body = {}}; }

/// What stands in a SOAPAction field: "type#action", in quotes.
struct SoapAction {
  std::string_view type;
  std::string_view action;
};

SoapAction read_soap_action(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  const std::size_t hash = text.find('#');
  if (hash == std::string_view::npos) return {};
  return {text.substr(0, hash), text.substr(hash + 1)};
}

}  // namespace

void UpnpServer::on_open(ConnectionId id, const TcpFlow& flow, Instant /*now*/) {
  const auto* const guest = std::get_if<Ipv4Address>(&flow.remote);
  if (guest == nullptr || !mappings_.is_inside(*guest) || flow.local != IpAddress{config_.gateway.address}) {
    return server_.abort(id);
  }
  connections_[id].guest = *guest;
}

void UpnpServer::on_closed(ConnectionId id, Instant /*now*/) { connections_.erase(id); }

std::size_t UpnpServer::on_data(ConnectionId id, ByteView bytes, Instant now) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.answered) return bytes.size();
  Connection& connection = found->second;
  UpnpRequestReader& reader = connection.reader;
  reader.feed(as_text(bytes));
  if (reader.state() == UpnpRequestReader::State::failed) {
    reply(id, connection, refusal(reader.status()), now);
  } else if (reader.state() == UpnpRequestReader::State::complete) {
    reply(id, connection, answer(reader.request(), connection.guest, now), now);
  } else if (reader.take_expectation()) {
    (void)server_.send(id, {as_bytes("HTTP/1.1 100 Continue\r\n\r\n")}, now);
  }
  return bytes.size();
}

void UpnpServer::on_sent(ConnectionId /*id*/, Instant /*now*/) {}

void UpnpServer::on_end(ConnectionId id, Instant now) { server_.close(id, now); }

void UpnpServer::reply(ConnectionId id, Connection& connection, const UpnpResponse& response, Instant now) {
  connection.answered = true;
  const std::string text = to_wire(response, kUpnpServer);
  if (!server_.send(id, {as_bytes(text)}, now)) return server_.abort(id);
  server_.close(id, now);
}

/// A client of HTTP/1.0 need not say whom it means.
bool UpnpServer::is_for_us(const UpnpRequest& request) const {
  const std::string* const host = request.find("host");
  if (host == nullptr || host->empty()) return true;
  const std::string address = config_.gateway.address.to_string();
  return *host == address || *host == address + ':' + std::to_string(config_.port);
}

UpnpResponse UpnpServer::answer(const UpnpRequest& request, Ipv4Address guest, Instant now) {
  if (!is_for_us(request)) return refusal(403);
  if (request.method == "GET") return get(request);
  if (request.method == "POST") return post(request, guest, now);
  return refusal(request.method == "SUBSCRIBE" || request.method == "UNSUBSCRIBE" ? 501 : 405);
}

UpnpResponse UpnpServer::get(const UpnpRequest& request) const {
  if (request.target == kRootDescription) return {.body = root_description(config_)};
  const auto service = std::ranges::find(upnp_services(), request.target, &UpnpServiceInfo::description);
  return service == upnp_services().end() ? refusal(404) : UpnpResponse{.body = service_description(*service)};
}

UpnpResponse UpnpServer::post(const UpnpRequest& request, Ipv4Address guest, Instant now) {
  const auto service = std::ranges::find(upnp_services(), request.target, &UpnpServiceInfo::control);
  if (service == upnp_services().end()) return refusal(404);
  // Field and document must agree on what is asked for, or two readers could see two actions.
  const std::string* const field = request.find("soapaction");
  const SoapAction named = field != nullptr ? read_soap_action(*field) : SoapAction{};
  if (named.type.empty()) return refusal(400);
  const auto call = parse_soap(request.body);
  if (!call) return refusal(400);
  if (named.type != service->type || named.action != call->action) {
    return {.status = 500, .body = UpnpControl::fault(UpnpError::invalid_action)};
  }
  auto result = control_.call(service->service, *call, guest, now);
  if (!result) return {.status = 500, .body = UpnpControl::fault(result.error())};
  return {.body = std::move(*result)};
}

}  // namespace vnet::network
