// Any bytes as what a guest may send to the gateway's UPnP device: an SSDP datagram, an HTTP stream cut into pieces, a
// SOAP call. How a stream is cut makes no difference; what was read survives being written again; an answer to an
// action is a document of the kind that was asked for; and nobody but the guest itself is mapped to.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "network/ssdp.hpp"
#include "network/upnp_server.hpp"

using namespace vnet;
using namespace vnet::network;

namespace {

const Ipv4Address kGuest{192, 168, 1, 10};
constexpr Ipv4Prefix kGateway{Ipv4Address{192, 168, 1, 1}, 24};
constexpr Instant kNow{std::chrono::seconds{1000}};

void require(bool holds) {
  if (!holds) std::abort();
}

class Pins : public nat::PortPins {
 public:
  bool pin(nat::NatProtocol /*protocol*/, std::uint16_t port, const nat::Endpoint& inside, Instant /*now*/) override {
    require(port != 0 && inside.address == IpAddress{kGuest} && inside.port != 0);
    return port % 7 != 0;
  }
  void unpin(nat::NatProtocol /*protocol*/, std::uint16_t /*port*/, const nat::Endpoint& /*inside*/,
             Instant /*now*/) override {}
  bool is_free(nat::NatProtocol /*protocol*/, std::uint16_t /*port*/, const nat::Endpoint& /*inside*/,
               Instant /*now*/) const override {
    return true;
  }
  std::optional<IpAddress> outside_of(const IpAddress& /*inside*/) const override {
    return Ipv4Address{203, 0, 113, 7};
  }
};

class NoWire : public TcpOutput {
 public:
  void emit(const TcpFlow& /*flow*/, const TcpHeader& /*header*/, ByteView /*payload*/) override {}
};

UpnpConfig config() {
  UpnpConfig upnp;
  upnp.gateway = kGateway;
  return upnp;
}

void try_soap(std::string_view text) {
  const auto call = parse_soap(text);
  if (!call) return;
  require(call->arguments.size() <= kMaxSoapArguments);
  std::string again = "<Envelope><Body><" + call->action + '>';
  for (const auto& [name, value] : call->arguments) {
    if (!name.empty()) again += '<' + name + '>' + xml_escape(value) + "</" + name + '>';
  }
  again += "</" + call->action + "></Body></Envelope>";
  if (again.size() > kMaxSoapSize) return;
  const auto read = parse_soap(again);
  // What follows a prefix need not be a name by itself, such as in <a:1/>.
  if (!read) return;
  require(read->action == call->action);
  for (const auto& [name, value] : read->arguments) {
    require(xml_escape(value) == xml_escape(*call->find(name)));
  }
}

void try_ssdp(ByteView payload) {
  Ssdp ssdp{config()};
  std::size_t answers = 0;
  ssdp.handle({kGuest, 50'000}, payload, kNow, [&](const nat::Endpoint& to, ByteView) {
    require(to == nat::Endpoint{kGuest, 50'000});
    ++answers;
  });
  require(answers <= 10);
}

UpnpRequestReader read(std::string_view stream, std::size_t piece) {
  UpnpRequestReader reader;
  for (std::size_t at = 0; at < stream.size(); at += piece) reader.feed(stream.substr(at, piece));
  return reader;
}

void try_http(std::string_view stream, std::size_t piece) {
  const UpnpRequestReader whole = read(stream, stream.size());
  const UpnpRequestReader cut = read(stream, piece);
  require(whole.state() == cut.state() && whole.status() == cut.status());
  if (whole.state() != UpnpRequestReader::State::complete) return;
  require(whole.request().body == cut.request().body && whole.request().fields == cut.request().fields);

  Pins pins;
  nat::PortMappingsConfig network;
  network.inside4 = kGateway;
  nat::PortMappings mappings{network, pins, {}, kNow};
  NoWire wire;
  Random random{1};
  TcpServer tcp{{}, random, wire};
  UpnpServer device{config(), tcp, mappings};
  (void)mappings.grant({.claim = {nat::MappingOrigin::upnp, {}},
                        .protocol = nat::NatProtocol::tcp,
                        .inside = {kGuest, 9000},
                        .suggested = 9001,
                        .description = "<&>\xff"},
                       kNow);
  for (int twice = 0; twice < 2; ++twice) {
    const UpnpResponse response = device.answer(whole.request(), kGuest, kNow);
    require(response.status == 200 || response.status >= 400);
    if (whole.request().method == "POST" && response.status == 200) require(parse_soap(response.body).has_value());
    require(!to_wire(response, kUpnpServer).empty());
  }
  require(mappings.size() <= 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const ByteView bytes{data + 1, size - 1};
  try_ssdp(bytes);
  try_soap(as_text(bytes));
  try_http(as_text(bytes), std::max<std::size_t>(data[0], 1));
  return 0;
}
