// Vm: a running QEMU with everything that belongs to it: control, console, and its NICs on the switch.
//
// It begins paused and with every NIC held; what is done with it from there on is the jobs' (job.hpp). It knows QEMU's
// run state from QMP's events, since a guest may shut itself down and a person may stop it through QMP of their own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adapter/poll_loop.hpp"
#include "adapter/vm/agent_port.hpp"
#include "adapter/vm/console.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/nic_port.hpp"
#include "adapter/vm/process.hpp"
#include "adapter/vm/qmp.hpp"
#include "adapter/vm/snapshot.hpp"
#include "adapter/vm/spec.hpp"
#include "adapter/vm/switch_line.hpp"

namespace vnet::adapter {

struct VmStart {
  VmSpec spec;  ///< complete, MAC addresses and all
  VmFolder folder;
  std::string switch_path;  ///< vnetd's control socket
  std::string accel;
  bool foreground = false;
  dgram::Fd state{};   ///< a saved one, to begin with
  dgram::Fd memory{};  ///< a file: what the guest begins with where it was saved, else where all that it writes goes
  SavedGuest saved{};
  dgram::Fd leash{};                      ///< a pipe's end: the VM is ended when the other end closes
  std::vector<std::string> disk_files{};  ///< of the spec's disks: themselves, or copies
};

class Vm final : public QmpClient::Owner, public SwitchLine::Owner {
 public:
  using Say = std::function<void(const std::string&)>;

  /// Starts QEMU. `on_escape`: the person at the console wants to end it.
  [[nodiscard]] static dgram::SystemResult<std::unique_ptr<Vm>> start(VmStart how, PollLoop& loop, Say say,
                                                                      std::function<void()> on_escape);

  [[nodiscard]] const VmSpec& spec() const noexcept { return how_.spec; }
  [[nodiscard]] const VmStart& how() const noexcept { return how_; }
  [[nodiscard]] QmpClient& qmp() noexcept { return *qmp_; }
  [[nodiscard]] SwitchLine& line() noexcept { return line_; }
  [[nodiscard]] AgentPort& agent() noexcept { return *agent_; }
  [[nodiscard]] std::vector<std::unique_ptr<NicPort>>& nics() noexcept { return nics_; }
  [[nodiscard]] NicPort* find_nic(const std::string& name_or_mac);
  void say(const std::string& text) const { say_(text); }

  void hold_all(Instant now);
  void release_all(Instant now);
  /// No NIC has anything left to do.
  [[nodiscard]] bool settled() const;
  /// Every guest carrier is known to be down, and nothing is attached.
  [[nodiscard]] bool disconnected() const;

  [[nodiscard]] bool running() const noexcept { return running_; }
  /// A saved state is to be loaded, and has not been taken yet.
  [[nodiscard]] bool loading() const noexcept { return static_cast<bool>(how_.state); }
  /// The file that is the guest's memory, to be saved apart from the state; null: the state holds it.
  [[nodiscard]] const dgram::Fd* memory_file() const noexcept {
    return how_.memory && how_.saved.state.empty() ? &how_.memory : nullptr;
  }
  [[nodiscard]] dgram::Fd take_state() noexcept { return std::move(how_.state); }
  /// Some NIC has another MAC address than the one that the saved guest knows.
  [[nodiscard]] bool is_renamed() const;
  /// What the agent is told when the guest wakes from a saved state; see agent/wake.hpp.
  [[nodiscard]] Json awakening() const;
  /// Has the switch remember what it did when the VM was saved. What it does not take, the guest asks for anew.
  void restore_switch_memory();
  /// QEMU has ended: the switch need not find out by itself that nobody is there.
  void unplug();
  /// What the switch remembers of the NICs now; null where it is not there.
  [[nodiscard]] Json switch_memory();
  /// `answer` is query-version's.
  void note_version(const Json& answer);
  [[nodiscard]] const std::string& qemu_version() const noexcept { return qemu_version_; }
  /// QEMU's last word on a migration: `completed`, `failed`, ...; empty: none has begun.
  [[nodiscard]] const std::string& migration() const noexcept { return migration_; }
  void forget_migration() { migration_.clear(); }

  [[nodiscard]] pid_t pid() const noexcept { return process_->pid(); }
  /// To be called when a child may have ended. Empty while QEMU runs.
  [[nodiscard]] const std::string& ended();
  void kill();

  [[nodiscard]] Instant next_deadline() const;
  void expire(Instant now);

 private:
  Vm(VmStart how, PollLoop& loop, Say say)
      : how_(std::move(how)), say_(std::move(say)), line_(how_.switch_path, loop, *this) {}

  /// Tells the agent the assignment of the first NIC that has one.
  void assign();
  /// A NIC has one lease in a network; one that it was given since it was saved goes.
  void make_way_for_lease(Json& memory);

  void on_qmp_event(const std::string& name, const Json& data) override;
  void on_qmp_gone(const std::string& cause) override;
  void on_switch_here() override;
  void on_switch_gone(const std::string& cause) override;
  void on_nic_event(const Json& event) override;

  VmStart how_;
  Say say_;
  SwitchLine line_;
  std::optional<Process> process_;
  std::unique_ptr<QmpClient> qmp_;
  std::unique_ptr<Console> console_;
  std::unique_ptr<AgentPort> agent_;
  std::vector<std::unique_ptr<NicPort>> nics_;
  std::string ended_;
  std::string migration_;
  std::string qemu_version_;
  bool running_ = false;
};

}  // namespace vnet::adapter
