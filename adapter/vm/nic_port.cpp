#include "adapter/vm/nic_port.hpp"

#include <sys/socket.h>

#include <array>
#include <utility>

#include "adapter/commands.hpp"
#include "adapter/poll_loop.hpp"
#include "adapter/vm/qemu_command.hpp"

namespace vnet::adapter {
namespace {

constexpr int kNotFound = 404;
constexpr int kConflict = 409;

SwitchRefusal refusal_of(const SwitchFault& fault) { return {fault.text, fault.status == 0}; }

const char* word_of(NicState::Carrier carrier) {
  switch (carrier) {
    case NicState::Carrier::up: return "up";
    case NicState::Carrier::down: return "down";
    case NicState::Carrier::unknown: break;
  }
  return "unknown";
}

}  // namespace

NicPort::NicPort(std::size_t index, VmNic nic, dgram::Fd switch_end, SwitchLine& line, QmpClient& qmp, Say say,
                 Say on_added, OnAttached on_attached)
    : index_(index),
      nic_(std::move(nic)),
      switch_end_(std::move(switch_end)),
      line_(line),
      qmp_(qmp),
      say_(std::move(say)),
      on_added_(std::move(on_added)),
      on_attached_(std::move(on_attached)),
      state_(*this, nic_.network, !nic_.disconnected) {}

bool NicPort::is(const std::string& name_or_mac) const {
  return name_or_mac == nic_.name || MacAddress::parse(name_or_mac) == nic_.mac;
}

SwitchView NicPort::view_of(const Json& nic) const {
  const Json& attachment = member(nic, "attachment");
  return {text_at(nic, "network"), text_at(nic, "link") != "down",
          !since_.empty() && text_at(attachment, "kind") == "fd" && text_at(attachment, "since") == since_};
}

void NicPort::look(Instant now) {
  const auto nic = line_.ask("GET", api_target({"nics", nic_.name}));
  if (nic) return state_.seen(view_of(*nic), now);
  // Removed at the switch: nothing is attached any more.
  if (nic.error().status == kNotFound) state_.seen({state_.network(), true, false}, now);
}

void NicPort::unplug() const {
  (void)line_.ask("DELETE", api_target({"nics", nic_.name, "attach"}),
                  {{"cause", "the VM has ended"}, {"ended", true}});
}

Json NicPort::view() const {
  Json json = {{"name", nic_.name},
               {"mac", nic_.mac.value_or(MacAddress{}).to_string()},
               {"model", nic_.model},
               {"network", state_.network()},
               {"attached", state_.attached()},
               {"wanted", state_.wanted()},
               {"carrier", word_of(state_.carrier())},
               {"link", state_.link_up() ? "up" : "down"}};
  if (!state_.problem().empty()) json["problem"] = state_.problem();
  return json;
}

void NicPort::set_carrier(bool up) {
  // By the netdev's id QEMU sets both; by the NIC's, only the NIC's.
  qmp_.ask("set_link", {{"name", qemu_netdev_id(index_)}, {"up", up}}, [this](const QmpAnswer& answer) {
    if (!answer) say_(nic_.name + ": " + answer.error());
    state_.carrier_done(answer.has_value(), PollLoop::now());
  });
}

SwitchReply NicPort::ensure_known(const std::string& network) const {
  const std::string mac = nic_.mac.value_or(MacAddress{}).to_string();
  auto known = line_.ask("GET", api_target({"nics", nic_.name}));
  if (!known && known.error().status == kNotFound) {
    Json fresh = {{"name", nic_.name}, {"mac", mac}};
    if (!network.empty()) fresh["network"] = network;
    if (nic_.assign) fresh["assign"] = "ready";
    auto added = line_.ask("POST", api_target({"nics"}), fresh);
    if (added) on_added_(nic_.name);
    return added;
  }
  if (!known) return known;
  if (MacAddress::parse(text_at(*known, "mac")) != nic_.mac) {
    return fail(SwitchFault{kConflict, "the NIC " + nic_.name + " has the MAC address " + text_at(*known, "mac") +
                                           " at the switch, and " + mac + " in the VM"});
  }
  Json change = Json::object();
  if (!network.empty() && text_at(*known, "network") != network) change["network"] = network;
  if (nic_.assign && text_at(*known, "assign") != "ready") change["assign"] = "ready";
  if (change.empty()) return known;
  change["cause"] = "vnet vm";
  return line_.ask("PATCH", api_target({"nics", nic_.name}), change);
}

void NicPort::attach(const std::string& network) {
  const auto done = [this](const SwitchAnswer& answer) {
    if (!answer && !answer.error().gone) say_(nic_.name + ": not attached: " + answer.error().text);
    state_.switch_done(answer, PollLoop::now());
  };
  const auto known = ensure_known(network);
  if (!known) return done(fail(refusal_of(known.error())));
  if (view_of(*known).attached) return done(view_of(*known));
  // What waits in the pair is of another time, unless this is a daemon that was gone for a moment only.
  if (state_.carrier() != NicState::Carrier::up) drain();
  const int fds[] = {switch_end_.get()};
  const auto taken = line_.ask("POST", api_target({"nics", nic_.name, "attach"}), {}, fds);
  if (!taken) return done(fail(refusal_of(taken.error())));
  since_ = text_at(member(*taken, "attachment"), "since");
  on_attached_();
  done(view_of(*taken));
}

void NicPort::detach() {
  auto ended = line_.ask("DELETE", api_target({"nics", nic_.name, "attach"}), {{"cause", "vnet vm"}});
  since_.clear();
  const bool gone = !ended && (ended.error().status == kConflict || ended.error().status == kNotFound);
  if (ended || gone) return state_.switch_done(SwitchView{state_.network(), state_.link_up(), false}, PollLoop::now());
  state_.switch_done(fail(refusal_of(ended.error())), PollLoop::now());
}

void NicPort::drain() const {
  std::array<char, 1> byte{};
  while (::recv(switch_end_.get(), byte.data(), byte.size(), MSG_DONTWAIT | MSG_TRUNC) > 0) {
  }
}

void NicPort::announce() {
  // Asked for at once and once more, in case the first is lost in a burst.
  qmp_.ask(
      "announce-self",
      {{"initial", 10}, {"max", 50}, {"rounds", 2}, {"step", 10}, {"interfaces", Json::array({qemu_nic_id(index_)})}},
      [this](const QmpAnswer& answer) {
        if (!answer) say_(nic_.name + ": not announced: " + answer.error());
      });
}

}  // namespace vnet::adapter
