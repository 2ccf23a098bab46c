#include "adapter/dhcp_client.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

namespace vnet::adapter {
namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";

/// In the child: mounts another file over /etc/resolv.conf, seen by the child alone.
bool shield_resolver(const std::string& instead) {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) return false;
  if (!instead.empty()) return ::mount(instead.c_str(), kResolvConf, nullptr, MS_BIND, nullptr) == 0;
  char name[] = "/tmp/vnet-resolv-XXXXXX";
  const dgram::Fd file{::mkstemp(name)};
  const bool mounted = file && ::mount(name, kResolvConf, nullptr, MS_BIND, nullptr) == 0;
  if (file) ::unlink(name);  // the mount keeps the file itself
  return mounted;
}

[[noreturn]] void become(const std::vector<std::string>& command, const ResolverFile& resolver) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // else it would outlive a killed parent, and its interface
  constexpr int kNotShielded = 125;
  if (resolver.shielded && ::access(kResolvConf, F_OK) == 0 && !shield_resolver(resolver.instead)) {
    ::_exit(kNotShielded);
  }
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  constexpr int kNotFound = 127;
  ::_exit(kNotFound);
}

}  // namespace

std::optional<std::vector<std::string>> DhcpClient::find(const std::string& interface, const std::string& path) {
  const auto in_path = [&path](const std::string& program) {
    std::istringstream folders{path};
    for (std::string file; std::getline(folders, file, ':');) {
      file.append("/").append(program);
      if (::access(file.c_str(), X_OK) == 0) return file;
    }
    return std::string{};
  };
  if (const std::string program = in_path("udhcpc"); !program.empty()) {
    return std::vector<std::string>{program, "-f", "-i", interface};
  }
  // Its usual lease and pid files belong to the host's own dhclient.
  if (const std::string program = in_path("dhclient"); !program.empty()) {
    return std::vector<std::string>{program, "-d", "--no-pid", "-lf", "/dev/null", interface};
  }
  return std::nullopt;
}

dgram::SystemResult<DhcpClient> DhcpClient::start(const std::vector<std::string>& command,
                                                  const ResolverFile& resolver) {
  const pid_t process = ::fork();
  if (process < 0) return fail(dgram::SystemError{"start " + command.front(), errno});
  if (process == 0) become(command, resolver);
  return DhcpClient{process};
}

DhcpClient::~DhcpClient() {
  if (process_ <= 0) return;
  ::kill(process_, SIGTERM);
  constexpr int kTries = 100;
  constexpr timespec kPause{0, 10'000'000};
  for (int i = 0; i < kTries; ++i) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0) return;
    ::nanosleep(&kPause, nullptr);
  }
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

std::optional<std::string> DhcpClient::ended() {
  int status = 0;
  if (process_ <= 0 || ::waitpid(process_, &status, WNOHANG) != process_) return std::nullopt;
  process_ = -1;
  if (WIFSIGNALED(status)) return "was ended by signal " + std::to_string(WTERMSIG(status));
  return "ended with code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace vnet::adapter
