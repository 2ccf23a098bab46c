#include "adapter/vm/launch.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <utility>

#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/tap_names.hpp"
#include "adapter/vm/disk_copies.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/kvm_probe.hpp"
#include "adapter/vm/process.hpp"
#include "adapter/vm/qemu_command.hpp"
#include "adapter/vm/supervisor.hpp"

namespace vnet::adapter {
namespace {

constexpr std::size_t kMaxSpecFile = 1024 * 1024;
constexpr const char* kRuns = "runs";  ///< what a supervisor in the background says first, else why not

void say_as(const std::string& name, const std::string& text) {
  std::fprintf(stderr, "vnet vm %s: %s\n", name.c_str(), text.c_str());
}

Read<void> check_files(const VmSpec& spec) {
  std::vector<std::pair<std::string, int>> files = {{spec.kernel, R_OK}, {spec.initrd, R_OK}};
  for (const VmDisk& disk : spec.disks) files.emplace_back(disk.file, disk.read_only || disk.copy ? R_OK : R_OK | W_OK);
  for (const VmShare& share : spec.shares) files.emplace_back(share.folder, R_OK | X_OK);
  for (const auto& [file, mode] : files) {
    if (!file.empty() && ::access(file.c_str(), mode) != 0) {
      return fail("cannot use " + printable(file) + ": " + std::strerror(errno));
    }
  }
  return {};
}

/// The switch's word on a NIC comes before ours: a config may have given it an address already.
void choose_macs(VmSpec& spec, const std::string& switch_path) {
  for (VmNic& nic : spec.nics) {
    if (nic.mac) continue;
    if (auto client = connect_control(switch_path, kSwitchTimeout)) {
      const auto reply = client->exchange("GET", api_target({"nics", nic.name}));
      if (reply && reply->status == 200) {
        nic.mac = MacAddress::parse(text_at(parse_json(reply->body).value_or(Json{}), "mac"));
      }
    }
    if (!nic.mac) nic.mac = derive_mac("vnet vm", spec.name, nic.name);
  }
}

/// Runs the VM in this process. `tell` is called with nothing when the guest runs, or with why it does not.
ExitCode supervise(VmStart how, dgram::Fd lock, const std::function<void(const std::string&)>& tell) {
  ::signal(SIGPIPE, SIG_IGN);
  const std::string name = how.spec.name;
  if (how.accel.empty()) how.accel = choose_accel(how.spec);
  const auto disks = DiskCopies::make(how.spec, how.saved.disks);
  if (!disks) {
    tell("cannot " + disks.error().to_string());
    return ExitCode::failed;
  }
  how.disk_files = disks->files();
  Supervisor supervisor{[name](const std::string& text) { say_as(name, text); }};
  if (auto started = supervisor.start(std::move(how), std::move(lock)); !started) {
    tell(started.error());
    return ExitCode::failed;
  }
  return supervisor.run(tell) ? ExitCode::ok : ExitCode::failed;
}

/// For a guest's memory, without a name; none where there is no such thing, or QEMU cannot be told of it.
dgram::Fd memory_file(const VmSpec& spec) {
#if defined(__linux__)
  constexpr off_t kMib = 1024 * 1024;
  dgram::Fd fd{qemu_memory_id(spec).empty() ? -1 : ::memfd_create("guest memory", MFD_CLOEXEC)};
  if (fd && ::ftruncate(fd.get(), kMib * spec.memory_mib) == 0) return fd;
#else
  (void)spec;
#endif
  return {};
}

void write_text(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return;  // nobody waits any more
}

/// In the child: nothing of the terminal, and of the descriptors only these.
void leave_terminal(const VmFolder& folder, std::initializer_list<int> kept) {
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR);
  const int log = ::open(folder.log().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log < 0 ? null : log, STDOUT_FILENO);
  ::dup2(log < 0 ? null : log, STDERR_FILENO);
  close_others({kept.begin(), kept.size()});
}

Read<ExitCode> in_background(VmStart how, dgram::Fd lock) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return fail(std::string{"no pipe: "} + std::strerror(errno));
  const dgram::Fd read_end{ends[0]};
  dgram::Fd write_end{ends[1]};
  (void)::fcntl(write_end.get(), F_SETFD, FD_CLOEXEC);
  const VmFolder folder = how.folder;
  const pid_t child = ::fork();
  if (child < 0) return fail(std::string{"no process: "} + std::strerror(errno));
  if (child == 0) {
    leave_terminal(folder, {lock.get(), write_end.get(), how.state.get(), how.memory.get(), how.leash.get()});
    const auto tell = [&](const std::string& problem) {
      write_text(write_end.get(), problem.empty() ? kRuns : problem);
      write_end.close();
    };
    ::_exit(static_cast<int>(supervise(std::move(how), std::move(lock), tell)));
  }
  write_end.close();
  lock.close();
  std::string said;
  std::array<char, 4096> piece{};
  for (ssize_t size = 0; (size = ::read(read_end.get(), piece.data(), piece.size())) != 0;) {
    if (size > 0) said.append(piece.data(), static_cast<std::size_t>(size));
    if (size < 0 && errno != EINTR) break;
  }
  if (said == kRuns) return ExitCode::ok;
  // It still has the VM's lock and its disks.
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
  return fail(said.empty() ? "the supervisor ended at once; see " + folder.log() : said);
}

}  // namespace

