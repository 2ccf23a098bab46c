#include "daemon/vnetd.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "daemon/network_setup.hpp"
#include "daemon/os_random.hpp"

namespace vnet::daemon {
namespace {

void notice(std::string_view text) { spdlog::warn("{}", text); }

EventBacklog begin_backlog(const Startup& startup) {
  if (startup.predecessor) return {startup.predecessor->next_event, startup.predecessor->first_event};
  // Larger than any number of an earlier life: events are rarer than one a microsecond.
  const auto unix_time = std::chrono::system_clock::now().time_since_epoch();
  return EventBacklog{
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(unix_time).count())};
}

}  // namespace

Vnetd::Vnetd(Startup startup)
    : source_(startup.source),
      sockets_(loop_, *this),
      fabric_(network_configs(startup.now), nic_configs(startup.now), startup.now.seed.value_or(os_random()),
              os_random),
      events_(begin_backlog(startup)),
      drop_watch_(fabric_),
      state_(startup.now.state),
      hub_(fabric_, loop_, notice),
      names_(
          startup.now, fabric_, loop_, [this] { return loop_.now(); }, [this] { hub_.end_batch(); }, notice),
      forwards_({fabric_, sockets_, loop_, [this] { return loop_.now(); }, [this] { hub_.end_batch(); }}),
      services_(fabric_, loop_, startup.source.runtime_folder(), [this] { return moment(); }),
      captures_(fabric_, [this] { return moment(); }),
      operations_(startup.file, startup.now,
                  {fabric_, hub_, names_, forwards_, captures_, services_, leases_, runtime_,
                   [this] { return moment(); }, notice}),
      timeline_(startup.now.timeline),
      assignments_({fabric_, [this]() -> const Config& { return config(); }, [this] { return loop_.now(); }}),
      assign_({loop_, assignments_, [this] { return loop_.now(); }, [this] { commit_leases(); },
               [this] { hub_.end_batch(); }}),
      api_({fabric_, hub_, captures_, forwards_, operations_, events_, [this] { return moment(); },
            [this] { return reload(); },
            [this](dgram::Fd connection, const std::string&) {
              successor_ = std::make_unique<WaitingSuccessor>(std::move(connection), loop_, [this] { hand_over(); });
            },
            [this] { return control_.counters(); }, [this] { return control_.client_count(); },
            ControlServers::kMaxClients, &sockets_,
            [this](const MacAddress& mac) {
              std::string line = assignments_.answer(mac);
              commit_leases();
              return line;
            }}),
      control_(loop_, [this] { return loop_.now(); }) {
  fabric_.open_egress(sockets_);
  start(startup);
  timeline_.begin(loop_.now(), startup.predecessor ? startup.predecessor->timeline : std::nullopt);
  hub_.before_send([this] { commit_leases(); });
  hub_.after_send([this] { after_batch(); });
  loop_.on_sleep([this] { return next_deadline(); });
  loop_.on_deadline([this] { on_deadline(); });
  listen_to_signals();
}

Vnetd::~Vnetd() = default;

void Vnetd::listen_to_signals() {
  for (const int signal : {SIGINT, SIGTERM}) loop_.on_signal(signal, [this] { loop_.stop(); });
  loop_.on_signal(SIGUSR1, [this] { log_counters(fabric_, hub_.door_drops()); });
  loop_.on_signal(SIGHUP, [this] {
    if (const auto reloaded = reload(); !reloaded) {
      const Refusal& refusal = reloaded.error();
      notice("not reloaded, nothing has changed: " + (refusal.place.empty() ? "" : refusal.place + ": ") +
             refusal.text);
    }
  });
}

void Vnetd::run() {
  announce();
  loop_.run();
  spdlog::info("asked to stop");
  log_counters(fabric_, hub_.door_drops());
}

Moment Vnetd::moment() const { return wall_clock_.at(loop_.now()); }

void Vnetd::commit_leases() {
  for (std::size_t i = 0; i < fabric_.network_count(); ++i) {
    if (!fabric_.has_network(i)) continue;
    network::AddressService* const addresses = fabric_.gateway(i).addresses();
    if (addresses == nullptr || !addresses->has_changes()) continue;
    const auto changes = addresses->take_changes();
    if (!leases_) continue;
    for (const dhcp::LeaseEvent& change : changes) leases_->note(fabric_.network_config(i).name, change, moment());
  }
  if (leases_ && leases_->has_work()) leases_->commit(moment());
}

void Vnetd::on_host(nat::FlowId flow, nat::HostEvents events) { fabric_.on_host(flow, events, loop_.now()); }

void Vnetd::on_host_batch_end() {
  fabric_.end_host_events(loop_.now());
  hub_.end_batch();
}

