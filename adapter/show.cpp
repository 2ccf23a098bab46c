#include "adapter/show.hpp"

#include <algorithm>
#include <array>

#include "adapter/impair_words.hpp"
#include "adapter/network_words.hpp"
#include "adapter/printable.hpp"
#include "adapter/show_internet.hpp"
#include "adapter/show_list.hpp"
#include "adapter/units.hpp"

namespace vnet::adapter {
namespace {

/// What a NIC or a network is impaired by; empty: nothing.
std::string impairments(const Json& thing) {
  const Json& impair = member(thing, "impair");
  return impair.is_object() && !impair.empty() ? printable(impair_text(impair)) : "";
}

Cell link_cell(const Json& nic) {
  const std::string link = text_at(nic, "link");
  const bool impaired = !impairments(nic).empty();
  return {link + (impaired ? ", impaired" : ""), link == "down" ? Tone::bad : impaired ? Tone::warning : Tone::plain};
}

Cell drops_cell(std::uint64_t drops) { return {number(drops), drops > 0 ? Tone::warning : Tone::plain}; }

Shown status(const Json& status, Style style) {
  FieldList fields;
  fields.add("version", text_at(status, "version"));
  fields.add("process", number(count_at(status, "pid")));
  fields.add("up", duration(count_at(status, "uptime_s")) + ", since " + local_time(text_at(status, "started")));
  fields.add("networks", number(count_at(status, "networks")));
  fields.add("nics", number(count_at(status, "nics")) + ", " + number(count_at(status, "attached")) + " attached");
  const std::string drops = drops_text(member(status, "drops"));
  fields.add("dropped", drops.empty() ? Cell{"nothing"} : Cell{drops + " (of clients that are no NIC)", Tone::warning});
  Shown shown{fields.to_string(style), ""};
  const Json& limits = member(status, "limits");
  if (!limits.is_object() || limits.empty()) return shown;
  Table table{{{"LIMIT"}, {"USED", Align::right}, {"OF", Align::right}}};
  for (const auto& [name, limit] : limits.items()) {
    const std::uint64_t used = count_at(limit, "used");
    const std::uint64_t most = count_at(limit, "limit");
    const Tone tone = used >= most ? Tone::bad : used >= most / 5 * 4 && used > 0 ? Tone::warning : Tone::plain;
    table.add({name, {number(used), tone}, number(most)});
  }
  shown.text += "\n" + table.to_string(style);
  return shown;
}

Shown nics(const Json& nics, Style style) {
  Table table{{{"NAME"},
               {"NETWORK"},
               {"LINK"},
               {"ATTACHED"},
               {"MAC"},
               {"ADDRESSES"},
               {"IN", Align::right},
               {"OUT", Align::right},
               {"DROPS", Align::right}}};
  return list(nics, std::move(table), "no NICs", style, [](Table& rows, const Json& nic) {
    const Json& in = member(nic, "in");
    const Json& out = member(nic, "out");
    rows.add({text_at(nic, "name"), text_at(nic, "network"), link_cell(nic), text_at(member(nic, "attachment"), "kind"),
              text_at(nic, "mac"), texts_at(nic, "addresses", ","), bytes(count_at(in, "bytes")),
              bytes(count_at(out, "bytes")),
              drops_cell(drops_total(member(in, "drops")) + drops_total(member(out, "drops")))});
  });
}

std::string counters_text(const Json& counters) {
  return number(count_at(counters, "frames")) + " frames, " + bytes(count_at(counters, "bytes"));
}

Shown nic(const Json& nic, Style style) {
  FieldList fields;
  fields.add("name", text_at(nic, "name"));
  fields.add("mac", text_at(nic, "mac"));
  fields.add("network", text_at(nic, "network"));
  fields.add("link", link_cell(nic));
  const Json& attachment = member(nic, "attachment");
  const std::string peer = printable(text_at(attachment, "peer"));
  fields.add("attached", attachment.is_object() ? text_at(attachment, "kind") + (peer.empty() ? "" : ", " + peer) +
                                                      ", since " + local_time(text_at(attachment, "since"))
                                                : "no");
  fields.add("kept", flag_at(nic, "configured") ? "yes, configured or added" : "no, it was seen only");
  const auto add_if = [&](const char* label, const char* name) {
    if (const std::string text = text_at(nic, name); !text.empty()) fields.add(label, printable(text));
  };
  if (const std::string text = impairments(nic); !text.empty()) fields.add("impaired", {text, Tone::warning});
  add_if("reserved", "ip");
  add_if("hostname", "hostname");
  add_if("assignment", "assign");
  add_if("socket", "dgram");
  const std::string addresses = texts_at(nic, "addresses", "\n");
  fields.add("addresses", addresses.empty() ? "none seen" : addresses);
  for (const auto& [direction, meaning] : {std::pair{"in", "sent by it"}, std::pair{"out", "sent to it"}}) {
    const Json& counters = member(nic, direction);
    fields.add(direction, counters_text(counters) + " (" + meaning + ")");
    if (const std::string drops = drops_text(member(counters, "drops")); !drops.empty()) {
      fields.add(std::string{direction} + " dropped", {drops, Tone::warning});
    }
  }
  return {fields.to_string(style), ""};
}

Shown nic_line(const Json& nic) {
  return {printable(text_at(nic, "name")) + ": " + printable(text_at(nic, "mac")) + " on " +
              printable(text_at(nic, "network")) + ", link " + printable(text_at(nic, "link")) +
              (member(nic, "attachment").is_object() ? ", attached" : ", not attached") +
              (impairments(nic).empty() ? "" : ", impaired: " + impairments(nic)) + "\n",
          ""};
}

Shown networks(const Json& networks, Style style) {
  Table table{{{"NAME"},
               {"IPV4"},
               {"IPV6"},
               {"MTU", Align::right},
               {"MEMBERS"},
               {"NICS", Align::right},
               {"ATTACHED", Align::right},
               {"LEASES", Align::right},
               {"DOMAIN"},
               {"GATEWAY"}}};
  return list(networks, std::move(table), "no networks", style, [](Table& rows, const Json& network) {
    const Json& dhcp = member(network, "dhcp");
    rows.add({text_at(network, "name"), text_at(network, "ipv4"), text_at(network, "ipv6"),
              number(count_at(network, "mtu")), text_at(network, "members"), number(count_at(network, "nics")),
              number(count_at(network, "attached")), dhcp.is_object() ? number(count_at(dhcp, "leases")) : "",
              text_at(member(network, "dns"), "domain"), text_at(network, "mac")});
  });
}

Shown network(const Json& network, Style style) {
  FieldList fields;
  const auto add_if = [&](const char* label, const std::string& text) {
    if (!text.empty()) fields.add(label, printable(text));
  };
  add_if("name", text_at(network, "name"));
  add_if("ipv4", text_at(network, "ipv4"));
  add_if("ipv6", text_at(network, "ipv6"));
  add_if("gateway", text_at(network, "mac"));
  fields.add("mtu", number(count_at(network, "mtu")));
  add_if("members", text_at(network, "members"));
  fields.add("nics", number(count_at(network, "nics")) + ", " + number(count_at(network, "attached")) + " attached");
  const Json& dhcp = member(network, "dhcp");
  fields.add("dhcp", dhcp.is_object() ? printable(texts_at(dhcp, "range", " to ")) + ", " +
                                            number(count_at(dhcp, "leases")) + " leases"
                                      : "no");
  add_if("domain", text_at(member(network, "dns"), "domain"));
  const Json& wan = member(network, "wan");
  const std::string wan6 = text_at(wan, "ipv6");
  add_if("wan", text_at(wan, "ipv4") + (text_at(wan, "ipv4").empty() || wan6.empty() ? "" : ", ") + wan6);
  add_if("nat", nat_text(member(network, "nat")));
  if (const std::string lost = texts_at(network, "blackhole", ", "); !lost.empty()) {
    fields.add("blackhole", {printable(lost), Tone::warning});
  }
  const Json& egress = member(network, "egress");
  if (egress.is_object()) fields.add("egress", flag_at(egress, "enabled") ? Cell{"on"} : Cell{"off", Tone::warning});
  const std::string impaired = impairments(network);
  fields.add("impaired", impaired.empty() ? Cell{"no"} : Cell{impaired, Tone::warning});
  return {fields.to_string(style), ""};
}

Shown flows(const Json& flows, Style style) {
  Table table{{{"PROTO"},
               {"GUEST"},
               {"REMOTE"},
               {"STATE"},
               {"AGE", Align::right},
               {"FROM", Align::right},
               {"TO", Align::right},
               {"RESENT", Align::right},
               {"BUFFER", Align::right},
               {"NIC"},
               {"NETWORK"}}};
  return list(flows, std::move(table), "no flows", style, [](Table& rows, const Json& flow) {
    const bool tcp = member(flow, "state").is_string();
    const std::uint64_t resent = count_at(flow, "retransmitted");
    const std::string nic = text_at(flow, "nic");
    rows.add({text_at(flow, "proto"),
              text_at(flow, "guest"),
              text_at(flow, "remote"),
              text_at(flow, "state"),
              duration(count_at(flow, "age_s")),
              bytes(count_at(flow, "bytes_from_guest")),
              bytes(count_at(flow, "bytes_to_guest")),
              {tcp ? number(resent) : "", resent > 0 ? Tone::warning : Tone::plain},
              tcp ? bytes(count_at(flow, "buffered_bytes")) : "",
              nic.empty() ? text_at(flow, "mac") : nic,
              text_at(flow, "network")});
  });
}

Shown leases(const Json& leases, Style style) {
  Table table{{{"IP"}, {"MAC"}, {"HOSTNAME"}, {"NIC"}, {"NETWORK"}, {"LEFT", Align::right}, {"EXPIRES"}}};
  return list(leases, std::move(table), "no leases", style, [](Table& rows, const Json& lease) {
    rows.add({text_at(lease, "ip"), text_at(lease, "mac"), text_at(lease, "hostname"), text_at(lease, "nic"),
              text_at(lease, "network"), duration(count_at(lease, "remaining_s")),
              local_time(text_at(lease, "expires"))});
  });
}

void add_records(Table& rows, const Json& record) {
  const std::string name = text_at(record, "name");
  const std::string ttl = member(record, "ttl_s").is_number() ? number(count_at(record, "ttl_s")) : "";
  constexpr std::array<std::pair<const char*, const char*>, 5> kTypes = {
      {{"a", "A"}, {"aaaa", "AAAA"}, {"cname", "CNAME"}, {"ptr", "PTR"}, {"txt", "TXT"}}};
  for (const auto& [field, type] : kTypes) {
    const Json& data = member(record, field);
    if (data.is_string()) rows.add({name, type, data.get<std::string>(), ttl});
    if (!data.is_array()) continue;
    for (const Json& one : data) rows.add({name, type, one.is_string() ? one.get<std::string>() : "", ttl});
  }
  for (const Json& mx : member(record, "mx")) {
    rows.add({name, "MX", number(count_at(mx, "preference")) + " " + text_at(mx, "exchange"), ttl});
  }
  for (const Json& srv : member(record, "srv")) {
    rows.add({name, "SRV",
              number(count_at(srv, "priority")) + " " + number(count_at(srv, "weight")) + " " +
                  number(count_at(srv, "port")) + " " + text_at(srv, "target"),
              ttl});
  }
}

Shown dns(const Json& records, Style style) {
  // One record after it was set, or a list.
  const Json items = records.is_object() ? Json::array({records}) : records;
  return list(items, Table{{{"NAME"}, {"TYPE"}, {"DATA"}, {"TTL", Align::right}}}, "no names but those of the NICs",
              style, add_records);
}

Shown captures(const Json& captures, Style style) {
  Table table{{{"ID"},
               {"TO"},
               {"NICS"},
               {"FILTER"},
               {"FRAMES", Align::right},
               {"WRITTEN", Align::right},
               {"LOST", Align::right},
               {"STARTED"}}};
  return list(captures, std::move(table), "no captures", style, [](Table& rows, const Json& capture) {
    const std::string nics = texts_at(capture, "nics", ",");
    const std::uint64_t lost = count_at(capture, "lost");
    rows.add({text_at(capture, "id"),
              flag_at(capture, "live") ? "(live)" : text_at(capture, "file"),
              nics.empty() ? "all" : nics,
              text_at(capture, "filter"),
              number(count_at(capture, "frames")),
              number(count_at(capture, "written")),
              {number(lost), lost > 0 ? Tone::bad : Tone::plain},
              local_time(text_at(capture, "started"))});
  });
}

Shown forwards(const Json& forwards, Style style) {
  Table table{{{"ID"}, {"PROTO"}, {"LISTEN"}, {"TO"}, {"NETWORK"}, {"STATE"}, {"ACCEPTED", Align::right}}};
  return list(forwards, std::move(table), "no forwards", style, [](Table& rows, const Json& forward) {
    const std::string state = text_at(forward, "state");
    rows.add({text_at(forward, "id"),
              text_at(forward, "proto"),
              text_at(forward, "listen"),
              text_at(forward, "to"),
              text_at(forward, "network"),
              {state, state == "ready" ? Tone::good : Tone::warning},
              number(count_at(forward, "accepted"))});
  });
}

Shown reload(const Json& reload) {
  std::string text;
  for (const auto& [name, heading] :
       {std::pair{"changed", "changed"}, {"restart_needed", "needs a restart of vnetd"}}) {
    const std::string pointers = texts_at(reload, name, "\n  ");
    if (!pointers.empty()) text += std::string{heading} + ":\n  " + printable_lines(pointers) + "\n";
  }
  return {text, text.empty() ? "nothing has changed" : ""};
}

Shown restored(const Json& restored, Style style) {
  return list(member(restored, "nics"), Table{{{"NIC"}, {"LEASE"}}}, "no NICs in it", style,
              [](Table& rows, const Json& nic) {
                rows.add({text_at(nic, "name"), text_at(nic, "lease")});
              });
}

}  // namespace

std::uint64_t drops_total(const Json& drops) {
  std::uint64_t total = 0;
  if (!drops.is_object()) return 0;
  for (const auto& [reason, count] : drops.items()) total += count_at(drops, reason);
  return total;
}

std::string drops_text(const Json& drops) {
  if (!drops.is_object()) return {};
  std::vector<std::pair<std::uint64_t, std::string>> reasons;
  for (const auto& [reason, count] : drops.items()) {
    if (count_at(drops, reason) > 0) reasons.emplace_back(count_at(drops, reason), printable(reason));
  }
  std::ranges::stable_sort(reasons, std::ranges::greater{}, [](const auto& reason) { return reason.first; });
  std::string text;
  for (const auto& [count, reason] : reasons) text += (text.empty() ? "" : ", ") + number(count) + " " + reason;
  return text;
}

Shown present(Show show, const Json& document, Style style) {
  switch (show) {
    case Show::status: return status(document, style);
    case Show::nics: return nics(document, style);
    case Show::nic: return nic(document, style);
    case Show::nic_line: return nic_line(document);
    case Show::networks: return networks(document, style);
    case Show::network: return network(document, style);
    case Show::flows: return flows(document, style);
    case Show::services: return show_services(document, style);
    case Show::service: return show_service(document, style);
    case Show::mappings: return show_mappings(document, style);
    case Show::leases: return leases(document, style);
    case Show::dns: return dns(document, style);
    case Show::captures: return captures(document, style);
    case Show::capture_line:
      return {"capture " + printable(text_at(document, "id")) + " to " + printable(text_at(document, "file")) + "\n",
              ""};
    case Show::forwards: return forwards(document, style);
    case Show::forward_line:
      return {"forward " + printable(text_at(document, "id")) + " from " + printable(text_at(document, "listen")) +
                  " to " + printable(text_at(document, "to")) + "\n",
              ""};
    case Show::reload: return reload(document);
    case Show::restored: return restored(document, style);
    case Show::nothing:
    case Show::text:
    case Show::document:
    case Show::raw: break;
  }
  return {};
}

}  // namespace vnet::adapter