std::string choose_accel(const VmSpec& spec) {
  if (spec.accel != "auto") return spec.accel;
  const std::string problem = kvm_problem(spec.qemu, vm_root() + "/kvm");
  if (problem.empty()) return "kvm";
  say_as(spec.name, problem + ": the guest is emulated (tcg)");
  return "tcg";
}

Read<VmSpec> spec_of_vm(const std::string& name) {
  const auto text = file_text(vm_folder(name).spec(), kMaxSpecFile);
  if (!text) return fail("nothing is known of a VM " + name);
  return read_vm_spec(*text, vm_folder(name).path);
}

ExitCode told(const Read<ExitCode>& how, const std::string& started) {
  if (!how) return failed(how.error());
  if (!started.empty()) std::printf("%s\n", started.c_str());
  return *how;
}

Read<ExitCode> launch_vm(Launch launch) {
  if (auto complete = complete_vm_spec(launch.spec); !complete) return fail(complete.error());
  if (auto there = check_files(launch.spec); !there) return fail(there.error());
  VmStart how{.spec = std::move(launch.spec),
              .folder = {},
              .switch_path = std::move(launch.switch_path),
              .accel = std::move(launch.accel),
              .foreground = launch.foreground,
              .saved = std::move(launch.saved),
              .leash = std::move(launch.leash)};
  for (const auto& [file, fd] : {std::pair{&how.saved.state, &how.state}, {&how.saved.memory, &how.memory}}) {
    if (file->empty()) continue;
    *fd = dgram::Fd{::open(file->c_str(), O_RDONLY | O_CLOEXEC)};
    if (!*fd) return fail("cannot read " + *file + ": " + std::strerror(errno));
  }
  if (launch.prepares) how.memory = memory_file(how.spec);
  how.folder = vm_folder(how.spec.name);
  if (auto made = make_private_folder(how.folder.path); !made) return fail("cannot " + made.error().to_string());
  auto lock = lock_vm(how.folder);
  if (!lock) {
    return fail(lock.error().code == EWOULDBLOCK ? "the VM " + how.spec.name + " runs already"
                                                 : "cannot " + lock.error().to_string());
  }
  choose_macs(how.spec, how.switch_path);
  if (auto kept = write_file(how.folder.spec(), pretty(vm_spec_json(how.spec))); !kept) {
    return fail("cannot " + kept.error().to_string());
  }
  if (!how.foreground) return in_background(std::move(how), std::move(*lock));
  const std::string name = how.spec.name;
  std::string problem;
  const ExitCode code = supervise(std::move(how), std::move(*lock), [&](const std::string& why) {
    problem = why;
    if (why.empty()) say_as(name, "the guest runs");
  });
  if (!problem.empty()) return fail(problem);
  return code;
}

}  // namespace vnet::adapter
