// The control API over a plant, without a server: requests are handed to it as the server would.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/assign_protocol.hpp"
#include "daemon/control/api.hpp"
#include "http/url.hpp"
#include "tests/daemon/operations_testing.hpp"

namespace vnet::daemon {

/// An answer, with the whole of its body.
struct Answer {
  int status = 0;
  std::string type;
  http::Fields headers;
  std::string body;
  std::size_t largest_piece = 0;  ///< of a body that is sent in pieces
  bool hands_over = false;

  [[nodiscard]] Json json() const { return Json::parse(body); }
  [[nodiscard]] std::string header(std::string_view name) const {
    const std::string* const value = http::find_field(headers, name);
    return value == nullptr ? std::string{} : *value;
  }
  [[nodiscard]] std::string detail() const { return json().at("detail").get<std::string>(); }
  [[nodiscard]] std::string pointer() const { return json().at("pointer").get<std::string>(); }
};

/// All that a body has to say now.
inline std::string drain(http::Body& body, std::size_t* largest = nullptr) {
  std::string all;
  for (auto more = http::Body::More::yes; more == http::Body::More::yes;) {
    std::string piece;
    more = body.produce(piece);
    if (largest != nullptr) *largest = std::max(*largest, piece.size());
    all += piece;
  }
  return all;
}

class ApiPlant : public Plant {
 public:
  using Plant::Plant;

  /// Names of headers in lower case.
  [[nodiscard]] http::Response respond(std::string method, std::string_view target, std::string body = {},
                                       http::Fields headers = {}, std::vector<dgram::Fd> fds = {}) {
    http::Request request;
    request.method = std::move(method);
    request.target = target;
    auto url = http::parse_target(target);
    EXPECT_TRUE(url) << target;
    request.path = std::move(url->path);
    request.query = std::move(url->query);
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.fds = std::move(fds);
    return api.handle(request);
  }
  [[nodiscard]] Answer call(std::string method, std::string_view target, std::string body = {},
                            http::Fields headers = {}, std::vector<dgram::Fd> fds = {}) {
    http::Response response = respond(std::move(method), target, std::move(body), std::move(headers), std::move(fds));
    Answer answer{response.status, response.type, response.headers, response.body, 0, response.hand_over != nullptr};
    if (response.stream) answer.body = drain(*response.stream, &answer.largest_piece);
    return answer;
  }

  /// The first NIC waits; all others have been given an address.
  [[nodiscard]] std::string assignment_of(const MacAddress& mac) const {
    const l2::PortId port = fabric.find(mac);
    if (port == l2::PortId{0}) return std::string{kAssignWait};
    Assignment found;
    found.mac = mac;
    found.ipv4 = Ipv4Prefix{Ipv4Address::parse("10.0.0.9").value(), 24};
    found.dns = {IpAddress{Ipv4Address::parse("10.0.0.1").value()}};
    return to_line(found);
  }

  EventBacklog backlog{1000};
  Outcome<Reloaded> reloaded = Reloaded{};
  std::size_t handed_over = 0;
  Api api{{fabric, hub, captures, forwards, operations, backlog, [this] { return moment(); },
           [this] { return reloaded; }, [this](dgram::Fd, const std::string&) { ++handed_over; },
           [] { return http::ServerCounters{}; }, [] { return std::size_t{3}; }, 64, nullptr,
           [this](const MacAddress& mac) { return assignment_of(mac); }}};
};

}  // namespace vnet::daemon
