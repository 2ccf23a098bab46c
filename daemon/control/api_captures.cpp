// /v1/captures: to files that the daemon writes, and live into a client's connection.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/control/api.hpp"
#include "daemon/control/views.hpp"
#include "daemon/json_format.hpp"
#include "pcap/filter.hpp"

namespace vnet::daemon {
namespace {

constexpr std::uint32_t kMaxSnaplen = 262'144;

http::Response no_capture(const std::string& id) { return problem(404, "there is no capture " + in_quotes(id)); }

}  // namespace

Problems Api::check_interfaces(const std::vector<std::string>& names, const std::string& pointer) const {
  std::vector<std::string> known = nic_names();
  for (const Network& network : parts_.operations.config().networks) {
    known.push_back(network.name + "-gateway");
    known.push_back(network.name + "-wan");
  }
  Problems problems;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::find(known, names[i]) != known.end()) continue;
    problems.add(
        pointer + "/" + std::to_string(i),
        found_expected(in_quotes(names[i]), "the name of a NIC, or of a network with -gateway or -wan behind it") +
            did_you_mean(names[i], known));
  }
  return problems;
}

http::Response Api::get_captures(Call&) {
  Json captures = Json::array();
  for (const Captures::Running& capture : parts_.captures.running()) captures.push_back(to_json(capture));
  return answer(captures);
}

http::Response Api::get_capture(Call& call) {
  const Captures::Running* const capture = parts_.captures.find(call.argument);
  return capture == nullptr ? no_capture(call.argument) : answer(to_json(*capture));
}

http::Response Api::post_capture(Call& call) {
  const Json& document = call.document;
  CaptureRequest request;
  request.file = document.at("file");
  request.nics = document.value("nics", std::vector<std::string>{});
  request.filter = document.value("filter", "");
  request.snaplen = document.value("snaplen", 0U);
  request.rotate_mb = document.value("rotate_mb", 0U);
  request.keep = document.value("keep", 0U);
  if (!request.file.starts_with('/')) {
    return problem(400, found_expected(in_quotes(request.file), "an absolute path"), "/file");
  }
  if (const Problems problems = check_interfaces(request.nics, "/nics"); !problems.empty())
    return problem(400, problems);
  const auto id = parts_.operations.start_capture(std::move(request));
  if (!id) return problem(id.error());
  http::Response response = answer(to_json(*parts_.captures.find(*id)), 201);
  response.headers.emplace_back("Location", "/v1/captures/" + *id);
  return response;
}

http::Response Api::delete_capture(Call& call) {
  return parts_.operations.stop_capture(call.argument) ? no_content() : no_capture(call.argument);
}

http::Response Api::get_live_capture(Call& call) {
  CaptureRequest request;
  for (const auto& [name, value] : call.request.query) {
    if (name == "nic") {
      request.nics.push_back(value);
    } else if (name == "filter") {
      request.filter = value;
    } else if (name == "snaplen") {
      const auto snaplen = parse_number(value, 0, kMaxSnaplen);
      if (!snaplen) return problem(400, found_expected("snaplen=" + in_quotes(value), "a number of bytes"));
      request.snaplen = *snaplen;
    }
  }
  if (const Problems problems = check_interfaces(request.nics, {}); !problems.empty()) {
    return problem(400, problems.listed().front().text);
  }
  if (const auto filter = capture::Filter::compile(request.filter); !filter) {
    return problem(400, found_expected("filter=" + in_quotes(request.filter), "a filter as tcpdump takes it") +
                            " (libpcap: " + filter.error() + ")");
  }
  if (parts_.captures.running().size() >= Captures::kMaxCaptures) {
    return problem(409,
                   "there are " + std::to_string(Captures::kMaxCaptures) + " captures already, which is the limit");
  }
  http::Response response;
  response.type = "application/x-pcapng";
  response.hand_over = [this, request](dgram::Fd connection, const std::string&) {
    // The head has been sent: should it fail now, for want of a thread, the empty capture says so.
    (void)parts_.captures.start_live(request, std::move(connection));
  };
  return response;
}

}  // namespace vnet::daemon
