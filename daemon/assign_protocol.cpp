#include "daemon/assign_protocol.hpp"

#include <nlohmann/json.hpp>

#include "daemon/json_text.hpp"

namespace vnet::daemon {

std::optional<AssignRequest> parse_assign_request(std::string_view line) {
  AssignRequest request;
  if (!line.starts_with('{')) return request;
  const auto document = parse_json_text(line);
  if (!document || !document->is_object()) return std::nullopt;
  if (const auto mac = document->find("mac"); mac != document->end()) {
    if (!mac->is_string()) return std::nullopt;
    request.mac = MacAddress::parse(mac->get<std::string>());
    if (!request.mac) return std::nullopt;
  }
  if (const auto stay = document->find("stay"); stay != document->end()) {
    if (!stay->is_boolean()) return std::nullopt;
    request.stay = stay->get<bool>();
  }
  return request;
}

std::string to_line(const Assignment& assignment) {
  Json line = Json::object();
  if (assignment.ipv4) {
    line["ip"] = assignment.ipv4->address.to_string();
    line["mask"] = assignment.ipv4->mask().to_string();
    line["gw"] = assignment.gateway.to_string();
  }
  line["mac"] = assignment.mac.to_string();
  if (assignment.ipv6) {
    line["ip6"] = assignment.ipv6->to_string();
    line["gw6"] = assignment.gateway6.to_string();
  }
  line["dns"] = Json::array();
  for (const IpAddress& server : assignment.dns) line["dns"].push_back(vnet::to_string(server));
  line["mtu"] = assignment.mtu;
  if (!assignment.hostname.empty()) line["hostname"] = assignment.hostname;
  return line.dump() + "\n";
}

bool AssignLines::take(std::string_view bytes, std::vector<std::string>& lines) {
  while (true) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (rest_.size() + piece.size() > kMaxLine) return false;
    rest_ += piece;
    if (end == std::string_view::npos) return true;
    if (rest_.ends_with('\r')) rest_.pop_back();
    lines.push_back(std::move(rest_));
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

}  // namespace vnet::daemon
