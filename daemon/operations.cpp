#include "daemon/operations.hpp"

#include <algorithm>
#include <utility>

#include "daemon/config_check_network.hpp"
#include "daemon/json_format.hpp"
#include "daemon/network_setup.hpp"
#include "pcap/filter.hpp"

namespace vnet::daemon {
namespace {

Refusal refusal_of(const network::NicProblem& problem) {
  return {Refusal::Kind::conflict, "/" + problem.member, problem.text};
}

Refusal refusal_of(const Problems& problems) {
  const Problem& first = problems.listed().front();
  return {Refusal::Kind::invalid, first.place, first.text, problems};
}

std::optional<Nic> copy_of(const Nic* nic) { return nic == nullptr ? std::nullopt : std::optional{*nic}; }

std::optional<DnsRecord> find_record(const Network& network, const std::string& name) {
  const auto found = std::ranges::find(network.dns.records, name, &DnsRecord::name);
  return found == network.dns.records.end() ? std::nullopt : std::optional{*found};
}

template <typename T>
std::vector<std::string> names_of(const std::vector<T>& values) {
  std::vector<std::string> names;
  for (const T& value : values) names.push_back(value.name);
  return names;
}

}  // namespace

Operations::Operations(Config file, Config now, Parts parts)
    : file_(std::move(file)), now_(std::move(now)), parts_(std::move(parts)) {}

std::vector<CaptureRequest> Operations::requested_captures() const {
  std::vector<CaptureRequest> requests;
  for (const Captures::Running& capture : parts_.captures.running()) {
    if (!capture.live && capture.request.id != Captures::kConfigured) requests.push_back(capture.request);
  }
  return requests;
}

RuntimeChanges Operations::changes() const {
  RuntimeChanges changes = difference(file_, now_);
  changes.captures = requested_captures();
  changes.zones = zones_;
  return changes;
}

void Operations::resume(const RuntimeChanges& changes) {
  zones_ = changes.zones;
  for (const CaptureRequest& request : changes.captures) {
    if (auto id = parts_.captures.start(request, true); !id) parts_.notice(id.error() + "; it does not go on");
  }
  save_all();
}

void Operations::save(RuntimeChanges change) {
  if (parts_.store == nullptr) return;
  if (parts_.store->wants_rewrite()) return save_all();
  change.captures = requested_captures();
  change.zones = zones_;
  if (const auto saved = parts_.store->append(change); !saved) parts_.notice(saved.error());
}

void Operations::save_all() {
  if (parts_.store == nullptr) return;
  if (const auto saved = parts_.store->rewrite(changes()); !saved) parts_.notice(saved.error());
}

void Operations::save_nic(const MacAddress& mac) {
  RuntimeChanges change;
  change.nics.push_back({{copy_of(find_nic(file_, mac)), copy_of(find_nic(now_, mac))}, mac});
  save(std::move(change));
}

void Operations::save_record(std::size_t network, const std::string& name) {
  RuntimeChanges::Record record;
  record.network = network_name(network);
  record.name = name;
  const auto in_file = std::ranges::find(file_.networks, record.network, &Network::name);
  if (in_file != file_.networks.end()) record.file = find_record(*in_file, name);
  record.now = find_record(network_now(network), name);
  RuntimeChanges change;
  change.records.push_back(std::move(record));
  save(std::move(change));
}

Network& Operations::network_now(std::size_t network) {
  return *std::ranges::find(now_.networks, network_name(network), &Network::name);
}

Outcome<std::size_t> Operations::find_network(const std::string& name, std::string_view place) const {
  if (const auto found = fabric().find_network(name)) return *found;
  return fail(Refusal{Refusal::Kind::invalid, std::string{place},
                      found_expected("the network " + in_quotes(name), "one of " + join(names_of(now_.networks))) +
                          did_you_mean(name, names_of(now_.networks))});
}

Nic Operations::nic_now(l2::PortId port) const {
  const network::NicConfig& config = fabric().nic(port).config;
  Nic nic = copy_of(find_nic(now_, config.mac)).value_or(Nic{});
  nic.name = config.name;
  nic.mac = config.mac;
  nic.network = network_name(config.network);
  nic.ip = config.ip;
  nic.hostname = config.hostname.empty() ? config.name : config.hostname;
  nic.link = config.link_up ? Link::up : Link::down;
  nic.impair = config.impair;
  return nic;
}

void Operations::remember(const Nic& nic) {
  const auto found = std::ranges::find(now_.nics, nic.mac, &Nic::mac);
  if (found == now_.nics.end()) {
    now_.nics.push_back(nic);
  } else {
    *found = nic;
  }
  save_nic(nic.mac);
}

Outcome<l2::PortId> Operations::add_nic(Nic nic) {
  const auto network = find_network(nic.network, "/network");
  if (!network) return fail(network.error());
  nic.network = network_name(*network);  // however it was written
  if (nic.ip) {
    Problems problems;
    check_host_address(network_now(*network), *nic.ip, "/ip", problems);
    if (!problems.empty()) return fail(refusal_of(problems));
  }
  const Moment at = parts_.clock();
  const auto open_socket = [&](l2::PortId port) -> Outcome<void> {
    if (!nic.dgram) return {};
    const auto opened = parts_.hub.listen_own(*nic.dgram, port);
    if (!opened) return fail(Refusal{Refusal::Kind::conflict, "/dgram", opened.error().to_string()});
    return {};
  };
  network::NicConfig wanted = nic_config(nic, *network);
  const l2::PortId known = fabric().find(nic.mac);
  const bool appeared = known != l2::kNoPort && !fabric().nic(known).configured;
  if (appeared) {
    // Its socket is made first: should that fail, the NIC is left as it is.
    if (const auto problem = fabric().problem(wanted, known)) return fail(refusal_of(*problem));
    if (auto opened = open_socket(known); !opened) return fail(std::move(opened.error()));
  }
  const auto port = fabric().add(std::move(wanted), at.now);
  if (!port) return fail(refusal_of(port.error()));
  if (!appeared) {
    if (auto opened = open_socket(*port); !opened) {
      fabric().remove(*port, "its socket could not be made", at.now);
      return fail(std::move(opened.error()));
    }
  }
  remember(nic);
  parts_.hub.end_batch();
  return *port;
}

Outcome<void> Operations::change_nic(l2::PortId port, const NicChange& change, std::string_view cause) {
  Nic wanted = nic_now(port);
  const bool hostname_follows = wanted.hostname == wanted.name;
  if (change.name) wanted.name = *change.name;
  if (change.name && hostname_follows) wanted.hostname = *change.name;
  if (change.hostname) wanted.hostname = *change.hostname;
  if (change.network) wanted.network = *change.network;
  if (change.ip) wanted.ip = *change.ip;
  const bool assigns = change.assign && wanted.assign != *change.assign;
  if (change.assign) wanted.assign = *change.assign;
  if (change.impair) wanted.impair = *change.impair;
  const auto network = find_network(wanted.network, "/network");
  if (!network) return fail(network.error());
  wanted.network = network_name(*network);  // however it was written
  const bool moves = *network != fabric().nic(port).config.network;
  // A reservation that was made for the old network does not follow to another.
  if (moves && !change.ip && wanted.ip) {
    const auto& prefix = network_now(*network).ipv4;  // none: the network has IPv6 only
    if (!prefix || !prefix->contains(*wanted.ip)) wanted.ip.reset();
  }
  if (change.ip && wanted.ip) {
    Problems problems;
    check_host_address(network_now(*network), *wanted.ip, "/ip", problems);
    if (!problems.empty()) return fail(refusal_of(problems));
  }
  const Moment at = parts_.clock();
  Result<void, network::NicProblem> done{};
  const auto act = [&] { done = fabric().change(port, nic_config(wanted, *network), cause, at.now); };
  if (moves) {
    parts_.hub.change(port, act);
  } else {
    act();
  }
  if (!done) return fail(refusal_of(done.error()));
  if (change.link) {
    wanted.link = *change.link;
    parts_.hub.set_link(port, wanted.link == Link::up, cause);
  }
  remember(wanted);
  if (assigns) {
    network::Event event{network::EventKind::nic_changed, at.now, wanted.network, wanted.name, wanted.mac};
    event.subject = wanted.assign == Assign::ready ? "assign ready" : "assign wait";
    event.cause = cause;
    fabric().announce(std::move(event));
  }
  parts_.hub.end_batch();
  return {};
}

void Operations::remove_nic(l2::PortId port, std::string_view cause) {
  const MacAddress mac = fabric().nic(port).config.mac;
  parts_.hub.forget(port, cause);
  fabric().remove(port, cause, parts_.clock().now);
  std::erase_if(now_.nics, [&](const Nic& nic) { return nic.mac == mac; });
  save_nic(mac);
  parts_.hub.end_batch();
}

Outcome<void> Operations::attach(l2::PortId port, dgram::Fd fd) {
  if (const auto attached = parts_.hub.attach(std::move(fd), port); !attached) {
    return fail(Refusal{Refusal::Kind::invalid, {}, attached.error().to_string()});
  }
  parts_.hub.end_batch();
  return {};
}

Outcome<void> Operations::detach(l2::PortId port, std::string_view cause) {
  if (!parts_.hub.detach(port, cause)) {
    return fail(Refusal{Refusal::Kind::conflict, {}, "nothing is attached to NIC " + fabric().nic(port).config.name});
  }
  parts_.hub.end_batch();
  return {};
}

Outcome<void> Operations::end_lease(std::size_t network, Ipv4Address ip) {
  network::AddressService* const addresses = fabric().gateway(network).addresses();
  if (addresses == nullptr || !addresses->remove(ip, parts_.clock().now)) {
    return fail(
        Refusal{Refusal::Kind::unknown, {}, "network " + network_name(network) + " has no lease of " + ip.to_string()});
  }
  parts_.hub.end_batch();  // the journal learns of it
  return {};
}

bool Operations::restore_lease(std::size_t network, const dhcp::Lease& lease) {
  network::AddressService* const addresses = fabric().gateway(network).addresses();
  const Moment at = parts_.clock();
  if (addresses == nullptr || !addresses->restore(lease, at.now)) return false;
  if (parts_.leases != nullptr) {
    parts_.leases->note(network_name(network), {dhcp::LeaseEvent::Kind::granted, lease}, at);
    (void)parts_.leases->commit(at);
  }
  return true;
}

void Operations::restart_guest(l2::PortId port, std::vector<network::GuestConnection> believed) {
  fabric().restart_guest(port, std::move(believed), parts_.clock().now);
  parts_.hub.end_batch();
}

Outcome<void> Operations::put_record(std::size_t network, DnsRecord record) {
  Problems problems;
  // What no config file could have could not be read again after a restart.
  if (const Format& format = *find_format("record-name"); !format.matches(record.name)) {
    problems.add("/0/name", found_expected(in_quotes(record.name), format.expected));
  }
  check_records({record}, {}, problems);
  if (!problems.empty()) {
    // The pointers begin with the record's place in the list that was checked.
    Problems of_record;
    for (const Problem& each : problems.listed()) {
      of_record.add(each.place.starts_with("/0") ? each.place.substr(2) : each.place, each.text);
    }
    return fail(refusal_of(of_record));
  }
  if (const auto put = fabric().gateway(network).dns().local().put(record_of(record)); !put) {
    return fail(Refusal{Refusal::Kind::invalid, {}, std::string{to_string(put.error())}});
  }
  auto& records = network_now(network).dns.records;
  const auto owner = dns::Name::parse(record.name);
  const auto found =
      std::ranges::find_if(records, [&](const DnsRecord& other) { return dns::Name::parse(other.name) == owner; });
  if (found == records.end()) {
    records.push_back(record);
  } else {
    record.name = found->name;  // the spelling under which it is known
    *found = record;
  }
  save_record(network, record.name);
  return {};
}

bool Operations::remove_record(std::size_t network, const std::string& name) {
  const auto parsed = dns::Name::parse(name);
  if (!parsed || !fabric().gateway(network).dns().local().remove(*parsed)) return false;
  auto& records = network_now(network).dns.records;
  const auto found =
      std::ranges::find_if(records, [&](const DnsRecord& record) { return dns::Name::parse(record.name) == *parsed; });
  if (found == records.end()) return true;
  const std::string known_as = found->name;
  records.erase(found);
  save_record(network, known_as);
  return true;
}

Outcome<void> Operations::add_zone(const GvproxyZone& zone) {
  const std::string suffix = zone.name.empty() || zone.name.front() == '.' ? zone.name : "." + zone.name;
  std::vector<DnsRecord> records;
  const auto add = [&](const std::string& name, const std::string& ip) {
    const auto address = Ipv4Address::parse(ip);
    // What is not as in the config file could not be read again after a restart.
    if (!address || !dns::Name::parse(name) || !find_format("record-name")->matches(name)) return false;
    DnsRecord record;
    record.name = name;
    record.a = {*address};
    record.ttl_s = 0;
    records.push_back(std::move(record));
    return true;
  };
  for (const auto& record : zone.records) {
    if (!add(record.name + suffix, record.ip)) {
      return fail(Refusal{Refusal::Kind::invalid, "/Records",
                          found_expected("the record " + in_quotes(record.name) + " with " + in_quotes(record.ip),
                                         "a host name and an IPv4 address")});
    }
  }
  if (!zone.default_ip.empty() && !add("*" + suffix, zone.default_ip)) {
    return fail(
        Refusal{Refusal::Kind::invalid, "/DefaultIP", found_expected(in_quotes(zone.default_ip), "an IPv4 address")});
  }
  for (const DnsRecord& record : records) {
    if (auto put = put_record(0, record); !put) return put;
  }
  const auto known = std::ranges::find(zones_, zone.name, &GvproxyZone::name);
  if (known == zones_.end()) {
    zones_.push_back(zone);
  } else {
    // As in gvproxy, the new default holds, be it none.
    if (!known->default_ip.empty() && zone.default_ip.empty()) remove_record(0, "*" + suffix);
    GvproxyZone merged = zone;
    for (const auto& record : known->records) {
      if (std::ranges::find(zone.records, record.name, &GvproxyZone::Record::name) == zone.records.end()) {
        merged.records.push_back(record);
      }
    }
    *known = std::move(merged);
  }
  save({});
  return {};
}

Outcome<std::string> Operations::start_capture(CaptureRequest request) {
  if (const auto filter = capture::Filter::compile(request.filter); !filter) {
    return fail(Refusal{Refusal::Kind::invalid, "/filter",
                        found_expected(in_quotes(request.filter), "a filter as tcpdump takes it") +
                            " (libpcap: " + filter.error() + ")"});
  }
  for (const Captures::Running& other : parts_.captures.running()) {
    if (!other.live && other.request.file == request.file) {
      return fail(Refusal{Refusal::Kind::conflict, "/file",
                          "capture " + other.request.id + " is already written to " + request.file});
    }
  }
  auto id = parts_.captures.start(std::move(request), false);
  if (!id) return fail(Refusal{Refusal::Kind::conflict, "/file", id.error()});
  save({});
  return *id;
}

bool Operations::stop_capture(std::string_view id) {
  if (!parts_.captures.stop(id)) return false;
  save({});
  return true;
}

}  // namespace vnet::daemon
