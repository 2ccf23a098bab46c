#include "adapter/vm/kvm_probe.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "adapter/poll_loop.hpp"
#include "adapter/vm/folders.hpp"
#include "adapter/vm/process.hpp"

namespace vnet::adapter {
namespace {

constexpr const char* kDevice = "/dev/kvm";
constexpr std::size_t kMaxAnswer = 4096;
constexpr std::size_t kMaxSaid = 65536;

/// What the firmware says on its debug port when it has nothing left to do.
bool has_booted(const std::string& said) {
  return said.find("No bootable device") != std::string::npos || said.find("Booting from") != std::string::npos;
}

std::string probe(const std::string& qemu) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return std::string{"no pipe: "} + std::strerror(errno);
  const dgram::Fd read_end{ends[0]};
  dgram::Fd write_end{ends[1]};
  const std::vector<std::string> command = {qemu,
                                            "-accel",
                                            "kvm",
                                            "-cpu",
                                            "host",
                                            "-m",
                                            "16",
                                            "-vga",
                                            "std",
                                            "-nodefaults",
                                            "-display",
                                            "none",
                                            "-no-user-config",
                                            "-debugcon",
                                            "stdio",
                                            "-global",
                                            "isa-debugcon.iobase=0x402"};
  auto process = Process::start(command, {}, write_end.get());
  if (!process) return process.error().to_string();
  write_end.close();
  const Instant until = PollLoop::now() + kKvmProbeTime;
  std::string said;
  while (!has_booted(said)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - PollLoop::now()).count();
    pollfd polled{read_end.get(), POLLIN, 0};
    if (left <= 0 || ::poll(&polled, 1, static_cast<int>(left)) <= 0) {
      return std::string{kDevice} + " opens, and a guest on it hangs";
    }
    std::array<char, 4096> piece{};
    const ssize_t size = ::read(read_end.get(), piece.data(), piece.size());
    if (size <= 0 || said.size() > kMaxSaid) return std::string{kDevice} + " opens, and QEMU does not run on it";
    said.append(piece.data(), static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

std::string kvm_problem(const std::string& qemu, const std::string& memory) {
  if (::access(kDevice, R_OK | W_OK) != 0) return std::string{kDevice} + ": " + std::strerror(errno);
  const std::string key = boot_id() + qemu + "\n";
  const std::string known = file_text(memory, kMaxAnswer).value_or("");
  if (key.size() > qemu.size() + 1 && known.starts_with(key)) return known.substr(key.size());
  std::string problem = probe(qemu);
  (void)write_file(memory, key + problem);
  return problem;
}

}  // namespace vnet::adapter
