// vm: VMs that vnet runs itself, each by a supervisor of its own.
#include <memory>

#include "adapter/commands.hpp"
#include "adapter/vm/options.hpp"
#include "packet/words.hpp"

namespace vnet::adapter {
namespace {

using Verb = VmOptions::Verb;
using Given = std::shared_ptr<VmOptions>;

constexpr std::uint32_t kMaxTimeout = 86'400;

/// One command below `vm`, with its VmOptions.
struct Described {
  CLI::App& app;
  Given given;
};

class Family {
 public:
  Family(CommandTree& tree, CLI::App& vm) : tree_(tree), vm_(vm) {}

  Described add(Verb verb, const std::string& word, const std::string& description, const std::string& examples) {
    const auto given = std::make_shared<VmOptions>();
    given->verb = verb;
    return {tree_.add(vm_, word, description, examples), given};
  }

  /// The VM's name, which has to be there.
  void name(const Described& command) const {
    tree_.completes(command.app.add_option("name", command.given->name, "The VM's name; `vnet vm list` shows them")
                        ->type_name("NAME"),
                    Ask::vms);
  }

  void nic(const Described& command) const {
    tree_.completes(
        command.app.add_option("--nic", command.given->nic, "Which NIC, by name or MAC address, if it has several")
            ->type_name("NIC"),
        Ask::nics);
  }

  void timeout(const Described& command, const std::string& text) const {
    command.app.add_option("--timeout", command.given->timeout_s, text)
        ->type_name("SECONDS")
        ->check(CLI::Range(std::uint32_t{0}, kMaxTimeout).description(""));
  }

  void on(const Described& command, bool named, CommandTree::Json json = CommandTree::Json::taken) const {
    const std::string word = command.app.get_name();
    tree_.on(command.app, json,
             [given = command.given, word, named, folder = tree_.surroundings().folder](bool asked) -> Command {
               if (named && given->name.empty())
                 return missing("vm " + word, "name", "a VM's; `vnet vm list` shows them");
               if (!given->name.empty() && !vm_name_problem(given->name).empty()) {
                 return usage("vm " + word + ": " + vm_name_problem(given->name));
               }
               VmOptions options = *given;
               options.json = asked;
               options.folder = folder;
               return options;
             });
  }

  [[nodiscard]] CommandTree& tree() const { return tree_; }

