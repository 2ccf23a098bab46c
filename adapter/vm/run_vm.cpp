#include "adapter/vm/run_vm.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "adapter/commands.hpp"
#include "adapter/control.hpp"
#include "adapter/printable.hpp"
#include "adapter/signal_pipe.hpp"
#include "adapter/table.hpp"
#include "adapter/vm/ask_vm.hpp"
#include "adapter/vm/cache.hpp"
#include "adapter/vm/disk_copies.hpp"
#include "adapter/vm/exec_vm.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/launch.hpp"
#include "adapter/vm/picture.hpp"
#include "adapter/vm/snapshot_commands.hpp"
#include "adapter/vm/vm_address.hpp"

namespace vnet::adapter {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
/// Between two looks at a log that grows.
constexpr Duration kLookInterval = std::chrono::milliseconds{100};

ExitCode done(const std::string& line) {
  std::printf("%s\n", line.c_str());
  return ExitCode::ok;
}

ExitCode run_or_start(const Common& common, const VmOptions& options) {
  VmSpec spec;
  if (options.file) {
    const std::string file = absolute(options.folder, *options.file);
    const auto text = file_text(file, kMaxFile);
    if (!text) return failed("cannot read " + printable(file));
    auto read = read_vm_spec(*text, std::filesystem::path{file}.parent_path());
    if (!read) return failed(printable(*options.file) + ": " + read.error());
    spec = std::move(*read);
    if (spec.name.empty()) spec.name = std::filesystem::path{file}.stem();
  } else if (options.flags.name && !options.flags.kernel && !options.flags.image && options.flags.disks.empty()) {
    // A VM that has run before, as it was.
    if (auto known = spec_of_vm(*options.flags.name)) spec = std::move(*known);
  }
  if (auto applied = apply_vm_flags(options.flags, options.folder, spec); !applied) {
    complain(applied.error());
    return ExitCode::usage;
  }
  Launch launch{std::move(spec), control_path(common), options.verb == VmOptions::Verb::run};
  const std::string started = launch.foreground ? "" : launch.spec.name;
  return told(options.cached ? launch_cached(std::move(launch)) : launch_vm(std::move(launch)), started);
}

std::string nic_line(const Json& nic) {
  const std::string network = text_at(nic, "network");
  std::string line =
      text_at(nic, "name") + ": " + (flag_at(nic, "attached") ? "attached to " + network : "disconnected");
  if (const std::string problem = text_at(nic, "problem"); !problem.empty()) line += " (" + problem + ")";
  return printable(line);
}

ExitCode list(const Common& common, const VmOptions& options) {
  Json vms = Json::array();
  for (const std::string& name : vm_names()) {
    auto view = vm_runs(vm_folder(name)) ? view_vm(name) : Read<Json>{Json{{"name", name}, {"state", "ended"}}};
    vms.push_back(view ? *view : Json{{"name", name}, {"state", "busy"}});
  }
  if (options.json) return done(pretty(vms).substr(0, pretty(vms).size() - 1));
  if (vms.empty()) {
    std::fputs("no VM\n", stderr);
    return ExitCode::ok;
  }
  Table table{{{"NAME"}, {"STATE"}, {"PID", Align::right}, {"CPUS", Align::right}, {"MEMORY", Align::right}, {"NICS"}}};
  for (const Json& vm : vms) {
    std::string nics;
    for (const Json& nic : member(vm, "nics")) nics += (nics.empty() ? "" : ", ") + nic_line(nic);
    const bool running = text_at(vm, "state") == "running";
    const auto number = [&](const char* name) {
      const std::uint64_t value = count_at(vm, name);
      return value == 0 ? std::string{} : std::to_string(value);
    };
    const std::string memory = number("memory_mib");
    table.add({text_at(vm, "name"), Cell{text_at(vm, "state"), running ? Tone::good : Tone::plain}, number("pid"),
               number("cpus"), memory.empty() ? "" : memory + "M", nics});
  }
  std::fputs(table.to_string({wants_color(common.color, STDOUT_FILENO)}).c_str(), stdout);
  return ExitCode::ok;
}

ExitCode change_nic(const VmOptions& options, const std::string& verb) {
  Json body = Json::object();
  if (options.nic) body["nic"] = *options.nic;
  if (options.network) body["network"] = *options.network;
  const auto result = ask_vm(options.name, verb, body);
  if (!result) return failed(result.error());
  return done(options.json ? pretty(*result) : nic_line(*result));
}

ExitCode stop(const VmOptions& options) {
  Json body = Json::object();
  if (options.timeout_s) body["timeout_s"] = *options.timeout_s;
  const auto result = ask_vm(options.name, "stop", body);
  return result ? done(options.name + ": " + text_at(*result, "how")) : failed(result.error());
}

ExitCode screenshot(const VmOptions& options) {
  if (!options.file) return failed("vm screenshot: found no file; expected where to write the picture");
  Query query = {{"full", "1"}};
  if (options.size) {
    if (const auto size = read_picture_size(*options.size); !size) {
      complain("vm screenshot: --size: " + size.error());
      return ExitCode::usage;
    }
    query = {{"size", *options.size}};
  }
  const auto png = get_from_vm(options.name, api_target({"screenshot"}, query));
  if (!png) return failed(png.error());
  const std::string path = absolute(options.folder, *options.file);
  std::ofstream file{path, std::ios::binary};
  if (file.write(png->data(), static_cast<std::streamsize>(png->size())).flush()) return ExitCode::ok;
  return failed("cannot write " + printable(path) + ": " + std::strerror(errno));
}

ExitCode logs(const VmOptions& options) {
  const VmFolder folder = vm_folder(options.name);
  const std::string path = options.log ? folder.log() : folder.console();
  const SignalPipe signals{SIGINT, SIGTERM, SIGHUP};
  dgram::Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return failed("there is no log of a VM " + options.name);
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  std::array<char, 65536> piece{};
  while (true) {
    const bool last = !options.follow || !vm_runs(folder);
    for (ssize_t size = 0; (size = ::read(file.get(), piece.data(), piece.size())) > 0;) {
      const std::string text{piece.data(), static_cast<std::size_t>(size)};
      std::fputs((terminal ? printable_lines(text) : text).c_str(), stdout);
    }
    if (std::fflush(stdout) != 0 || last || signals.wait(kLookInterval)) return ExitCode::ok;
  }
}

ExitCode remove(const Common& common, const VmOptions& options) {
  if (options.snapshot) return remove_snapshot(*options.snapshot);
  if (options.name.empty()) return failed("vm rm: found no name; expected a VM's that has ended");
  const VmFolder folder = vm_folder(options.name);
  if (vm_runs(folder)) return failed("the VM " + options.name + " runs; vnet vm stop " + options.name + " first");
  std::error_code error;
  if (!std::filesystem::exists(folder.path, error)) return failed("nothing is known of a VM " + options.name);
  const std::string added = file_text(folder.added(), kMaxFile).value_or("");
  for (std::size_t begin = 0, end = 0; (end = added.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (auto client = connect_control(control_path(common))) {
      (void)client->exchange("DELETE", api_target({"nics", added.substr(begin, end - begin)}));
    }
  }
  std::filesystem::remove_all(disk_folder(options.name), error);
  std::filesystem::remove_all(folder.path, error);
  return error ? failed("cannot remove " + folder.path + ": " + error.message()) : ExitCode::ok;
}

}  // namespace

ExitCode run_vm(const Common& common, const VmOptions& options) {
  switch (options.verb) {
    case VmOptions::Verb::run:
    case VmOptions::Verb::start: return run_or_start(common, options);
    case VmOptions::Verb::list: return list(common, options);
    case VmOptions::Verb::ip: return show_vm_address(common, options);
    case VmOptions::Verb::attach: return change_nic(options, "attach");
    case VmOptions::Verb::detach: return change_nic(options, "detach");
    case VmOptions::Verb::stop: return stop(options);
    case VmOptions::Verb::screenshot: return screenshot(options);
    case VmOptions::Verb::exec: return exec_in_vm(options);
    case VmOptions::Verb::logs: return logs(options);
    case VmOptions::Verb::rm: return remove(common, options);
    case VmOptions::Verb::save: return save_vm(options);
    case VmOptions::Verb::restore: return restore_vm(common, options);
    case VmOptions::Verb::snapshots: return list_snapshots(common, options);
  }
  return ExitCode::usage;
}

}  // namespace vnet::adapter
