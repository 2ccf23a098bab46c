#include "subjects.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace vnet::bench {
namespace {

using dgram::Fd;
using dgram::UnixAddress;

/// The load runs on the first processor, the switch on the second.
void pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(processor), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

UnixAddress address(const std::string& path) { return UnixAddress::from_path(path).value(); }

Fd bound(const std::string& path) {
  Fd fd = std::move(dgram::make_socket(SOCK_DGRAM).value());
  ::unlink(path.c_str());
  const UnixAddress own = address(path);
  if (::bind(fd.get(), own.get(), own.size) != 0) std::perror(path.c_str());
  dgram::enlarge_buffers(fd, dgram::kBufferBytes);
  return fd;
}

class Process : public Subject {
 public:
  explicit Process(int pid) : pid_(pid) {}
  ~Process() override {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] int pid() const override { return pid_; }

 private:
  int pid_;
};

/// Forwards whole batches from one socket to another for ever. With a shared path there is one socket in, and each
/// frame goes by name to the neighbour of its sender.
[[noreturn]] void relay(std::vector<Fd> own, const std::vector<UnixAddress>& peers, bool shared) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(1);
  const Fd epoll{::epoll_create1(0)};
  for (std::size_t i = 0; i < own.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, own[i].get(), &event);
  }
  dgram::ReceiveBatch batch;
  std::array<epoll_event, 64> ready;
  std::array<ByteView, dgram::kBatch> frames;
  while (true) {
    const int count = ::epoll_wait(epoll.get(), ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::size_t from = ready[static_cast<std::size_t>(i)].data.u64;
      const int received = batch.receive(own[from].get(), shared);
      if (received <= 0) continue;
      for (std::size_t k = 0; k < static_cast<std::size_t>(received); ++k) frames[k] = batch.frame(k);
      const std::span<const ByteView> all{frames.data(), static_cast<std::size_t>(received)};
      if (!shared) {
        (void)dgram::send_batch(own[from ^ 1U].get(), all);
        continue;
      }
      // The load's frames come in runs of one sender; its neighbour's number is in the destination MAC.
      for (std::size_t k = 0; k < all.size();) {
        const std::size_t to = MacAddress::load(all[k].data()).to_u64() & 0xffffU;
        std::size_t run = 1;
        while (k + run < all.size() && std::memcmp(all[k + run].data(), all[k].data(), 6) == 0) ++run;
        (void)dgram::send_batch(own[0].get(), all.subspan(k, run), &peers[to]);
        k += run;
      }
    }
  }
}

