#include "adapter/show_internet.hpp"

#include "adapter/printable.hpp"
#include "adapter/show_list.hpp"
#include "adapter/units.hpp"

namespace vnet::adapter {
namespace {

Cell state_cell(const Json& service) {
  return flag_at(service, "up") ? Cell{"up", Tone::good} : Cell{"down", Tone::bad};
}

/// Where a service leads on the host, one place after the other.
std::string places_of(const Json& service, const char* separator) {
  std::string places = text_at(service, "root");
  const Json& forward = member(service, "forward");
  if (!forward.is_object()) return places;
  for (const auto& [port, to] : forward.items()) {
    places += (places.empty() ? "" : separator) + port + " " + text_at(forward, port.c_str());
  }
  return places;
}

}  // namespace

Shown show_services(const Json& services, Style style) {
  Table table{{{"NAME"}, {"KIND"}, {"STATE"}, {"ADDRESSES"}, {"LEADS TO"}}};
  return list(services, std::move(table), "no services", style, [](Table& rows, const Json& service) {
    rows.add({text_at(service, "name"), text_at(service, "kind"), state_cell(service),
              texts_at(service, "addresses", ","), places_of(service, ", ")});
  });
}

Shown show_service(const Json& service, Style style) {
  FieldList fields;
  fields.add("name", printable(text_at(service, "name")));
  const std::string kind = text_at(service, "kind");
  fields.add("kind", kind.empty() ? "none" : printable(kind));
  fields.add("state", state_cell(service));
  fields.add("addresses", printable_lines(texts_at(service, "addresses", "\n")));
  if (const std::string places = places_of(service, "\n"); !places.empty()) {
    fields.add("leads to", printable_lines(places));
  }
  if (const std::uint64_t version = count_at(service, "proxy_protocol"); version != 0) {
    fields.add("with", "PROXY protocol, version " + number(version));
  }
  const Json& records = member(service, "records");
  if (records.is_array() && !records.empty()) fields.add("records", number(records.size()));
  return {fields.to_string(style), ""};
}

Shown show_mappings(const Json& document, Style style) {
  Table table{{{"PROTO"},
               {"INSIDE"},
               {"OUTSIDE"},
               {"TOWARD"},
               {"LEFT", Align::right},
               {"OUT", Align::right},
               {"IN", Align::right},
               {"SESSIONS", Align::right},
               {"NIC"},
               {"NETWORK"}}};
  const Json& found = member(document, "mappings");
  Shown shown = list(found, std::move(table), "no mappings", style, [](Table& rows, const Json& mapping) {
    const bool of_carrier = text_at(mapping, "router") == "carrier";
    const bool stays = !member(mapping, "expires_s").is_number();
    const std::string left = stays ? "stays" : duration(count_at(mapping, "expires_s"));
    rows.add({text_at(mapping, "proto"), text_at(mapping, "inside"), text_at(mapping, "outside"),
              text_at(mapping, "toward"), left + (flag_at(mapping, "pinned") ? ", pinned" : ""),
              bytes(count_at(mapping, "bytes_out")), bytes(count_at(mapping, "bytes_in")),
              number(count_at(mapping, "sessions")), text_at(mapping, "nic"),
              text_at(mapping, "network") + (of_carrier ? ", its carrier" : "")});
  });
  const std::uint64_t total = count_at(document, "total");
  if (found.is_array() && !found.empty() && total > found.size()) {
    shown.note = number(found.size()) + " of " + number(total) + " mappings; --limit shows more";
  }
  return shown;
}

}  // namespace vnet::adapter
