// NicPort: one NIC of a running VM: its pair of sockets, its NicState, and that state's effects on QEMU and the switch.
//
// QEMU has one end of the pair, and the other is passed to the switch as often as it takes: we keep our copy, so that
// when the daemon ends the pair lives on, and its successor is given the same cable. The switch is asked by blocking
// exchanges (see switch_line.hpp), QEMU by QMP.
//
// A NIC that the switch does not know is added to it by its name and MAC address; it stays there, with its lease, until
// the VM is removed.
#pragma once

#include <functional>
#include <string>

#include "adapter/vm/nic_state.hpp"
#include "adapter/vm/qmp.hpp"
#include "adapter/vm/spec.hpp"
#include "adapter/vm/switch_line.hpp"
#include "dgram/socket.hpp"

namespace vnet::adapter {

class NicPort final : private NicEffects {
 public:
  using Say = std::function<void(const std::string&)>;
  using OnAttached = std::function<void()>;

  /// The NIC's MAC address is known. `switch_end` is our copy of what the switch gets.
  /// `on_added` is told the names of NICs that the switch did not know; `on_attached` that it has taken our end.
  NicPort(std::size_t index, VmNic nic, dgram::Fd switch_end, SwitchLine& line, QmpClient& qmp, Say say, Say on_added,
          OnAttached on_attached);

  [[nodiscard]] NicState& state() noexcept { return state_; }
  [[nodiscard]] const NicState& state() const noexcept { return state_; }
  [[nodiscard]] const VmNic& nic() const noexcept { return nic_; }
  [[nodiscard]] bool is(const std::string& name_or_mac) const;

  /// The switch says that something has happened to this NIC: has a look, and tells the state.
  void look(Instant now);
  /// QEMU has ended: ends the attachment, whatever the state thinks of it.
  void unplug() const;
  /// The switch has our end, as far as is known.
  [[nodiscard]] bool passed() const noexcept { return !since_.empty(); }
  /// For people and programs.
  [[nodiscard]] Json view() const;
  /// Has the guest's MAC address told to the network.
  void announce() override;

 private:
  void set_carrier(bool up) override;
  void attach(const std::string& network) override;
  void detach() override;

  [[nodiscard]] SwitchReply ensure_known(const std::string& network) const;
  [[nodiscard]] SwitchView view_of(const Json& nic) const;
  void drain() const;

  std::size_t index_;
  VmNic nic_;
  dgram::Fd switch_end_;
  SwitchLine& line_;
  QmpClient& qmp_;
  Say say_;
  Say on_added_;
  OnAttached on_attached_;
  std::string since_;  ///< when the switch took our end, by its own clock: tells our attachment from others
  NicState state_;
};

}  // namespace vnet::adapter