int spawn(const std::vector<std::string>& command, const std::string& log) {
  // vde_switch ends when its standard input does: a pipe that stays open as long as we live.
  int input[2];
  if (::pipe2(input, O_CLOEXEC) != 0) return -1;
  const int pid = ::fork();
  if (pid != 0) {
    ::close(input[0]);
    return pid;
  }
  ::dup2(input[0], 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(1);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  if (std::freopen(log.c_str(), "w", stderr) == nullptr) ::_exit(1);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

bool wait_for(int pid, const std::string& log, const std::string& line) {
  for (int i = 0; i < 500; ++i) {
    std::ifstream file(log);
    for (std::string text; std::getline(file, text);) {
      if (text == line) return true;
    }
    if (::waitpid(pid, nullptr, WNOHANG) == pid) break;
    ::usleep(10'000);
  }
  std::fprintf(stderr, "%s: \"%s\" did not appear\n", log.c_str(), line.c_str());
  return false;
}

/// vde_switch's control protocol (version 3): a port is asked for over a stream, frames go over datagrams.
struct VdeRequest {
  std::uint32_t magic = 0xfeedface;
  std::uint32_t version = 3;
  std::uint32_t type = 0;
  sockaddr_un socket{};
  char description[128] = "bench";
} __attribute__((packed));

bool join_vde(const std::string& folder, std::size_t number, std::vector<Fd>& controls, NicSocket& nic) {
  const std::string own = folder + "/vde" + std::to_string(number);
  nic.fd = bound(own);
  Fd control{::socket(AF_UNIX, SOCK_STREAM, 0)};
  const UnixAddress switch_control = address(folder + "/vde.ctl/ctl");
  if (::connect(control.get(), switch_control.get(), switch_control.size) != 0) return false;
  VdeRequest request;
  request.socket = address(own).address;
  sockaddr_un data{};
  if (::write(control.get(), &request, sizeof request) != sizeof request) return false;
  if (::read(control.get(), &data, sizeof data) != sizeof data) return false;
  nic.to = {data, sizeof data};
  controls.push_back(std::move(control));
  return true;
}

class Vde final : public Process {
 public:
  using Process::Process;
  std::vector<Fd> controls;
};

}  // namespace

std::unique_ptr<Subject> start_relay(const std::string& folder, std::size_t count, Attachment attachment) {
  const bool shared = attachment == Attachment::shared_path;
  std::vector<NicSocket> nics(count);
  std::vector<Fd> own;
  std::vector<UnixAddress> peers;
  const std::string hub = folder + "/relay";
  if (shared) own.push_back(bound(hub));
  for (std::size_t i = 0; i < count; ++i) {
    const std::string path = folder + "/nic" + std::to_string(i);
    nics[i].fd = bound(path);
    peers.push_back(address(path));
    if (shared) {
      nics[i].to = address(hub);
    } else {
      const std::string side = hub + std::to_string(i);
      own.push_back(bound(side));
      (void)dgram::connect_to(own.back(), peers[i]);
      (void)dgram::connect_to(nics[i].fd, address(side));
    }
  }
  const int pid = ::fork();
  if (pid == 0) relay(std::move(own), peers, shared);
  auto subject = std::make_unique<Process>(pid);
  subject->nics = std::move(nics);
  return subject;
}

std::unique_ptr<Subject> start_vnetd(const std::string& folder, std::size_t count, Attachment attachment,
                                     const std::string& program, bool capture) {
  const std::string log = folder + "/vnetd.log";
  const std::string config = folder + "/vnetd.json";
  std::ofstream file(config);
  file
      << R"({"networks":[{"name":"lan","mtu":65520,"dhcp":{"enabled":false}}],"listen":{"dgram":["shared"],"stream":[],)"
      << R"("control":"control"},"nics":[)";
  for (std::size_t i = 0; attachment == Attachment::own_paths && i < count; ++i) {
    file << (i > 0 ? "," : "") << R"({"name":"n)" << i << R"(","mac":")" << mac_of(i).to_string() << R"(","dgram":"own)"
         << i << R"("})";
  }
  file << "]}";
  file.close();
  std::vector<std::string> command{program, "--config", config, "--log-level", "warn"};
  if (capture) command.insert(command.end(), {"--pcap", "/dev/null"});
  auto subject = std::make_unique<Process>(spawn(command, log));
  if (!wait_for(subject->pid(), log, "vnetd ready")) return nullptr;
  subject->nics.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    NicSocket& nic = subject->nics[i];
    nic.fd = bound(folder + "/nic" + std::to_string(i));
    const bool own = attachment == Attachment::own_paths;
    const UnixAddress to = address(folder + (own ? "/own" + std::to_string(i) : "/shared"));
    // As vfkit does on a path of its own; on the shared path as QEMU does, which does not connect.
    if (own) {
      (void)dgram::connect_to(nic.fd, to);
    } else {
      nic.to = to;
    }
  }
  return subject;
}

std::unique_ptr<Subject> start_vde(const std::string& folder, std::size_t count) {
  const std::string log = folder + "/vde.log";
  auto subject =
      std::make_unique<Vde>(spawn({"vde_switch", "-s", folder + "/vde.ctl", "-n", std::to_string(count + 8)}, log));
  for (int i = 0; i < 300 && ::access((folder + "/vde.ctl/ctl").c_str(), F_OK) != 0; ++i) ::usleep(10'000);
  subject->nics.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!join_vde(folder, i, subject->controls, subject->nics[i])) {
      std::fprintf(stderr, "vde_switch does not answer (is package vde2 installed?)\n");
      return nullptr;
    }
  }
  return subject;
}

}  // namespace vnet::bench