void Vnetd::after_batch() {
  if (!expiring_) drop_watch_.on_traffic(loop_.now());
  names_.pump();
  forwards_.retry();
  // A question that could not be sent may have been answered with an error at once.
  if (!fabric_.transmit().empty()) hub_.end_batch();
  if (!fabric_.events().empty()) {
    assign_.refresh();
    const Moment at = moment();
    for (const network::Event& event : fabric_.events().take()) publish(event, at);
    control_.wake();
  }
  if (leases_) {
    for (const std::string& message : leases_->take_messages()) notice(message);
  }
  if (clients_) {
    if (const auto error = clients_->take_error()) notice(*error);
  }
}

void Vnetd::publish(const network::Event& event, const Moment& at) {
  event_logger_.log(event);
  events_.add(event, at.unix_ms_of(event.at));
  using network::EventKind;
  const bool plugged = event.kind == EventKind::nic_attached || event.kind == EventKind::nic_detached;
  if (clients_ && plugged) clients_->change(event.at);
}

void Vnetd::on_deadline() {
  const Instant now = loop_.now();
  expiring_ = true;
  drop_watch_.expire(now);
  if (now >= captures_.next_deadline()) look_at_captures(now);
  forwards_.expire(now);
  services_.expire(now);
  hub_.expire();
  expiring_ = false;
  if (now >= timeline_.next_deadline()) run_timeline();
  assign_.expire(now);
  control_.expire(now);
  if (clients_ && now >= clients_->next_deadline()) clients_->save(hub_.known_clients());
}

void Vnetd::run_timeline() {
  for (const std::size_t index : timeline_.take_due(loop_.now())) {
    const TimelineEvent scripted = config().timeline[index];
    const std::string place = "/timeline/" + std::to_string(index);
    const auto done = operations_.run(scripted);
    network::Event event;
    event.kind = done ? network::EventKind::timeline_step : network::EventKind::timeline_failed;
    event.at = loop_.now();
    if (scripted.network && !scripted.nic) event.network = *scripted.network;
    if (scripted.nic) event.nic = *scripted.nic;
    event.subject = place;
    if (!done) event.cause = (done.error().place.empty() ? "" : place + done.error().place + ": ") + done.error().text;
    if (!done) notice("timeline: " + (event.cause.starts_with('/') ? "" : place + ": ") + event.cause);
    fabric_.announce(std::move(event));
  }
  hub_.end_batch();
}

void Vnetd::look_at_captures(Instant now) {
  bool forgotten = false;
  for (const Captures::Ended& ended : captures_.look(now)) {
    if (!ended.error.empty()) spdlog::error("capture ended: {}", ended.error);
    network::Event event;
    event.kind = network::EventKind::capture_ended;
    event.at = now;
    event.subject = ended.id;
    event.cause = !ended.error.empty() ? ended.error : ended.live ? "its reader is gone" : "as asked";
    fabric_.announce(std::move(event));
    forgotten = forgotten || !ended.live;
  }
  if (forgotten) operations_.forget_capture();
}

Instant Vnetd::next_deadline() const {
  Instant next = std::min({hub_.next_deadline(), drop_watch_.next_deadline(), captures_.next_deadline(),
                           control_.next_deadline(), forwards_.next_deadline(), services_.next_deadline(),
                           timeline_.next_deadline(), assign_.next_deadline()});
  if (clients_) next = std::min(next, clients_->next_deadline());
  return leases_ ? std::min(next, leases_->next_deadline()) : next;
}

Outcome<Reloaded> Vnetd::reload() {
  if (!source_.has_file()) {
    return fail(Refusal{Refusal::Kind::conflict, {}, "vnetd was started without --config: there is nothing to reload"});
  }
  auto loaded = source_.load();
  if (!loaded) {
    const Problem& first = loaded.error().problems.listed().front();
    const bool points = first.place.empty() || first.place.starts_with('/');  // or it is a line and a column
    return fail(Refusal{Refusal::Kind::invalid, points ? first.place : std::string{},
                        loaded.error().source + ": " + (points ? "" : first.place + ": ") + first.text,
                        loaded.error().problems});
  }
  run_timeline();  // what is due is due by the file as it was
  auto reloaded = operations_.reload(std::move(loaded->config));
  if (!reloaded) return reloaded;
  timeline_.replace(config().timeline, loop_.now());
  serve_assign();
  network::Event event;
  event.kind = network::EventKind::config_reloaded;
  event.at = loop_.now();
  event.cause = std::to_string(reloaded->changed.size()) + " changes";
  fabric_.announce(std::move(event));
  for (const std::string& pointer : reloaded->restart_needed)
    notice(source_.name() + ": " + pointer + ": needs a restart");
  hub_.end_batch();
  return reloaded;
}

}  // namespace vnet::daemon