 private:
  CommandTree& tree_;
  CLI::App& vm_;
};

void add_flags(CommandTree& tree, CLI::App& app, VmFlags& flags) {
  const auto file = [&](const char* flag, std::optional<std::string>& into, const char* text) {
    tree.completes(app.add_option(flag, into, text)->type_name("FILE"), Ask::files);
  };
  app.add_option("--name", flags.name, "What to call it: letters, digits and hyphens")->type_name("NAME");
  file("--kernel", flags.kernel, "The kernel to boot");
  file("--initrd", flags.initrd, "Its initial RAM disk");
  app.add_option("--append", flags.append, "Its command line; console=ttyS0 for a console here")->type_name("TEXT");
  file("--image", flags.image, "Its first disk, of which it gets a copy that goes when it ends");
  tree.completes(repeated(app.add_option("--disk", flags.disks,
                                         "A disk: FILE[,format=raw|qcow2][,readonly|copy]; may be repeated"))
                     ->type_name("FILE"),
                 Ask::files);
  app.add_option("--memory", flags.memory, "512M, 2G; default 512M")->type_name("SIZE");
  app.add_option("--cpus", flags.cpus, "Default 1")
      ->type_name("COUNT")
      ->check(CLI::Range(std::uint32_t{1}, kMaxVmCpus).description(""));
  repeated(app.add_option(
               "--nic", flags.nics,
               "A NIC: [name=N][,network=N][,mac=M][,model=D][,disconnected][,assign]; may be repeated; default: one, "
               "called as the VM"))
      ->type_name("NIC");
  app.add_flag("--disconnected", flags.disconnected, "No NIC has carrier or attachment until vnet vm attach");
  tree.completes(
      repeated(app.add_option("--share", flags.shares, "A folder for the guest, by 9p: DIR[=TAG]; may be repeated"))
          ->type_name("DIR"),
      Ask::files);
  tree.completes(app.add_option("--accel", flags.accel, "auto, kvm or tcg; default auto: kvm where a guest runs on it")
                     ->type_name("WHICH"),
                 {"auto", "kvm", "tcg"});
  app.add_option("--machine", flags.machine, "QEMU's machine; default pc")->type_name("TYPE");
  file("--qemu", flags.qemu, "The program; default qemu-system-x86_64");
  repeated(
      app.add_option("--qemu-arg", flags.qemu_args, "A further word for QEMU: --qemu-arg=-device; may be repeated"))
      ->type_name("WORD");
}

void add_run(Family& family, Verb verb, const char* word, const char* description, const char* examples) {
  const Described command = family.add(verb, word, description, examples);
  family.tree().completes(
      command.app.add_option("file", command.given->file, "What it is made of, as JSON; flags come on top")
          ->type_name("FILE"),
      Ask::files);
  add_flags(family.tree(), command.app, command.given->flags);
  command.app.add_flag("--cached", command.given->cached,
                       "Begin with a booted guest: prepared once for each image, kernel and machine, restored from "
                       "then on; the guest has to start vnet-agent");
  family.on(command, false, CommandTree::Json::refused);
}

void add_running(Family& family) {
  add_run(family, Verb::run, "run", "Run a VM here, its console on this terminal; Ctrl-] shuts it down",
          "  vnet vm run --name alice --kernel vmlinuz --initrd initrd.gz --append console=ttyS0\n"
          "  vnet vm run alice.json --memory 1G\n"
          "  vnet vm run alice.json --nic network=home --nic network=lab,disconnected\n"
          "  vnet vm run --cached --image debian.qcow2 --name alice --nic network=home,assign");
  add_run(family, Verb::start, "start", "Run a VM in the background; returns when the guest runs",
          "  vnet vm start --name alice --disk debian.qcow2 --memory 1G\n"
          "  vnet vm start alice.json --disconnected && vnet vm attach alice lab");

  const Described list = family.add(Verb::list, "list", "The VMs that run", "  vnet vm list\n  vnet vm list --json");
  family.on(list, false);

  const Described stop = family.add(Verb::stop, "stop", "Shut a VM down: ask the guest, then end it",
                                    "  vnet vm stop alice\n  vnet vm stop alice --timeout 0   at once");
  family.name(stop);
  family.timeout(stop, "How long the guest may take; default 10");
  family.on(stop, true, CommandTree::Json::refused);

  const Described exec =
      family.add(Verb::exec, "exec", "Run a command in the guest, and copy files, by vnet-agent there",
                 "  vnet vm exec alice -- uname -a\n"
                 "  vnet vm exec alice --put test.sh:/tmp/test.sh --get /tmp/result:result -- sh /tmp/test.sh");
  family.name(exec);
  exec.app.add_option("command", exec.given->words, "What to run, and its arguments; its exit code is ours")
      ->type_name("COMMAND");
  repeated(exec.app.add_option("--put", exec.given->puts, "Copy FILE to PATH in the guest first; may be repeated"))
      ->type_name("FILE:PATH");
  repeated(exec.app.add_option("--get", exec.given->gets, "Copy PATH in the guest to FILE at last; may be repeated"))
      ->type_name("PATH:FILE");
  family.timeout(exec, "How long to wait for the agent; default 30");
  family.on(exec, true, CommandTree::Json::refused);

  const Described logs = family.add(Verb::logs, "logs", "What the guest wrote on its console",
                                    "  vnet vm logs alice --follow\n"
                                    "  vnet vm logs alice --supervisor   what became of the VM, and what QEMU said");
  family.name(logs);
  logs.app.add_flag("--follow,-f", logs.given->follow, "Go on until the VM ends");
  logs.app.add_flag("--supervisor", logs.given->log, "The supervisor's log and QEMU's, in its place");
  family.on(logs, true, CommandTree::Json::refused);

  const Described rm =
      family.add(Verb::rm, "rm", "Remove what is left of a VM that has ended: logs, and its NICs at the switch",
                 "  vnet vm rm alice\n  vnet vm rm --snapshot warm   a snapshot");
  family.name(rm);
  rm.app.add_option("--snapshot", rm.given->snapshot, "Remove this snapshot in its place")->type_name("SNAPSHOT");
  family.on(rm, false, CommandTree::Json::refused);

  const Described picture = family.add(Verb::screenshot, "screenshot", "The screen of a VM, as a PNG file",
                                       "  vnet vm screenshot alice alice.png\n"
                                       "  vnet vm screenshot alice small.png --size 320x240");
  family.name(picture);
  family.tree().completes(picture.app.add_option("file", picture.given->file, "Where to")->type_name("FILE"),
                          Ask::files);
  picture.app.add_option("--size", picture.given->size, "Made smaller, to fit this; default: as large as the screen")
      ->type_name("WIDTHxHEIGHT");
  family.on(picture, true, CommandTree::Json::refused);
}

void add_network(Family& family) {
  const Described ip = family.add(Verb::ip, "ip", "The address of a VM, as soon as it has one",
                                  "  vnet vm ip alice\n  ping $(vnet vm ip alice --timeout 60)");
  family.name(ip);
  family.nic(ip);
  family.timeout(ip, "How long to wait for it; default 30");
  family.on(ip, true);

  const Described attach = family.add(Verb::attach, "attach", "Plug a NIC in, or move it to another network",
                                      "  vnet vm attach alice        to the network where it was\n"
                                      "  vnet vm attach alice lab    to another; the guest sees carrier go and come\n"
                                      "  vnet vm attach alice lab --nic alice-2");
  family.name(attach);
  family.tree().completes(
      attach.app.add_option("network", attach.given->network, "One that `vnet networks` shows")->type_name("NETWORK"),
      Ask::networks);
  family.nic(attach);
  family.on(attach, true);

  const Described detach =
      family.add(Verb::detach, "detach", "Unplug a NIC; the guest sees its carrier go", "  vnet vm detach alice");
  family.name(detach);
  family.nic(detach);
  family.on(detach, true);
}

void add_snapshots(Family& family) {
  const Described save = family.add(Verb::save, "save", "Save a running VM, which goes on running",
                                    "  vnet vm save alice warm   as the snapshot `warm`");
  family.name(save);
  save.app.add_option("snapshot", save.given->snapshot, "What to call it; default: as the VM")->type_name("SNAPSHOT");
  family.on(save, true, CommandTree::Json::refused);

  const Described restore = family.add(Verb::restore, "restore", "Run a VM from a snapshot",
                                       "  vnet vm restore warm\n"
                                       "  vnet vm restore warm --disconnected && vnet vm attach alice lab\n"
                                       "  vnet vm restore warm --foreground   its console on this terminal");
  restore.app.add_option("snapshot", restore.given->snapshot, "One that `vnet vm snapshots` shows")
      ->type_name("SNAPSHOT");
  restore.app.add_option("--name", restore.given->flags.name, "What to call the VM; default: as it was")
      ->type_name("NAME");
  repeated(restore.app.add_option("--nic", restore.given->flags.nics,
                                  "Its NICs as they are now; the set must be the snapshot's; default: as they were"))
      ->type_name("NIC");
  restore.app.add_flag("--disconnected", restore.given->flags.disconnected, "Leave every NIC without carrier");
  restore.app.add_flag("--foreground", restore.given->foreground, "Run here, its console on this terminal");
  family.on(restore, false, CommandTree::Json::refused);

  const Described snapshots =
      family.add(Verb::snapshots, "snapshots", "The snapshots that there are",
                 "  vnet vm snapshots\n  vnet vm snapshots --prune   removes what --cached has prepared");
  snapshots.app.add_flag("--prune", snapshots.given->prune, "Remove the prepared guests that nobody uses right now");
  family.on(snapshots, false);
}

}  // namespace

void add_vm_commands(CommandTree& tree) {
  CLI::App& vm = tree.add(tree.root(), "vm", "VMs: run them, plug them in and out, save and restore them",
                          "  vnet vm start --name alice --kernel vmlinuz --initrd initrd.gz --append console=ttyS0\n"
                          "  vnet vm ip alice            its address, as soon as it has one\n"
                          "  vnet vm attach alice lab    to another network\n"
                          "  vnet vm save alice warm && vnet vm stop alice && vnet vm restore warm\n"
                          "  vnet vm stop alice");
  Family family{tree, vm};
  add_running(family);
  add_network(family);
  add_snapshots(family);
}

}  // namespace vnet::adapter
